"""Sizes of masks, and what lies near them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial.distance import cdist

from hcnet.volumes.volume import Grid, Slices

_BLOCK = 256


def longest_diameter_mm(mask: NDArray[np.bool_], grid: Grid) -> float:
    """Largest distance between the centres of two voxels of the mask, all its parts together.

    Args:
        mask: (X, Y, Z).
        grid: of the mask.

    Returns:
        mm; 0 for a single voxel, NaN for an empty mask.
    """
    if not mask.any():
        return float("nan")
    inside = mask[bounding_box(mask, (0, 0, 0))]
    surface = np.argwhere(inside & ~binary_erosion(inside))
    points = surface @ grid.affine[:3, :3].T
    radius = np.linalg.norm(points - (points.min(axis=0) + points.max(axis=0)) / 2, axis=1)
    order = np.argsort(-radius, kind="stable")
    points, radius = points[order], radius[order]
    longest = 0.0
    for start in range(0, len(points), _BLOCK):
        # Two points are at most the sum of their radii apart, so most pairs need no look.
        reach = int(np.searchsorted(-radius, radius[start] - longest, side="right"))
        if reach <= start:
            break
        distances = cdist(points[start : start + _BLOCK], points[start:reach])
        longest = max(longest, float(distances.max()))
    return longest


def equivalent_diameter_mm(volume_ml: float) -> float:
    """Diameter of the ball of this volume."""
    return float(np.cbrt(6 * 1000 * volume_ml / np.pi))


def near(mask: NDArray[np.bool_], grid: Grid, reach_mm: float) -> NDArray[np.bool_]:
    """Voxels outside the mask whose centre lies within `reach_mm` of one inside.

    Args:
        mask: (X, Y, Z).
        grid: of the mask, with axes at right angles.
        reach_mm: how far.

    Returns:
        (X, Y, Z); empty for an empty mask.
    """
    found = np.zeros(mask.shape, dtype=bool)
    if mask.any():
        x, y, z = (int(np.ceil(reach_mm / step)) for step in grid.spacing)
        box = bounding_box(mask, (x, y, z))
        distance = distance_transform_edt(~mask[box], sampling=grid.spacing)
        found[box] = (distance > 0) & (distance <= reach_mm)
    return found


def bounding_box(mask: NDArray[Any], margin: tuple[int, int, int]) -> Slices:
    """The smallest box around a mask that is not empty, grown by `margin` voxels a side."""
    bounds = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        low = max(int(used[0]) - margin[axis], 0)
        bounds.append(slice(low, min(int(used[-1]) + 1 + margin[axis], mask.shape[axis])))
    return bounds[0], bounds[1], bounds[2]
