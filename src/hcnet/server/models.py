"""What the API takes and gives; lengths in mm, volumes in ml, times in seconds."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="As the listing gives it.")]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ExamState = Literal["reading", "ready", "refused"]
Voxel = tuple[int, int, int]


class Model(BaseModel):
    """A value of the API; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class BundleFacts(Model):
    """The bundle that segments here."""

    name: str
    licence: str
    threshold: float


class About(Model):
    """What this server is and may do."""

    version: str
    notice: str
    bundle: BundleFacts | None = Field(description="None: started with --look-only.")
    largest_upload: int = Field(description="Bytes of one exam.")
    tumour_colour: str = "#009e73"


class ExamFacts(Model):
    """An exam that can be looked at and segmented."""

    id: str
    name: str
    origin: Literal["upload", "cohort"]
    state: ExamState = Field(
        description="A case of a cohort that nobody has asked for yet is told as reading."
    )
    error: str | None = None
    found: dict[str, Any] | None = Field(
        default=None, description="As `hcnet inspect --json` tells it, once the state is ready."
    )
    has_reference: bool = False


class Draft(Model):
    """An upload of several files that is not complete yet."""

    id: str


class Received(Model):
    """What became of one file of an upload."""

    kind: Literal["nifti", "dicom", "zip"] | None = Field(
        description="By its content. None: neither, and not kept."
    )


class Order(Model):
    """What to segment."""

    exam: str
    threshold: float | None = Field(default=None, ge=0, le=1, description="None: the bundle's.")
    tta: bool = Field(default=False, description="Also mirror images of the exam, as --tta does.")


class ProgressFacts(Model):
    """Where a running job stands."""

    description: str = ""
    step: str = ""
    done: int = 0
    total: int | None = None


class JobFacts(Model):
    """One segmentation in the queue."""

    id: str
    exam: str
    name: str
    threshold: float | None
    tta: bool = False
    state: JobState
    error: str | None = None
    attempts: int = 0
    created: str
    finished: str | None = None
    progress: ProgressFacts = ProgressFacts()


class TissueClass(Model):
    """One class of the heterogeneity map."""

    label: int
    colour: str
    curve: list[float]
    tumour_share: float
    breast_share: float


class ResultListed(Model):
    """A segmentation that can be looked at."""

    id: str
    name: str
    origin: Literal["job", "given"]
    exam: str | None
    tumour_ml: float


class ResultFacts(ResultListed):
    """A segmentation with its numbers."""

    threshold: float
    smallest_component_ml: float
    voxel_ml: float
    breast_ml: float
    largest_probability: float
    largest_focus_mm: tuple[float, float, float] | None = Field(
        description="Centre of the largest focus; None where no tumour was found."
    )
    classes: list[TissueClass]
    curve_label: str
    warnings: list[str]
    notice: str
    files: list[str] = Field(description="Names for /files/NAME.")
    corrected: bool


class Curve(Model):
    """The signal of one voxel through the phases."""

    voxel: Voxel
    times_s: list[float] | None
    times_from: Literal["injection", "pre", "unknown"]
    signal: list[float]
    enhancement: list[float] | None = Field(
        description="(S - S0) / S0; None where S0 is not above 0."
    )


class MaskFacts(Model):
    """The tumour mask at one threshold."""

    threshold: float
    tumour_ml: float
    foci: int
    voxels: int


class Comparison(Model):
    """A mask beside a reference; None is undefined, as where a mask is empty."""

    mask_ml: float
    reference_ml: float
    dsc: float | None
    ppv: float | None
    sen: float | None
    asd_mm: float | None
    hd95_mm: float | None


class Correction(Model):
    """A corrected mask that was saved."""

    file: str
    tumour_ml: float
    added_ml: float
    removed_ml: float
