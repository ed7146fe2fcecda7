"""A phantom cohort on disk: its form, resuming, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.phantom import PhantomSettings, generate_case, write_phantom_cohort
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
    assert cohort.segmentation == "truth"
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
        np.testing.assert_array_equal(to_canonical(case.tumour.load()).data, made.tumour)
        assert case.tumour.load().grid.difference(case.pre.load().grid) is None


def test_volumes_lie_as_a_sagittal_scan(root: Path) -> None:
    pre = read_cohort(root).cases[0].pre.load()
    assert pre.grid.axis_codes == "PIR"
    assert pre.shape == (64, 64, 48)
    assert pre.data.dtype == np.int16


def test_truth_lies_beside_and_on_the_same_grid(root: Path) -> None:
    folder = root / "truth" / "PHANTOM_0000"
    names = {path.name for path in folder.iterdir()}
    maps = {f"{name}.nii.gz" for name in ("ktrans_per_min", "ve", "vp", "t1_ms")}
    assert names == {"labels.nii.gz", "breast.nii.gz", "hidden.json", *maps}
    pre = read_cohort(root).cases[0].pre.load()
    assert read_nifti(folder / "labels.nii.gz").grid.difference(pre.grid) is None
    assert json.loads((folder / "hidden.json").read_text())["index"] == 0


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
        write_phantom_cohort(root, 2, seed=5, settings=PhantomSettings(keep_noise_free=True))


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


def test_noise_free_phases_are_kept_on_request(tmp_path: Path) -> None:
    write_phantom_cohort(tmp_path / "new", 1, settings=PhantomSettings(keep_noise_free=True))
    phases = len(read_cohort(tmp_path / "new").cases[0].phases)
    kept = list((tmp_path / "new" / "truth" / "PHANTOM_0000").glob("noise_free_*.nii.gz"))
    assert len(kept) == phases
