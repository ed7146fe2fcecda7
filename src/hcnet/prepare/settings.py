"""Settings of preparing a case; read without torch or SimpleITK."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Millimetres = Annotated[float, Field(gt=0.0, le=50.0, allow_inf_nan=False)]


class PrepareConfig(BaseModel):
    """How an exam is brought to the grid and intensities that the networks see."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spacing_mm: tuple[Millimetres, Millimetres, Millimetres] | None = Field(
        (1.0, 1.0, 1.0), description="voxel size along R, A, S; none: the exam's own"
    )
    normalise: Literal["zscore", "minmax"] = Field(
        "zscore",
        description="zscore: mean 0, deviation 1 within the breast; minmax: the volume to 0..1",
    )
    margin_mm: float = Field(
        10.0, ge=0.0, le=200.0, description="what is kept around the breast when cropping"
    )
