import json
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hcnet.cohorts.case import ArraySource, Case
from hcnet.cohorts.cohort import read_cohort, write_case
from hcnet.errors import InputError
from hcnet.prepare import cache
from hcnet.prepare.cache import cache_key, prepared_cases
from hcnet.prepare.prepare import prepare_case
from hcnet.prepare.settings import PrepareConfig
from hcnet.volumes.volume import Volume

SETTINGS = PrepareConfig(spacing_mm=(2.0, 2.0, 2.0), margin_mm=2.0)
AFFINE = np.diag([-1.5, 1.5, 2.0, 1.0])
SHAPE = (12, 14, 10)


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij")
    image = (100 + 7 * x + 5 * y + 3 * z).astype(np.int16)
    breast = ((abs(x - 6) < 4) & (abs(y - 7) < 5) & (abs(z - 5) < 3)).astype(np.uint8)
    tumour = ((abs(x - 6) < 2) & (abs(y - 7) < 2) & (abs(z - 5) < 2)).astype(np.uint8)
    return image, breast, tumour


@pytest.fixture
def root(tmp_path: Path) -> Path:
    image, breast, tumour = (Volume(a, AFFINE) for a in arrays())
    post = image.with_data(image.data + 50)
    folder = tmp_path / "cohort"
    write_case(
        folder,
        "A",
        [image, post],
        breast=breast,
        tumour=tumour,
        times_s=[0, 90],
        times_from="pre",
    )
    write_case(folder, "B", [image.with_data(image.data + 1)], breast=breast)
    return folder


def test_what_is_cached_is_what_was_prepared(root, tmp_path):
    cohort = read_cohort(root)
    found = prepared_cases(cohort.cases, SETTINGS, tmp_path / "cache")
    assert [c.name for c in found] == ["A", "B"]
    first, expected = found[0], prepare_case(cohort["A"], SETTINGS)
    assert_array_equal(first.phases, expected.phases)
    assert_array_equal(first.image, expected.image.image)
    assert_array_equal(first.breast, expected.image.breast)
    assert_array_equal(first.tumour, expected.tumour)
    assert first.grid.difference(expected.image.grid, 0.0) is None
    assert first.native.difference(expected.image.native, 0.0) is None
    assert (first.times_s, first.times_from) == ((0.0, 90.0), "pre")
    back = first.frame.to_native(np.asarray(first.tumour), "nearest")
    assert back.grid.difference(Volume(arrays()[0], AFFINE).grid) is None
    assert found[1].tumour is None
    assert set(found[1].files) == {"phases", "image", "breast"}
    assert found[1].phases.shape[0] == 1


def test_arrays_are_read_only_maps_that_travel_by_path(root, tmp_path):
    case = prepared_cases(read_cohort(root).cases, SETTINGS, tmp_path / "cache")[0]
    for array in (case.phases, case.image, case.breast, case.tumour):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    sent = pickle.dumps(case)
    assert len(sent) < 5000
    assert_array_equal(pickle.loads(sent).image, case.image)  # noqa: S301


def test_a_second_call_prepares_nothing(root, tmp_path, monkeypatch):
    cases = read_cohort(root).cases
    first = prepared_cases(cases, SETTINGS, tmp_path / "cache")
    monkeypatch.setattr(cache, "prepare_case", None)
    again = prepared_cases(cases, SETTINGS, tmp_path / "cache")
    assert [c.folder for c in again] == [c.folder for c in first]


@pytest.mark.parametrize("part", ["images/A/a_0000", "images/A/a_0001", "segmentations/expert/a"])
def test_one_voxel_changes_the_key_even_at_the_same_size_and_time(root, part):
    path = root / f"{part}.nii.gz"
    case = read_cohort(root)["A"]
    before, stat, content = cache_key(case, SETTINGS), path.stat(), path.read_bytes()
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert path.stat().st_size == stat.st_size
    assert cache_key(case, SETTINGS) != before
    path.write_bytes(content)
    assert cache_key(case, SETTINGS) == before


@pytest.mark.parametrize(
    "change", [{"spacing_mm": None}, {"normalise": "minmax"}, {"margin_mm": 3.0}]
)
def test_every_setting_changes_the_key(root, change):
    case = read_cohort(root)["A"]
    assert cache_key(case, SETTINGS.model_copy(update=change)) != cache_key(case, SETTINGS)


def test_every_setting_is_covered_above():
    assert set(PrepareConfig.model_fields) == {"spacing_mm", "normalise", "margin_mm"}


def test_version_and_order_of_phases_change_the_key(root, monkeypatch):
    case = read_cohort(root)["A"]
    turned = Case("A", case.phases[::-1], breast=case.breast, tumour=case.tumour)
    assert cache_key(turned, SETTINGS) != cache_key(case, SETTINGS)
    before = cache_key(case, SETTINGS)
    monkeypatch.setattr(cache, "PREPARE_VERSION", cache.PREPARE_VERSION + 1)
    assert cache_key(case, SETTINGS) != before


def test_times_are_those_of_the_case_not_of_the_entry(root, tmp_path):
    old = read_cohort(root)["A"]
    prepared_cases([old], SETTINGS, tmp_path / "cache")
    new = Case("A2", old.phases, (0.0, 120.0), "pre", old.tumour, old.breast)
    (found,) = prepared_cases([new], SETTINGS, tmp_path / "cache")
    assert (found.name, found.times_s) == ("A2", (0.0, 120.0))
    assert len(list((tmp_path / "cache").iterdir())) == 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def no_json(path: Path) -> None:
    path.write_text("{")


def other_json(path: Path) -> None:
    path.write_text('{"sha256": {}, "box": 3}')


def missing_array(path: Path) -> None:
    entry = json.loads(path.read_text())
    del entry["sha256"]["image"]
    path.write_text(json.dumps(entry))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("image.npy", cut),
        ("phases.npy", flip),
        ("breast.npy", Path.unlink),
        ("case.json", no_json),
        ("case.json", other_json),
        ("case.json", missing_array),
        ("case.json", Path.unlink),
    ],
)
def test_a_damaged_entry_is_told_and_built_again(root, tmp_path, caplog, name, damage):
    cases = read_cohort(root).cases[:1]
    (first,) = prepared_cases(cases, SETTINGS, tmp_path / "cache")
    expected = {key: path.read_bytes() for key, path in first.files.items()}
    damage(first.folder / name)
    with caplog.at_level(logging.WARNING):
        (again,) = prepared_cases(cases, SETTINGS, tmp_path / "cache")
    assert "damaged and built again" in caplog.text
    assert {key: path.read_bytes() for key, path in again.files.items()} == expected


def test_an_interrupted_entry_is_never_seen(root, tmp_path, monkeypatch):
    cases = read_cohort(root).cases[:1]

    def interrupted(path: Path, value: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepared_cases(cases, SETTINGS, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(prepared_cases(cases, SETTINGS, tmp_path / "cache")) == 1


def test_an_entry_of_another_process_that_came_first_is_kept(root, tmp_path):
    cases = read_cohort(root).cases[:1]
    (first,) = prepared_cases(cases, SETTINGS, tmp_path / "cache")
    before = first.files["image"].stat().st_ino
    cache._build(cases[0], SETTINGS, first.folder)
    assert first.files["image"].stat().st_ino == before
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [first.folder.name]


def test_a_cache_that_cannot_be_written_is_one_clear_sentence(root, tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(InputError, match="the cache cannot be written"):
        prepared_cases(read_cohort(root).cases, SETTINGS, tmp_path / "cache")


@pytest.mark.parametrize("phase", [0, 1])
def test_a_source_that_cannot_be_read_is_not_blamed_on_the_cache(tmp_path, phase):
    class Gone(ArraySource):
        def load(self) -> Volume:
            raise OSError(5, "gone", "phase")

    image, breast, _ = (Volume(a, AFFINE) for a in arrays())
    phases = [ArraySource(image), ArraySource(image)]
    phases[phase] = Gone(image)
    with pytest.raises(OSError, match="gone"):
        prepared_cases([Case("A", tuple(phases), breast=ArraySource(breast))], SETTINGS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_one_clear_sentence(root, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.ArrayFiles, "put", full)
    with pytest.raises(InputError, match=r"the cache cannot be written .*No space left"):
        prepared_cases(read_cohort(root).cases, SETTINGS, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_cases_in_memory_are_cached_by_content(tmp_path):
    image, breast, _ = (Volume(a, AFFINE) for a in arrays())
    other = image.with_data(image.data.copy())
    other.data[0, 0, 0] += 1
    mask = ArraySource(breast)
    cases = [
        Case(n, (ArraySource(v),), breast=mask) for n, v in zip("ab", (image, other), strict=True)
    ]
    found = prepared_cases(cases, SETTINGS, tmp_path / "cache")
    assert found[0].folder != found[1].folder


def test_an_entry_can_be_opened_without_its_sources(root, tmp_path):
    found = prepared_cases(read_cohort(root).cases, SETTINGS, tmp_path / "cache")[0]
    alone = cache.stored_case("A", found.folder)
    assert_array_equal(alone.image, found.image)
    assert alone.native.difference(found.native, 0.0) is None
    (found.folder / "image.npy").write_bytes(b"")
    with pytest.raises(InputError, match="A is missing or damaged"):
        cache.stored_case("A", found.folder)
