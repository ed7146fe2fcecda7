from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import breastdcedl
from hcnet.cohorts.importers.importer import Findings, Imported, Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import GeometryError, InputError
from hcnet.volumes.volume import Volume, to_canonical

# Stored as the collection does: (slice, row, column), square slices, the affine an identity.
STORED = (6, 9, 9)
MARKER = (4, 2, 7)
SPY1 = ["ISPY1_1001_spy1_vis1_acq0.nii", "ISPY1_1001_spy1_vis1_acq1.nii.gz",
        "ISPY1_1001_spy1_vis1_acq2.nii.gz"]  # fmt: skip
COLUMNS = "pid,n_xy,n_z,n_times,pre,post_early,post_late,slice_thick,xy_spacing,mask_start,mask_end"


def array(value: float, dtype: type = np.float64) -> np.ndarray:
    data = np.full(STORED, value, dtype)
    data[MARKER] += 1000
    return data


def mask_array(slices: int = STORED[0], at: int = MARKER[0], value: int = 1) -> np.ndarray:
    data = np.zeros((slices, *STORED[1:]), np.int32)
    data[(at, *MARKER[1:])] = value
    return data


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def write_table(root: Path, text: str, name: str = "BreastDCEDL_metadata.csv") -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def spy1(root: Path, mask: np.ndarray | None = None) -> Path:
    folder = root / "BreastDCEDL_spy1"
    for phase, name in enumerate(SPY1):
        save(folder / "spt1_dce" / name, array(phase))
    where = folder / "spy1_mask" / "ISPY1_1001_spy1_vis1_mask.nii.gz"
    save(where, mask_array() if mask is None else mask)
    write_table(
        root,
        f"{COLUMNS},age,pCR,HR,HER2,dataset,test\n"
        "ISPY1_1001,9.0,6.0,3.0,0.0,1.0,2.0,2.0,0.78125,4.0,4.0,38.73,0.0,1.0,,spy1,0.0\n",
    )
    return root


def spy2(root: Path, pid: str, phases: tuple[int, ...], row: str) -> Path:
    for phase in phases:
        save(root / "dce" / pid / f"{pid}_spy2_vis1_dce_aqc_{phase}.nii.gz", array(phase))
    save(root / "mask" / f"{pid}_spy2_vis1_mask.nii.gz", mask_array())
    write_table(root, row)
    return root


def duke(root: Path, row: str) -> Path:
    for phase in range(3):
        save(root / "dce" / f"Breast_MRI_001_duke_aqc_{phase}.nii.gz", array(phase))
    box = np.zeros(STORED, np.int32)
    box[3:5, 1:4, 6:8] = 1
    save(root / "masks" / "Breast_MRI_001_duke_mask.nii.gz", box)
    write_table(root, row)
    return root


def found(root: Path) -> Findings:
    return breastdcedl.find(root, Options())


def loaded(root: Path) -> Imported:
    (item,) = found(root).items
    return breastdcedl.load(item)


def said(case: Imported) -> str:
    return " ".join(case.decisions)


def mm(volume: Volume) -> tuple[float, ...]:
    at = np.unravel_index(int(np.argmax(volume.data)), volume.shape)
    return tuple((volume.affine @ [*at, 1])[:3].tolist())


def test_ispy1_gets_its_spacing_and_sagittal_directions(tmp_path: Path) -> None:
    case = loaded(spy1(tmp_path))
    assert [phase.data[0, 0, 0] for phase in case.phases] == [0, 1, 2]
    # The first voxel is at the origin; slices run to the left, rows to the feet, columns back.
    place = pytest.approx((-4 * 2.0, -7 * 0.78125, -2 * 0.78125))
    assert [mm(phase) for phase in case.phases] == [place] * 3
    assert (case.phases[0].shape, case.phases[0].grid.axis_codes) == ((9, 9, 6), "PIL")
    assert list(case.masks) == ["functional"]
    assert mm(case.masks["functional"]) == place
    assert case.masks["functional"].data.dtype == np.uint8
    assert case.times_s is None
    assert "0.78125 x 0.78125 x 2 mm by xy_spacing and slice_thick" in said(case)
    assert "taken as sagittal slices from right to left" in said(case)


def test_ispy2_is_axial_and_spelled_aqc(tmp_path: Path) -> None:
    row = f"{COLUMNS}\nACRIN-6698-102212,9,6,8,0.0,2.0,6.0,2.0,0.6055,4,4\n"
    case = loaded(spy2(tmp_path, "ACRIN-6698-102212", (0, 1, 2, 6, 10), row))
    assert [phase.data[0, 0, 0] for phase in case.phases] == [0, 1, 2, 6, 10]
    place = pytest.approx((-7 * 0.6055, -2 * 0.6055, 4 * 2.0))
    assert [mm(case.phases[3]), mm(case.masks["functional"])] == [place, place]
    assert case.phases[0].grid.axis_codes == "LPS"
    imaging = case.facts["imaging_data"]
    assert imaging["collection_phases"] == [0, 1, 2, 6, 10]
    assert [imaging[name] for name in ("pre", "post_early", "post_late")] == [0, 2, 3]


def test_a_duke_mask_is_a_box(tmp_path: Path) -> None:
    row = (
        f"{COLUMNS},voxel_z,sraw,eraw,scol,ecol\n"
        "Breast_MRI_001,9,6,4,0,1,2.0,2.2,0.8,3.0,5.0,1.1,1.0,4.0,6.0,8.0\n"
    )
    case = loaded(duke(tmp_path, row))
    assert list(case.masks) == ["box"]
    assert mm(case.phases[0]) == pytest.approx((-7 * 0.8, -2 * 0.8, -4 * 1.1))
    assert case.phases[0].grid.axis_codes == "LPI"
    box = case.facts["primary_lesion"]["tumour_box"]
    assert box == {"x_min": 6, "x_max": 8, "y_min": 1, "y_max": 4, "z_min": 3, "z_max": 5}
    drawn = np.zeros((9, 9, 6), np.uint8)
    drawn[6:8, 1:4, 3:5] = 1
    assert np.array_equal(case.masks["box"].data, drawn)
    assert "slice_thick is 2.2 mm, but voxel_z is how far slices lie apart." in said(case)


def test_a_duke_table_without_voxel_z_is_doubted(tmp_path: Path) -> None:
    case = loaded(duke(tmp_path, f"{COLUMNS}\nBreast_MRI_001,9,6,4,0,1,2.0,2.0,0.8,3,9\n"))
    assert "slice_thick may not be how far the slices lie apart" in said(case)
    assert "tumour_box" not in case.facts["primary_lesion"]


def test_slice_space_goes_before_slice_thick(tmp_path: Path) -> None:
    row = "pid,slice_thick,slice_space,xy_spacing\nISPY2-427321,3.0,2.0,0.7\n"
    case = loaded(spy2(tmp_path, "ISPY2-427321", (0, 1), row))
    assert case.phases[0].spacing == pytest.approx((0.7, 0.7, 2.0))


def test_the_table_with_the_slices_of_the_images_is_taken(tmp_path: Path) -> None:
    row = f"{COLUMNS}\nISPY2-1,9,60,8,0,2,6,1.5,0.5,40,44\n"
    root = spy2(tmp_path, "ISPY2-1", (0, 2), row)
    cropped = f"{COLUMNS}\nISPY2-1,9,6,8,0,2,6,1.5,0.6,2,6\n"
    write_table(root, cropped, "BreastDCEDL_metadata_min_crop.csv")
    case = loaded(root)
    assert case.facts["breastdcedl"]["table"] == "BreastDCEDL_metadata_min_crop.csv"
    assert case.phases[0].spacing == pytest.approx((0.6, 0.6, 1.5))


def test_clinical_facts_are_taken_and_the_row_is_kept(tmp_path: Path) -> None:
    facts = loaded(spy1(tmp_path)).facts
    assert facts["primary_lesion"] == {"pcr": 0, "hr": 1}
    assert facts["clinical_data"] == {"age": 38.73}
    assert facts["breastdcedl"]["mask_start"] == "4.0"


def test_phases_before_the_pre_contrast_one_are_left(tmp_path: Path) -> None:
    row = "pid,pre,post_early,slice_thick,xy_spacing\nISPY2-1,1.0,2.0,2,0.7\n"
    case = loaded(spy2(tmp_path, "ISPY2-1", (0, 1, 2), row))
    assert [phase.data[0, 0, 0] for phase in case.phases] == [1, 2]
    assert (case.facts["imaging_data"]["pre"], case.facts["imaging_data"]["post_early"]) == (0, 1)
    assert "the phases before 1 are left" in said(case)


def test_images_with_an_affine_keep_it_and_their_masks_are_turned(tmp_path: Path) -> None:
    root = spy1(tmp_path)
    affine = np.array([[-0.7, 0, 0, 50], [0, -0.7, 0, 60], [0, 0, 2.0, -30], [0, 0, 0, 1]])
    for phase, name in enumerate(SPY1):
        data = np.ascontiguousarray(array(phase).transpose())
        save(root / "BreastDCEDL_spy1" / "spt1_dce" / name, data, affine)
    case = loaded(root)
    place = pytest.approx((50 - 0.7 * 7, 60 - 0.7 * 2, -30 + 2.0 * 4))
    assert [mm(case.phases[0]), mm(case.masks["functional"])] == [place, place]
    assert "the images have an affine, which is trusted." in case.decisions
    assert "are turned to x, y, z" in said(case)


def test_a_mask_that_could_lie_either_way_is_left(tmp_path: Path) -> None:
    root = spy1(tmp_path, np.ones((9, 9, 9), np.int32))
    for name in SPY1:
        path = root / "BreastDCEDL_spy1" / "spt1_dce" / name
        save(path, np.zeros((9, 9, 9)), np.diag([0.7, 0.7, 2, 1]))
    case = loaded(root)
    assert not case.masks
    assert "its axes can be either way" in said(case)


def test_a_mask_with_an_affine_has_to_lie_on_the_image(tmp_path: Path) -> None:
    root = spy1(tmp_path)
    path = root / "BreastDCEDL_spy1" / "spy1_mask" / "ISPY1_1001_spy1_vis1_mask.nii.gz"
    save(path, np.ones((9, 9, 6), np.int32), np.diag([1.0, 2.0, 3.0, 1.0]))
    case = loaded(root)
    assert not case.masks
    assert "it lies on another grid than the image" in said(case)


def test_a_cropped_mask_goes_where_the_table_says(tmp_path: Path) -> None:
    # The mask has only its tumour slices 0 to 1; the table puts them at 4 to 5 of 6.
    mask = mask_array(slices=2, at=0)
    mask[1, 2, 6] = 1
    root = spy1(tmp_path, mask)
    write_table(root, f"{COLUMNS}\nISPY1_1001,9,6,3,0,1,2,2.0,0.5,4,5\n")
    case = loaded(root)
    expected = np.zeros((9, 9, 6), np.uint8)
    expected[7, 2, 4] = expected[6, 2, 5] = 1
    assert np.array_equal(case.masks["functional"].data, expected)
    assert "its slices 0 to 1 are put at 4 to 5" in said(case)


@pytest.mark.parametrize(
    ("slices", "row", "why"),
    [
        (5, "9,6,3,0,1,2,2.0,0.5,4,4", "the table only repeats the mask's own slices 4 to 4"),
        (5, "9,6,3,0,1,2,2.0,0.5,1,3", "the table's slices 1 to 3 do not fit its 4 to 4"),
        (7, "9,6,3,0,1,2,2.0,0.5,6,6", "the table's slices 6 to 6 do not fit its 4 to 4"),
        (7, "9,60,3,0,1,2,2.0,0.5,2,2", "no table tells where it belongs"),
        (7, "9,,3,0,1,2,2.0,0.5,,", "no table tells where it belongs"),
    ],
)
def test_a_mask_of_other_slices_is_left_where_the_table_does_not_help(
    tmp_path: Path, slices: int, row: str, why: str
) -> None:
    root = spy1(tmp_path, mask_array(slices=slices))
    write_table(root, f"{COLUMNS}\nISPY1_1001,{row}\n")
    case = loaded(root)
    assert not case.masks
    assert f"it has {slices} slices, the image 6" in said(case)
    assert why in said(case)


def test_a_mask_of_other_rows_is_left(tmp_path: Path) -> None:
    case = loaded(spy1(tmp_path, np.ones((6, 8, 8), np.int32)))
    assert not case.masks
    assert "its shape (slices, rows, columns) is (6, 8, 8), the image's is (6, 9, 9)" in said(case)


def test_a_mask_of_255_becomes_one_of_1(tmp_path: Path) -> None:
    case = loaded(spy1(tmp_path, mask_array(value=255)))
    assert np.unique(case.masks["functional"].data).tolist() == [0, 1]
    assert "holds the values 0, 255" in said(case)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (None, "no \\*metadata\\*.csv tells its xy_spacing and slice_thick"),
        ("pid,xy_spacing\nISPY1_1001,0.7\n", "tells its xy_spacing and slice_thick"),
        ("pid,xy_spacing,slice_thick\nISPY1_1001,inf,2\n", "tells its xy_spacing"),
        ("pid,xy_spacing,slice_thick\nISPY1_1001,0,2\n", "voxels of 0 x 0 x 2 mm; correct it"),
    ],
)
def test_without_a_usable_spacing_a_case_fails(tmp_path: Path, table: str | None, why: str) -> None:
    root = spy1(tmp_path)
    (root / "BreastDCEDL_metadata.csv").unlink()
    if table:
        write_table(root, table)
    with pytest.raises(GeometryError, match=why):
        loaded(root)
    assert any("there is no table" in note for note in found(root).notes) == (table is None)


def test_axes_that_are_not_known_fail(tmp_path: Path) -> None:
    root = spy1(tmp_path)
    for name in SPY1:
        save(root / "BreastDCEDL_spy1" / "spt1_dce" / name, np.zeros((9, 9, 6)))
    with pytest.raises(GeometryError, match=r"shape \(9, 9, 6\) has no affine and is not an array"):
        loaded(root)


def test_a_pre_contrast_phase_without_a_file_fails(tmp_path: Path) -> None:
    row = "pid,pre,slice_thick,xy_spacing\nISPY2-1,3.0,2,0.7\n"
    with pytest.raises(InputError, match="phase 3 is pre-contrast; there is no file of it"):
        loaded(spy2(tmp_path, "ISPY2-1", (0, 1), row))


def test_what_is_no_case_is_left_with_its_reason(tmp_path: Path) -> None:
    root = spy1(tmp_path)
    folder = root / "BreastDCEDL_spy1"
    save(folder / "copy" / "ISPY1_1001_spy1_vis1_acq1.nii", array(1))
    save(folder / "spy1_mask" / "ISPY1_1002_spy1_vis1_mask.nii", mask_array())
    save(folder / "spt1_dce" / "._ISPY1_1003_spy1_vis1_acq0.nii", array(0))
    findings = found(root)
    assert findings.items == ()
    why = {left.name: left.why for left in findings.left}
    assert set(why) == {"ISPY1_1001", "ISPY1_1002"}
    assert "phase 1 is there twice" in why["ISPY1_1001"]
    assert "this mask has no images" in why["ISPY1_1002"]


def test_visits_are_counted_from_the_earliest(tmp_path: Path) -> None:
    root = spy2(tmp_path, "ISPY2-1", (0, 1), "pid,slice_thick,xy_spacing\nISPY2-1,2,0.7\n")
    save(root / "dce" / "ISPY2-1_spy2_vis3_dce_aqc_0.nii.gz", array(7))
    (first,) = found(root).items
    (second,) = breastdcedl.find(root, Options(visit=2)).items
    assert (first.name, second.name) == ("ISPY2-1", "ISPY2-1")
    assert breastdcedl.load(second).phases[0].data[0, 0, 0] == 7
    every = breastdcedl.find(root, Options(visit=None)).items
    assert [item.name for item in every] == ["ISPY2-1_V1", "ISPY2-1_V3"]


def test_it_is_recognised_by_names_alone(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "case_0000.nii.gz").touch()
    (tmp_path / "a" / "ISPY1_1002_DCE_0000_N3.nii").touch()
    assert not breastdcedl.recognises(tmp_path)
    (tmp_path / "a" / "b" / "ISPY1_1001_spy1_vis1_acq0.NII").touch()
    assert breastdcedl.recognises(tmp_path)


def test_a_table_that_is_none_stops_the_import_or_is_told(tmp_path: Path) -> None:
    root = spy1(tmp_path)
    write_table(root, "patient\nx\n", "other_metadata.csv")
    assert any("has no column pid" in note for note in found(root).notes)
    write_table(root, "pid,a\nx,1,2\n", "other_metadata.csv")
    with pytest.raises(InputError, match="row 2 has 3 cells under 2 columns"):
        found(root)


def test_a_whole_import_is_a_cohort_with_everything_in_place(tmp_path: Path) -> None:
    root = spy1(tmp_path / "source")
    broken = root / "BreastDCEDL_spy1" / "spt1_dce" / "ISPY1_1009_spy1_vis1_acq0.nii.gz"
    broken.write_bytes(b"no image")
    target = tmp_path / "cohort"
    name, findings = find_cases(root)
    summary = import_cases(name, findings, target)
    assert name == "breastdcedl"
    assert {row.name: row.status for row in summary.rows} == {
        "ISPY1_1001": "taken",
        "ISPY1_1009": "failed",
    }
    cohort = read_cohort(target)
    (case,) = cohort.cases
    assert (cohort.segmentation, case.times_s) == ("functional", None)
    place = pytest.approx((-8.0, -5.46875, -1.5625))
    assert case.tumour is not None
    assert [mm(s.load()) for s in (*case.phases, case.tumour)] == [place] * 4
    assert not list(target.rglob("*1009*.nii.gz"))


def test_the_order_and_directions_of_ispy1_are_those_of_the_real_exam(
    shared_data: Path, tmp_path: Path
) -> None:
    """The published row of ISPY1_1002 describes the TCIA mask in the order that is taken here."""
    from hcnet.cohorts.dicom_exam import describe_exam, exam_case

    exam = describe_exam(shared_data / "ispy1_1002" / "ISPY1_1002.zip")
    real = exam_case(exam, tumour=32100)
    assert real.tumour is not None
    truth = to_canonical(real.tumour.load())
    # The collection's array: slices to the left, rows to the feet, columns to the back.
    stored = truth.data.transpose(0, 2, 1)[::-1, ::-1, ::-1].astype(np.int32)
    slices, rows, columns = (
        np.flatnonzero(stored.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))
    )
    # mask_start, mask_end, sraw, eraw, scol, ecol and tum_vol of BreastDCEDL_metadata.csv.
    assert (slices[0], slices[-1]) == (10, 27)
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (121, 163, 101, 144)
    assert stored.sum() * 0.78125**2 * 2.0 == pytest.approx(5310.05859375)

    save(tmp_path / "ISPY1_1002_spy1_vis1_acq0.nii.gz", stored.astype(np.float64))
    save(tmp_path / "ISPY1_1002_spy1_vis1_mask.nii.gz", stored)
    write_table(tmp_path, f"{COLUMNS}\nISPY1_1002,256,60,3,0,1,2,2.0,0.78125,10,27\n")
    imported = to_canonical(loaded(tmp_path).masks["functional"])
    assert np.array_equal(imported.data, truth.data)
    assert imported.spacing == pytest.approx(truth.spacing)
