"""The maps that I-SPY stores beside an exam: percent enhancement (PE) and enhancement ratio (SER).

PE = 100 (S_early - S0) / S0, and SER = PE_early / PE_late = (S_early - S0) / (S_late - S0), after
the TCIA data dictionary of ACRIN 6657. Cut-off, neighbours, rounding and limits are not told there;
they follow the private elements of an exam of I-SPY 1 (ISPY1_1002) and were found by comparison
with its stored maps, which come out equal in every voxel. See docs/heterogeneity.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.functional import EARLY_S, PRE_PERCENTILE, PRE_SHARE, Box

LATE_S = 450.0
"""Seconds after the injection of I-SPY's late phase; the later phase nearest to it is taken."""

LEAST_PE = 70.0
"""Least PE, in percent, of a voxel with SER (element `PE_threshold`; it differs between sites)."""

LEAST_NEIGHBOURS = 9
"""Of 26, that must reach it too (element `minimum_neighbor_count`)."""

LARGEST_SER = 3.0
"""Higher ratios are stored as this."""


@dataclass(frozen=True, eq=False)
class IspyMaps:
    """PE and SER of an exam, as I-SPY stores them.

    Attributes:
        pe: (X, Y, Z) float32, percent, without its fraction; 0 where it is negative, and where the
            pre-contrast signal is below the cut-off.
        ser: (X, Y, Z) float32, 0 to 3 in steps of 0.001; 0 where it is not computed. None without
            a late phase.
        enhancing: (X, Y, Z) bool, voxels that reach the least PE with enough of their neighbours;
            within the reader's box they are the functional tumour.
        early: index of the early phase.
        late: index of the late phase, or None.
        cutoff: least pre-contrast signal.
    """

    pe: NDArray[np.float32]
    ser: NDArray[np.float32] | None
    enhancing: NDArray[np.bool_]
    early: int
    late: int | None
    cutoff: float


def ispy_maps(
    phases: NDArray[Any],
    clock: NDArray[np.float64],
    cutoff: float,
    *,
    least_pe: float = LEAST_PE,
    least_neighbours: int = LEAST_NEIGHBOURS,
) -> IspyMaps:
    """Compute PE and SER from the phases of an exam.

    Args:
        phases: (P, X, Y, Z) signal, pre-contrast first.
        clock: (P,) seconds since the injection (`tic.kinetic_clock`).
        cutoff: least pre-contrast signal of tissue, over 0; see `background_cutoff`.
        least_pe: SER is computed where PE reaches this, in percent.
        least_neighbours: and where so many of the 26 neighbours reach it too.

    Raises:
        GeometryError: phases and clock do not fit together.
        InputError: the cut-off is not positive, no phase lies after the injection, or the signal
            is not finite somewhere.
    """
    if phases.ndim != 4 or len(clock) != phases.shape[0]:
        raise GeometryError(
            f"phases of shape {phases.shape} with a clock of {len(clock)} times; "
            "they must be (P, X, Y, Z) and (P,)."
        )
    if not np.isfinite(cutoff) or cutoff <= 0:
        raise InputError(f"the background cut-off is {cutoff:g}; give a signal over 0.")
    early, late = early_and_late(clock)
    tissue = phases[0] >= cutoff
    first = _enhancement(phases, early, tissue)
    strong = first >= least_pe
    shown = strong & (_neighbours(strong) >= least_neighbours)
    pe = np.maximum(np.floor(first), np.float32(0))
    ser = None if late is None else _ratio(first, _enhancement(phases, late, tissue), shown)
    return IspyMaps(pe, ser, shown, early, late, float(cutoff))


def background_cutoff(pre: NDArray[Any], box: Box) -> int:
    """I-SPY's cut-off for air and fat: 60 % of the 95th percentile in the box, without fraction.

    Args:
        pre: (X, Y, Z) pre-contrast signal.
        box: the reader's box around the lesion, in voxels (`functional.lesion_box`).

    Raises:
        InputError: there is no voxel in the box, or the cut-off is not at least 1.
    """
    inside = pre[box]
    if not inside.size:
        raise InputError("the lesion's box holds no voxel; give one that lies in the image.")
    cutoff = PRE_SHARE * float(np.percentile(inside, PRE_PERCENTILE))
    if not np.isfinite(cutoff) or cutoff < 1:
        raise InputError(
            f"the background cut-off in the lesion's box is {cutoff:.3g}; I-SPY's maps need the "
            "scanner's own whole-number intensities."
        )
    return int(cutoff)


def early_and_late(clock: NDArray[np.float64]) -> tuple[int, int | None]:
    """Which phases are early and late: those nearest to 150 s and, after it, to 450 s.

    Args:
        clock: (P,) seconds since the injection.

    Returns:
        their indices; the late one is None where the early phase is the last.

    Raises:
        InputError: no phase lies after the injection.
    """
    after = np.flatnonzero(clock > 0)
    if not after.size:
        raise InputError("no phase lies after the injection, so there is no enhancement to map.")
    early = int(after[np.abs(clock[after] - EARLY_S).argmin()])
    later = after[after > early]
    if not later.size:
        return early, None
    return early, int(later[np.abs(clock[later] - LATE_S).argmin()])


def _enhancement(
    phases: NDArray[Any], index: int, tissue: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Percent enhancement with sign and fraction, 0 outside the tissue."""
    # Single precision all through, and a percentage before the ratio is taken: this alone gives
    # the stored SER where it lies half-way between two steps.
    pre, post = (phases[i][tissue].astype(np.float32) for i in (0, index))
    if not (np.isfinite(pre).all() and np.isfinite(post).all()):
        raise InputError("a phase holds values that are not finite numbers.")
    percent = np.zeros(tissue.shape, dtype=np.float32)
    percent[tissue] = np.float32(100) * (post - pre) / pre
    return percent


def _ratio(
    first: NDArray[np.float32], second: NDArray[np.float32], shown: NDArray[np.bool_]
) -> NDArray[np.float32]:
    early, late = first[shown], second[shown]
    # All enhancement lost again is wash-out without end; still less signal than before is no ratio.
    ratio = np.full_like(early, LARGEST_SER)
    np.divide(early, late, out=ratio, where=late != 0)
    steps = np.floor(np.clip(ratio, 0, LARGEST_SER) * np.float32(1000) + np.float32(0.5))
    ser = np.zeros(first.shape, dtype=np.float32)
    ser[shown] = steps / np.float32(1000)
    return ser


def _neighbours(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """How many of the 26 neighbours are in the mask; beyond the image there is none."""
    around = np.ones((3, 3, 3), np.uint8)
    around[1, 1, 1] = 0
    counts = ndimage.convolve(mask.astype(np.uint8), around, mode="constant")
    return np.asarray(counts, dtype=np.uint8)
