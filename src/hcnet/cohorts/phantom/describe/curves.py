"""What is read off a time-intensity curve: enhancement, curve type, signal enhancement ratio."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

EARLY_S = 120.0
"""After the injection; the early phase is the post-contrast phase nearest to it."""

PLATEAU = 0.10
"""Change from the early to the last phase, over the early signal, that still is a plateau."""

SER_EDGES = (0.9, 1.0, 1.3, 1.75)
SER_ENHANCED_PERCENT = 70.0
"""Voxels below this early enhancement take no part in the ratio, as in the functional volume."""

_HOTTEST = 90.0  # percentile of early enhancement


def early_phase(times_s: Sequence[float]) -> int:
    """Index of the early phase: nearest to `EARLY_S`, and not the last, which is the late one.

    Args:
        times_s: (T,) from the injection, pre-contrast first.

    Raises:
        ValueError: fewer than two post-contrast phases, which make no curve.
    """
    if len(times_s) < 3:
        raise ValueError(f"a curve needs two post-contrast phases, not {len(times_s) - 1}")
    return 1 + int(np.argmin(np.abs(np.asarray(times_s[1:-1]) - EARLY_S)))


def enhancement_percent(before: Real, after: Real) -> Real:
    """(S - S0) / S0 in percent; NaN where there is no signal before contrast."""
    ratio = np.full(before.shape, np.nan)
    np.divide(after - before, before, out=ratio, where=before > 0)
    return 100 * ratio


def curve_types(early: Real, late: Real) -> NDArray[np.int64]:
    """Kuhl's types: 1 persistent, 2 plateau, 3 washout; 0 where there is no early signal.

    A change of exactly `PLATEAU` either way is a plateau.

    Args:
        early: (N,) signal of the early phase.
        late: (N,) signal of the last phase.
    """
    change = enhancement_percent(early, late) / 100
    types = np.full(early.shape, 2)
    types[change > PLATEAU] = 1
    types[change < -PLATEAU] = 3
    types[np.isnan(change)] = 0
    return types


def type_shares(types: NDArray[np.int64]) -> tuple[float, float, float]:
    """Shares of types 1, 2 and 3 among the voxels that have one; NaN where none has."""
    counts = np.bincount(types, minlength=4)[1:].astype(float)
    total = counts.sum()
    one, two, three = counts / total if total else np.full(3, np.nan)
    return float(one), float(two), float(three)


def hottest(enhancement: Real) -> NDArray[np.bool_]:
    """The tenth of the voxels that enhances most early, ties included; NaN is never in it."""
    if np.isnan(enhancement).all():
        return np.zeros(enhancement.shape, dtype=bool)
    return np.asarray(enhancement >= np.nanpercentile(enhancement, _HOTTEST))


def enhancement_ratios(before: Real, early: Real, late: Real) -> Real:
    """Signal enhancement ratio (early - S0) / (late - S0) of the voxels that have one.

    Args:
        before: (N,) signal before contrast.
        early: (N,) signal of the early phase.
        late: (N,) signal of the last phase.

    Returns:
        (M,) of those that enhance by `SER_ENHANCED_PERCENT` early and still enhance late.
    """
    enhancing = enhancement_percent(before, early) >= SER_ENHANCED_PERCENT
    chosen = enhancing & (late > before)
    return np.asarray((early - before)[chosen] / (late - before)[chosen])


def ratio_shares(ratios: Real) -> list[float]:
    """Shares of the ratios below, between and above `SER_EDGES`; NaN where there are none."""
    if not len(ratios):
        return [float("nan")] * (len(SER_EDGES) + 1)
    bins = np.searchsorted(SER_EDGES, ratios, side="right")
    counts = np.bincount(bins, minlength=len(SER_EDGES) + 1)
    return [float(count) / len(ratios) for count in counts]
