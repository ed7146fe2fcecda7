"""Arrays in files: one step, no Python objects, any thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hcnet import arrays
from hcnet.arrays import map_array, read_array, write_array
from hcnet.errors import InputError


@pytest.fixture
def path(tmp_path):
    write_array(tmp_path / "new" / "a.npy", np.arange(6, dtype=np.float16).reshape(2, 3))
    return tmp_path / "new" / "a.npy"


def test_what_was_written_is_read(path):
    for array in (read_array(path), map_array(path), map_array(path, "c")):
        assert array.dtype == np.float16
        np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    assert [file.name for file in path.parent.iterdir()] == ["a.npy"]


def test_a_mapped_array_never_changes_its_file(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="read-only"):
        map_array(path)[0, 0] = 9
    changed = map_array(path, "c")
    changed[0, 0] = 9
    assert changed[0, 0] == 9
    assert path.read_bytes() == before


@pytest.mark.parametrize("read", [read_array, map_array])
def test_python_objects_and_damage_are_refused(read, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "cut.npy", np.zeros(100))
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-8])
    (tmp_path / "head.npy").write_bytes(whole[:8])
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.npy").write_text("no array")
    for name in ("objects", "cut", "head", "empty", "text"):
        with pytest.raises(InputError, match=f"{name}.npy: is damaged"):
            read(tmp_path / f"{name}.npy")
    with pytest.raises(FileNotFoundError, match="gone"):
        read(tmp_path / "gone.npy")


@pytest.mark.parametrize("read", [read_array, map_array])
def test_threads_take_turns_at_the_parser(read, path, monkeypatch):
    inside, most = 0, 0
    load = np.load

    def slow(*args, **kwargs):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1
        return load(*args, **kwargs)

    monkeypatch.setattr(arrays.np, "load", slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, [path] * 8))
    assert most == 1
