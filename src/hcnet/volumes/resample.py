"""Resampling between grids of any orientation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError
from hcnet.volumes.volume import Grid, Shape, Volume

Order = Literal["nearest", "linear"]

_NO_TURN = 1e-5
"""Two grids whose axes stray by less than this part of a voxel have the same axes."""


def resample(
    volume: Volume,
    grid: Grid,
    order: Order,
    fill: float = 0.0,
    out: NDArray[Any] | None = None,
) -> Volume:
    """Sample a volume at the voxel centres of another grid.

    Axes may be permuted, flipped, oblique or sheared on both sides. Nothing is smoothed first, so
    a much coarser grid sees single voxels. Within the outer half of a border voxel linear
    interpolation repeats the border.

    Args:
        volume: the source.
        grid: where to sample.
        order: "nearest" for labels (keeps the type), "linear" for intensities (gives float32).
        fill: value beyond the edges of the source's voxels.
        out: array of the result's shape and type that takes the values, instead of a new one.

    Returns:
        a volume on `grid`; where that is the source's own grid, the values are unchanged.
    """
    data = _resampled(volume, grid, order, fill, out)
    if out is not None and data is not out:
        out[...] = data
        data = out
    return Volume(data, grid.affine)


def _resampled(
    volume: Volume, grid: Grid, order: Order, fill: float, out: NDArray[Any] | None
) -> NDArray[Any]:
    target = np.float32 if order == "linear" else volume.data.dtype
    if volume.grid.difference(grid) is None:
        return volume.data.astype(target, copy=False)
    # ITK is given voxel indices as its space, and the way from index to index as the transform:
    # so no convention of directions (LPS, orthonormal) comes between.
    between = np.linalg.inv(volume.affine) @ grid.affine
    if order == "linear" and _has_same_axes(between, grid.shape):
        return _linear_along_axes(volume.data, between, grid.shape, fill, out)
    return _by_itk(volume, between, grid.shape, order, fill).astype(target, copy=False)


def _by_itk(
    volume: Volume, between: NDArray[np.float64], shape: Shape, order: Order, fill: float
) -> NDArray[Any]:
    import SimpleITK as sitk  # noqa: N813 (its customary name); 90 MB, and seldom needed

    transform = sitk.AffineTransform(between[:3, :3].ravel().tolist(), between[:3, 3].tolist())
    image = sitk.GetImageFromArray(_known_to_itk(volume.data, order).transpose(2, 1, 0))
    resampled = sitk.Resample(
        image,
        shape,
        transform,
        sitk.sitkNearestNeighbor if order == "nearest" else sitk.sitkLinear,
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        fill,
    )
    data: NDArray[Any] = sitk.GetArrayFromImage(resampled).transpose(2, 1, 0)
    return data


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


def _has_same_axes(between: NDArray[np.float64], shape: Shape) -> bool:
    """Whether each axis of one grid runs along the same axis of the other."""
    turned = np.abs(between[:3, :3] - np.diag(np.diag(between[:3, :3])))
    return bool((turned @ np.array(shape)).max() < _NO_TURN)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the samples along one axis lie between the source's voxels.

    Attributes:
        below: index of the voxel at or before each sample.
        above: index of the next one.
        share: float32, how much of the value is the next one's.
        inside: whether the sample lies within the source's voxels.
    """

    below: NDArray[np.intp]
    above: NDArray[np.intp]
    share: NDArray[np.float32]
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, at: NDArray[np.float64], size: int) -> Self:
        """Samples at fractional indices of an axis of `size` voxels."""
        held = np.clip(at, 0, size - 1)
        below = held.astype(np.intp)
        share = (held - below).astype(np.float32)
        above = np.minimum(below + 1, size - 1)
        return cls(below, above, share, (at >= -0.5) & (at <= size - 0.5))


def _linear_along_axes(
    data: NDArray[Any],
    between: NDArray[np.float64],
    shape: Shape,
    fill: float,
    out: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Linear interpolation, one axis after the other: the same function with less arithmetic.

    Args:
        data: the source.
        between: (4, 4) from target index to source index, diagonal but for the shift.
        shape: of the target.
        fill: value beyond the edges of the source's voxels.
        out: takes the result, where given.
    """
    x, y, z = (
        _Places.of(between[axis, axis] * np.arange(shape[axis]) + between[axis, 3], size)
        for axis, size in enumerate(data.shape)
    )
    result = np.empty(shape, np.float32) if out is None else out
    planes: dict[int, NDArray[np.float32]] = {}
    # Plane by plane, so that all but the result stays in the processor's cache.
    for target, below, above, share in zip(result, x.below, x.above, x.share, strict=True):
        planes = {
            at: planes[at] if at in planes else _plane(data[at], y, z) for at in (below, above)
        }
        np.subtract(planes[above], planes[below], out=target)
        target *= share
        target += planes[below]
    result[~x.inside] = fill
    result[:, ~y.inside] = fill
    result[:, :, ~z.inside] = fill
    return result


def _plane(plane: NDArray[Any], y: _Places, z: _Places) -> NDArray[np.float32]:
    values = plane.astype(np.float32)
    along_z = values.take(z.above, 1)
    below = values.take(z.below, 1)
    along_z -= below
    along_z *= z.share
    along_z += below
    along_y = along_z.take(y.above, 0)
    below = along_z.take(y.below, 0)
    along_y -= below
    along_y *= y.share[:, None]
    along_y += below
    return along_y


def _known_to_itk(data: NDArray[Any], order: Order) -> NDArray[Any]:
    """The array in a type that ITK knows: native byte order, no booleans, no half floats."""
    if order == "linear" or data.dtype == np.float16:
        return data.astype(np.float32)
    if data.dtype == np.bool_:
        return data.astype(np.uint8)
    return data.astype(data.dtype.newbyteorder("="), copy=False)
