"""How far the surfaces of two masks lie apart, in mm.

The surface of a mask is the set of its voxels that have at least one of their six face neighbours
outside the mask; what lies beyond the image counts as outside. Distances run between voxel centres.
MONAI's surface metrics (with `symmetric=True` and the spacing given) use the same definitions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hcnet.evaluation.overlap import check_masks


@dataclass(frozen=True)
class SurfaceDistance:
    """Distance between two surfaces; NaN (undefined) where either mask is empty, or both.

    Attributes:
        asd_mm: symmetric average surface distance: the mean over all surface voxels of both masks
            of the distance to the nearest surface voxel of the other mask.
        hd95_mm: 95th percentile Hausdorff distance: the larger of the two directed 95th
            percentiles (linear interpolation).
    """

    asd_mm: float
    hd95_mm: float


def surface_distance(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> SurfaceDistance:
    """Compare the surfaces of two masks.

    Args:
        prediction: (X, Y, Z) boolean mask.
        reference: (X, Y, Z) boolean mask.
        spacing: voxel size along each axis in mm.

    Returns:
        distances in mm, NaN where a mask is empty.

    Raises:
        GeometryError: the shapes differ.
        TypeError: one of the arrays is not boolean.
    """
    check_masks(prediction, reference)
    predicted, expected = surface_voxels(prediction), surface_voxels(reference)
    if not len(predicted) or not len(expected):
        return SurfaceDistance(float("nan"), float("nan"))
    # A tree over surface points costs the same however far apart the masks lie; a distance
    # transform would have to fill the box around both.
    points, others = predicted * np.array(spacing), expected * np.array(spacing)
    forth = cKDTree(others).query(points)[0]
    back = cKDTree(points).query(others)[0]
    return SurfaceDistance(
        asd_mm=float(np.concatenate([forth, back]).mean()),
        hd95_mm=float(max(np.percentile(forth, 95), np.percentile(back, 95))),
    )


def surface_voxels(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Indices of the voxels on the surface of a mask.

    Args:
        mask: (X, Y, Z) boolean.

    Returns:
        (N, 3) voxel indices; (0, 3) for an empty mask.
    """
    if not mask.any():
        return np.empty((0, 3), dtype=np.int64)
    start, stop = bounding_box(mask)
    box = np.pad(mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))], 1)
    inner = (slice(1, -1),) * 3
    inside = np.ones(box[inner].shape, dtype=bool)
    for axis in range(3):
        for shift in (slice(None, -2), slice(2, None)):
            neighbour = list(inner)
            neighbour[axis] = shift
            inside &= box[tuple(neighbour)]
    return np.argwhere(box[inner] & ~inside) + start


def bounding_box(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First index and one past the last index of a mask along each axis.

    Args:
        mask: (X, Y, Z) boolean with at least one voxel set.

    Returns:
        starts and stops, (3,) each.
    """
    ranges = [
        np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        for axis in range(3)
    ]
    return (
        np.array([found[0] for found in ranges], dtype=np.int64),
        np.array([found[-1] + 1 for found in ranges], dtype=np.int64),
    )
