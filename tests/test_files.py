"""Files appear whole or not at all."""

import hashlib

import pytest

from hcnet.errors import InputError
from hcnet.files import folder_aside, read_json, sha256_file, write_aside, write_json, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "deep" / "result.txt"
    write_text(path, "old")
    with write_aside(path) as aside:
        assert aside.suffix == ".txt"
        aside.write_text("old")

    def fail():
        with write_aside(path) as aside:
            aside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_json_round_trip_and_nan(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, None]})
    assert read_json(tmp_path / "a.json") == {"a": [1, None]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_broken_json_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "absent.json")


def test_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_file(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_a_failed_folder_leaves_nothing(tmp_path):
    target = tmp_path / "out"

    def fail():
        with folder_aside(target) as aside:
            (aside / "a.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_with_all_its_files(tmp_path):
    target = tmp_path / "out"
    with folder_aside(target) as aside:
        (aside / "sub").mkdir()
        (aside / "sub" / "a.txt").write_text("new")
        assert not target.exists()
    assert (target / "sub" / "a.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(InputError, match="not empty"), folder_aside(target):
        pass
    with folder_aside(target, force=True) as aside:
        (aside / "b.txt").write_text("more")
    assert sorted(p.name for p in target.iterdir()) == ["b.txt", "sub"]
    with pytest.raises(InputError, match="is a file"), folder_aside(target / "b.txt"):
        pass
