"""Shape of masks in mm: how deep a voxel lies below the surface, and the largest diameter.

The axes of a grid are taken to be perpendicular where depth is measured.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from hcnet.volumes.volume import Grid


def depth_mm(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """Distance in mm from the centre of each voxel of a mask to the mask's surface; 0 outside.

    The surface consists of voxel faces; where the mask meets the edge of the array, it ends.
    """
    import SimpleITK as sitk  # noqa: N813 (its customary name); 90 MB, and only needed here

    # In half voxels, centres are odd and faces even; the point of a face that is nearest to a
    # centre is its middle, the middle of an edge, or a corner, so this lattice holds it.
    inside = np.pad(mask, 1)
    for axis in range(3):
        layers = np.moveaxis(inside, axis, 0)
        finer = np.empty((2 * len(layers) - 3, *layers.shape[1:]), dtype=bool)
        finer[1::2] = layers[1:-1]
        finer[::2] = layers[:-1] & layers[1:]
        inside = np.moveaxis(finer, 0, axis)
    # SimpleITK's arrays run (z, y, x). Its map takes a quarter of the memory of scipy's.
    image = sitk.GetImageFromArray((~inside).T.astype(np.uint8))
    image.SetSpacing([size / 2 for size in spacing])
    distances = sitk.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    depth = sitk.GetArrayFromImage(distances).T[1::2, 1::2, 1::2]
    return np.where(mask, depth, np.float32(0))


def diameter(mask: NDArray[np.bool_], grid: Grid) -> float:
    """Largest distance in mm between two voxel corners of a mask (3-D Feret); 0 without voxels.

    Only the directions and lengths of the grid's axes matter, so a cut-out of it may be given.
    """
    lines = np.argwhere(mask.any(axis=0))
    if not len(lines):
        return 0.0
    from scipy.spatial import ConvexHull  # 11 MB, and only needed here
    from scipy.spatial.distance import cdist

    # Of a line of voxels, only the two ends can be corners of the convex hull.
    along = mask[:, lines[:, 0], lines[:, 1]]
    ends = along.argmax(axis=0), len(along) - along[::-1].argmax(axis=0)
    corners = np.concatenate(
        [np.column_stack([end, lines + step]) for end in ends for step in product((0, 1), repeat=2)]
    )
    points = corners @ grid.affine[:3, :3].T
    hull = points[ConvexHull(points).vertices]
    return max(
        float(cdist(part, hull).max()) for part in np.array_split(hull, len(hull) // 1000 + 1)
    )
