"""What the training cases look like, as a bundle keeps it to compare an exam with."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from hcnet.inference.input_features import FEATURES, image_features
from hcnet.prepare.cache import CachedCase
from hcnet.prepare.frame import Frame
from hcnet.progress import SILENT, Progress
from hcnet.settings import Settings

FEWEST = 10
"""Training cases below which there are no statistics, and nothing is said of an exam."""
SHRINKAGE = 0.4
"""Of covariances towards their diagonal: there are hardly more cases than numbers."""
NARROWEST = 0.01
"""No spread is smaller, so that a cohort of copies does not make all else unlike it."""
CLIP = 6.0
"""Spreads from the centre beyond which a number counts as this far where a fit is made, and in the
discriminant."""
FURTHEST = 30.0
"""The same in a distance."""

OF_THE_MASK = ("shell_3_8", "shell_8_15", "depth")
"""Numbers that contrast agent does not change, and that the discriminant leaves out."""

EXTENTS = (
    "voxel size along right-left (mm)",
    "voxel size along front-back (mm)",
    "voxel size along head-foot (mm)",
    "field of view along right-left (mm)",
    "field of view along front-back (mm)",
    "field of view along head-foot (mm)",
    "volume of the breast mask (ml)",
)

Rows = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Extents = Annotated[tuple[Positive, ...], Field(min_length=len(EXTENTS), max_length=len(EXTENTS))]


class InputStatistics(Settings):
    """What the training cases look like.

    Attributes:
        cases: how many there were.
        features: names of the numbers (`FEATURES`), in order.
        centre: median of each number.
        spread: 1.48 times the median deviation from it.
        low: smallest of each number.
        high: largest of each number.
        mean: of the numbers in spreads from the centre.
        precision: inverse of their shrunk covariance, row by row.
        limit: largest distance of a training case that was left out of the fit.
        contrast: constant and weights of the discriminant; none without phases after contrast.
        contrast_limit: its largest value before contrast of a training case that was left out.
        extent_low: smallest of each of `EXTENTS`.
        extent_high: largest of each of `EXTENTS`.
    """

    cases: Annotated[int, Field(ge=1)]
    features: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]
    centre: tuple[Finite, ...]
    spread: tuple[Positive, ...]
    low: tuple[Finite, ...]
    high: tuple[Finite, ...]
    mean: tuple[Finite, ...]
    precision: tuple[tuple[Finite, ...], ...]
    limit: Positive
    contrast: tuple[Finite, ...] | None = None
    contrast_limit: Finite = 0.0
    extent_low: Extents
    extent_high: Extents

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        count = len(self.features)
        rows = (self.centre, self.spread, self.low, self.high, self.mean, self.precision)
        if any(len(row) != count for row in (*rows, *self.precision)):
            raise ValueError("the numbers are not as many as the features")
        if self.contrast is not None and len(self.contrast) != count + 1:
            raise ValueError("the weights of contrast are not as many as the features and one")
        return self

    def distance(self, features: NDArray[np.float64]) -> float:
        """Root of the mean squared Mahalanobis distance of (F,) numbers; 1 is usual."""
        scaled = _scaled(features, np.array(self.centre), np.array(self.spread), FURTHEST)
        return _distance(scaled, np.array(self.mean), np.array(self.precision))

    def after_contrast(self, features: NDArray[np.float64]) -> bool:
        """Whether (F,) numbers are like those after contrast, and unlike all before."""
        if self.contrast is None:
            return False
        scaled = _scaled(features, np.array(self.centre), np.array(self.spread), CLIP)
        score = self.contrast[0] + float(scaled @ np.array(self.contrast[1:]))
        return score > max(self.contrast_limit, 0.0)


def extents(frame: Frame, breast: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers of `EXTENTS` of an exam.

    Args:
        frame: its grids.
        breast: (X, Y, Z) mask on the prepared grid.
    """
    grid = frame.canonical
    view = [mm * n for mm, n in zip(grid.spacing, grid.shape, strict=True)]
    return np.array([*grid.spacing, *view, np.count_nonzero(breast) * frame.grid.voxel_ml])


def training_statistics(
    cases: Sequence[CachedCase], progress: Progress = SILENT
) -> InputStatistics | None:
    """What training cases look like, before contrast and in the first phase after it.

    Args:
        cases: prepared; images and masks are read one case at a time.
        progress: listener.

    Returns:
        None for fewer than `FEWEST` cases.
    """
    if len(cases) < FEWEST:
        return None
    before, after, sizes = [], [], []
    for case in progress.track(cases, "what training cases look like"):
        breast = np.asarray(case.breast) > 0
        phases, spacing = case.phases, case.grid.spacing
        before.append(image_features(np.asarray(phases[0]), breast, spacing))
        if len(phases) > 1:
            after.append(image_features(np.asarray(phases[1]), breast, spacing))
        sizes.append(extents(case.frame, breast))
    enhanced = np.stack(after) if len(after) == len(before) else None
    return fit_statistics(np.stack(before), enhanced, np.stack(sizes))


def fit_statistics(before: Rows, after: Rows | None, sizes: Rows) -> InputStatistics:
    """Fit to the numbers of n cases.

    Args:
        before: (n, F), before contrast.
        after: (n, F), the same cases after contrast, where there are such phases.
        sizes: (n, 7), `EXTENTS`.
    """
    count = len(before)
    left_out, scores = np.empty(count), np.empty(count)
    for number in range(count):
        others = np.arange(count) != number
        centre, spread, mean, precision = _appearance(before[others])
        scaled = _scaled(before[number], centre, spread, FURTHEST)
        left_out[number] = _distance(scaled, mean, precision)
        if after is not None:
            weights = _discriminant(before[others], after[others], centre, spread)
            scaled = _scaled(before[number], centre, spread, CLIP)
            scores[number] = weights[0] + scaled @ weights[1:]
    centre, spread, mean, precision = _appearance(before)
    contrast = None if after is None else _discriminant(before, after, centre, spread)
    return InputStatistics(
        cases=count,
        features=tuple(FEATURES),
        centre=_plain(centre),
        spread=_plain(spread),
        low=_plain(before.min(0)),
        high=_plain(before.max(0)),
        mean=_plain(mean),
        precision=tuple(map(_plain, precision)),
        limit=float(left_out.max()),
        contrast=None if contrast is None else _plain(contrast),
        contrast_limit=0.0 if after is None else float(scores.max()),
        extent_low=_plain(sizes.min(0)),
        extent_high=_plain(sizes.max(0)),
    )


def _appearance(rows: Rows) -> tuple[Rows, Rows, Rows, Rows]:
    """Centre, spread, and in these terms the mean and the precision."""
    centre: Rows = np.median(rows, 0)
    spread: Rows = np.maximum(1.4826 * np.median(np.abs(rows - centre), 0), NARROWEST)
    scaled = _scaled(rows, centre, spread, CLIP)
    mean: Rows = scaled.mean(0)
    precision = np.asarray(np.linalg.inv(_shrunk(scaled - mean)), np.float64)
    return centre, spread, mean, precision


def _discriminant(before: Rows, after: Rows, centre: Rows, spread: Rows) -> Rows:
    """Constant and weights of Fisher's discriminant; above 0 is after contrast."""
    early, late = (_scaled(rows, centre, spread, CLIP) for rows in (before, after))
    middle, difference = (early.mean(0) + late.mean(0)) / 2, late.mean(0) - early.mean(0)
    used = np.array([name not in OF_THE_MASK for name in FEATURES])
    pooled = np.vstack([early - early.mean(0), late - late.mean(0)])[:, used]
    weights = np.zeros(len(used))
    weights[used] = np.linalg.solve(_shrunk(pooled), difference[used])
    return np.array([-weights @ middle, *weights])


def _shrunk(deviations: Rows) -> Rows:
    covariance = deviations.T @ deviations / max(len(deviations) - 1, 1)
    own = np.maximum(np.diag(covariance), NARROWEST)
    shrunk: Rows = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(own)
    return shrunk


def _scaled(rows: Rows, centre: Rows, spread: Rows, furthest: float) -> Rows:
    return np.clip((rows - centre) / spread, -furthest, furthest)


def _distance(scaled: Rows, mean: Rows, precision: Rows) -> float:
    off = scaled - mean
    # A stored precision need not be positive: it is read from a file.
    squared = float(off @ precision @ off)
    return float(np.sqrt(max(squared, 0.0) / len(off)))


def _plain(values: Rows) -> tuple[float, ...]:
    """Six significant digits: the file is read by people as well."""
    return tuple(float(f"{value:.6g}") for value in values)
