"""Bins of early enhancement and signal enhancement ratio: how radiologists sort curves.

PE = (S_early - S0) / S0 says how much a voxel enhances, and SER = (S_early - S0) / (S_late - S0)
whether it goes on or washes out. Curves below a fixed PE are one bin; above it there are levels of
PE, cut at quantiles of the training sample, times bands of SER, cut at the I-SPY trial's values.
Nothing else is learned.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hcnet.kinetics.tic import Floats

ENHANCING = 0.5
"""Least early PE of an enhancing curve (own choice: the usual threshold of reading software)."""

EARLY_S = 150.0
"""Seconds after the injection of the early phase, as in the I-SPY protocol."""

# The cuts of I-SPY's five bands; of fewer bands, those that part persistent, plateau and wash-out.
SER_CUTS: dict[int, tuple[float, ...]] = {
    1: (),
    2: (1.0,),
    3: (0.9, 1.3),
    4: (0.9, 1.0, 1.3),
    5: (0.9, 1.0, 1.3, 1.75),
}
_MOST_LEVELS = 5


def bin_layout(k: int, points: int) -> tuple[int, int]:
    """Levels of PE and bands of SER whose 1 + levels x bands is as near to K as it gets.

    Of equally near ones the most nearly square is taken, then the one with fewer levels of PE. At
    most 5 x 5, so there are 2 to 26 bins; with two time points there is no SER, and K - 1 levels.

    Args:
        k: wanted number of bins, 2 or more.
        points: points T of a curve.
    """
    if points == 2:
        return k - 1, 1
    sizes = [(levels, bands) for levels in range(1, _MOST_LEVELS + 1) for bands in SER_CUTS]
    return min(
        sizes, key=lambda s: (abs(1 + s[0] * s[1] - k), abs(s[0] - s[1]), 1 + s[0] * s[1], s[0])
    )


def early_point(grid: Floats) -> int:
    """The time point nearest to `EARLY_S`, after the first and, of three or more, not the last."""
    inner = grid[1:-1] if len(grid) > 2 else grid[1:]
    return 1 + int(np.abs(inner - EARLY_S).argmin())


def pe_cuts(relative: Floats, early: int, levels: int) -> list[float]:
    """`ENHANCING` and, above it, the quantiles that part the enhancing curves evenly.

    Args:
        relative: (N, T) relative enhancement of the training sample.
        early: the early time point.
        levels: of PE.

    Returns:
        `levels` cuts that never fall; all are `ENHANCING` where no curve enhances.
    """
    pe = relative[:, early]
    enhancing = pe[pe >= ENHANCING]
    if not enhancing.size:
        return [ENHANCING] * levels
    inner = np.quantile(enhancing, np.arange(1, levels) / levels)
    return [ENHANCING, *(float(cut) for cut in inner)]


def assign_bins(
    relative: Floats, early: int, pe: Sequence[float], ser: Sequence[float]
) -> NDArray[np.int64]:
    """(N,) bin: 0 below the first cut of PE, else 1 + level x bands + band.

    Args:
        relative: (N, T) relative enhancement.
        early: the early time point; the last one is the late one.
        pe: cuts of PE, never falling.
        ser: cuts of SER, rising.
    """
    first, late = relative[:, early], relative[:, -1]
    level = np.searchsorted(np.asarray(pe), first, side="right")
    # early >= cut x late needs no division: where all enhancement is lost again, SER is infinite.
    band = (first[:, None] >= np.asarray(ser, dtype=np.float64) * late[:, None]).sum(axis=1)
    return np.where(level == 0, 0, 1 + (level - 1) * (len(ser) + 1) + band).astype(np.int64)


def filled_bins(counts: NDArray[np.integer], bands: int) -> list[int]:
    """For each bin the one that takes its curves: itself, or the nearest one with members.

    A bin without a training curve has no mean to be described and sorted by. Its curves, should any
    come, go to the nearest bin of the same level of PE, then of the nearest level, and below
    `ENHANCING` only where nothing else is left.

    Args:
        counts: (1 + levels x bands,) training curves of each bin; not all zero.
        bands: of SER.
    """
    filled = [int(number) for number in np.flatnonzero(counts)]

    def place(number: int) -> tuple[int, int]:
        return divmod(number - 1, bands) if number else (0, 0)

    def distance(one: int, other: int) -> tuple[int, int, int]:
        (level, band), (to_level, to_band) = place(one), place(other)
        return int(other == 0 and one != 0), abs(level - to_level), abs(band - to_band)

    return [
        number if counts[number] else min(filled, key=lambda other: distance(number, other))
        for number in range(len(counts))
    ]
