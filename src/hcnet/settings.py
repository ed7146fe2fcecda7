"""Settings of networks, training and inference: data, not code, and no torch to read them.

The defaults are the paper's (section 3.1) where it states a value; `docs/method.md` says for each
whether it is the paper's or our own choice.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Patch = tuple[PositiveInt, PositiveInt, PositiveInt]


class Settings(BaseModel):
    """Base of all settings: unknown names are refused, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSettings(Settings):
    """Which network, and its own options (`hcnet.nets.registry` lists both)."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class StageSettings(Settings):
    """How one network is trained; shared by stages 2 and 3."""

    network: NetworkSettings
    epochs: PositiveInt
    steps_per_epoch: PositiveInt | None = Field(
        None, description="none: as many as see each case `patches_per_case` times"
    )
    patches_per_case: PositiveInt = Field(3, description="the group's own recipe: 3 crops a case")
    batch_size: PositiveInt = 2
    patch: Patch = Field((48, 128, 128), description="voxels of the prepared grid")
    lr: float = Field(gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = Field(1e-5, ge=0)
    clip_gradient: float = Field(12.0, gt=0, description="largest gradient norm")
    lesion_share: Share = Field(2 / 3, description="share of patches centred on a lesion voxel")
    validate_every: int = Field(0, ge=0, description="epochs; 0: at the end only")


class HipmSettings(StageSettings):
    """Stage 2, heterogeneity information prediction (paper 2.2)."""

    network: NetworkSettings = NetworkSettings(name="uxnet")
    epochs: PositiveInt = 1000
    lr: float = Field(0.001, gt=0)
    lesion_share: Share = Field(1 / 3, description="every breast voxel has a class to learn")
    folds: PositiveInt = Field(
        5,
        description="cross-fitting: maps for stage 3 are out of fold; 1: the HIPM that is kept "
        "also makes those of its own training cases",
    )

    @property
    def trainings(self) -> tuple[str, ...]:
        """Names of the HIPMs that are trained: one a fold, and the one that is kept."""
        partial = range(self.folds) if self.folds > 1 else ()
        return (*(f"fold{number}" for number in partial), "final")


class KisSettings(StageSettings):
    """Stage 3, kinetic integration segmentation (paper 2.3)."""

    network: NetworkSettings = NetworkSettings(name="kisnet")
    epochs: PositiveInt = 300
    lr: float = Field(0.005, gt=0)
    lambda_: float = Field(5.0, ge=0, alias="lambda", description="Eq. 5")
    lambda_on: Literal["bce", "dice"] = Field(
        "bce", description="Eq. 5 weights the BCE; the group's public code weights the Dice"
    )
    maps: Literal["soft", "hard"] = Field("soft", description="class probabilities or labels")

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class AugmentSettings(Settings):
    """Random changes of training patches; probabilities are per patch."""

    flip: Share = Field(0.5, description="left-right and head-foot, each")
    rotate: Share = 0.2
    rotate_degrees: float = Field(10.0, ge=0)
    intensity: Share = Field(0.3, description="gain and offset")
    gamma: Share = 0.2
    bias_field: Share = 0.2
    noise: Share = 0.2


class InferenceSettings(Settings):
    """How whole volumes are predicted from windows."""

    overlap: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    windows: Literal["patch", "largest"] = Field(
        "patch",
        description="the training's patches, or as large as the memory allows, which gives other "
        "results (docs/speed.md); validation and `segment` both follow it",
    )
    memory_gb: float | None = Field(
        None, gt=0, description="for activations in large windows; none: half of what is free"
    )
    threshold: Share = Field(0.5, description="tumour probability from which a voxel is tumour")
    smallest_component_ml: float = Field(0.0, ge=0, description="smaller foci are removed")
