import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from dicom_factory import AXIAL, Geometry, image, save, segmentation, uid
from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import duke
from hcnet.cohorts.importers.importer import Imported, Item, Options, recognise
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import InputError
from hcnet.kinetics.functional import lesion_box

openpyxl = pytest.importorskip("openpyxl")

PATIENT = "Breast_MRI_153"
STUDY = "01-01-1990-NA-MRI BREAST BILATERAL WWO-78209"
TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
SHAPE = (7, 6, 8)
MARKER = (4, 1, 2)
SERIES = {2: "ax dyn pre", 4: "ax dyn 1st pass", 7: "ax dyn 2nd pass", 12: "ax dyn 3rd pass"}
CLOCKS = {2: "100000", 4: "102300", 7: "102502", 12: "102703"}
LABELS = {2: "pre", 4: "post_1", 7: "post_2", 12: "post_3"}
TIMES = (0.0, 1380.0, 1502.0, 1623.0)


def folder_of(number: int, text: str) -> str:
    return f"{number}.000000-{text}-{75000 + number}"


def write_series(
    study: Path,
    number: int,
    text: str,
    *,
    geometry: Geometry,
    from_above: bool = True,
    uids: bool = False,
    patient: str = PATIENT,
    marker: int = 1000,
    **tags: object,
) -> None:
    folder = study / (uid("series", patient, "S1", number) if uids else folder_of(number, text))
    for index in range(SHAPE[2]):
        pixels = np.full(SHAPE[:2], 100 + number, np.int16)
        if index == MARKER[2]:
            pixels[MARKER[:2]] = marker + number
        instance = SHAPE[2] - index if from_above else index + 1
        one = image(
            pixels.T, geometry, index, series=number, instance=instance, patient=patient,
            SeriesDescription=text, **tags,
        )  # fmt: skip
        save(one, folder / f"1-{instance:03d}.dcm")


def write_exam(
    root: Path,
    *,
    patient: str = PATIENT,
    orientation: tuple[float, ...] = AXIAL,
    from_above: bool = True,
    uids: bool = False,
    names: dict[int, str] = SERIES,
    clocks: dict[int, str] = CLOCKS,
    numbers: dict[int, int] | None = None,
) -> Geometry:
    """An exam of four phases with a spin-echo series and a segmentation beside them."""
    geometry = Geometry(orientation)
    study = root / patient / (uid("study", patient, "S1") if uids else STUDY)
    for number, text in names.items():
        write_series(
            study, number, text, geometry=geometry, from_above=from_above, uids=uids,
            patient=patient, clock=clocks[number],
        )  # fmt: skip
    write_series(
        study, 3, "ax t1 tse", geometry=geometry, uids=uids, patient=patient, clock="095000",
        ScanningSequence="SE", RepetitionTime=600.0, EchoTime=12.0,
    )  # fmt: skip
    frame = (geometry.position(1), np.ones(SHAPE[1::-1], bool), 1)
    other = segmentation([frame], geometry, series=900)
    other.PatientID, other.StudyInstanceUID = patient, uid("study", patient, "S1")
    save(other, study / "900.000000-Segmentation-1" / "1-1.dcm")
    return geometry


def write_book(path: Path, rows: Sequence[Sequence[object]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def mapping_row(number: int, slice_: int, label: str, patient: str = PATIENT) -> list[str]:
    study, series = uid("study", patient, "S1"), uid("series", patient, "S1", number)
    return [
        f"DICOM_Images/{patient}/{label}/{patient}_{label}_{slice_:03d}.dcm",
        f"Duke-Breast-Cancer-MRI/{patient}/{study}/{series}/1-{slice_:02d}.dcm",
        # The stray // and another padding than on disk are the published table's.
        f"Duke-Breast-Cancer-MRI/{patient}/{STUDY}//"
        f"{folder_of(number, SERIES.get(number, ''))}//1-{slice_}.dcm",
    ]


def write_mapping(root: Path, labels: dict[int, str] = LABELS) -> None:
    rows = [mapping_row(n, s, label) for s in range(1, 9) for n, label in labels.items()]
    rows.append(mapping_row(3, 1, "T1"))
    header = ["original_path_and_filename", "classic_path", "descriptive_path"]
    write_book(root / "Breast-Cancer-MRI-filepath_filename-mapping.xlsx", [header, *rows])


BOX_HEADER = [
    "Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice",
]  # fmt: skip


def write_boxes(root: Path, *numbers: object) -> None:
    write_book(root / "Annotation_Boxes.xlsx", [BOX_HEADER, [PATIENT, *numbers]])


def write_clinical(root: Path, name: str = "Patient ID") -> None:
    write_book(
        root / "Clinical_and_Other_Features.xlsx",
        [
            ["Patient Information", "Demographics", None, "Tumor Characteristics", None, None,
             "Mammography Characteristics"],
            [name, "Date of Birth (Days)", "Menopause (at diagnosis)", "ER", "Mol Subtype",
             "Tumor Location", "Breast Density"],
            [None, "(Taking date of diagnosis as day 0)", "{0 = pre, 1 = post, 2 = N/A}",
             "{0 = neg, 1 = pos}", "{0 = luminal-like}", "{L = left, R = right}",
             "{1 = almost all fat, 4 = dense}"],
            [PATIENT, -15000, 1, 1, 3, "L", 4],
            ["Breast_MRI_154", "NA", 2, 0, 0, "R", "NC"],
        ],
    )  # fmt: skip


def only(root: Path) -> Item:
    name, findings = find_cases(root)
    assert name == "duke"
    (item,) = findings.items
    return item


def read(root: Path) -> Imported:
    return duke.load(only(root))


def told(imported: Imported) -> str:
    return "\n".join(imported.decisions)


def brightest(data: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(data)), data.shape))


def phase_numbers(imported: Imported) -> list[int]:
    """The series that each phase came from: `write_series` leaves its number in the pixels."""
    return [int(phase.data.min()) - 100 for phase in imported.phases]


def mask_image(values: np.ndarray, geometry: Geometry, first: Sequence[int] = (0, 0, 0)):
    """A label image (x, y, z[, layers]) on the exam's voxels, from the voxel `first` on."""
    array = values.transpose(2, 1, 0, *([3] if values.ndim == 4 else []))
    made = sitk.GetImageFromArray(array, isVector=values.ndim == 4)
    made.SetSpacing((geometry.columns_mm, geometry.rows_mm, geometry.step_mm))
    row, column = np.array(geometry.orientation).reshape(2, 3)
    made.SetDirection(np.stack([row, column, geometry.normal], 1).ravel().tolist())
    made.SetOrigin((geometry.ras(*first) * [-1, -1, 1]).tolist())
    return made


def write_breast(root: Path, made: sitk.Image, **keys: str) -> Path:
    folder = root / "PKG - Supplement-v3" / "Segmentation_Masks_NRRD" / PATIENT
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in keys.items():
        made.SetMetaData(key, value)
    path = folder / f"Segmentation_{PATIENT}_Breast.seg.nrrd"
    sitk.WriteImage(made, str(path))
    return path


def breast_values() -> np.ndarray:
    values = np.zeros(SHAPE, np.uint8)
    values[2:6, 1:4, 2:7] = 1
    return values


def test_the_mapping_file_names_the_phases_whatever_the_headers_say(tmp_path: Path) -> None:
    write_exam(tmp_path)
    # A series more, just like the phases, which the mapping file does not name.
    study = tmp_path / PATIENT / STUDY
    write_series(study, 14, "ax dyn delayed", geometry=Geometry(), clock="110000")
    write_mapping(tmp_path)
    imported = read(tmp_path)
    assert phase_numbers(imported) == [2, 4, 7, 12]
    assert (imported.times_s, imported.times_from) == (TIMES, "pre")
    assert "the mapping file names them pre, post_1, post_2, post_3" in told(imported)
    assert imported.facts["imaging_data"]["dataset"] == "DUKE"
    assert not imported.masks


def test_folders_of_uids_are_known_by_the_uids_of_the_mapping_file(tmp_path: Path) -> None:
    root = tmp_path / "manifest-1654812109500" / "Duke-Breast-Cancer-MRI"
    write_exam(root, uids=True)
    write_mapping(tmp_path)
    item = only(tmp_path)
    assert item.name == "BREAST_MRI_153"
    assert "the mapping file names them pre" in told(duke.load(item))


def test_folders_renamed_by_the_user_are_known_by_uids_all_the_same(tmp_path: Path) -> None:
    write_exam(tmp_path)
    study = tmp_path / PATIENT / STUDY
    for number, folder in enumerate(sorted(study.iterdir())):
        folder.rename(study / f"s{number}")
    write_mapping(tmp_path)
    assert "the mapping file names them pre" in told(read(tmp_path))


def test_without_a_mapping_file_the_headers_find_the_scan_23_minutes_before(tmp_path: Path) -> None:
    write_exam(tmp_path)
    imported = read(tmp_path)
    assert phase_numbers(imported) == [2, 4, 7, 12]
    assert imported.times_s == TIMES
    assert "does not name its series" in told(imported)
    _, findings = find_cases(tmp_path)
    assert any("no table Breast-Cancer-MRI" in note for note in findings.notes)


def test_the_other_descriptive_names_are_found_by_the_headers_too(tmp_path: Path) -> None:
    names = {600 + i: f"Ph{i + 1}ax 3d dyn" for i in range(4)}
    write_exam(tmp_path, names=names, clocks=dict(zip(names, CLOCKS.values(), strict=True)))
    imported = read(tmp_path)
    assert phase_numbers(imported) == [600, 601, 602, 603]
    assert imported.times_s == TIMES


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({2: "pre", 4: "post_1", 99: "post_2"}, "its post_2"),
        ({4: "post_1", 7: "post_2"}, "does not name a series pre"),
        ({2: "pre"}, "does not name a series pre and others"),
        ({2: "pre", 4: "post_1", 7: "post_1"}, "several series for one phase"),
    ],
)
def test_a_mapping_file_that_does_not_fit_is_told_and_left(
    tmp_path: Path, labels: dict[int, str], why: str
) -> None:
    write_exam(tmp_path)
    write_mapping(tmp_path, labels)
    imported = read(tmp_path)
    assert phase_numbers(imported) == [2, 4, 7, 12]
    assert "The mapping file cannot be used" in told(imported)
    assert why in told(imported)


def test_times_that_contradict_the_mapping_file_are_left_and_its_order_counts(
    tmp_path: Path,
) -> None:
    write_exam(tmp_path)
    write_mapping(tmp_path, {2: "pre", 7: "post_1", 4: "post_2", 12: "post_3"})
    imported = read(tmp_path)
    assert phase_numbers(imported) == [2, 7, 4, 12]
    assert imported.times_s is None
    assert "do not rise in the order of the mapping file" in told(imported)


def test_phases_that_share_a_series_are_split_as_the_mapping_file_counts_them(
    tmp_path: Path,
) -> None:
    study = tmp_path / PATIENT / STUDY
    for phase in range(3):
        for index in range(SHAPE[2]):
            pixels = np.full(SHAPE[1::-1], 100 + phase, np.int16)
            instance = 1 + index + SHAPE[2] * phase
            one = image(
                pixels, Geometry(), index, series=2, instance=instance, patient=PATIENT,
                clock=f"10{2 * phase:02d}00",
            )  # fmt: skip
            save(one, study / "600.000000-ax 3d dyn-1" / f"1-{instance:03d}.dcm")
    header = ["original_path_and_filename", "classic_path"]
    rows = [mapping_row(2, 1 + i, ["pre", "post_1", "post_2"][i])[:2] for i in range(3)]
    write_book(tmp_path / f"{duke.MAPPING}.xlsx", [header, *rows])
    imported = read(tmp_path)
    assert phase_numbers(imported) == [0, 1, 2]
    assert imported.times_s == (0.0, 120.0, 240.0)


@pytest.mark.parametrize("from_above", [True, False])
@pytest.mark.parametrize("orientation", [AXIAL, TURNED])
def test_the_box_holds_the_marker_in_both_slice_orders_and_rotations(
    tmp_path: Path, from_above: bool, orientation: tuple[float, ...]
) -> None:
    geometry = write_exam(tmp_path, orientation=orientation, from_above=from_above)
    x, y, z = MARKER
    first = SHAPE[2] - z if from_above else z + 1  # the number of the marker's file
    write_boxes(tmp_path, y + 1, y + 2, x + 1, x + 1, first, first + 1)
    write_mapping(tmp_path)
    name, findings = find_cases(tmp_path)
    summary = import_cases(name, findings, tmp_path / "cohort")
    assert summary.count("taken") == 1
    case = read_cohort(tmp_path / "cohort")["BREAST_MRI_153"]
    for phase in case.phases:
        volume = phase.load()
        at = brightest(volume.data)
        assert (volume.affine @ [*at, 1])[:3] == pytest.approx(geometry.ras(*MARKER), abs=1e-3)
    box = lesion_box(case.facts, SHAPE, "here")
    assert box is not None
    # The rows go one beyond the marker, and so do the slices, in the order of their numbers.
    z_range = slice(z - 1, z + 1) if from_above else slice(z, z + 2)
    assert box == (slice(x, x + 1), slice(y, y + 2), z_range)
    assert case.times_s == TIMES


def test_a_box_read_as_counted_from_zero_lies_within_the_box(tmp_path: Path) -> None:
    write_exam(tmp_path, from_above=False)
    write_boxes(tmp_path, 1, 4, 3, 6, 2, 5)
    box = lesion_box(read(tmp_path).facts, SHAPE, "here")
    assert box == (slice(2, 6), slice(0, 4), slice(1, 5))
    write_boxes(tmp_path, 0, 4, 3, 6, 2, 5)
    assert lesion_box(read(tmp_path).facts, SHAPE, "here") == box


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((1, 99, 1, 2, 1, 2), "Start Row 1 to End Row 99 is empty or leaves the 6"),
        ((1, 2, 5, 3, 1, 2), "Start Column 5 to End Column 3 is empty"),
        ((1, 2, 1, 2, 1, 9), "leaves the 8"),
        ((1, 2, 1, 2, "x", 2), "no numbers"),
        ((1, 2, 1, 2, -3, 2), "no numbers"),
        ((1, 2, 1, 2, 1.5, 2), "no numbers"),
        ((1, 2, 1, 10**30, 1, 2), "Start Column 1 to End Column 1"),
        ((1, 2, None, 2, 1, 2), "no numbers"),
    ],
)
def test_a_box_that_cannot_be_is_told_and_left(
    tmp_path: Path, numbers: tuple[object, ...], why: str
) -> None:
    write_exam(tmp_path)
    write_boxes(tmp_path, *numbers)
    imported = read(tmp_path)
    assert "tumour_box" not in imported.facts.get("primary_lesion", {})
    assert "Left the tumour box: " in told(imported)
    assert why in told(imported)


def test_a_box_is_left_where_the_phases_number_their_slices_differently(tmp_path: Path) -> None:
    geometry = write_exam(tmp_path)
    study = tmp_path / PATIENT / STUDY
    write_series(study, 4, SERIES[4], geometry=geometry, from_above=False, clock=CLOCKS[4])
    write_boxes(tmp_path, 1, 2, 1, 2, 1, 2)
    assert "slices of its phases are numbered differently" in told(read(tmp_path))


def test_a_patient_without_a_box_is_told(tmp_path: Path) -> None:
    write_exam(tmp_path)
    write_book(tmp_path / "Annotation_Boxes.xlsx", [BOX_HEADER, ["Breast_MRI_001", *[1] * 6]])
    imported = read(tmp_path)
    assert "No table has a tumour box of it." in imported.decisions
    assert "primary_lesion" not in imported.facts


def test_clinical_facts_are_taken_and_what_is_not_collected_is_left_out(tmp_path: Path) -> None:
    write_exam(tmp_path)
    write_exam(tmp_path, patient="Breast_MRI_154")
    write_clinical(tmp_path)
    _, findings = find_cases(tmp_path)
    facts = duke.load(findings.items[0]).facts
    clinical = {"age": 41, "menopausal_status": "post", "breast_density": 4}
    assert clinical.items() <= facts["clinical_data"].items()
    assert facts["primary_lesion"] == {"er": 1, "tumor_subtype": "triple negative", "side": "left"}
    assert facts["patient_id"] == "BREAST_MRI_153"
    assert findings.items[1].parts["clinical"] == {
        "primary_lesion": {"er": 0, "tumor_subtype": "luminal-like", "side": "right"}
    }
    notes = "\n".join(findings.notes)
    assert "has no column PR" in notes
    assert "{1 = almost all fat, 4 = dense}" in notes


def test_tables_as_csv_and_with_other_dashes_are_found(tmp_path: Path) -> None:
    write_exam(tmp_path)
    with (tmp_path / "annotation-boxes.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([BOX_HEADER, [PATIENT, 1, 2, 1, 2, 1, 2]])
    assert read(tmp_path).facts["primary_lesion"]["tumour_box"]["z_max"] == SHAPE[2]


def test_tables_of_another_form_are_refused_by_name(tmp_path: Path) -> None:
    write_exam(tmp_path)
    write_clinical(tmp_path, "Subject")
    with pytest.raises(InputError, match=r"Clinical_and_Other_Features.xlsx: has no column Pat"):
        find_cases(tmp_path)
    (tmp_path / "Clinical_and_Other_Features.xlsx").unlink()
    write_book(tmp_path / "Annotation_Boxes.xlsx", [["Patient ID", "Start Row"], [PATIENT, 1]])
    with pytest.raises(InputError, match=r"Annotation_Boxes.xlsx: .*no column Start Column"):
        find_cases(tmp_path)
    write_boxes(tmp_path, *[1] * 6)
    path = tmp_path / f"{duke.MAPPING}.xlsx"
    write_book(path, [["original_path_and_filename", "other"], ["a/b/c.dcm", "d"]])
    with pytest.raises(InputError, match=r"mapping.xlsx: .*neither a column classic_path"):
        find_cases(tmp_path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"mapping.xlsx: cannot be read as XLSX"):
        find_cases(tmp_path)


def test_paths_of_the_mapping_file_that_lead_outside_are_names_like_others(tmp_path: Path) -> None:
    root = tmp_path / "collection"
    write_exam(root)
    outside = tmp_path / "outside"
    write_series(outside, 4, SERIES[4], geometry=Geometry(), clock=CLOCKS[4])
    header = ["original_path_and_filename", "descriptive_path"]
    rows = [[f"x/{PATIENT}/{label}/a.dcm", f"x/../../outside/{folder_of(4, SERIES[4])}/1.dcm"]
            for label in ("pre", "post_1")]  # fmt: skip
    rows.append([f"x/{PATIENT}/post_2/a.dcm", "x/../../../etc/../passwd"])
    write_book(root / f"{duke.MAPPING}.xlsx", [header, *rows])
    imported = read(root)
    assert "series '..', is not there once" in told(imported)
    assert phase_numbers(imported) == [2, 4, 7, 12]


@pytest.mark.parametrize("orientation", [AXIAL, TURNED])
def test_the_breast_mask_lands_on_the_image_by_its_segment_s_name(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    geometry = write_exam(tmp_path, orientation=orientation)
    values = breast_values() * np.uint8(3)
    values[0, 0, 0] = 1  # another segment
    write_breast(
        tmp_path, mask_image(values, geometry),
        Segment0_Name="Vessels", Segment0_LabelValue="1", Segment0_Layer="0",
        Segment1_Name="Breast", Segment1_LabelValue="3", Segment1_Layer="0",
    )  # fmt: skip
    name, findings = find_cases(tmp_path)
    assert [item.name for item in findings.items] == ["BREAST_MRI_153"]
    import_cases(name, findings, tmp_path / "cohort")
    case = read_cohort(tmp_path / "cohort")["BREAST_MRI_153"]
    assert case.tumour is None
    assert case.breast is not None
    breast = case.breast.load()
    np.testing.assert_array_equal(breast.data, breast_values())
    assert breast.grid.difference(case.pre.load().grid) is None
    assert "segment Breast (layer 0, label 3)" in told(duke.load(findings.items[0]))


def test_a_breast_mask_in_a_layer_cut_to_its_extent_and_flipped_is_placed_by_millimetres(
    tmp_path: Path,
) -> None:
    geometry = write_exam(tmp_path)
    inside = breast_values()[2:6, 1:4, 2:7]
    layers = np.zeros((*inside.shape, 2), np.uint8)
    layers[..., 0] = 1 - inside
    layers[..., 1] = inside
    layers[0, 0, 0, 1] = 0  # so that a wrong flip shows
    made = mask_image(layers, geometry, first=(2, 1, 2))
    made = sitk.PermuteAxes(sitk.Flip(made, (False, False, True)), (1, 0, 2))
    write_breast(
        tmp_path, made,
        Segment0_Name="Rest", Segment0_LabelValue="1", Segment0_Layer="0",
        Segment1_Name="whole BREAST", Segment1_LabelValue="1", Segment1_Layer="1",
    )  # fmt: skip
    expected = breast_values()
    expected[2, 1, 2] = 0
    breast = read(tmp_path).breast
    assert breast is not None
    np.testing.assert_array_equal(breast.data, expected)


def test_a_breast_mask_that_names_no_segment_is_all_that_is_not_0(tmp_path: Path) -> None:
    geometry = write_exam(tmp_path)
    write_breast(tmp_path, mask_image(breast_values(), geometry))
    imported = read(tmp_path)
    assert imported.breast is not None
    np.testing.assert_array_equal(imported.breast.data, breast_values())
    assert "names no segment" in told(imported)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("garbage", "cannot be read as NRRD"),
        ("spacing", "do not run along the image's"),
        ("between", "lie between the image's"),
        ("elsewhere", "reaches outside the image"),
        ("empty", "breast segment is empty"),
        ("nameless", "does not say which segment is the breast (Dense, Vessels)"),
        ("label", "LabelValue is 'one', no number"),
        ("layer", "in layer 7, which is not there"),
        ("huge", "far larger than the image"),
    ],
)
def test_a_breast_mask_that_cannot_be_used_is_told_and_the_case_taken(
    tmp_path: Path, change: str, why: str
) -> None:
    geometry = write_exam(tmp_path)
    values = breast_values() * (change != "empty")
    made = mask_image(values.astype(np.uint8), geometry)
    keys = {"Segment0_Name": "Breast", "Segment0_LabelValue": "1", "Segment0_Layer": "0"}
    if change == "spacing":
        made.SetSpacing((1.0, 1.0, 1.0))
    elif change in ("between", "elsewhere"):
        step = geometry.columns_mm * (0.5 if change == "between" else 4)
        made.SetOrigin((made.GetOrigin()[0] + step, *made.GetOrigin()[1:]))
    elif change == "nameless":
        keys = {"Segment0_Name": "Dense", "Segment1_Name": "Vessels"}
    elif change == "label":
        keys["Segment0_LabelValue"] = "one"
    elif change == "layer":
        keys["Segment0_Layer"] = "7"
    path = write_breast(tmp_path, made, **keys)
    if change == "garbage":
        path.write_bytes(b"NRRD0004\nnothing")
    elif change == "huge":
        head, _, _ = path.read_bytes().partition(b"\n\n")
        path.write_bytes(head.replace(b"sizes: 7 6 8", b"sizes: 7 60000 60000") + b"\n\n")
    imported = read(tmp_path)
    assert imported.breast is None
    assert "Left the breast mask: " in told(imported)
    assert why in told(imported)
    assert len(imported.phases) == 4


def test_what_is_no_duke_collection_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "Segmentation_Masks_NRRD" / PATIENT / "sub").mkdir(parents=True)
    assert not duke.recognises(tmp_path)
    (tmp_path / PATIENT).mkdir()
    (tmp_path / PATIENT / "breast_mri_153_0000.nii.gz").touch()
    assert not duke.recognises(tmp_path)
    with pytest.raises(InputError, match="holds no folder Breast_MRI_nnn"):
        duke.find(tmp_path / "Segmentation_Masks_NRRD", Options())
    assert not duke.recognises(tmp_path / "missing")
    (tmp_path / PATIENT / "study").mkdir()
    assert duke.recognises(tmp_path)
    assert duke.recognises(tmp_path / PATIENT)


def test_an_empty_patient_and_a_missing_visit_are_left_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "Breast_MRI_001").mkdir()
    write_exam(tmp_path)
    findings = duke.find(tmp_path, Options(visit=2))
    assert not findings.items
    why = {left.name: left.why for left in findings.left}
    assert why["BREAST_MRI_001"].endswith("Breast_MRI_001: holds no folder of a study.")
    assert why["BREAST_MRI_153"].endswith("has 1 visit(s), no visit 2.")


def test_several_studies_need_dates_in_their_names_or_the_mapping_file(tmp_path: Path) -> None:
    write_exam(tmp_path)
    second = tmp_path / PATIENT / "03-02-1990-NA-MRI BREAST-1"
    write_series(second, 5, "ax dyn pre", geometry=Geometry())
    both = duke.find(tmp_path, Options(visit=None)).items
    assert [(item.name, item.place.name) for item in both] == [
        ("BREAST_MRI_153_V1", STUDY),
        ("BREAST_MRI_153_V2", second.name),
    ]
    second.rename(tmp_path / PATIENT / "01-01-1990-other")
    (left,) = duke.find(tmp_path, Options()).left
    assert "do not tell their order" in left.why
    write_mapping(tmp_path)
    findings = duke.find(tmp_path, Options())
    assert [item.place.name for item in findings.items] == [STUDY]
    assert "does not name the study 01-01-1990-other" in findings.left[0].why


def test_a_damaged_exam_fails_and_the_others_are_taken(tmp_path: Path) -> None:
    write_exam(tmp_path)
    write_exam(tmp_path, patient="Breast_MRI_154")
    lost = tmp_path / PATIENT / STUDY / folder_of(7, SERIES[7]) / "1-004.dcm"
    lost.unlink()
    name, findings = find_cases(tmp_path)
    summary = import_cases(name, findings, tmp_path / "cohort")
    assert [(row.name, row.status) for row in summary.rows] == [
        ("BREAST_MRI_153", "failed"),
        ("BREAST_MRI_154", "taken"),
    ]
    assert "missing" in summary.rows[0].decisions[0]
    assert [c.name for c in read_cohort(tmp_path / "cohort").cases] == ["BREAST_MRI_154"]


def test_files_of_another_patient_in_a_folder_are_told(tmp_path: Path) -> None:
    write_exam(tmp_path)
    (tmp_path / PATIENT).rename(tmp_path / "Breast_MRI_007")
    imported = read(tmp_path)
    assert "the files say patient 'Breast_MRI_153', the folder Breast_MRI_007" in told(imported)


def test_parts_are_plain_values_and_the_collection_is_recognised_as_duke(tmp_path: Path) -> None:
    write_exam(tmp_path)
    write_mapping(tmp_path)
    write_boxes(tmp_path, *[1] * 6)
    json.dumps(dict(only(tmp_path).parts))
    assert recognise(tmp_path) == "duke"
