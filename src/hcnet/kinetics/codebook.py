"""Codebook: what the codes of a fitted clustering are, in the order of suspicion."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hcnet.errors import BundleError, InputError
from hcnet.kinetics.moments import Moments
from hcnet.kinetics.settings import Scale
from hcnet.kinetics.tic import Floats, scale_curves

Array = NDArray[np.float64]

OUTSIDE = 0
"""Label of a heterogeneity map outside the breast; code k has label k + 1."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """The codes, sorted: row 0 is the least suspicious, row K - 1 the most.

    Attributes:
        grid_s: (T,) the common time grid in seconds.
        scale: how curves are normalised before clustering.
        order: (K,) the model's own number of each sorted code.
        mean: (K, T) mean normalised curve of the code's members.
        sd: (K, T) their standard deviation.
        enhancement: (K, T) pooled relative enhancement (see `kinetic_key`); 0 without members.
        share: (K,) share of the training sample.
        key: (K,) kinetic key, never falling.
    """

    grid_s: Array
    scale: Scale
    order: NDArray[np.int64]
    mean: Array
    sd: Array
    enhancement: Array
    share: Array
    key: Array

    @property
    def k(self) -> int:
        """Number of codes K."""
        return len(self.order)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(K,) heterogeneity-map label of each of the model's own codes."""
        labels = np.empty(self.k, dtype=np.uint8)
        labels[self.order] = np.arange(1, self.k + 1)
        return labels

    def to_json(self) -> str:
        """The codebook as JSON text; `from_json` gives the same numbers back."""
        values = {name: getattr(self, name) for name in _Stored.model_fields if name != "format"}
        plain = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in values.items()}
        return _Stored(format="hcnet-codebook-1", **plain).model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Codebook":
        """Read what `to_json` wrote.

        Raises:
            BundleError: not JSON, a field is missing, unknown, of the wrong type, size or range.
        """
        try:
            stored = _Stored.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "text"
            raise BundleError(f"the codebook cannot be used: {where}: {first['msg']}.") from None
        values: dict[str, Any] = stored.model_dump(exclude={"format", "scale", "order"})
        arrays = {name: np.array(value, dtype=np.float64) for name, value in values.items()}
        return cls(scale=stored.scale, order=np.array(stored.order, dtype=np.int64), **arrays)


def kinetic_key(enhancement: Floats) -> Array:
    """How suspicious pooled enhancement curves are; the larger, the more (own choice).

    With R the pooled relative enhancement, R_t = (sum of S_t) / (sum of S_0) - 1 over a code's
    members, `early` the largest R in the first half of the points after the first, and `late` the
    last R, the key is 2 early + late + 2 max(early - max(late, 0), 0). It rises with the amount of
    enhancement, most with early enhancement, and with wash-out (loss of what was gained). Of curves
    with the same peak it puts no enhancement < persistent < plateau < wash-out, as curve types are
    usually read (Kuhl et al. 1999, Radiology 211:101-110). It needs no tumour mask.

    Args:
        enhancement: (K, T) pooled relative enhancement, 0 at the first point.

    Returns:
        (K,) keys.
    """
    first_half = -(-(enhancement.shape[1] - 1) // 2)
    early = enhancement[:, 1 : 1 + first_half].max(axis=1)
    late = enhancement[:, -1]
    wash_out = np.maximum(early - np.maximum(late, 0.0), 0.0)
    return np.asarray(2 * early + late + 2 * wash_out, dtype=np.float64)


def fit_codebook(
    curves: Floats, codes: NDArray[np.integer[Any]], decoded: Floats, grid: Floats, scale: Scale
) -> Codebook:
    """Describe and sort the codes from a sample of the training cohort.

    A code without members has the decoder's curve as its mean, zero deviation, enhancement and key.

    Args:
        curves: (N, T) curves of the sample, resampled but not normalised.
        codes: (N,) the model's own code of each.
        decoded: (K, T) the decoder's normalised curve of each of the model's codes.
        grid: (T,) seconds.
        scale: how the model's input was normalised.

    Raises:
        InputError: no curve.
    """
    if not len(curves):
        raise InputError("there are no curves to fit a codebook to.")
    k = len(decoded)
    signal, normal = Moments(k, len(grid)), Moments(k, len(grid))
    signal.add(curves, codes)
    normal.add(scale_curves(curves, scale), codes)
    empty = (normal.counts == 0)[:, None]
    base = signal.sums[:, :1]
    usable = base > 0
    enhancement = np.where(usable, signal.sums / np.where(usable, base, 1.0) - 1.0, 0.0)
    key = kinetic_key(enhancement)
    order = np.argsort(key, kind="stable")
    return Codebook(
        grid_s=np.asarray(grid, dtype=np.float64),
        scale=scale,
        order=order,
        mean=np.where(empty, decoded, normal.means)[order],
        sd=np.where(empty, 0.0, normal.deviations)[order],
        enhancement=enhancement[order],
        share=(normal.counts / normal.counts.sum())[order],
        key=key[order],
    )


_Row = Annotated[list[float], Field(min_length=2, max_length=256)]
_Table = Annotated[list[_Row], Field(min_length=2, max_length=254)]
_Column = Annotated[list[float], Field(min_length=2, max_length=254)]


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    format: Literal["hcnet-codebook-1"]
    grid_s: _Row
    scale: Scale
    order: Annotated[list[int], Field(min_length=2, max_length=254)]
    mean: _Table
    sd: _Table
    enhancement: _Table
    share: _Column
    key: _Column

    @model_validator(mode="after")
    def _consistent(self) -> "_Stored":
        k, points = len(self.order), len(self.grid_s)
        if sorted(self.order) != list(range(k)):
            raise ValueError("order is not a permutation of the codes")
        if self.grid_s[0] < 0 or (np.diff(self.grid_s) <= 0).any():
            raise ValueError("grid_s must rise from 0 or more")
        for name in ("mean", "sd", "enhancement"):
            table = getattr(self, name)
            if len(table) != k or any(len(row) != points for row in table):
                raise ValueError(f"{name} is not a table of {k} codes by {points} times")
        if len(self.share) != k or min(self.share) < 0 or abs(sum(self.share) - 1) > 1e-6:
            raise ValueError(f"share is not {k} shares that sum to 1")
        if len(self.key) != k or (np.diff(self.key) < 0).any():
            raise ValueError(f"key is not {k} numbers that never fall")
        if min(map(min, self.sd)) < 0:
            raise ValueError("sd holds a negative deviation")
        return self
