"""Frame: the way from an exam's own grid to the prepared one and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError
from hcnet.volumes.resample import Order, grid_with_spacing, resample
from hcnet.volumes.volume import Grid, Slices, Volume, canonical_grid, from_canonical, to_canonical


@dataclass(frozen=True, eq=False)
class Frame:
    """Three grids of one exam: its own, the canonical one, and the prepared one within a box.

    Attributes:
        native: the input's own grid.
        box: the part of the canonical grid that the prepared grid covers.
        grid: the prepared grid (RAS+, cropped, resampled).
    """

    native: Grid
    box: Slices
    grid: Grid

    @property
    def canonical(self) -> Grid:
        """The input's grid with its axes in the order R, A, S."""
        return canonical_grid(self.native)

    def to_prepared(
        self, volume: Volume, order: Order, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Bring a volume, on whichever grid, onto the prepared grid; 0 beyond its edges.

        Args:
            volume: any orientation.
            order: "nearest" for labels, "linear" for intensities.
            out: takes the result, where given; (X, Y, Z) of its type.
        """
        canonical = to_canonical(volume)
        if self.canonical.difference(canonical.grid) is None:
            # Only the box is needed, and a border voxel beyond it so that its edge interpolates.
            slices = _widened(self.box, canonical.shape)
            canonical = Volume(canonical.data[slices], canonical.grid.crop(slices).affine)
        return resample(canonical, self.grid, order, out=out).data

    def to_native(self, array: NDArray[Any], order: Order) -> Volume:
        """Lay an array of the prepared grid back onto the input's own grid.

        Args:
            array: (X, Y, Z) on the prepared grid; booleans count as labels 0 and 1.
            order: "nearest" for labels, "linear" for intensities and probabilities.

        Returns:
            a volume on the input's grid, 0 outside the box; float32 for "linear".

        Raises:
            GeometryError: the array has another shape than the prepared grid.
        """
        if array.shape != self.grid.shape:
            raise GeometryError(
                f"an array of shape {array.shape} does not lie on the prepared grid, "
                f"which has shape {self.grid.shape}."
            )
        cropped = self.canonical.crop(self.box)
        inside = resample(Volume(array, self.grid.affine), cropped, order).data
        whole = np.zeros(self.canonical.shape, inside.dtype)
        whole[self.box] = inside
        return from_canonical(Volume(whole, self.canonical.affine), self.native)


def frame_around(
    inside: NDArray[np.bool_],
    native: Grid,
    margin_mm: float,
    spacing_mm: tuple[float, float, float] | None,
) -> Frame:
    """The frame of a breast mask and a margin.

    Args:
        inside: mask on the canonical form of `native`, not empty.
        native: the input's own grid.
        margin_mm: kept around the mask, within the field of view.
        spacing_mm: of the prepared grid along R, A, S; None keeps the input's.
    """
    canonical = canonical_grid(native)
    box = _bounding_box(inside, [round(margin_mm / mm) for mm in canonical.spacing])
    cropped = canonical.crop(box)
    grid = cropped if spacing_mm is None else grid_with_spacing(cropped, spacing_mm)
    return Frame(native, box, grid)


def _bounding_box(inside: NDArray[np.bool_], margin: list[int]) -> Slices:
    limits = []
    for axis, extra in enumerate(margin):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(inside.any(axis=others))
        stop = min(inside.shape[axis], int(hit[-1]) + 1 + extra)
        limits.append(slice(max(0, int(hit[0]) - extra), stop))
    return limits[0], limits[1], limits[2]


def _widened(box: Slices, shape: tuple[int, int, int]) -> Slices:
    x, y, z = (
        slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(box, shape, strict=True)
    )
    return x, y, z
