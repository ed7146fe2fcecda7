"""Loose DICOM exams: told apart by their headers, each visit a case, nothing moved in space."""

import numpy as np
import pytest

from dicom_factory import AXIAL, OBLIQUE, SAGITTAL, Geometry, write_interleaved
from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import dicom
from hcnet.cohorts.importers.importer import Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import InputError


def visit(root, patient, date, geometry=None):
    folder = root / patient / date
    tags = {"patient": patient, "study": f"{patient}{date}", "StudyDate": date}
    return write_interleaved(folder, geometry, AcquisitionDate=date, **tags)


@pytest.fixture
def tree(tmp_path):
    """Two patients, the first with two visits; beside them a text."""
    root = tmp_path / "exams"
    visit(root, "P1", "20200301")
    visit(root, "P1", "20200101")
    visit(root, "P2", "20210101")
    (root / "README.txt").write_text("exams")
    return root


def test_the_earliest_visit_of_each_patient_is_taken(tree):
    assert dicom.recognises(tree)
    items = dicom.find(tree, Options()).items
    assert [item.name for item in items] == ["P1", "P2"]
    assert items[0].place == tree / "P1" / "20200101"


def test_other_visits_are_an_option(tree):
    second = dicom.find(tree, Options(visit=2))
    assert [item.place.name for item in second.items] == ["20200301"]
    assert [(left.name, "no visit 2" in left.why) for left in second.left] == [("P2", True)]
    every = dicom.find(tree, Options(visit=None)).items
    assert [item.name for item in every] == ["P1_V1", "P1_V2", "P2_V1"]


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE])
def test_a_marker_keeps_its_millimetre(tmp_path, orientation):
    geometry = Geometry(orientation=orientation)
    volumes = visit(tmp_path / "exams", "P1", "20200101", geometry)
    name, findings = find_cases(tmp_path / "exams")
    assert name == "dicom"
    summary = import_cases(name, findings, tmp_path / "cohort")
    assert summary.count("taken") == 1
    case = read_cohort(tmp_path / "cohort")["P1"]
    assert len(case.phases) == 3
    for phase, stored in zip(case.phases, volumes, strict=True):
        volume = phase.load()
        for place in ((0, 0, 0), (5, 1, 3), (2, 4, 7)):
            at = np.linalg.inv(volume.affine) @ [*geometry.ras(*place), 1]
            index = tuple(np.round(at[:3]).astype(int))
            np.testing.assert_allclose(at[:3], index, atol=1e-3)
            assert volume.data[index] == stored[place]


def test_decisions_are_told(tree, tmp_path):
    summary = import_cases("dicom", dicom.find(tree, Options()), tmp_path / "cohort")
    told = " ".join(summary.rows[0].decisions)
    assert "Took visit 1 of 2 (20200101)" in told
    assert "3 phases from series 3" in told


def test_two_studies_of_one_folder_are_not_mixed(tmp_path):
    for number, date in enumerate(("20200101", "20200301")):
        tags = {"patient": f"P{number}", "study": date, "StudyDate": date}
        write_interleaved(tmp_path / "exams", prefix=f"S{number}", **tags)
    findings = dicom.find(tmp_path / "exams", Options())
    assert not findings.items
    assert all("put each exam into a folder of its own" in left.why for left in findings.left)


def test_a_folder_without_dicom(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    assert not dicom.recognises(tmp_path)
    with pytest.raises(InputError, match="holds no DICOM file"):
        dicom.find(tmp_path, Options())


def test_the_real_exam(shared_data, tmp_path):
    findings = dicom.find(shared_data / "ispy1_1002", Options())
    (item,) = findings.items
    imported = dicom.load(item)
    assert item.name == "ISPY1_1002"
    assert [round(time) for time in imported.times_s] == [-280, 143, 488]
    assert len(imported.phases) == 3
    assert any("Left the segmentation objects" in each for each in imported.decisions)
