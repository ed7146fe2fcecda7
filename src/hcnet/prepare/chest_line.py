"""The line between breast and chest, from the front of the body alone.

Surfaces are arrays over (x, z), in mm along y (anterior), NaN where a column holds no body.
"""

import numpy as np
from scipy import ndimage

from hcnet.errors import InputError
from hcnet.prepare.front import BOTH_BREASTS_MM, Surface, is_arm, sternum

NOTHING_STANDS_OUT = (
    "no breast found, since nothing stands out from the chest: check that this is a breast MRI in "
    "prone position, or give a breast mask."
)
BEHIND_LINE_MM = 14.0
"""How far, at a right angle, the breast reaches behind the taut line: skin, fat, muscle."""
STEEPEST_LEAN = 0.5
"""A chest leans by at most this much, mm along y per mm along z; a line that leans more under the
nipple ends on a breast that the picture cuts."""
USUAL_LEAN = 0.2
"""Such a line is turned until it leans by this."""
ACROSS_SLICES_MM = 8.0
"""Standard deviation of the smoothing of the line from slice to slice; half of it along z."""
STANDS_OUT_MM = 5.0
"""A breast, even a flat one, stands out from the chest by at least this much somewhere."""
SLICE_SHARE = 0.25
"""Of two breasts, a slice belongs to one where it stands out by this share of the most prominent
slice, but at least by `STANDS_OUT_MM` and at most by twice that."""
MARGIN_MM = 9.0
"""How much further than where it stands out a breast is taken to reach, left and right."""
FURTHEST_BACK_MM = 45.0
"""Of two breasts, neither reaches further behind the line at its most prominent slice."""


def chest_line(front: Surface, spacing: tuple[float, float]) -> Surface:
    """How far back the breast reaches in each column.

    Args:
        front: (X, Z) most anterior body position.
        spacing: voxel size along x and z in mm.

    Returns:
        (X, Z) posterior limit in mm, NaN in columns that belong to no breast.

    Raises:
        InputError: nothing stands out by `STANDS_OUT_MM`.
    """
    if front.shape[0] * spacing[0] >= BOTH_BREASTS_MM:
        return _line_of_both(front, spacing)
    taut = _smoothed(np.array([_taut(row, spacing[1]) for row in front]), spacing)
    _height(front, taut)
    return _behind(taut, spacing[1])


def _line_of_both(front: Surface, spacing: tuple[float, float]) -> Surface:
    if not np.isfinite(front).any():
        raise InputError(NOTHING_STANDS_OUT)
    middle = sternum(front, spacing[0])
    arms = is_arm(front, spacing, middle)
    front = np.where(arms, np.nan, front)
    taut = _smoothed(np.array([_taut(row, spacing[1]) for row in front]), spacing)
    # The chest itself is round: the sternum, where there is no breast, shows by how much.
    bulge = float(np.nanmax(front[middle] - taut[middle], initial=0.0))
    taut = np.fmin(taut, taut[middle])
    height = _height(front, taut) - min(bulge, 2 * STANDS_OUT_MM)
    line = _breasts_only(_behind(taut, spacing[1]), height, spacing[0])
    return np.where(arms, np.nan, line)


def _height(front: Surface, taut: Surface) -> Surface:
    """By how much each sagittal slice stands out."""
    height = np.where(np.isfinite(front), front - taut, 0.0).max(axis=1, initial=0.0)
    if height.max() < STANDS_OUT_MM:
        raise InputError(NOTHING_STANDS_OUT)
    return height


def _behind(taut: Surface, spacing_z: float) -> Surface:
    slope = np.gradient(taut, spacing_z, axis=1) if taut.shape[1] > 1 else np.zeros_like(taut)
    return taut - BEHIND_LINE_MM * np.hypot(1.0, slope)


def _taut(front: Surface, spacing_z: float) -> Surface:
    """Greatest convex minorant along z: the lower hull of the points, by a monotone chain."""
    known = np.flatnonzero(np.isfinite(front))
    if not known.size:
        return np.full_like(front, np.nan)
    positions = np.arange(front.size, dtype=np.float64) * np.float64(spacing_z)
    hull: list[tuple[float, float]] = []
    for point in zip(positions[known], front[known], strict=True):
        while len(hull) > 1 and _turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    corners = np.array(hull)
    taut = np.interp(positions, corners[:, 0], corners[:, 1])
    return _not_leaning(taut, positions, corners, int(np.nanargmax(front - taut)))


def _not_leaning(taut: Surface, positions: Surface, corners: Surface, nipple: int) -> Surface:
    """Turn a line that leans too much about its deeper end."""
    after = int(np.searchsorted(corners[:, 0], positions[nipple]))
    if after == 0 or after == len(corners):
        return taut
    (low_z, low_y), (high_z, high_y) = corners[after - 1 : after + 1]
    if abs(high_y - low_y) <= STEEPEST_LEAN * (high_z - low_z):
        return taut
    z, y = (low_z, low_y) if low_y < high_y else (high_z, high_y)
    return np.minimum(taut, y + USUAL_LEAN * abs(positions - z))


def _turns_right(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])


def _smoothed(line: Surface, spacing: tuple[float, float]) -> Surface:
    """Gaussian smoothing that passes over empty slices and fills them from their neighbours."""
    sigma = (ACROSS_SLICES_MM / spacing[0], ACROSS_SLICES_MM / 2 / spacing[1])
    known = np.isfinite(line)
    weight = ndimage.gaussian_filter(known.astype(float), sigma, mode="nearest")
    value = ndimage.gaussian_filter(np.where(known, line, 0.0), sigma, mode="nearest")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 1e-6, value / weight, np.nan)


def _breasts_only(line: Surface, height: Surface, spacing_x: float) -> Surface:
    """Leave out sternum and flanks, and stop where the flank curves away."""
    margin = max(1, round(MARGIN_MM / spacing_x))
    enough = np.clip(SLICE_SHARE * height.max(), STANDS_OUT_MM, 2 * STANDS_OUT_MM)
    stands_out = ndimage.binary_dilation(height >= enough, iterations=margin)
    base = np.nanmedian(line[height.argmax()])
    line = np.maximum(line, base - FURTHEST_BACK_MM)
    return np.where(stands_out[:, None], line, np.nan)
