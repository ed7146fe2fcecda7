"""Enhanced multi-frame files are read as the slices that they are."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_factory import OBLIQUE, Geometry, image, phase_array, save, write_interleaved
from hcnet.cohorts.dicom_exam import describe_exam, exam_case
from hcnet.cohorts.open import open_case
from hcnet.errors import InputError

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
PHASES = 3
GEOMETRY = Geometry(OBLIQUE)
MOVED = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("EchoTime", "RepetitionTime", "FlipAngle"),
    *("ScanningSequence", "AcquisitionTime", "AcquisitionDate"),
)
"""What a file of one slice says in plain elements and an enhanced one in its groups."""


def item(**tags: Any) -> list[Dataset]:
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return [dataset]


def group(**macros: list[Dataset]) -> Dataset:
    return item(**macros)[0]


def enhanced(volumes: list[np.ndarray], first: int = 0, **tags: Any) -> Dataset:
    """All phases in one file, frames of all phases at one position after each other."""
    planes, groups = [], []
    plain = image(volumes[0][:, :, 0].T, GEOMETRY, 0)
    for index in range(volumes[0].shape[2]):
        for phase, volume in enumerate(volumes, first):
            planes.append(volume[:, :, index].T)
            groups.append(
                group(
                    FrameContentSequence=item(
                        FrameAcquisitionDateTime=f"2024010210{2 * phase:02d}00",
                        TemporalPositionIndex=phase + 1,
                    ),
                    PlanePositionSequence=item(ImagePositionPatient=GEOMETRY.position(index)),
                    ContrastBolusUsageSequence=item(
                        ContrastBolusAgentNumber=1,
                        ContrastBolusAgentAdministered="YES" if phase else "NO",
                    ),
                )
            )
    shared = group(
        PlaneOrientationSequence=item(ImageOrientationPatient=plain.ImageOrientationPatient),
        PixelMeasuresSequence=item(
            PixelSpacing=plain.PixelSpacing, SliceThickness=GEOMETRY.step_mm
        ),
        MRTimingAndRelatedParametersSequence=item(RepetitionTime=5.0, FlipAngle=12.0),
        MREchoSequence=item(EffectiveEchoTime=2.0),
        MRImageFrameTypeSequence=item(FrameType=["ORIGINAL", "PRIMARY", "T1", "NONE"]),
    )
    for name in MOVED:
        delattr(plain, name)
    values = {
        "SOPClassUID": ENHANCED_MR,
        "EchoPulseSequence": "GRADIENT",
        "NumberOfFrames": len(planes),
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": groups,
        "PixelData": np.stack(planes).astype("<i2").tobytes(),
        **tags,
    }
    for name, value in values.items():
        setattr(plain, name, value)
    return plain


@pytest.fixture
def volumes() -> list[np.ndarray]:
    return [phase_array(phase) for phase in range(PHASES)]


@pytest.mark.parametrize("compressed", [False, True])
def test_one_file_is_an_exam_of_all_its_phases(
    tmp_path: Path, volumes: list[np.ndarray], compressed: bool
) -> None:
    save(enhanced(volumes), tmp_path / "enhanced" / "IM1", compressed=compressed)
    description = describe_exam(tmp_path / "enhanced")
    for row, volume in zip(description.phases, volumes, strict=True):
        np.testing.assert_array_equal(row.source.load().data, volume)
    assert [row.time_s for row in description.phases] == [0, 120, 240]
    assert "names no contrast agent" in description.pre_why
    assert description.pre_doubt is None
    # On the grid that files of one slice would have.
    write_interleaved(tmp_path / "slices", GEOMETRY)
    assert description.grid.difference(describe_exam(tmp_path / "slices").grid) is None
    digests = {row.source.digest() for row in description.phases}
    assert len(digests) == PHASES


def test_a_file_a_phase(tmp_path: Path, volumes: list[np.ndarray]) -> None:
    for phase, volume in enumerate(volumes):
        tags = {"SeriesNumber": phase, "SeriesInstanceUID": f"1.2.{phase}"}
        save(
            enhanced([volume], phase, SOPInstanceUID=f"1.3.{phase}", **tags), tmp_path / f"{phase}"
        )
    case = exam_case(describe_exam(tmp_path))
    assert case.times_s == (0, 120, 240)
    np.testing.assert_array_equal(case.phases[2].load().data, volumes[2])
    shutil.copy(tmp_path / "0", tmp_path / "copy")
    assert "1 file(s) are copies" in " ".join(describe_exam(tmp_path).warnings)


def test_a_later_phase_alone_is_doubted(tmp_path: Path, volumes: list[np.ndarray]) -> None:
    save(enhanced(volumes[1:2], 1), tmp_path / "IM1")
    assert "temporal position is 2" in describe_exam(tmp_path).pre_doubt


def test_each_frame_is_rescaled_by_its_own_numbers(tmp_path: Path) -> None:
    dataset = enhanced([phase_array(0)])
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.PixelValueTransformationSequence = item(
            RescaleSlope=number + 1, RescaleIntercept=-number, RescaleType="US"
        )
    save(dataset, tmp_path / "IM1")
    found = describe_exam(tmp_path).phases[0].source.load().data
    depth = np.arange(found.shape[2])
    np.testing.assert_allclose(found, phase_array(0) * (depth + 1) - depth)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"NumberOfFrames": 7}, "says that it has 7 frames and describes 8"),
        ({"PerFrameFunctionalGroupsSequence": []}, "describes 0"),
        ({"PixelData": b"\0" * 64}, "its pixels cannot be read"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, tags: dict[str, Any], message: str) -> None:
    file = save(enhanced([phase_array(0)], **tags), tmp_path / "IM1")
    with pytest.raises(InputError, match=message) as told:
        describe_exam(tmp_path).phases[0].source.load()
    assert str(file) in str(told.value)


def test_only_the_frames_asked_for_are_decoded(
    tmp_path: Path, volumes: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hcnet.volumes.dicom import pixels

    save(enhanced(volumes), tmp_path / "IM1")
    case = open_case(tmp_path)
    seen = []

    def counted(dataset: Dataset, *, index: int) -> np.ndarray:
        seen.append(index)
        return pydicom.pixels.pixel_array(dataset, index=index)

    monkeypatch.setattr(pixels, "pixel_array", counted)
    case.pre.load()
    assert seen == list(range(0, volumes[0].shape[2] * PHASES, PHASES))


def test_a_real_exam_converted(shared_data: Path, tmp_path: Path) -> None:
    """Three phases of I-SPY1 as highdicom converts old files to an enhanced one."""
    from highdicom.legacy import LegacyConvertedEnhancedMRImage
    from pydicom.uid import generate_uid

    with zipfile.ZipFile(shared_data / "ispy1_1002" / "ISPY1_1002.zip") as archive:
        archive.extractall(tmp_path / "all")
    whole = describe_exam(tmp_path / "all", series=[3])
    for number, phase in enumerate(whole.phases, 1):
        files = [instance.file.container for instance in phase.source.stack.instances]
        converted = LegacyConvertedEnhancedMRImage(
            [pydicom.dcmread(file) for file in files],
            series_instance_uid=generate_uid(entropy_srcs=[str(number)]),
            series_number=number,
            sop_instance_uid=generate_uid(entropy_srcs=["object", str(number)]),
            instance_number=1,
        )
        (tmp_path / "enhanced").mkdir(exist_ok=True)
        converted.save_as(tmp_path / "enhanced" / f"{number}.dcm")
    description = describe_exam(tmp_path / "enhanced")
    assert description.grid.difference(whole.grid) is None
    assert {row.series.number for row in description.series} == {1, 2, 3}
    for converted, original in zip(description.phases, whole.phases, strict=True):
        np.testing.assert_array_equal(converted.source.load().data, original.source.load().data)
