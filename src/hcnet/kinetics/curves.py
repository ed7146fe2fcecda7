"""Volume-to-point mapping (paper 2.1): the curves of a case's breast voxels.

They are read in chunks, so that memory does not grow with the volume.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.tic import Floats, resampling_weights

CHUNK = 1 << 18
"""Most curves in one chunk."""

# Voxels of the pre-contrast phase looked at for the signal unit.
_UNIT_VOXELS = 1_000_000


def iter_curves(
    phases: NDArray[Any],
    breast: NDArray[Any],
    clock: Floats,
    grid: Floats,
    chunk: int = CHUNK,
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield the curves of the breast voxels, in units of the case's own signal.

    The volume is walked in slabs along its first axis, so a memory-mapped array is read once and
    in order; about `chunk` x P values are held at a time (one slab is never thinner than a plane).

    Args:
        phases: (P, X, Y, Z) signal on one common scale, pre-contrast first, e.g. a memory map.
        breast: (X, Y, Z) mask; voxels that are not 0 are inside.
        clock: (P,) seconds of the phases (`tic.kinetic_clock`).
        grid: (T,) seconds to resample to.
        chunk: most curves in one chunk.

    Yields:
        flat C-order voxel indices (n,), and resampled curves (n, T) float32 in units of
        `signal_unit`, with n from 1 to `chunk`. In memory they lie time point by time point, as
        all that follows computes along the voxels.

    Raises:
        GeometryError: phases, mask and clock do not fit together.
        InputError: the breast mask is empty, or the signal is not usable (`signal_unit`), or not
            finite somewhere in the breast.
    """
    unit = signal_unit(phases, breast)
    if len(clock) != phases.shape[0]:
        raise GeometryError(f"{phases.shape[0]} phases with a clock of {len(clock)} times.")
    weights = resampling_weights(clock, grid) / np.float32(unit)
    planes, plane_voxels = breast.shape[0], int(np.prod(breast.shape[1:]))
    thick = max(1, chunk // plane_voxels)
    for start in range(0, planes, thick):
        stop = min(start + thick, planes)
        inside = np.flatnonzero(breast[start:stop])
        if not inside.size:
            continue
        slab = [phase[start:stop].reshape(-1) for phase in phases]
        for first in range(0, inside.size, chunk):
            part = inside[first : first + chunk]
            yield part + start * plane_voxels, _curves(slab, part, weights)


def sample_curves(
    phases: NDArray[Any],
    breast: NDArray[Any],
    clock: Floats,
    grid: Floats,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Draw `count` breast voxels without replacement (all where there are fewer).

    Args:
        phases: as for `iter_curves`, which also gives the unit and the errors.
        breast: (X, Y, Z) mask.
        clock: (P,) seconds.
        grid: (T,) seconds.
        count: curves to draw.
        rng: source of randomness.

    Returns:
        (min(count, breast voxels), T) float32, in the order of the voxels.
    """
    chunks = iter_curves(phases, breast, clock, grid)
    chosen = choose_voxels(int(np.count_nonzero(breast)), count, rng)
    parts, seen = [], 0
    for voxels, curves in chunks:
        inside = chosen[slice(*np.searchsorted(chosen, (seen, seen + voxels.size)))]
        parts.append(curves[inside - seen])
        seen += voxels.size
    return np.concatenate(parts)


def choose_voxels(total: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(min(count, total),) rising numbers from 0 to total - 1, drawn without replacement."""
    if count >= total:
        return np.arange(total)
    return np.sort(rng.choice(total, count, replace=False, shuffle=False))


def allot_points(voxels: Sequence[int], max_points: int) -> list[int]:
    """Share the training sample evenly over cases; what a small breast cannot give, others do.

    Args:
        voxels: breast voxels of each case.
        max_points: size of the sample.

    Returns:
        points of each case, at most its voxels, together at most `max_points`.
    """
    allotted, left = [0] * len(voxels), max_points
    by_size = sorted(range(len(voxels)), key=lambda case: (voxels[case], case))
    for done, case in enumerate(by_size):
        allotted[case] = min(voxels[case], left // (len(voxels) - done))
        left -= allotted[case]
    return allotted


def signal_unit(phases: NDArray[Any], breast: NDArray[Any]) -> float:
    """Median pre-contrast signal in the breast, the unit of a case's curves.

    It makes exams of different scanners comparable where curves are pooled and where `relative`
    scaling needs a floor. At most about a million voxels are looked at, evenly spread.

    Raises:
        GeometryError: the mask has another shape than the phases.
        InputError: fewer than two phases, an empty mask, or a median that is not positive.
    """
    if phases.ndim != 4 or breast.shape != phases.shape[1:]:
        raise GeometryError(
            f"phases of shape {phases.shape} with a breast mask of shape {breast.shape}; "
            "they must be (P, X, Y, Z) and (X, Y, Z)."
        )
    if phases.shape[0] < 2:
        raise InputError("a time-intensity curve needs two phases or more, not one.")
    total = int(np.count_nonzero(breast))
    if not total:
        raise InputError("the breast mask is empty, so there are no curves; give another mask.")
    step = -(-total // _UNIT_VOXELS)
    voxels = np.flatnonzero(breast)[::step]
    unit = float(np.median(phases[0].reshape(-1)[voxels]))
    if not np.isfinite(unit) or unit <= 0:
        raise InputError(
            f"the median pre-contrast signal in the breast is {unit:.3g}: curves need "
            "the scanner's positive intensities, on one scale for all phases, not z-scores."
        )
    return unit


def _curves(
    slab: Sequence[NDArray[Any]], voxels: NDArray[np.intp], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    signal = np.empty((len(slab), voxels.size), dtype=np.float32)
    for row, phase in zip(signal, slab, strict=True):
        row[:] = phase[voxels]
    curves = weights.T @ signal
    if not np.isfinite(curves).all():
        raise InputError("a phase holds values inside the breast that are not finite numbers.")
    return curves.T
