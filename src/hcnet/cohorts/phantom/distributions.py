"""The few distributions that a patient or a protocol is drawn from."""

from typing import Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

V = TypeVar("V", int, str)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Uniform(_Frozen):
    """Any value between `low` and `high`."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return float(rng.uniform(self.low, self.high))


class Normal(_Frozen):
    """A Gaussian, kept within three standard deviations so that no draw is unphysical."""

    mean: float
    sd: float

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return self.mean + self.sd * float(np.clip(rng.standard_normal(), -3.0, 3.0))


class LogNormal(_Frozen):
    """A log-normal by its median and the standard deviation of its logarithm, within limits."""

    median: float
    ln_sd: float
    low: float = 0.0
    high: float = float(np.finfo(np.float64).max)

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        value = self.median * np.exp(self.ln_sd * rng.standard_normal())
        return float(np.clip(value, self.low, self.high))


class Weighted(_Frozen, Generic[V]):
    """One of a few values, each with its probability."""

    values: tuple[V, ...]
    probabilities: tuple[float, ...]

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Weighted[V]":
        if len(self.values) != len(self.probabilities) or abs(sum(self.probabilities) - 1) > 1e-6:
            raise ValueError("give one probability for each value; they sum to 1")
        return self

    def draw(self, rng: np.random.Generator) -> V:
        """One value."""
        return self.values[int(rng.choice(len(self.values), p=self.probabilities))]
