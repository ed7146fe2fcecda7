"""What is needed of each DICOM file's header, as one small record; pixels are not read."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydicom.tag import BaseTag, Tag

from hcnet.errors import InputError
from hcnet.volumes.dicom.elements import Unusual, read_header
from hcnet.volumes.dicom.enhanced import ENHANCED, frames_of
from hcnet.volumes.dicom.files import DicomFile, is_dicom, open_streams, reading
from hcnet.volumes.dicom.values import (
    Elements,
    floats,
    integer,
    moment,
    number,
    numbers,
    parse,
    quiet,
    seconds_at,
    segments_of,
    text,
    texts,
    value_of,
)

_DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR: an index of a medium, not an object
_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_UCSF_CREATOR, _UCSF_TIMES = Tag(0x01170010), Tag(0x01171034)
_KEYWORDS = (
    "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate StudyTime SeriesDate "
    "SeriesTime AcquisitionDate AcquisitionTime AcquisitionDateTime ContentDate ContentTime "
    "Modality Manufacturer ManufacturerModelName SeriesDescription StudyDescription ProtocolName "
    "PatientID PatientName PatientAge PatientSex ContrastBolusAgent ContrastBolusStartTime "
    "ScanningSequence ScanOptions SequenceVariant MRAcquisitionType SequenceName SliceThickness "
    "RepetitionTime EchoTime InversionTime FlipAngle MagneticFieldStrength DiffusionBValue "
    "SpacingBetweenSlices TriggerTime TemporalResolution StudyInstanceUID SeriesInstanceUID "
    "SeriesNumber AcquisitionNumber InstanceNumber ImagePositionPatient ImageOrientationPatient "
    "FrameOfReferenceUID TemporalPositionIdentifier Laterality NumberOfFrames Rows Columns "
    "PixelSpacing SegmentSequence SegmentationType"
)
_HEAD_BYTES = 8 * 1024, 64 * 1024
"""How much of a file is read at first, and at most, to find the header in."""
_TAGS: list[BaseTag] = [*map(Tag, _KEYWORDS.split()), _UCSF_CREATOR, _UCSF_TIMES]


@dataclass(frozen=True, slots=True)
class Instance:
    """The header of one DICOM file, or of one frame of an enhanced one.

    A value is None or empty where the file does not say. `frame` is the number of the frame from 0,
    None for a whole file.

    Times are seconds: `acquired_s` and `injected_s` since year 1 (date included where given),
    `trigger_s` since the start of the scan, `phase_times_s` relative to the injection. Positions
    and directions are LPS in mm, as DICOM has them; `pixel_spacing` is (between rows, between
    columns).
    """

    file: DicomFile
    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    frame_of_reference: str
    patient: str
    modality: str
    series_number: int | None
    instance_number: int | None
    description: str
    image_type: tuple[str, ...]
    rows: int | None
    columns: int | None
    frames: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    slice_thickness: float | None
    slice_spacing: float | None
    scanning_sequence: tuple[str, ...]
    scan_options: tuple[str, ...]
    acquisition_type: str
    echo_time: float | None
    repetition_time: float | None
    inversion_time: float | None
    flip_angle: float | None
    b_value: float | None
    contrast_agent: str
    temporal_position: float | None
    temporal_resolution: float | None
    acquisition_number: float | None
    trigger_s: float | None
    acquired_s: float | None
    content_s: float | None
    injected_s: float | None
    phase_times_s: tuple[float, ...]
    study_date: str
    segments: tuple[tuple[int, str], ...]
    facts: tuple[tuple[str, str | float], ...]
    frame: int | None = None

    @property
    def identity(self) -> tuple[str, int | None]:
        """What copies of the same object or frame share."""
        return self.sop_uid, self.frame

    @property
    def location(self) -> str:
        """Where the file is, for messages."""
        return self.file.location


@dataclass(frozen=True)
class Scan:
    """What a folder or zip holds.

    Attributes:
        instances: one record for each DICOM file, or for each frame of an enhanced one; copies of
            the same object left out.
        skipped: number of files that are not DICOM images or objects.
        copies: number of files that repeat an object already seen.
    """

    instances: tuple[Instance, ...]
    skipped: int
    copies: int


def scan(path: Path) -> Scan:
    """Read the headers of all DICOM files in a folder or zip, or of one file.

    Raises:
        InputError: nothing there, nothing of it is DICOM, or a DICOM file is damaged; for zips
            also as `hcnet.volumes.dicom.files.open_streams`.
    """
    instances: dict[tuple[str, int | None], Instance] = {}
    skipped = copies = 0
    with quiet():
        for file, stream in open_streams(path):
            with reading(file):
                dicom = is_dicom(stream)
            instance = None
            if dicom and not _is_resource_fork(file):
                header = _header(file, stream)
                instance = None if _is_directory(header) else _instance(file, header)
            if instance is None:
                skipped += 1
                continue
            found = [instance]
            if instance.sop_class in ENHANCED:
                found = _frames(file, stream)
            copies += found[0].identity in instances
            for each in found:
                instances.setdefault(each.identity, each)
    if not instances:
        raise InputError(
            f"{path}: none of its {skipped} file(s) is a DICOM image; "
            "give a DICOM folder or zip, or NIfTI files."
        )
    return Scan(tuple(instances.values()), skipped, copies)


def _header(file: DicomFile, stream: BinaryIO) -> Elements:
    head = b""
    for size in _HEAD_BYTES:
        with reading(file):
            head += stream.read(size - len(head))
        try:
            return read_header(head, _TAGS, whole=len(head) < size)
        except Unusual:
            continue
    with reading(file):
        stream.seek(0)
    return parse(file, stream, _TAGS)


def _instance(file: DicomFile, dataset: Elements) -> Instance:
    instance = _record(file, dataset)
    cut = instance.sop_class == _MR_IMAGE and instance.rows is None
    if cut or not instance.series_uid or not instance.sop_uid:
        raise InputError(
            f"{file.location}: its DICOM header is cut short or has no UID; "
            "remove the file or copy it again."
        )
    return instance


def _frames(file: DicomFile, stream: BinaryIO) -> list[Instance]:
    with reading(file):
        stream.seek(0)
    dataset = parse(file, stream, pixels=False)
    return [
        replace(_record(file, frame), frame=number)
        for number, frame in enumerate(frames_of(file, dataset))
    ]


def _record(file: DicomFile, dataset: Elements) -> Instance:
    bolus = text(dataset, "ContrastBolusStartTime")
    trigger = number(dataset, "TriggerTime")
    facts = {
        "patient_age": text(dataset, "PatientAge"),
        "patient_sex": text(dataset, "PatientSex"),
        "scanner_manufacturer": text(dataset, "Manufacturer"),
        "scanner_model": text(dataset, "ManufacturerModelName"),
        "field_strength": number(dataset, "MagneticFieldStrength"),
        "laterality": text(dataset, "Laterality"),
        "study_description": text(dataset, "StudyDescription"),
    }
    return Instance(
        file=file,
        sop_class=text(dataset, "SOPClassUID"),
        sop_uid=text(dataset, "SOPInstanceUID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        patient=text(dataset, "PatientID") or text(dataset, "PatientName"),
        modality=text(dataset, "Modality"),
        series_number=integer(dataset, "SeriesNumber"),
        instance_number=integer(dataset, "InstanceNumber"),
        description=text(dataset, "SeriesDescription") or text(dataset, "ProtocolName"),
        image_type=texts(dataset, "ImageType"),
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        frames=integer(dataset, "NumberOfFrames") or 1,
        position=numbers(dataset, "ImagePositionPatient", 3),
        orientation=numbers(dataset, "ImageOrientationPatient", 6),
        pixel_spacing=numbers(dataset, "PixelSpacing", 2),
        slice_thickness=number(dataset, "SliceThickness"),
        slice_spacing=number(dataset, "SpacingBetweenSlices"),
        scanning_sequence=texts(dataset, "ScanningSequence"),
        scan_options=texts(dataset, "ScanOptions"),
        acquisition_type=text(dataset, "MRAcquisitionType"),
        echo_time=number(dataset, "EchoTime"),
        repetition_time=number(dataset, "RepetitionTime"),
        inversion_time=number(dataset, "InversionTime"),
        flip_angle=number(dataset, "FlipAngle"),
        b_value=number(dataset, "DiffusionBValue"),
        contrast_agent=text(dataset, "ContrastBolusAgent"),
        temporal_position=number(dataset, "TemporalPositionIdentifier"),
        temporal_resolution=number(dataset, "TemporalResolution"),
        acquisition_number=number(dataset, "AcquisitionNumber"),
        trigger_s=None if trigger is None else trigger / 1000.0,
        acquired_s=moment(dataset, "Acquisition"),
        content_s=moment(dataset, "Content"),
        injected_s=seconds_at(
            text(dataset, "AcquisitionDate") or text(dataset, "StudyDate"), bolus
        ),
        phase_times_s=_phase_times(dataset),
        study_date=text(dataset, "StudyDate"),
        segments=segments_of(dataset),
        facts=tuple((key, value) for key, value in facts.items() if value not in ("", None)),
    )


def _phase_times(dataset: Elements) -> tuple[float, ...]:
    """Phase times that UCSF's software leaves on derived series, (0117,1034)."""
    if not text(dataset, _UCSF_CREATOR).startswith("UCSF"):
        return ()
    value = value_of(dataset, _UCSF_TIMES)
    if isinstance(value, bytes):  # implicit VR: the type of a private element is not known
        value = value.decode("ascii", "replace").strip(" \0").split("\\")
    return tuple(floats(value))


def _is_resource_fork(file: DicomFile) -> bool:
    name = file.member if file.member is not None else str(file.container)
    return "__MACOSX" in name or name.rsplit("/", 1)[-1].startswith("._")


def _is_directory(dataset: Elements) -> bool:
    meta = getattr(dataset, "file_meta", None) or dataset
    return _DIRECTORY in (text(dataset, "SOPClassUID"), text(meta, "MediaStorageSOPClassUID"))
