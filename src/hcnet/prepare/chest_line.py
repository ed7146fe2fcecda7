"""The line between breast and chest, from the front of the body alone.

Surfaces are arrays over (x, z), in mm along y (anterior), NaN where a column holds no body.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.errors import InputError

Surface = NDArray[np.float64]

NOTHING_STANDS_OUT = (
    "no breast found, since nothing stands out from the chest: check that this is a breast MRI in "
    "prone position, or give a breast mask."
)
BEHIND_LINE_MM = 14.0
"""How far, at a right angle, the breast reaches behind the taut line: skin, fat, muscle."""
ACROSS_SLICES_MM = 8.0
"""Standard deviation of the smoothing of the line from slice to slice; half of it along z."""
STANDS_OUT_MM = 5.0
"""A breast, even a flat one, stands out from the chest by at least this much somewhere."""
SLICE_SHARE = 0.25
"""Of two breasts, a slice belongs to one where it stands out by this share of the most prominent
slice, but at least by `STANDS_OUT_MM` and at most by twice that."""
BOTH_BREASTS_MM = 220.0
"""A field of view at least this wide from left to right holds both breasts."""
MARGIN_MM = 9.0
"""How much further than where it stands out a breast is taken to reach, left and right."""
FURTHEST_BACK_MM = 45.0
"""Of two breasts, neither reaches further behind the line at its most prominent slice."""


def front_surface(body: NDArray[np.bool_], spacing_y: float) -> Surface:
    """The most anterior body voxel of each column.

    Args:
        body: (X, Y, Z) mask, y growing towards anterior.
        spacing_y: voxel size along y in mm.

    Returns:
        (X, Z) position of the voxel's centre in mm from the first one.
    """
    last = body.shape[1] - 1 - np.argmax(body[:, ::-1], axis=1)
    return np.where(body.any(axis=1), last * spacing_y, np.nan)


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
    positions = np.arange(front.shape[1], dtype=np.float64) * np.float64(spacing[1])
    taut = _smoothed(np.array([_taut(row, positions) for row in front]), spacing)
    both = front.shape[0] * spacing[0] >= BOTH_BREASTS_MM
    if both:
        taut = np.fmin(taut, taut[_sternum(front, spacing[0])])
    height = np.nanmax(np.where(np.isfinite(front), front - taut, 0.0), axis=1)
    if height.max() < STANDS_OUT_MM:
        raise InputError(NOTHING_STANDS_OUT)
    slope = np.gradient(taut, spacing[1], axis=1) if taut.shape[1] > 1 else np.zeros_like(taut)
    line = taut - BEHIND_LINE_MM * np.hypot(1.0, slope)
    return _breasts_only(line, height, spacing[0]) if both else line


def _taut(front: Surface, positions: Surface) -> Surface:
    """Greatest convex minorant along z: the lower hull of the points, by a monotone chain."""
    hull: list[tuple[float, float]] = []
    known = np.isfinite(front)
    if not known.any():
        return np.full_like(front, np.nan)
    for z, y in zip(positions[known], front[known], strict=True):
        while len(hull) > 1 and _turns_right(hull[-2], hull[-1], (z, y)):
            hull.pop()
        hull.append((z, y))
    corners = np.array(hull)
    return np.interp(positions, corners[:, 0], corners[:, 1])


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


def _profile(front: Surface, spacing_x: float) -> Surface:
    """How far forward each sagittal slice reaches, smoothed, the back of the image where empty."""
    reach = np.where(np.isfinite(front), front, 0.0).max(axis=1)
    return ndimage.gaussian_filter1d(reach, ACROSS_SLICES_MM / spacing_x, mode="nearest")


def _sternum(front: Surface, spacing_x: float) -> int:
    """The slice of the dip between the two breasts."""
    reach = _profile(front, spacing_x)
    inside = np.flatnonzero(np.isfinite(front).any(axis=1))
    middle = int(inside.mean())
    left = int(reach[: middle + 1].argmax())
    right = middle + int(reach[middle:].argmax())
    return left + int(reach[left : right + 1].argmin())


def _breasts_only(line: Surface, height: Surface, spacing_x: float) -> Surface:
    """Leave out sternum and flanks, and stop where the flank curves away."""
    margin = max(1, round(MARGIN_MM / spacing_x))
    enough = np.clip(SLICE_SHARE * height.max(), STANDS_OUT_MM, 2 * STANDS_OUT_MM)
    stands_out = ndimage.binary_dilation(height >= enough, iterations=margin)
    base = np.nanmedian(line[height.argmax()])
    line = np.maximum(line, base - FURTHEST_BACK_MM)
    return np.where(stands_out[:, None], line, np.nan)
