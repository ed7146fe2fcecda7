"""A phantom cohort on disk: its form, resuming, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.phantom import PhantomSettings, generate_case, write_phantom_cohort
from hcnet.cohorts.phantom.freeze import identity
from hcnet.errors import ConfigError, InputError
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import to_canonical


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "cohort"
    assert write_phantom_cohort(folder, 2, seed=5) == 2
    return folder


def test_reads_as_a_cohort_and_equals_the_generated_cases(root: Path) -> None:
    cohort = read_cohort(root)
    assert [case.name for case in cohort.cases] == ["PHANTOM_0000", "PHANTOM_0001"]
    assert cohort.segmentation == "expert"
    for index, case in enumerate(cohort.cases):
        made = generate_case(5, index)
        assert case.times_s == made.times_s
        assert case.times_from == "injection"
        assert case.tumour is not None
        assert len(case.phases) == len(made.phases)
        for source, phase in zip(case.phases, made.phases, strict=True):
            volume = to_canonical(source.load())
            np.testing.assert_array_equal(volume.data, phase)
            np.testing.assert_allclose(volume.affine, made.affine, atol=1e-4)
        np.testing.assert_array_equal(to_canonical(case.tumour.load()).data, made.reader)
        assert case.tumour.load().grid.difference(case.pre.load().grid) is None


def test_volumes_lie_as_a_sagittal_scan(root: Path) -> None:
    pre = read_cohort(root).cases[0].pre.load()
    assert pre.grid.axis_codes == "PIR"
    assert pre.shape == (64, 64, 44)
    assert pre.data.dtype == np.int16


def test_truth_lies_beside_and_on_the_same_grid(root: Path) -> None:
    folder = root / "truth" / "PHANTOM_0000"
    pre = read_cohort(root).cases[0].pre.load()
    made = generate_case(5, 0)
    expected = {"tumour": made.tumour, "labels": made.labels, "breast": made.breast, **made.maps}
    expected |= {f"noise_free_{i:04d}": phase for i, phase in enumerate(made.noise_free)}
    assert {p.name for p in folder.iterdir()} == {"hidden.json"} | {
        f"{name}.nii.gz" for name in expected
    }
    for name, array in expected.items():
        volume = read_nifti(folder / f"{name}.nii.gz")
        assert volume.grid.difference(pre.grid) is None
        np.testing.assert_array_equal(to_canonical(volume).data, array)
    assert json.loads((folder / "hidden.json").read_text())["index"] == 0


def test_the_box_holds_the_readers_mask(root: Path) -> None:
    found = 0
    for case in read_cohort(root).cases:
        assert case.tumour is not None
        mask = case.tumour.load().data > 0
        box = case.facts["primary_lesion"].get("tumour_box")
        assert (box is not None) == mask.any()
        if box is None:
            continue
        found += 1
        x, y, z = (slice(box[f"{axis}_min"], box[f"{axis}_max"]) for axis in "xyz")
        assert mask[x, y, z].sum() == mask.sum()
        assert mask[x, y, z].size < 0.3 * mask.size
    assert found


def test_duke_like_cases_have_boxes_and_no_masks(tmp_path: Path) -> None:
    write_phantom_cohort(tmp_path / "duke", 2, seed=5, settings=PhantomSettings(like="duke"))
    cohort = read_cohort(tmp_path / "duke")
    assert cohort.segmentation is None
    for case in cohort.cases:
        assert case.tumour is None
        pre = case.pre.load()
        assert pre.grid.axis_codes == "LPS"
        truth = read_nifti(tmp_path / "duke" / "truth" / case.name / "tumour.nii.gz")
        assert truth.grid.difference(pre.grid) is None
        assert truth.data.any() == ("tumour_box" in case.facts["primary_lesion"])


def test_null_cohorts_hold_redrawn_lesions(tmp_path: Path) -> None:
    write_phantom_cohort(tmp_path / "null", 1, seed=4, settings=PhantomSettings(null=True))
    folder = tmp_path / "null" / "truth" / "PHANTOM_0000"
    assert len(list(folder.glob("redrawn_*.nii.gz"))) == 3


def test_the_record_says_which_generator_made_it(root: Path) -> None:
    record = json.loads((root / "phantom.json").read_text())
    assert record["generator"] == {"name": "hcnet", **identity()}
    assert record["settings"]["like"] == "ispy1"


def test_interrupted_and_extended_cohorts_equal_one_made_at_once(
    root: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    write_phantom_cohort(again, 1, seed=5)
    (again / "patient_info_files" / "phantom_0000.json").unlink()
    assert write_phantom_cohort(again, 2, seed=5) == 2
    assert write_phantom_cohort(again, 2, seed=5) == 0
    for case, other in zip(read_cohort(root).cases, read_cohort(again).cases, strict=True):
        assert case.facts == other.facts
        for one, two in zip(case.phases, other.phases, strict=True):
            np.testing.assert_array_equal(one.load().data, two.load().data)


def test_several_processes_make_the_same_cases(root: Path, tmp_path: Path) -> None:
    write_phantom_cohort(tmp_path / "two", 2, seed=5, processes=2)
    for case, other in zip(
        read_cohort(root).cases, read_cohort(tmp_path / "two").cases, strict=True
    ):
        np.testing.assert_array_equal(case.pre.load().data, other.pre.load().data)


def test_another_seed_or_settings_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="another seed, version or settings"):
        write_phantom_cohort(root, 2, seed=6)
    with pytest.raises(ConfigError, match="another seed, version or settings"):
        write_phantom_cohort(root, 2, seed=5, settings=PhantomSettings(null=True))


def test_foreign_folders_and_files_are_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_phantom_cohort(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is a file"):
        write_phantom_cohort(tmp_path / "thesis.txt", 1)


@pytest.mark.parametrize(("n", "seed", "processes"), [(0, 0, 1), (1, -1, 1), (1, 0, 0)])
def test_numbers_out_of_range_are_refused(
    tmp_path: Path, n: int, seed: int, processes: int
) -> None:
    with pytest.raises(ConfigError, match="n >= 1"):
        write_phantom_cohort(tmp_path / "new", n, seed, processes=processes)
    assert not (tmp_path / "new").exists()
