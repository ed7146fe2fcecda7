import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicom_factory import (
    OBLIQUE,
    SAGITTAL,
    Geometry,
    phase_array,
    save,
    segmentation,
    write_interleaved,
    write_phase,
)
from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import dicom
from hcnet.cohorts.importers.importer import Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

MARKER = (4, 1, 6)  # column, row, slice


def write_exam(folder: Path, patient: str = "P1", date: str = "20240102", **tags: Any) -> None:
    """A dynamic exam of two phases in one series, with one bright voxel."""
    for phase in range(2):
        volume = phase_array(phase)
        volume[MARKER] = 20000 + phase
        day = {"StudyDate": date, "AcquisitionDate": date, "study": date, "patient": patient}
        number = {"first_instance": 1 + 8 * phase, "clock": f"10{2 * phase:02d}00"}
        write_phase(folder, volume, **{**day, **number, **tags})


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    shutil.rmtree(folder)
    return path


def marker_mm(volume: Volume) -> np.ndarray:
    index = np.unravel_index(volume.data.argmax(), volume.shape)
    return (volume.affine @ [*index, 1])[:3]


def test_patients_in_folders_and_zips_are_told_apart_by_their_headers(tmp_path: Path) -> None:
    write_exam(tmp_path / "a" / "late", "P1", "20240301")
    write_exam(tmp_path / "a" / "early", "P1", "20240102")
    write_exam(tmp_path / "z" / "exam", "P2")
    archive = zipped(tmp_path / "z")
    (tmp_path / "readme.txt").write_text("no image")
    name, findings = find_cases(tmp_path)
    assert name == "dicom"
    assert [(i.name, i.place) for i in findings.items] == [
        ("P1", tmp_path / "a" / "early"),
        ("P2", archive),
    ]
    assert (findings.left, findings.notes) == ((), ())


def test_a_study_in_a_folder_a_series_is_one_exam(tmp_path: Path) -> None:
    for phase in range(3):
        write_phase(tmp_path / f"s{phase}", phase_array(phase), series=phase + 2,
                    clock=f"10{phase:02d}00")  # fmt: skip
    (item,) = dicom.find(tmp_path, Options()).items
    assert item.place == tmp_path
    imported = dicom.load(item)
    assert imported.times_s == (0, 60, 120)
    assert imported.times_from == "pre"
    for phase, volume in enumerate(imported.phases):
        np.testing.assert_array_equal(volume.data, phase_array(phase))
    assert any(d.startswith("Took 3 phases from series 2, 3, 4:") for d in imported.decisions)


@pytest.mark.parametrize(
    ("visit", "names", "dates"),
    [
        (1, ["P1"], ["20240102"]),
        (2, ["P1"], ["20240301"]),
        (None, ["P1_V1", "P1_V2"], ["20240102", "20240301"]),
    ],
)
def test_visits_are_counted_by_date(
    tmp_path: Path, visit: int | None, names: list[str], dates: list[str]
) -> None:
    write_exam(tmp_path / "a", date="20240301")
    write_exam(tmp_path / "b", date="20240102")
    findings = dicom.find(tmp_path, Options(visit))
    assert [item.name for item in findings.items] == names
    loaded = [dicom.load(item) for item in findings.items]
    assert [i.facts["imaging_data"]["study_date"] for i in loaded] == dates
    assert {i.facts["patient_id"] for i in loaded} == {"P1"}
    number = visit or 1
    assert loaded[0].decisions[0] == f"Took visit {number} of 2 ({dates[0]})."


def test_visits_without_times_are_counted_by_date(tmp_path: Path) -> None:
    for folder, date in (("a", "20240301"), ("b", "20240102"), ("c", "20240202")):
        write_exam(tmp_path / folder, date=date, AcquisitionTime=None)
    items = dicom.find(tmp_path, Options(None)).items
    assert [item.place.name for item in items] == ["b", "c", "a"]


def test_a_patient_without_such_a_visit_is_left(tmp_path: Path) -> None:
    write_exam(tmp_path)
    findings = dicom.find(tmp_path, Options(3))
    assert findings.items == ()
    assert [(left.name, left.why) for left in findings.left] == [
        ("P1", "has 1 visit(s) with a dynamic exam, no visit 3.")
    ]


def test_studies_without_a_dynamic_t1_exam_are_left_with_the_reason(tmp_path: Path) -> None:
    write_phase(tmp_path / "t2", phase_array(0), patient="P2", EchoTime=90.0)
    write_phase(tmp_path / "one", phase_array(0), patient="P3")
    write_exam(tmp_path / "good", "P1", "20240301")
    write_phase(tmp_path / "scout", phase_array(0), study="s", StudyDate="20240101", EchoTime=90.0)
    findings = dicom.find(tmp_path, Options())
    (item,) = findings.items
    assert (item.name, item.parts["visits"]) == ("P1", 1)
    why = {left.name: left.why for left in findings.left}
    assert sorted(why) == ["P1_OTHER1", "P2", "P3"]
    assert "holds no T1-weighted volume" in why["P2"]
    assert "T2-weighted (TE 90 ms)" in why["P2"]
    assert "no series repeats its slices" in why["P3"]
    assert str(tmp_path / "scout") in why["P1_OTHER1"]


def test_exams_that_cannot_be_read_apart_are_left(tmp_path: Path) -> None:
    write_exam(tmp_path / "flat", "P1", prefix="a")
    write_exam(tmp_path / "flat", "P2", prefix="b")
    findings = dicom.find(tmp_path, Options())
    assert findings.items == ()
    assert [left.name for left in findings.left] == ["P1", "P2"]
    assert all("put each exam into a folder of its own" in left.why for left in findings.left)


def test_of_visits_in_one_folder_only_the_first_can_be_read(tmp_path: Path) -> None:
    write_exam(tmp_path, date="20240301", prefix="b")
    write_exam(tmp_path, date="20240102", prefix="a")
    findings = dicom.find(tmp_path, Options(None))
    assert [item.name for item in findings.items] == ["P1_V1"]
    assert [left.name for left in findings.left] == ["P1_V2"]
    imported = dicom.load(findings.items[0])
    assert imported.facts["imaging_data"]["study_date"] == "20240102"
    assert any("2 studies are there" in decision for decision in imported.decisions)


def test_a_study_that_is_not_the_one_found_is_refused(tmp_path: Path) -> None:
    write_exam(tmp_path, date="20240301")
    (item,) = dicom.find(tmp_path, Options()).items
    write_exam(tmp_path, date="20240102", prefix="x")
    with pytest.raises(InputError, match=r"holds several studies, and visit 1 of P1 is not the"):
        dicom.load(item)


def test_a_study_spread_over_zips_is_left(tmp_path: Path) -> None:
    for phase in range(2):
        write_phase(tmp_path / f"s{phase}", phase_array(phase), series=phase + 2,
                    clock=f"10{phase:02d}00")  # fmt: skip
        zipped(tmp_path / f"s{phase}")
    (left,) = dicom.find(tmp_path, Options()).left
    assert "lies in several zips" in left.why


def test_a_copy_of_an_exam_beside_it_makes_no_second_visit(tmp_path: Path) -> None:
    write_exam(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (item,) = dicom.find(tmp_path, Options(None)).items
    assert (item.place, item.parts["visits"]) == (tmp_path / "a", 1)


def test_exams_without_patient_id_are_one_patient_a_folder(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_exam(tmp_path / name, study=name, PatientID=None, PatientName=None)
    items = dicom.find(tmp_path, Options()).items
    assert [(item.name, item.place) for item in items] == [
        ("FIRST", tmp_path / "first"),
        ("SECOND", tmp_path / "second"),
    ]
    assert dicom.load(items[1]).facts["patient_id"] == "SECOND"


@pytest.mark.parametrize("orientation", [SAGITTAL, OBLIQUE])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_marker_stays_at_its_millimetres(
    tmp_path: Path, orientation: tuple[float, ...], compressed: bool
) -> None:
    geometry = Geometry(orientation)
    write_exam(tmp_path / "in", geometry=geometry, reverse=True, compressed=compressed)
    expected = geometry.ras(*MARKER)
    name, findings = find_cases(tmp_path / "in")
    imported = dicom.load(findings.items[0])
    np.testing.assert_allclose(marker_mm(imported.phases[1]), expected, atol=1e-4)
    summary = import_cases(name, findings, tmp_path / "out")
    assert [(row.name, row.status, row.phases) for row in summary.rows] == [("P1", "taken", 2)]
    case = read_cohort(tmp_path / "out")["P1"]
    assert case.times_s == (0, 120)
    for phase, source in enumerate(case.phases):
        volume = source.load()
        assert volume.data.max() == 20000 + phase
        np.testing.assert_allclose(marker_mm(volume), expected, atol=1e-3)


def test_facts_are_in_the_words_of_the_layout(tmp_path: Path) -> None:
    write_exam(tmp_path, PatientAge="047Y", PatientSex="F", Manufacturer="GE", Laterality="R",
               ManufacturerModelName="Signa", MagneticFieldStrength=1.5)  # fmt: skip
    (item,) = dicom.find(tmp_path, Options()).items
    facts = dicom.load(item).facts
    assert facts["clinical_data"] == {"age": 47, "sex": "F"}
    assert facts["imaging_data"] == {
        "scanner_manufacturer": "GE",
        "scanner_model": "Signa",
        "field_strength": 1.5,
        "echo_time": 2.0,
        "repetition_time": 5.0,
        "flip_angle": 12.0,
        "laterality": "R",
        "study_date": "20240102",
        "visit": 1,
    }


def test_segmentation_objects_are_named_and_left(tmp_path: Path) -> None:
    write_exam(tmp_path)
    geometry = Geometry()
    plane = np.ones((5, 6), bool)
    outline = segmentation([(geometry.position(2), plane, 1)], geometry)
    outline.StudyInstanceUID = str(dicom.find(tmp_path, Options()).items[0].parts["study"])
    save(outline, tmp_path / "seg")
    (item,) = dicom.find(tmp_path, Options()).items
    imported = dicom.load(item)
    assert imported.masks == {}
    assert any("Left the segmentation objects 900 (outline)" in d for d in imported.decisions)


def test_a_damaged_baseline_fails_and_no_later_visit_takes_its_place(tmp_path: Path) -> None:
    write_exam(tmp_path / "in" / "a", date="20240102")
    write_exam(tmp_path / "in" / "b", date="20240301")
    write_exam(tmp_path / "in" / "c", "P2")
    cut = tmp_path / "in" / "a" / "IM00300003"
    cut.write_bytes(cut.read_bytes()[:600])
    name, findings = find_cases(tmp_path / "in")
    assert findings.notes
    assert str(cut) in findings.notes[0]
    summary = import_cases(name, findings, tmp_path / "out")
    status = {row.name: row.status for row in summary.rows}
    assert status == {"P1": "failed", "P2": "taken"}
    (why,) = next(row.decisions for row in summary.rows if row.name == "P1")
    assert str(cut) in why
    assert [case.name for case in read_cohort(tmp_path / "out").cases] == ["P2"]
    assert not list((tmp_path / "out").rglob("*p1*.nii.gz"))
    assert not list((tmp_path / "out").glob(".importing*"))


def test_a_missing_slice_fails_with_its_place(tmp_path: Path) -> None:
    write_exam(tmp_path)
    (tmp_path / "IM00300012").unlink()
    (item,) = dicom.find(tmp_path, Options()).items
    with pytest.raises(InputError, match="phase 2 lacks the slice at"):
        dicom.load(item)


def test_a_hostile_patient_id_stays_within_the_cohort(tmp_path: Path) -> None:
    write_exam(tmp_path / "in", "../../etc/x y")
    name, findings = find_cases(tmp_path / "in")
    assert [item.name for item in findings.items] == ["ETC_X_Y"]
    import_cases(name, findings, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert read_cohort(tmp_path / "out")["ETC_X_Y"].facts["patient_id"] == "ETC_X_Y"


def test_a_zip_that_leads_outside_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    write_exam(tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../x.dcm", b"\0" * 128 + b"DICM")
    findings = dicom.find(tmp_path, Options())
    assert [item.name for item in findings.items] == ["P1"]
    assert "has a path outside the zip" in findings.notes[0]


def test_recognises_dicom_whatever_the_files_are_called(tmp_path: Path) -> None:
    write_interleaved(tmp_path / "dicom" / "deep", count=1)
    write_exam(tmp_path / "z")
    assert dicom.recognises(tmp_path / "dicom")
    assert dicom.recognises(zipped(tmp_path / "z"))


def test_does_not_recognise_nifti_or_nothing(tmp_path: Path) -> None:
    write_nifti(Volume(np.zeros((4, 4, 4), np.uint8), np.eye(4)), tmp_path / "n" / "a_0000.nii.gz")
    (tmp_path / "empty").mkdir()
    assert not dicom.recognises(tmp_path / "n")
    assert not dicom.recognises(tmp_path / "empty")
    assert not dicom.recognises(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no DICOM file"):
        dicom.find(tmp_path / "n", Options())
