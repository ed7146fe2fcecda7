"""The front of the body, seen from anterior: a surface over (x, z), in mm along y.

NaN where a column holds no body.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Surface = NDArray[np.float64]

BOTH_BREASTS_MM = 220.0
"""A field of view at least this wide from left to right holds both breasts."""
CLOSING_MM = 9.0
"""Radius of the dents in the front that are filled: dark fat, skin without signal."""
STERNUM_MM = 45.0
"""The sternum lies at most this far from the middle of the body, left or right."""
REACH_MM = 120.0
"""The most prominent point of a breast lies at most this far from the sternum."""
ASIDE_MM = 30.0
"""In each row the foremost point lies at most this far from there, left or right."""
PROFILE_MM = 8.0
"""Standard deviation of the smoothing of the front before it is followed outwards."""
RISES_AGAIN_MM = 12.0
"""Lateral to a breast, what comes forward again by this much is an arm."""


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


def closed_front(front: Surface, spacing: tuple[float, float]) -> Surface:
    """Fill narrow dents and gaps; at the edges the surface is taken to go on.

    Args:
        front: (X, Z).
        spacing: voxel size along x and z in mm.
    """
    reach = [int(CLOSING_MM / mm) for mm in spacing]
    axes = [np.arange(-n, n + 1) * mm for n, mm in zip(reach, spacing, strict=True)]
    x, z = np.meshgrid(*axes, indexing="ij")
    disc = x**2 + z**2 <= CLOSING_MM**2
    # Single columns of noise would be joined by the closing.
    steady = ndimage.median_filter(np.nan_to_num(front, nan=-1.0), 3, mode="nearest")
    padded = np.pad(steady, [(n, n) for n in reach], mode="edge")
    closed = ndimage.grey_closing(padded, footprint=disc)
    inside = tuple(slice(n, n + size) for n, size in zip(reach, front.shape, strict=True))
    return np.where(closed[inside] >= 0, closed[inside], np.nan)


def sternum(front: Surface, spacing_x: float) -> int:
    """The sagittal slice of the dip between the two breasts; near the middle if one is missing.

    Args:
        front: (X, Z), of a picture that holds both breasts.
        spacing_x: voxel size along x in mm.
    """
    reach = _profile(front, spacing_x)
    middle = round(float(np.flatnonzero(np.isfinite(front).any(axis=1)).mean()))
    left, right = (_peak(reach, middle, side, spacing_x) for side in (-1, 1))
    near = round(STERNUM_MM / spacing_x)
    first, last = max(left, middle - near), min(right, middle + near)
    return first + int(reach[first : last + 1].argmin())


def is_arm(front: Surface, spacing: tuple[float, float], middle: int) -> NDArray[np.bool_]:
    """Where the body comes forward again lateral to a breast: an arm, a hand.

    Args:
        front: (X, Z), of a picture that holds both breasts.
        spacing: voxel size along x and z in mm.
        middle: slice of the sternum.
    """
    reach = _profile(front, spacing[0])
    sigma = (PROFILE_MM / 2 / spacing[0], PROFILE_MM / spacing[1])
    smooth = ndimage.gaussian_filter(np.nan_to_num(front, nan=0.0), sigma, mode="nearest")
    arms = np.zeros(front.shape, bool)
    aside = round(ASIDE_MM / spacing[0])
    for side in (-1, 1):
        peak = _peak(reach, middle, side, spacing[0])
        # Each row is followed from its own foremost point, since a breast need not be upright.
        inner = peak - side * min(aside, abs(peak - middle))
        outward = np.arange(inner, front.shape[0] if side > 0 else -1, side)
        rows = smooth[outward]
        start = rows[: 2 * aside + 1].argmax(axis=0)
        before = np.arange(len(outward))[:, None] < start
        rows = np.where(before, np.inf, rows)
        lowest = np.minimum.accumulate(rows, axis=0)
        rises = ~before & (rows > lowest + RISES_AGAIN_MM)
        # It begins at the valley between the two, not where it has risen.
        first = np.where(rises.any(axis=0), rises.argmax(axis=0), len(outward))
        ahead = np.arange(len(outward))[:, None] < first
        valley = np.where(ahead, rows, np.inf).argmin(axis=0)
        arms[outward] |= rises.any(axis=0) & (np.arange(len(outward))[:, None] > valley)
    # The smoothing hides the last rows of an arm.
    along_z = np.ones((1, 2 * round(PROFILE_MM / spacing[1]) + 1), bool)
    return ndimage.binary_dilation(arms, along_z)


def _profile(front: Surface, spacing_x: float) -> Surface:
    """How far forward each sagittal slice reaches, smoothed, the back of the image where empty.

    Only the middle half along z counts: a raised arm lies above it.
    """
    quarter = front.shape[1] // 4
    reach = np.nan_to_num(front[:, quarter : front.shape[1] - quarter], nan=0.0).max(axis=1)
    return ndimage.gaussian_filter1d(reach, PROFILE_MM / spacing_x, mode="nearest")


def _peak(reach: Surface, middle: int, side: int, spacing_x: float) -> int:
    """The most prominent slice on one side of the sternum."""
    far = round(REACH_MM / spacing_x)
    if side < 0:
        first = max(0, middle - far)
        return first + int(reach[first : middle + 1].argmax())
    return middle + int(reach[middle : middle + far + 1].argmax())
