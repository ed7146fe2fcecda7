import json
from pathlib import Path

import numpy as np
import pytest

from dicom_factory import Geometry, phase_array, save, segmentation, write_interleaved
from hcnet.cohorts.open import open_case
from hcnet.errors import GeometryError, HcnetError, InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

AFFINE = np.diag([-0.7, 0.7, 2.0, 1.0])


def volume(phase: int = 0, affine: np.ndarray = AFFINE) -> Volume:
    return Volume(phase_array(phase), affine)


def files(folder: Path, names: list[str]) -> list[Path]:
    paths = [folder / name for name in names]
    for phase, path in enumerate(paths):
        write_nifti(volume(phase), path)
    return paths


def write_4d(path: Path, count: int) -> Path:
    import nibabel as nib

    stacked = np.stack([phase_array(phase) for phase in range(count)], axis=-1)
    nib.save(nib.Nifti1Image(stacked, AFFINE), path)
    return path


def loaded(case: object) -> list[int]:
    """Which phases the volumes of a case are, read off their content."""
    return [int(source.load().data.flat[0]) // 1000 for source in case.phases]  # type: ignore[attr-defined]


def test_one_file_is_one_phase(tmp_path: Path) -> None:
    case = open_case(files(tmp_path, ["patient7_0000.nii.gz"])[0])
    assert (case.name, loaded(case), case.times_s) == ("patient7", [0], None)


@pytest.mark.parametrize(
    ("name", "doubted"),
    [
        ("t1.nii.gz", False),
        ("exam_017_0000.nii.gz", False),
        ("exam_017_0002.nii.gz", True),
        ("exam_0002.nii.gz", False),
        ("t1_post.nii.gz", True),
        ("postop_pre.nii.gz", False),
    ],
)
def test_a_name_tells_signs_of_contrast(tmp_path: Path, name: str, doubted: bool) -> None:
    [path] = files(tmp_path, [name])
    assert (open_case(path).doubt is not None) == doubted
    assert open_case(path, pre=0).doubt is None


def test_a_4d_file_holds_all_phases(tmp_path: Path) -> None:
    path = write_4d(tmp_path / "dyn.nii.gz", 3)
    assert loaded(open_case(path)) == [0, 1, 2]
    case = open_case(path, pre=1, times=[-60, 0, 90])
    assert (loaded(case), case.times_s, case.times_from) == ([1, 2], (0, 90), "pre")


def test_a_list_keeps_its_order(tmp_path: Path) -> None:
    a, b, c = files(tmp_path, ["z.nii", "m.nii.gz", "a.nii.gz"])
    case = open_case([a, b, c], times=[-20, 60, 120], name="mine")
    assert (case.name, loaded(case), case.times_from) == ("mine", [0, 1, 2], "injection")


@pytest.mark.parametrize(
    "names",
    [
        ["x_0000.nii.gz", "x_0001.nii.gz", "x_0002.nii.gz"],
        ["dce8.nii", "dce9.nii", "dce10.nii"],
        ["pre.nii.gz", "post.nii.gz"],
        ["t1_pre.nii.gz", "t1_a_post.nii.gz"],
        ["pre.nii", "post1.nii", "post2.nii"],
        ["ISPY1_1002_DCE_0000_N3.nii", "ISPY1_1002_DCE_0001_N3.nii"],
    ],
)
def test_a_folder_of_phases(tmp_path: Path, names: list[str]) -> None:
    files(tmp_path, names)
    write_nifti(volume(9), tmp_path / "tumour_mask.nii.gz")
    assert loaded(open_case(tmp_path)) == list(range(len(names)))


def test_a_case_folder_of_a_cohort_brings_its_times(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "CASE_1"
    files(folder, ["case_1_0000.nii.gz", "case_1_0001.nii.gz"])
    facts = {"imaging_data": {"acquisition_times": [0, 120]}}
    (tmp_path / "patient_info_files").mkdir()
    (tmp_path / "patient_info_files" / "case_1.json").write_text(json.dumps(facts))
    case = open_case(folder)
    assert (case.name, case.times_s, loaded(case)) == ("CASE_1", (0, 120), [0, 1])


def test_dicom_folder(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    case = open_case(tmp_path)
    assert (case.name, loaded(case), case.times_s) == ("P1", [0, 1, 2], (0, 120, 240))
    assert loaded(open_case([tmp_path], pre=1)) == [1, 2]


def test_masks(tmp_path: Path) -> None:
    paths = files(tmp_path, ["a_0000.nii.gz", "mask.nii.gz"])
    case = open_case(paths[0], tumour=paths[1], breast=paths[1])
    assert case.tumour is not None
    assert case.breast is not None
    assert case.tumour.load().shape == case.pre.load().shape
    write_nifti(volume(0, np.eye(4)), paths[1])
    with pytest.raises(GeometryError, match=r"mask\.nii\.gz: the mask lies on another grid"):
        open_case(paths[0], tumour=paths[1])
    with pytest.raises(InputError, match="no such mask file"):
        open_case(paths[0], tumour=tmp_path / "gone.nii.gz")


def test_a_dicom_segmentation_file_as_mask(tmp_path: Path) -> None:
    geometry = Geometry()
    write_interleaved(tmp_path / "exam", geometry)
    plane = np.arange(30).reshape(5, 6) % 3 == 0
    seg = save(segmentation([(geometry.position(2), plane, 1)], geometry), tmp_path / "seg.dcm")
    case = open_case(tmp_path / "exam", tumour=seg)
    assert case.tumour is not None
    np.testing.assert_array_equal(case.tumour.load().data[:, :, 2].T, plane)


def test_a_phase_on_another_grid(tmp_path: Path) -> None:
    paths = files(tmp_path, ["a.nii.gz", "b.nii.gz"])
    write_nifti(volume(1, AFFINE + np.eye(4) * 0.01), paths[1])
    with pytest.raises(GeometryError, match=r"b\.nii\.gz: lies on another grid .*a\.nii\.gz"):
        open_case(paths)


def test_grids_are_compared_without_reading_images(tmp_path: Path) -> None:
    paths = files(tmp_path, ["a.nii", "b.nii"])
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    case = open_case(paths)
    assert case.pre.load().shape == (6, 5, 8)
    with pytest.raises(InputError, match=r"b\.nii"):
        case.phases[1].load()


def broken(tmp_path: Path, what: str) -> Path | list[Path]:
    if what == "missing":
        return tmp_path / "gone"
    if what == "no input":
        return []
    if what == "empty folder":
        (tmp_path / "empty").mkdir()
        return tmp_path / "empty"
    if what == "not DICOM":
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "notes.txt").write_text("hello")
        return tmp_path / "x"
    if what == "unreadable":
        (tmp_path / "a.nii.gz").write_bytes(b"not gzip")
        return tmp_path / "a.nii.gz"
    if what == "cohort":
        files(tmp_path / "images" / "A", ["a_0000.nii.gz"])
        return tmp_path
    if what == "gap":
        files(tmp_path, ["a_0000.nii.gz", "a_0002.nii.gz"])
        return tmp_path
    if what == "no order":
        files(tmp_path, ["first.nii.gz", "second.nii.gz"])
        return tmp_path
    if what == "two cases":
        files(tmp_path, ["a_0000.nii.gz", "b_0000.nii.gz"])
        return tmp_path
    if what == "only masks":
        files(tmp_path, ["mask.nii.gz"])
        return tmp_path
    if what == "4-D in a list":
        return [*files(tmp_path, ["a.nii.gz"]), write_4d(tmp_path / "b.nii.gz", 2)]
    assert what == "mixed"
    return [*files(tmp_path, ["a.nii.gz"]), tmp_path]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "gone: there is no such file or folder"),
        ("no input", "no input is given"),
        ("empty folder", "the folder is empty"),
        ("not DICOM", "none of its 1 file"),
        ("unreadable", r"a\.nii\.gz: cannot be read as NIfTI"),
        ("cohort", "is a cohort of cases"),
        ("gap", "phase 1 is missing"),
        ("no order", "do not number the phases of one case"),
        ("two cases", "do not number the phases of one case"),
        ("only masks", "holds only masks"),
        ("4-D in a list", r"b\.nii\.gz: holds 2 volumes beside other files"),
        ("mixed", "several inputs must be the NIfTI phases"),
    ],
)
def test_one_clear_sentence(tmp_path: Path, what: str, message: str) -> None:
    with pytest.raises(HcnetError, match=message) as caught:
        open_case(broken(tmp_path, what))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"series": [3]}, "series numbers are for DICOM"),
        ({"tumour": 3}, "series numbers are for DICOM"),
        ({"phases": 2}, "2 phases are asked for, 3 are there"),
        ({"pre": 3}, "no phase 3"),
        ({"times": [0, 1]}, "2 acquisition times are given for 3"),
        ({"times": [0, 1, 1]}, "do not rise"),
    ],
)
def test_overrides_that_do_not_fit(
    tmp_path: Path, override: dict[str, object], message: str
) -> None:
    path = write_4d(tmp_path / "dyn.nii.gz", 3)
    with pytest.raises(InputError, match=message):
        open_case(path, **override)  # type: ignore[arg-type]
