import json
from pathlib import Path

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import mama_mia
from hcnet.cohorts.importers.importer import Imported, Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

openpyxl = pytest.importorskip("openpyxl")

# Sagittal, with slices from right to left and rows that run to the feet: nothing is canonical.
AFFINE = np.array([[0, 0, -2.0, 60], [-0.8, 0, 0, 90], [0, -0.8, 0, 40], [0, 0, 0, 1]], dtype=float)
SHAPE = (8, 9, 10)
MARKER = (5, 2, 7)
MARKER_MM = (60 - 2 * 7, 90 - 0.8 * 5, 40 - 0.8 * 2)


def image(phase: int) -> Volume:
    data = np.full(SHAPE, 10 + phase, np.int16)
    data[MARKER] = 1000 + phase
    return Volume(data, AFFINE)


def mask(value: float = 1, dtype: type = np.uint8, affine: np.ndarray = AFFINE) -> Volume:
    data = np.zeros(SHAPE, dtype)
    data[MARKER] = value
    return Volume(data, affine)


def mm(volume: Volume) -> tuple[float, ...]:
    at = np.unravel_index(int(np.argmax(volume.data)), volume.shape)
    return tuple((volume.affine @ [*at, 1])[:3].tolist())


def write_info(root: Path, low: str, info: object) -> None:
    folder = root / "patient_info_files"
    folder.mkdir(exist_ok=True)
    (folder / f"{low}.json").write_text(json.dumps(info))


def write_table(root: Path, rows: list[dict[str, object]]) -> None:
    book = openpyxl.Workbook()
    book.active.title = "legend"
    sheet = book.create_sheet("dataset_info")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    sheet.append(columns)
    for row in rows:
        sheet.append([row.get(column) for column in columns])
    book.save(root / "clinical_and_imaging_info.xlsx")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """DUKE_001 as published; DUKE_002 in the other case; ISPY1_1001 without anything beside it."""
    root = tmp_path / "MAMA-MIA"
    for phase in range(3):
        write_nifti(image(phase), root / "images" / "DUKE_001" / f"duke_001_{phase:04d}.nii.gz")
        write_nifti(image(phase), root / "images" / "duke_002" / f"DUKE_002_{phase:04d}.nii.gz")
    for phase in range(2):
        name = f"ispy1_1001_{phase:04d}.nii.gz"
        write_nifti(image(phase), root / "images" / "ISPY1_1001" / name)
    masks = root / "segmentations"
    write_nifti(mask(), masks / "expert" / "duke_001.nii.gz")
    write_nifti(mask(255, np.int16), masks / "Expert" / "DUKE_002.nii.gz")
    write_nifti(mask(), masks / "automatic" / "DUKE_001.nii.gz")
    write_info(
        root,
        "duke_001",
        {
            "patient_id": "DUKE_001",
            "primary_lesion": {
                "pcr": float("nan"),
                "breast_coordinates": {
                    "x_min": 1, "x_max": 10, "y_min": 0, "y_max": 9, "z_min": 2, "z_max": 7,
                },
            },
            "clinical_data": {"age": 41, "menopausal_status": "pre", "breast_density": None},
            "imaging_data": {"bilateral": True, "dataset": "DUKE", "field_strength": 1.5},
        },
    )  # fmt: skip
    write_table(
        root,
        [
            {"patient_id": "DUKE_001", "pcr": 0.0, "age": 42.0, "menopause": "PRE", "weight": 90.3,
             "bilateral_mri": 1, "manufacturer": "SIEMENS", "acquisition_times": "[0, 584, 714]"},
            {"patient_id": "DUKE_002", "pcr": float("nan"), "menopause": "post",
             "acquisition_times": "[0, 165]"},
            {"patient_id": "NACT_01", "pcr": 1.0},
        ],
    )  # fmt: skip
    (root / "train_test_splits.csv").write_text("train_split,test_split\nDUKE_001,duke_002\nX,\n")
    return root


def loaded(root: Path, name: str) -> Imported:
    items = mama_mia.find(root, Options()).items
    return mama_mia.load(next(item for item in items if item.name == name))


def test_it_is_recognised_by_its_folders_alone(root: Path, tmp_path: Path) -> None:
    assert mama_mia.recognises(root)
    assert not mama_mia.recognises(tmp_path)
    assert not mama_mia.recognises(root / "images" / "DUKE_001" / "duke_001_0000.nii.gz")
    (tmp_path / "other" / "images" / "DUKE_001").mkdir(parents=True)
    write_nifti(image(0), tmp_path / "other" / "images" / "DUKE_001" / "x_0000.nii.gz")
    assert not mama_mia.recognises(tmp_path / "other")


def test_folders_are_found_in_any_letter_case(root: Path) -> None:
    (root / "images").rename(root / "Images")
    (root / "segmentations").rename(root / "Segmentations")
    assert mama_mia.recognises(root)
    assert set(loaded(root, "DUKE_001").masks) == {"expert", "automatic"}


def test_a_case_comes_with_both_masks_and_all_its_facts(root: Path) -> None:
    case = loaded(root, "DUKE_001")
    assert [phase.data[0, 0, 0] for phase in case.phases] == [10, 11, 12]
    assert all(mm(phase) == pytest.approx(MARKER_MM) for phase in case.phases)
    assert {source: mm(volume) for source, volume in case.masks.items()} == {
        "expert": pytest.approx(MARKER_MM),
        "automatic": pytest.approx(MARKER_MM),
    }
    assert (case.times_s, case.times_from) == ((0, 584, 714), "pre")
    assert case.facts["primary_lesion"]["pcr"] == 0
    assert case.facts["clinical_data"] == {
        "age": 41, "menopausal_status": "pre", "breast_density": None, "weight": 90.3,
    }  # fmt: skip
    imaging = case.facts["imaging_data"]
    assert (imaging["scanner_manufacturer"], imaging["split"]) == ("SIEMENS", "train")
    assert "acquisition_times" not in imaging


def test_what_the_table_added_and_where_it_disagrees_is_told(root: Path) -> None:
    said = " ".join(loaded(root, "DUKE_001").decisions)
    assert "from the table: pcr, weight, scanner_manufacturer, acquisition_times." in said
    assert "the JSON's facts are kept: age is 41 in the JSON, 42 in the table." in said


def test_the_breast_box_is_in_voxels_of_the_stored_file(root: Path) -> None:
    # Their x is the last axis of the file: arr[x_min:x_max] of SimpleITK's (z, y, x) array.
    case = loaded(root, "DUKE_001")
    box = {"x_min": 2, "x_max": 7, "y_min": 0, "y_max": 9, "z_min": 1, "z_max": 10}
    assert case.facts["imaging_data"]["breast_box"] == box
    assert case.facts["primary_lesion"]["breast_coordinates"]["x_max"] == 10
    import SimpleITK

    path = root / "images" / "DUKE_001" / "duke_001_0000.nii.gz"
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    told = case.facts["primary_lesion"]["breast_coordinates"]
    theirs = array[tuple(slice(told[f"{axis}_min"], told[f"{axis}_max"]) for axis in "xyz")]
    ours = case.phases[0].data[tuple(slice(box[f"{a}_min"], box[f"{a}_max"]) for a in "xyz")]
    assert np.array_equal(theirs, ours.transpose())


@pytest.mark.parametrize(
    ("coordinates", "said"),
    [
        ({"x_min": 1, "x_max": 11, "y_min": 0, "y_max": 9, "z_min": 2, "z_max": 7}, "they leave"),
        ({"x_min": 1}, "not six whole numbers"),
        ({"x_min": 0.5, "x_max": 9, "y_min": 0, "y_max": 9, "z_min": 2, "z_max": 7}, "not six"),
        ("all", "not six whole numbers"),
    ],
)
def test_a_breast_box_that_cannot_be_is_left(root: Path, coordinates: object, said: str) -> None:
    write_info(root, "duke_001", {"primary_lesion": {"breast_coordinates": coordinates}})
    case = loaded(root, "DUKE_001")
    assert "breast_box" not in case.facts["imaging_data"]
    assert any("left the breast_coordinates" in d and said in d for d in case.decisions)


def test_a_mask_of_255_becomes_one_of_1(root: Path) -> None:
    case = loaded(root, "DUKE_002")
    assert np.unique(case.masks["expert"].data).tolist() == [0, 1]
    assert mm(case.masks["expert"]) == pytest.approx(MARKER_MM)
    assert "the mask DUKE_002.nii.gz holds the values 0, 255" in " ".join(case.decisions)
    assert case.facts["imaging_data"]["split"] == "test"


def test_times_that_do_not_fit_are_left_and_kept_as_a_fact(root: Path) -> None:
    case = loaded(root, "DUKE_002")
    assert (case.times_s, case.times_from) == (None, "unknown")
    assert "left the acquisition times [0, 165]: there are 2 for 3 phases." in case.decisions
    assert case.facts["imaging_data"]["acquisition_times_left"] == "[0, 165]"


@pytest.mark.parametrize(
    ("times", "taken", "said"),
    [
        ([0, 100, 90], None, "they do not rise"),
        ("soon", None, "they are no list of seconds"),
        (5, None, "they are no list of seconds"),
        ([0, 1, 10**400], None, "they are no list of seconds"),
        ([30, 100.5, 200], (0, 70.5, 170), "start at 30 s"),
    ],
)
def test_times_of_the_json_win_and_are_checked(
    root: Path, times: object, taken: object, said: str
) -> None:
    write_info(root, "duke_001", {"imaging_data": {"acquisition_times": times}})
    case = loaded(root, "DUKE_001")
    assert case.times_s == taken
    assert any(said in decision for decision in case.decisions)


def test_a_mask_on_another_grid_is_left(root: Path) -> None:
    folder = root / "segmentations"
    write_nifti(Volume(np.ones((8, 9, 4), np.uint8), AFFINE), folder / "expert" / "duke_001.nii.gz")
    moved = AFFINE.copy()
    moved[0, 3] += 5
    write_nifti(mask(affine=moved), folder / "automatic" / "DUKE_001.nii.gz")
    case = loaded(root, "DUKE_001")
    assert not case.masks
    said = " ".join(case.decisions)
    assert "left the mask" in said
    assert "shape (8, 9, 10) against (8, 9, 4)" in said
    assert "corner voxels lie up to 5 mm apart" in said


def test_a_case_with_nothing_beside_it_is_taken_and_told(root: Path) -> None:
    case = loaded(root, "ISPY1_1001")
    assert (case.masks, case.times_s) == ({}, None)
    assert case.decisions == (
        "there is no JSON file of facts.",
        "the table has no row for the case.",
        "the acquisition times are not known.",
    )


def test_a_case_in_both_splits_gets_none(root: Path) -> None:
    (root / "train_test_splits.csv").write_text("train_split,test_split\nDUKE_001,duke_001\n")
    assert "split" not in loaded(root, "DUKE_001").facts["imaging_data"]


def test_what_is_left_out_is_told(root: Path) -> None:
    images = root / "images"
    (images / "DUKE_001" / "duke_001_0001.nii.gz").unlink()
    (images / "ISPY1_1001" / "ispy1_1001_0000.nii.gz").unlink()
    write_nifti(image(0), images / "duke_002" / "duke_002_0000.nii")
    write_nifti(mask(), root / "segmentations" / "duke_001.nii.gz")
    (root / "train_test_splits.csv").write_text("train_split,test_split\nDUKE_001,duke_001\n")
    findings = mama_mia.find(root, Options())
    assert findings.items == ()
    why = {left.name: left.why for left in findings.left}
    assert "phase 0001 is missing" in why["DUKE_001"]
    assert "has phase 0000 twice" in why["DUKE_002"]
    assert "no pre-contrast image ispy1_1001_0000.nii.gz" in why["ISPY1_1001"]
    said = " ".join(findings.notes)
    assert "a mask lies in a folder of its source" in said
    assert "duke_001 is in both splits" in said
    assert "3 patients of the table have no images here" in said


@pytest.mark.parametrize(
    ("info", "said"),
    [([], "holds no JSON object"), ({"imaging_data": 3}, "its imaging_data is no JSON object")],
)
def test_bad_facts_have_their_sentence(root: Path, info: object, said: str) -> None:
    write_info(root, "duke_001", info)
    with pytest.raises(InputError, match=said):
        loaded(root, "DUKE_001")


def test_facts_nested_without_end_have_their_sentence(root: Path) -> None:
    depth = 100_000
    path = root / "patient_info_files" / "duke_001.json"
    path.write_text('{"a":' * depth + "1" + "}" * depth)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        loaded(root, "DUKE_001")


def test_a_table_without_its_sheet_or_columns_stops_the_import(root: Path) -> None:
    openpyxl.Workbook().save(root / "clinical_and_imaging_info.xlsx")
    with pytest.raises(InputError, match="has no sheet dataset_info"):
        mama_mia.find(root, Options())
    write_table(root, [{"name": "DUKE_001"}])
    with pytest.raises(InputError, match="has no column patient_id"):
        mama_mia.find(root, Options())


def test_a_whole_import_is_a_cohort_with_everything_in_place(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "cohort"
    name, findings = find_cases(root)
    summary = import_cases(name, findings, target)
    assert (name, summary.count("taken")) == ("mama-mia", 3)
    for source in ("expert", "automatic"):
        case = read_cohort(target, source)["DUKE_001"]
        assert case.tumour is not None
        assert mm(case.tumour.load()) == pytest.approx(MARKER_MM)
    assert [mm(phase.load()) for phase in case.phases] == [pytest.approx(MARKER_MM)] * 3
    assert (case.times_s, case.times_from) == ((0, 584, 714), "pre")
    assert case.facts["imaging_data"]["split"] == "train"


def test_a_broken_image_fails_alone_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    (root / "images" / "DUKE_001" / "duke_001_0002.nii.gz").write_bytes(b"\x1f\x8bno")
    target = tmp_path / "cohort"
    summary = import_cases(*find_cases(root), target)
    rows = {row.name: row for row in summary.rows}
    assert rows["DUKE_001"].status == "failed"
    assert "duke_001_0002.nii.gz: cannot be read" in rows["DUKE_001"].decisions[0]
    assert [case.name for case in read_cohort(target, "expert").cases] == ["DUKE_002", "ISPY1_1001"]
    assert not list(target.rglob("*duke_001*.nii.gz"))
