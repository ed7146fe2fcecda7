from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import nifti
from hcnet.cohorts.importers.importer import Imported, Item, Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import HcnetError, InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

AFFINE = np.array([[0, 0, 2.0, -30], [-0.7, 0, 0, 20], [0, -0.7, 0, 25], [0, 0, 0, 1]], dtype=float)
SHAPE = (6, 7, 8)
MARKER = (4, 1, 6)
MARKER_MM = (-30 + 2.0 * 6, 20 - 0.7 * 4, 25 - 0.7 * 1)


def image(value: int) -> Volume:
    data = np.full(SHAPE, value, np.int16)
    data[MARKER] += 1000
    return Volume(data, AFFINE)


def mask(value: int = 1, shape: tuple[int, int, int] = SHAPE) -> Volume:
    data = np.zeros(shape, np.uint8)
    data[tuple(min(i, n - 1) for i, n in zip(MARKER, shape, strict=True))] = value
    return Volume(data, AFFINE)


def write_phases(folder: Path, names: list[str], start: int = 0) -> None:
    for phase, name in enumerate(names, start):
        write_nifti(image(phase), folder / name)


def write_4d(path: Path, first: int, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stacked = np.stack([image(first + phase).data for phase in range(count)], axis=-1)
    nib.save(nib.Nifti1Image(stacked, AFFINE), path)


def items(root: Path) -> dict[str, Item]:
    return {item.name: item for item in nifti.find(root, Options()).items}


def values(case: Imported) -> list[int]:
    return [int(phase.data[0, 0, 0]) for phase in case.phases]


def mm(volume: Volume) -> tuple[float, ...]:
    at = np.unravel_index(int(np.argmax(volume.data)), volume.shape)
    return tuple((volume.affine @ [*at, 1])[:3].tolist())


def test_a_folder_of_folders_has_a_case_in_each(tmp_path: Path) -> None:
    write_phases(tmp_path / "patient 7", ["pre.nii.gz", "post1.nii.gz", "post2.nii.gz"])
    write_phases(tmp_path / "b", ["dce9.nii", "dce10.nii"], start=5)
    write_4d(tmp_path / "c" / "dyn.nii.gz", 20, 3)
    write_nifti(mask(), tmp_path / "b" / "Tumour_Mask.nii.gz")
    write_nifti(mask(), tmp_path / "b" / "breast.nii.gz")
    found = items(tmp_path)
    assert list(found) == ["B", "C", "PATIENT_7"]
    cases = {name: nifti.load(item) for name, item in found.items()}
    assert {name: values(case) for name, case in cases.items()} == {
        "PATIENT_7": [0, 1, 2],
        "B": [5, 6],
        "C": [20, 21, 22],
    }
    assert all(mm(p) == pytest.approx(MARKER_MM) for case in cases.values() for p in case.phases)
    assert list(cases["B"].masks) == ["mask"]
    assert mm(cases["B"].masks["mask"]) == pytest.approx(MARKER_MM)
    assert cases["B"].breast is not None
    assert "the phases are, pre-contrast first: dce9.nii, dce10.nii." in cases["B"].decisions
    assert "dyn.nii.gz, 3 volumes in one file." in cases["C"].decisions[0]
    assert "the acquisition times are not known" in cases["C"].decisions[1]


def test_a_flat_folder_is_grouped_by_name(tmp_path: Path) -> None:
    write_phases(tmp_path, ["case_1_0000.nii.gz", "case_1_0001.nii.gz", "case_1_0002.nii.gz"])
    write_phases(tmp_path, ["Case_12_0001.nii.gz", "case_12_0000.nii"], start=30)
    write_phases(tmp_path, ["case_1_left_0000.nii.gz"], start=60)
    write_nifti(mask(), tmp_path / "case_1_left_mask.nii.gz")
    write_4d(tmp_path / "dyn_a.nii.gz", 40, 2)
    write_nifti(image(50), tmp_path / "single.nii")
    write_nifti(mask(), tmp_path / "case_12_mask.nii.gz")
    write_nifti(mask(), tmp_path / "seg-DYN_A.nii.gz")
    write_nifti(mask(), tmp_path / "nobody_mask.nii.gz")
    findings = nifti.find(tmp_path, Options())
    cases = {item.name: nifti.load(item) for item in findings.items}
    assert {name: values(case) for name, case in cases.items()} == {
        "CASE_1": [0, 1, 2],
        "CASE_12": [31, 30],
        "CASE_1_LEFT": [60],
        "DYN_A": [40, 41],
        "SINGLE": [50],
    }
    assert {name for name, case in cases.items() if case.masks} == {
        "CASE_12", "CASE_1_LEFT", "DYN_A",
    }  # fmt: skip
    assert findings.notes == (f"left {tmp_path / 'nobody_mask.nii.gz'}: no case has its name.",)


def test_phases_of_a_flat_folder_that_do_not_count_up_are_left(tmp_path: Path) -> None:
    write_phases(
        tmp_path, ["a_0000.nii", "a_0002.nii", "b_0000.nii", "b_0000.nii.gz", "c_0001.nii"]
    )
    findings = nifti.find(tmp_path, Options())
    assert [item.name for item in findings.items] == ["C"]
    assert [(left.name, left.why) for left in findings.left] == [
        ("A", f"{tmp_path}: the phases of a do not count up: 0000, 0002."),
        ("B", f"{tmp_path}: the phases of b do not count up: 0000, 0000."),
    ]


def test_a_flat_folder_with_a_pre_image_is_one_case(tmp_path: Path) -> None:
    write_phases(tmp_path / "x", ["pre.nii", "post1.nii", "post2.nii"])
    found = items(tmp_path / "x")
    assert list(found) == ["X"]
    assert values(nifti.load(found["X"])) == [0, 1, 2]


def test_masks_in_a_folder_of_their_own_are_found_by_name(tmp_path: Path) -> None:
    names = ["a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "b_0001.nii.gz"]
    write_phases(tmp_path / "imagesTr", names)
    write_nifti(mask(2), tmp_path / "labelsTr" / "A.nii.gz")
    write_nifti(mask(2), tmp_path / "labelsTr" / "z.nii.gz")
    (note,) = nifti.find(tmp_path, Options()).notes
    assert note.startswith(f"left {tmp_path / 'labelsTr' / 'z.nii.gz'}: its folder is taken for")
    found = items(tmp_path)
    assert list(found) == ["A", "B"]
    cases = {name: nifti.load(item) for name, item in found.items()}
    assert [values(case) for case in cases.values()] == [[0, 1], [2, 3]]
    assert mm(cases["A"].masks["mask"]) == pytest.approx(MARKER_MM)
    assert np.unique(cases["A"].masks["mask"].data).tolist() == [0, 1]
    assert "holds the values 0, 2" in " ".join(cases["A"].decisions)
    assert not cases["B"].masks


def test_several_masks_are_told_apart_by_their_names(tmp_path: Path) -> None:
    write_phases(tmp_path / "p1", ["p1_0000.nii", "p1_0001.nii"])
    for name in ("p1_mask_reader1", "p1_mask_reader2", "p1_breast_tumour_seg", "p1_breast_mask"):
        write_nifti(mask(), tmp_path / "p1" / f"{name}.nii.gz")
    case = nifti.load(items(tmp_path)["P1"])
    assert set(case.masks) == {"mask_reader1", "mask_reader2", "breast_tumour_seg"}
    assert case.breast is not None


def test_a_mask_of_another_grid_is_left_with_a_sentence(tmp_path: Path) -> None:
    write_phases(tmp_path / "p1", ["p1_0000.nii", "p1_0001.nii"])
    write_nifti(mask(shape=(6, 7, 5)), tmp_path / "p1" / "seg.nii.gz")
    case = nifti.load(items(tmp_path)["P1"])
    assert not case.masks
    assert "shape (6, 7, 8) against (6, 7, 5)" in case.decisions[-1]


def test_an_empty_mask_is_taken_and_told(tmp_path: Path) -> None:
    write_phases(tmp_path / "p1", ["p1_0000.nii", "p1_0001.nii"])
    write_nifti(mask(0), tmp_path / "p1" / "seg.nii.gz")
    case = nifti.load(items(tmp_path)["P1"])
    assert case.masks["mask"].data.sum() == 0
    assert "the mask seg.nii.gz is empty." in case.decisions


def test_a_mask_of_no_numbers_fails(tmp_path: Path) -> None:
    write_phases(tmp_path / "p1", ["p1_0000.nii", "p1_0001.nii"])
    nan = Volume(np.full(SHAPE, np.nan, np.float32), AFFINE)
    write_nifti(nan, tmp_path / "p1" / "seg.nii.gz")
    with pytest.raises(InputError, match="the mask holds values that are no numbers"):
        nifti.load(items(tmp_path)["P1"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["one.nii", "other.nii"], "do not number the phases of one case"),
        (["p1_0000.nii", "p1_0002.nii"], "phase 1 is missing"),
    ],
)
def test_a_folder_that_cannot_be_ordered_fails_with_a_sentence(
    tmp_path: Path, names: list[str], said: str
) -> None:
    write_phases(tmp_path / "p1", names)
    with pytest.raises(HcnetError, match=said):
        nifti.load(items(tmp_path)["P1"])


def test_a_folder_of_masks_alone_is_left(tmp_path: Path) -> None:
    write_phases(tmp_path / "p1", ["p1_0000.nii"])
    write_nifti(mask(), tmp_path / "p2" / "tumour.nii")
    (left,) = nifti.find(tmp_path, Options()).left
    assert (left.name, left.why) == ("P2", f"{tmp_path / 'p2'} holds only masks.")


def test_it_is_recognised_where_nifti_files_lie(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep.nii").touch()
    (tmp_path / "a" / "._hidden.nii").touch()
    assert not nifti.recognises(tmp_path)
    (tmp_path / "a" / "x.NII.GZ").touch()
    assert nifti.recognises(tmp_path)
    assert not nifti.recognises(tmp_path / "a" / "x.NII.GZ")
    with pytest.raises(InputError, match="is not a folder"):
        nifti.find(tmp_path / "a" / "x.NII.GZ", Options())


def test_a_whole_import_is_a_cohort_with_everything_in_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_phases(source, ["a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz"])
    write_nifti(mask(), source / "a_mask.nii.gz")
    write_nifti(mask(), source / "a_breast.nii.gz")
    (source / "b_0001.nii.gz").write_bytes(b"no image")
    target = tmp_path / "cohort"
    name, findings = find_cases(source, "nifti")
    summary = import_cases(name, findings, target)
    assert {row.name: row.status for row in summary.rows} == {"A": "taken", "B": "failed"}
    cohort = read_cohort(target)
    (case,) = cohort.cases
    assert cohort.segmentation == "mask"
    assert case.tumour is not None
    assert case.breast is not None
    for volume in (*case.phases, case.tumour, case.breast):
        assert mm(volume.load()) == pytest.approx(MARKER_MM)
    assert not list(target.rglob("b_*.nii.gz"))
