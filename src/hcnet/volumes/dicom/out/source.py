"""The source images of a result: what its object repeats of them, checked; pixels are not read."""

from collections.abc import Iterator

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID
from pydicom.valuerep import DSfloat, validate_value

from hcnet.errors import InputError
from hcnet.volumes.dicom.files import open_files
from hcnet.volumes.dicom.headers import Instance
from hcnet.volumes.dicom.stacks import Stack
from hcnet.volumes.dicom.values import items_of, parse, quiet, text, value_of

# Attributes of patient and study that every object of a study repeats; an archive files an object
# by them. The first must be there, if need be empty.
_MUST = (
    "PatientName PatientID PatientBirthDate PatientSex "
    "StudyDate StudyTime StudyID AccessionNumber ReferringPhysicianName"
)
_MAY = (
    "IssuerOfPatientID PatientAge PatientSize PatientWeight EthnicGroup StudyDescription "
    "ClinicalTrialTimePointID Manufacturer ManufacturerModelName PositionReferenceIndicator"
)
# Of a trial all or nothing: its first line may not be empty where any of it is there.
_TRIAL_KEY = "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialSubjectID"
_TRIAL_MORE = "ClinicalTrialProtocolName ClinicalTrialSiteID ClinicalTrialSiteName"
_SOMETIMES = (
    "SpecificCharacterSet Laterality PatientIdentityRemoved DeidentificationMethod "
    "DeidentificationMethodCodeSequence LossyImageCompression LossyImageCompressionRatio "
    "LossyImageCompressionMethod"
)
_IDENTITY = ("PatientName", "PatientID")
_TAGS: list[BaseTag] = [
    Tag(keyword)
    for line in (_MUST, _MAY, _TRIAL_KEY, _TRIAL_MORE, _SOMETIMES)
    for keyword in line.split()
]


def source_images(stack: Stack) -> list[Dataset]:
    """The headers that a result on `stack` refers to, one a slice, in the order of the stack.

    Patient and study are those of the first slice; texts that break the standard are left out.
    Every slice keeps its own position; the orientation is the first slice's, since a multi-frame
    object has but one.

    Args:
        stack: the slices; of their files only the first one's header is read.

    Raises:
        InputError: the file cannot be read or is an enhanced one; there is no frame of reference,
            or slices have different ones or belong to different series; a UID or the patient's name
            or ID breaks the standard.
    """
    first = stack.instances[0]
    if first.frame is not None:
        raise InputError(
            f"{first.location}: is enhanced multi-frame DICOM, whose frames results do not refer "
            "to yet."
        )
    if not first.frame_of_reference:
        raise InputError(
            f"{first.location}: has no FrameOfReferenceUID, so nothing else can be placed in its "
            "space."
        )
    for other in stack.instances:
        if _where(other) != _where(first):
            raise InputError(
                f"{other.location}: belongs to another study, series or frame of reference than "
                f"{first.location}."
            )
    common = _patient_and_study(first)
    thickness = abs(first.slice_thickness or first.slice_spacing or stack.grid.spacing[2])
    return [_image(instance, first, common, thickness) for instance in stack.instances]


def _where(instance: Instance) -> tuple[str, str, str]:
    return instance.study_uid, instance.series_uid, instance.frame_of_reference


def _image(instance: Instance, first: Instance, common: Dataset, thickness: float) -> Dataset:
    dataset = Dataset()
    dataset.update(common)
    for keyword, value in (
        ("SOPClassUID", instance.sop_class),
        ("SOPInstanceUID", instance.sop_uid),
        ("StudyInstanceUID", instance.study_uid),
        ("SeriesInstanceUID", instance.series_uid),
        ("FrameOfReferenceUID", instance.frame_of_reference),
    ):
        if not UID(value, validation_mode=config.IGNORE).is_valid:
            raise InputError(f"{instance.location}: its {keyword} {value!r} breaks the standard.")
        setattr(dataset, keyword, value)
    dataset.Modality = "MR"
    dataset.Rows, dataset.Columns = instance.rows, instance.columns
    dataset.PixelSpacing = _decimals(first.pixel_spacing)
    dataset.SliceThickness = _decimals((thickness,))[0]
    dataset.ImageOrientationPatient = _decimals(first.orientation)
    dataset.ImagePositionPatient = _decimals(instance.position)
    return dataset


def _decimals(values: tuple[float, ...] | None) -> list[DSfloat]:
    return [DSfloat(value, auto_format=True) for value in values or ()]


def _patient_and_study(first: Instance) -> Dataset:
    raw = next(parse(file, stream, _TAGS) for file, stream in open_files([first.file]))
    dataset = Dataset()
    with quiet():
        for keyword in f"{_MUST} {_MAY}".split():
            value = _lawful(keyword, text(raw, keyword))
            if value is None and keyword in _IDENTITY:
                raise InputError(f"{first.location}: its {keyword} breaks the standard.")
            if value or keyword in _MUST.split():
                setattr(dataset, keyword, value or "")
        if dataset.PatientSex not in ("M", "F", "O"):
            dataset.PatientSex = ""
        side = text(raw, "Laterality")
        dataset.Laterality = side if side in ("L", "R") else ""
        dataset.update(_trial(raw))
        if text(raw, "PatientIdentityRemoved") == "YES":
            dataset.PatientIdentityRemoved = "YES"
            dataset.DeidentificationMethod = list(_deidentification(raw))
        if text(raw, "LossyImageCompression") == "01":
            _tell_loss(raw, dataset)
    return dataset


def _trial(raw: Dataset) -> Dataset:
    dataset = Dataset()
    for keyword in f"{_TRIAL_KEY} {_TRIAL_MORE}".split():
        value = _lawful(keyword, text(raw, keyword))
        if not value and keyword in _TRIAL_KEY.split():
            return Dataset()
        setattr(dataset, keyword, value or "")
    return dataset


def _lawful(keyword: str, value: str) -> str | None:
    """The text without unprintable characters, or None where its type does not allow it."""
    cleaned = "".join(c for c in value if c.isprintable() and c != "\\").strip()
    try:
        validate_value(dictionary_VR(keyword), cleaned, config.RAISE)
    except ValueError:
        return None
    return cleaned


def _deidentification(raw: Dataset) -> Iterator[str]:
    """How identity was removed, which the standard demands to be said where it was."""
    stated = [str(item) for item in items_of(value_of(raw, "DeidentificationMethod"))]
    coded = items_of(value_of(raw, "DeidentificationMethodCodeSequence"))
    stated += [text(item, "CodeMeaning") for item in coded if isinstance(item, Dataset)]
    told = [_lawful("DeidentificationMethod", method) for method in stated]
    yield from [method for method in told if method] or ["not stated in the source images"]


def _tell_loss(raw: Dataset, dataset: Dataset) -> None:
    """What is made from images that lost detail in compression must say so."""
    dataset.LossyImageCompression = "01"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        stated = [str(item).strip() for item in items_of(value_of(raw, keyword))]
        if stated and all(_lawful(keyword, item) for item in stated):
            setattr(dataset, keyword, stated)
