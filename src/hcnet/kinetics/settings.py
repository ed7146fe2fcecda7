"""Settings of stage 1; importing them needs neither torch nor matplotlib."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Scale = Literal["minmax", "relative"]
ClusteringLoss = Literal["eq1", "commitment"]


class KineticsConfig(BaseModel):
    """How time-intensity curves (TICs) are normalised and clustered.

    Each description says whether the paper gives the value or the choice is our own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    k: int = Field(10, ge=2, le=254, description="paper 3.2: number of codes K")
    beta: float = Field(0.25, gt=0.0, description="paper 3.1: weight of the quantisation loss")
    scale: Scale = Field(
        "minmax",
        description="paper 2.1: min-max of each TIC; relative is our own choice: (S - S0) / S0",
    )
    loss: ClusteringLoss = Field(
        "eq1",
        description="paper Eq. 1, literal; commitment is our own choice: the standard VQ-VAE loss",
    )
    latent_dim: int = Field(8, ge=1, le=256, description="own choice: dimensions of z_e")
    hidden: int = Field(64, ge=1, le=4096, description="own choice: width of encoder and decoder")
    points: int | None = Field(
        None,
        ge=2,
        le=256,
        description="own choice: points of the common time grid; none: as many as most cases have",
    )
    epochs: int = Field(300, ge=1, description="paper 3.1: passes over the training sample")
    lr: float = Field(0.005, gt=0.0, description="paper 3.1: initial learning rate")
    lr_halve_every: int = Field(50, ge=1, description="paper 3.1: epochs until the rate is halved")
    weight_decay: float = Field(0.0, ge=0.0, description="own choice: weight decay of Adam")
    batch_size: int = Field(65_536, ge=1, description="own choice: TICs in a step")
    max_points: int = Field(
        1_000_000, ge=1, description="own choice: TICs in the training sample, evenly over cases"
    )
    revive_below: float = Field(
        0.005, ge=0.0, lt=0.5, description="own choice: usage share under which a code is revived"
    )
