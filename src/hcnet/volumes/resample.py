"""Resampling between grids of any orientation."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its customary name)
from numpy.typing import NDArray

from hcnet.errors import GeometryError
from hcnet.volumes.volume import Grid, Volume

Order = Literal["nearest", "linear"]


def resample(volume: Volume, grid: Grid, order: Order, fill: float = 0.0) -> Volume:
    """Sample a volume at the voxel centres of another grid.

    Axes may be permuted, flipped, oblique or sheared on both sides. Nothing is smoothed first, so
    a much coarser grid sees single voxels. Within the outer half of a border voxel linear
    interpolation repeats the border.

    Args:
        volume: the source.
        grid: where to sample.
        order: "nearest" for labels (keeps the type), "linear" for intensities (gives float32).
        fill: value beyond the edges of the source's voxels.

    Returns:
        a volume on `grid`; where that is the source's own grid, the values are unchanged.
    """
    target = np.float32 if order == "linear" else volume.data.dtype
    if volume.grid.difference(grid) is None:
        return Volume(volume.data.astype(target, copy=False), grid.affine)
    # ITK is given voxel indices as its space, and the way from index to index as the transform:
    # so no convention of directions (LPS, orthonormal) comes between.
    between = np.linalg.inv(volume.affine) @ grid.affine
    transform = sitk.AffineTransform(between[:3, :3].ravel().tolist(), between[:3, 3].tolist())
    image = sitk.GetImageFromArray(_known_to_itk(volume.data, order).transpose(2, 1, 0))
    resampled = sitk.Resample(
        image,
        grid.shape,
        transform,
        sitk.sitkNearestNeighbor if order == "nearest" else sitk.sitkLinear,
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        fill,
    )
    data = sitk.GetArrayFromImage(resampled).transpose(2, 1, 0)
    return Volume(data.astype(target, copy=False), grid.affine)


def grid_with_spacing(grid: Grid, spacing_mm: Sequence[float]) -> Grid:
    """The grid with another voxel size over the same field of view.

    The outer edges of the first voxels coincide. The number of voxels is rounded to the nearest, so
    at the far end the edges differ by at most half a new voxel and every new voxel centre lies
    within the old field of view.

    Args:
        grid: the field of view.
        spacing_mm: new voxel size along each axis of `grid`.

    Raises:
        GeometryError: a spacing is not a positive number.
    """
    if len(spacing_mm) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing_mm):
        raise GeometryError(f"a spacing is three positive numbers of mm, not {tuple(spacing_mm)}.")
    scale = np.array(spacing_mm, dtype=float) / grid.spacing
    # Halves are rounded down, so that rounding errors leave no centre beyond the far edge.
    x, y, z = (
        max(1, math.ceil(n / s - 0.5 - 1e-6)) for n, s in zip(grid.shape, scale, strict=True)
    )
    affine = grid.affine.copy()
    affine[:3, :3] *= scale
    affine[:3, 3] += grid.affine[:3, :3] @ ((scale - 1.0) / 2.0)
    return Grid((x, y, z), affine)


def _known_to_itk(data: NDArray[Any], order: Order) -> NDArray[Any]:
    """The array in a type that ITK knows: native byte order, no booleans, no half floats."""
    if order == "linear" or data.dtype == np.float16:
        return data.astype(np.float32)
    if data.dtype == np.bool_:
        return data.astype(np.uint8)
    return data.astype(data.dtype.newbyteorder("="), copy=False)
