"""A DICOM exam segmented: objects of its study beside the NIfTI files, or a sentence why not."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.pm import ParametricMap
from skimage.color import lab2rgb
from typer.testing import CliRunner

from dicom_factory import OBLIQUE, Geometry, write_phase
from hcnet.cli.main import app
from hcnet.cohorts.open import open_case
from hcnet.inference.bundle import open_bundle
from hcnet.inference.names import DICOM_FILES
from hcnet.inference.output import segment_to_folder
from hcnet.kinetics.palette import class_colours
from hcnet.report.write import write_report
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import scan
from hcnet.volumes.dicom.segmentation import read_segmentation
from hcnet.volumes.nifti import read_nifti, write_nifti


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return open_bundle(tiny_run / "bundle")


def write_exam(case, folder: Path, **tags: object) -> None:
    """A phantom's pre-contrast volume as an oblique DICOM exam, numbered from the top."""
    pre = case.pre.load()
    x, y, z = pre.spacing
    geometry = Geometry(OBLIQUE, rows_mm=y, columns_mm=x, step_mm=z)
    write_phase(folder, np.rint(pre.data).astype(np.int16), geometry, reverse=True, **tags)


@pytest.fixture(scope="module")
def exam(tiny_cohort, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dicom") / "exam"
    write_exam(tiny_cohort.cases[0], folder)
    return folder


@pytest.fixture(scope="module")
def segmented(exam, bundle, tmp_path_factory):
    """Case, folder of results, summary."""
    case, folder = open_case(exam), tmp_path_factory.mktemp("results")
    summary = segment_to_folder(case, bundle, folder, threshold=0.0)
    return case, folder, summary


def test_dicom_and_nifti_say_the_same(segmented):
    case, folder, summary = segmented
    grid = case.pre.stack.grid
    tumour = read_nifti(folder / "tumour.nii.gz")
    assert tumour.data.any()
    ours = read_segmentation(DicomFile(folder / "tumour.dcm"), grid)
    np.testing.assert_array_equal(ours.data, tumour.data)
    assert ours.grid.difference(tumour.grid) is None
    labels = read_nifti(folder / "heterogeneity.nii.gz").data
    for number in (1, 2, 3):
        mask = read_segmentation(DicomFile(folder / "heterogeneity.dcm"), grid, number).data
        np.testing.assert_array_equal(mask > 0, labels == number)
    map_ = ParametricMap.from_file(folder / "probability.dcm").get_volume()
    probability = read_nifti(folder / "tumour_probability.nii.gz")
    indices = np.argwhere(probability.data > 0)[::97]
    mm = indices @ probability.affine[:3, :3].T + probability.affine[:3, 3]
    there = map_.map_reference_to_indices(mm * [-1, -1, 1], round_output=True)
    np.testing.assert_array_equal(
        map_.array[tuple(there.T)], probability.data[tuple(indices.T)].astype(np.float32)
    )
    assert not summary["warnings"]


def test_the_objects_belong_to_the_exam(segmented):
    case, folder, _ = segmented
    instances = case.pre.stack.instances
    known = {i.sop_uid for i in instances}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [entry["file"] for entry in manifest["dicom"]] == list(DICOM_FILES)
    numbers = []
    for entry in manifest["dicom"]:
        read = pydicom.dcmread(folder / entry["file"])
        assert (read.SOPInstanceUID, read.SeriesInstanceUID) == (
            entry["sop_uid"],
            entry["series_uid"],
        )
        assert read.FrameOfReferenceUID == instances[0].frame_of_reference
        assert read.StudyInstanceUID == instances[0].study_uid
        assert {item.ReferencedSOPInstanceUID for item in read.SourceImageSequence} == known
        assert "research use only" in read.SeriesDescription
        assert "research use only" in read.ContentDescription
        assert read.ContentCreatorName.family_name == "hcnet"
        assert read.DeviceSerialNumber == manifest["bundle"]["sha256"][:16]
        numbers.append(read.SeriesNumber)
    assert numbers == [100031, 100032, 100033]


def test_classes_have_the_colours_of_the_report(segmented):
    read = pydicom.dcmread(segmented[1] / "heterogeneity.dcm")
    for segment, colour in zip(read.SegmentSequence, class_colours(3), strict=True):
        lightness, a, b = segment.RecommendedDisplayCIELabValue
        lab = [lightness * 100 / 65535, a * 255 / 65535 - 128, b * 255 / 65535 - 128]
        shown = lab2rgb([[lab]])[0, 0] * 255
        np.testing.assert_allclose(shown, list(bytes.fromhex(colour[1:])), atol=3)
    assert [s.SegmentLabel for s in read.SegmentSequence] == [f"Class {n} of 3" for n in (1, 2, 3)]


def test_the_report_lists_them(segmented):
    page = write_report(segmented[1]).read_text()
    for name in DICOM_FILES:
        assert name in page
    assert "100032" in page


def test_headers_that_do_not_allow_it_cost_only_the_objects(tiny_cohort, bundle, tmp_path):
    write_exam(tiny_cohort.cases[0], tmp_path / "exam", FrameOfReferenceUID=None)
    out = tmp_path / "out"
    out.mkdir()
    summary = segment_to_folder(open_case(tmp_path / "exam"), bundle, out)
    (told,) = [w for w in summary["warnings"] if "DICOM" in w]
    assert told.startswith("No DICOM results were written")
    assert told.endswith("has no FrameOfReferenceUID, so nothing else can be placed in its space.")
    assert not list(out.glob("*.dcm"))
    assert (out / "tumour.nii.gz").is_file()
    assert json.loads((out / "manifest.json").read_text())["dicom"] == []


def test_the_command_tells_and_leaves_no_object_of_an_earlier_input(
    tiny_cohort, tiny_run, exam, tmp_path
):
    def run(path: Path):
        arguments = ["segment", path, "-o", tmp_path / "out", "-b", tiny_run / "bundle", "--force"]
        return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)

    told = run(exam)
    assert told.exit_code == 0
    assert {p.name for p in (tmp_path / "out").glob("*.dcm")} == set(DICOM_FILES)
    assert "probability.dcm" in told.stdout
    write_nifti(tiny_cohort.cases[1].pre.load(), tmp_path / "other.nii.gz")
    assert run(tmp_path / "other.nii.gz").exit_code == 0
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_a_real_exam(shared_data, bundle, tmp_path):
    """I-SPY1 on TCIA: sagittal, all phases in one series, in a zip."""
    path = shared_data / "ispy1_1002" / "ISPY1_1002.zip"
    case = open_case(path)
    pre = case.pre.stack
    segment_to_folder(case, bundle, tmp_path, threshold=0.0)
    known = {instance.sop_uid: instance for instance in scan(path).instances}
    for name in DICOM_FILES:
        read = pydicom.dcmread(tmp_path / name)
        assert read.PatientID == "ISPY1_1002"
        listed = [known[item.ReferencedSOPInstanceUID] for item in read.SourceImageSequence]
        assert {i.sop_uid for i in listed} == {i.sop_uid for i in pre.instances}
        assert {i.frame_of_reference for i in listed} == {read.FrameOfReferenceUID}
        shared = read.SharedFunctionalGroupsSequence[0]
        orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        assert tuple(orientation) == pre.instances[0].orientation
        assert tuple(shared.PixelMeasuresSequence[0].PixelSpacing) == pre.instances[0].pixel_spacing
        for frame in read.PerFrameFunctionalGroupsSequence:
            (source,) = frame.DerivationImageSequence[0].SourceImageSequence
            position = frame.PlanePositionSequence[0].ImagePositionPatient
            assert tuple(position) == known[source.ReferencedSOPInstanceUID].position
    mask = read_segmentation(DicomFile(tmp_path / "tumour.dcm"), pre.grid)
    nifti = read_nifti(tmp_path / "tumour.nii.gz")
    np.testing.assert_array_equal(mask.data, nifti.data)
    assert nifti.grid.difference(pre.grid) is None


def test_a_doubt_about_the_phase_is_among_the_warnings(tiny_cohort, bundle, tmp_path):
    write_exam(tiny_cohort.cases[0], tmp_path / "exam", ContrastBolusAgent="Gd")
    (tmp_path / "out").mkdir()
    summary = segment_to_folder(open_case(tmp_path / "exam"), bundle, tmp_path / "out")
    [told] = [w for w in summary["warnings"] if "contrast" in w]
    assert told.startswith("The phase taken as pre-contrast may be from after contrast: ")
    assert told in write_report(tmp_path / "out").read_text()
