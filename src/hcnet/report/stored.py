"""What `hcnet segment` wrote beside its images, checked before a page is made of it."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hcnet.errors import InputError
from hcnet.files import read_json


class Stored(BaseModel):
    """Base of what is read; names that are not known are left alone, as a newer hcnet may add some.

    Numbers are finite: JSON has no other, but Python's reader takes them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Focus(Stored):
    """One focus of the tumour."""

    volume_ml: float
    centroid_mm: tuple[float, float, float]


class ClassFacts(Stored):
    """One class of the heterogeneity map; shares are from 0 to 1."""

    label: int
    curve: tuple[float, ...]
    tumour_share: float
    breast_share: float


class ClassPart(Stored):
    """One class inside the tumour, as `hcnet.kinetics.heterogeneity.ClassPart`."""

    label: int
    volume_ml: float
    share: float | None
    rim_share: float | None
    core_share: float | None
    regions: int


class Mixture(Stored):
    """How mixed the tumour is, as `hcnet.kinetics.heterogeneity.Heterogeneity`."""

    foci: int
    diameter_mm: float = 0.0
    extent_mm: float = 0.0
    entropy_bits: float | None = None
    entropy: float | None = None
    ith: float | None = None
    clustering: float | None = None
    rim_ml: float = 0.0
    core_ml: float = 0.0
    classes: tuple[ClassPart, ...] = ()


class Uncertainty(Stored):
    """How sure the networks are of the tumour.

    Attributes:
        mean_in_tumour: mean of `tumour_uncertainty.nii.gz` in the mask, 0 to 1; None without one.
        volume_ml_low: the least that a member of an ensemble finds; None with one member.
        volume_ml_high: the most that a member finds.
        what: what the numbers are.
    """

    mean_in_tumour: float | None
    volume_ml_low: float | None
    volume_ml_high: float | None
    what: str = ""


class InputCheck(Stored):
    """Whether the exam is like those that the networks learned from.

    Attributes:
        distance: of its appearance from theirs; 1 is usual.
        limit: above it the appearance is unlike theirs.
        reasons: what is unusual, of the appearance or of anything else; none where nothing is.
    """

    distance: float
    limit: float
    reasons: tuple[str, ...] = ()


class Summary(Stored):
    """`summary.json`."""

    case: str
    tumour_ml: float
    breast_ml: float
    threshold: float
    largest_probability: float
    components: tuple[Focus, ...]
    classes: tuple[ClassFacts, ...] = Field(min_length=1)
    curve_label: str
    warnings: tuple[str, ...]
    mixture: Mixture = Mixture(foci=0)  # results of earlier versions have none
    uncertainty: Uncertainty | None = None
    input_check: InputCheck | None = None


class ReliabilityBin(Stored):
    """Voxels of like probability: their mean probability, the share that is tumour, how many."""

    confidence: float
    observed: float
    count: int


class CalibrationFacts(Stored):
    """`calibration.json` of a run, as `hcnet.evaluation.calibration.CalibrationResult`."""

    temperature: float
    offset: float = 0.0
    ece_before: float
    ece_after: float
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]


class InputFacts(Stored):
    """What was segmented."""

    location: str


class TrainingData(Stored):
    """What the networks learned from; `cases` are names, or how many there are."""

    cohort: str = ""
    cases: int | tuple[str, ...] | None = None
    pseudo_labels: int | tuple[str, ...] = ()


class BundleFacts(Stored):
    """Which networks."""

    name: str
    training_data: TrainingData | None = None
    scores: dict[str, Any] = Field(default_factory=dict)


class DicomObject(Stored):
    """One DICOM object beside the results."""

    file: str
    what: str
    series_number: int


class Manifest(Stored):
    """The parts of `manifest.json` that the page tells; it also shows the file as it is."""

    input: InputFacts
    bundle: BundleFacts
    started: str
    dicom: tuple[DicomObject, ...] = ()


Kind = TypeVar("Kind", bound=Stored)


def read_stored(kind: type[Kind], path: Path) -> Kind:
    """Read a JSON file that hcnet wrote.

    Raises:
        InputError: the file is missing, no JSON, or lacks what it must hold.
    """
    content = read_json(path)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(
            f"{path}: is not as hcnet writes it ({where}: {first['msg'].lower()}); "
            "run the command that made it anew."
        ) from None
