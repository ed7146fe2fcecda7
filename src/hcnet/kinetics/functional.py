"""Functional tumour volume (FTV): the tumour by thresholds on enhancement, within a box.

After the rule of the I-SPY trials: no learning, no outline, only a box that a reader has drawn
around the lesion. Which phases are early and late in exams of more than three is our own choice.
Here it makes labels for exams that have no mask.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.errors import InputError

EARLY_S = 150.0
"""Seconds after the injection of I-SPY's early phase; the phase nearest to it is taken."""

PRE_SHARE = 0.6
"""Least pre-contrast signal, as a share of the box's `PRE_PERCENTILE`: leaves out air and fat."""

PRE_PERCENTILE = 95.0
LEAST_PE = 0.7
"""Least early enhancement (S_early - S0) / S0."""

LEAST_NEIGHBOURS = 4
"""Of 26, that must pass the same two thresholds: leaves out specks of noise."""

BOX_KEYS = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")

Box = tuple[slice, slice, slice]


def functional_tumour(
    phases: NDArray[Any], clock: NDArray[np.float64], box: Box
) -> NDArray[np.bool_]:
    """Mark the functional tumour of an exam.

    A voxel of the box belongs to it if

    - its pre-contrast signal is at least 60 % of the 95th percentile of that in the box,
    - its early enhancement is at least 70 %,
    - at least 4 of its 26 neighbours in the box pass both of these, and
    - SER = (S_early - S0) / (S_late - S0) is not negative; S_late is the last phase. An exam whose
      early phase is its last has no SER, and the criterion falls away.

    Args:
        phases: (P, X, Y, Z) signal, pre-contrast first.
        clock: (P,) seconds on the kinetic clock (`tic.kinetic_clock`).
        box: where the lesion is, in voxels of the same grid.

    Returns:
        (X, Y, Z), False outside the box.
    """
    early, late = _early_and_late(clock)
    pre = phases[0][box].astype(np.float64)
    rise = phases[early][box].astype(np.float64) - pre
    bright = (pre >= PRE_SHARE * np.percentile(pre, PRE_PERCENTILE)) & (pre > 0)
    enhancing = bright & (rise >= LEAST_PE * pre)
    around = np.ones((3, 3, 3), np.uint8)
    around[1, 1, 1] = 0
    neighbours = ndimage.convolve(enhancing.astype(np.uint8), around, mode="constant")
    found = enhancing & (neighbours >= LEAST_NEIGHBOURS)
    if late != early:
        # The early rise is positive here, so the ratio has the sign of the late one.
        found &= phases[late][box] > pre
    mask = np.zeros(phases.shape[1:], dtype=bool)
    mask[box] = found
    return mask


def lesion_box(facts: Any, shape: tuple[int, int, int], where: str) -> Box | None:
    """The reader's box of an exam's facts, `primary_lesion.tumour_box`, or None where it has none.

    Args:
        facts: of the case; the box holds `BOX_KEYS`, half-open voxel indices of the stored array.
        shape: of the stored array.
        where: the exam, for messages.

    Raises:
        InputError: the box is incomplete, empty, or not within the image.
    """
    lesion = facts.get("primary_lesion")
    value = lesion.get("tumour_box") if isinstance(lesion, dict) else None
    if value is None:
        return None
    try:
        limits = tuple(int(value[key]) for key in BOX_KEYS)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{where}: its tumour_box cannot be used; give whole numbers {', '.join(BOX_KEYS)}."
        ) from None
    return box_of(limits, shape, where)


def box_of(limits: Sequence[int], shape: tuple[int, int, int], where: str) -> Box:
    """A box from its six limits, in the order of `BOX_KEYS`.

    Args:
        limits: half-open voxel indices of the stored array.
        shape: of that array.
        where: the exam, for messages.

    Raises:
        InputError: not six, or the box is empty or not within the image.
    """
    if len(limits) != len(BOX_KEYS):
        raise InputError(f"{where}: a tumour box has six limits, {', '.join(BOX_KEYS)}.")
    x0, x1, y0, y1, z0, z1 = limits
    ranges = ((x0, x1), (y0, y1), (z0, z1))
    if not all(0 <= low < high <= n for (low, high), n in zip(ranges, shape, strict=True)):
        raise InputError(
            f"{where}: its tumour_box {ranges} is empty or leaves the image of shape {shape}; "
            "give half-open voxel indices of the stored array."
        )
    return slice(x0, x1), slice(y0, y1), slice(z0, z1)


def box_around(mask: NDArray[np.bool_], where: str) -> Box:
    """The smallest box that holds a mask.

    Raises:
        InputError: the mask is empty.
    """
    if not mask.any():
        raise InputError(f"{where}: the mask is empty, so there is no box around the lesion.")
    x, y, z = ndimage.find_objects(mask.astype(np.uint8))[0]
    return x, y, z


def _early_and_late(clock: NDArray[np.float64]) -> tuple[int, int]:
    after = np.flatnonzero(clock > 0)
    early = int(after[np.abs(clock[after] - EARLY_S).argmin()])
    return early, len(clock) - 1
