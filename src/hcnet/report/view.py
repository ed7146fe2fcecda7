"""How a volume is laid out for the eye: which plane, which slices, which way up.

Radiological display: the patient's right is on the left of axial and coronal images, anterior is up
on axial and on the left on sagittal ones, superior is up on sagittal and coronal ones. In canonical
(RAS+) arrays that is the same operation for every plane: transpose and flip both axes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError
from hcnet.volumes.volume import Grid, Volume, to_canonical

AXIAL = 2
_NAMES = ("sagittal", "coronal", "axial")
# Where the edges of the displayed image point: left, right, top, bottom.
_FIRST_SLICE = ("patient's left", "back", "feet")  # where index 0 of each RAS+ axis lies
_LETTERS = (("A", "P", "S", "I"), ("R", "L", "S", "I"), ("R", "L", "A", "P"))
# Slices this much thicker than the next axis make their plane the acquired one.
_CLEARLY_THICKER = 1.05

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """A plane across one axis of canonical arrays.

    Attributes:
        axis: the axis that is cut across: 0 sagittal, 1 coronal, 2 axial.
        grid: canonical grid of the arrays.
    """

    axis: int
    grid: Grid

    @property
    def name(self) -> str:
        """Sagittal, coronal or axial."""
        return _NAMES[self.axis]

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """Where left, right, top and bottom of the image point in the patient."""
        return _LETTERS[self.axis]

    @property
    def convention(self) -> str:
        """One sentence for the figure."""
        left, _, top, _ = (
            {"A": "anterior", "R": "patient's right", "S": "superior"}.get(letter, letter)
            for letter in self.letters
        )
        return f"{self.name.capitalize()}, radiological display: {left} on the left, {top} up."

    @property
    def counting(self) -> str:
        """One sentence on how slices are numbered."""
        return f"Slices are counted from the {_FIRST_SLICE[self.axis]}."

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Width and height of a displayed pixel in mm."""
        width, height = (s for axis, s in enumerate(self.grid.spacing) if axis != self.axis)
        return width, height

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the displayed image in mm."""
        columns, rows = (n for axis, n in enumerate(self.grid.shape) if axis != self.axis)
        return columns * self.pixel_mm[0], rows * self.pixel_mm[1]

    def cut(self, data: NDArray[Any], index: int) -> NDArray[Any]:
        """One slice, (rows, columns), upright."""
        return self.upright(np.take(data, index, axis=self.axis))

    def upright(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Turn a plane from array axes to (rows, columns) as displayed."""
        return plane.T[::-1, ::-1]

    def box(self, mask: NDArray[np.bool_], margin_mm: float, least_mm: float = 0.0) -> Box:
        """Where a mask lies in the displayed image, over all slices.

        Args:
            mask: (X, Y, Z) with at least one voxel set.
            margin_mm: added on every side.
            least_mm: width and height are at least this.

        Returns:
            left, right, top and bottom in mm from the image's top left corner, inside the image.
        """
        flat = self.upright(np.asarray(mask.any(axis=self.axis)))
        edges: list[float] = []
        for axis, pixel, size in zip((0, 1), self.pixel_mm, self.size_mm, strict=True):
            found = np.flatnonzero(flat.any(axis=axis))
            low, high = found[0] * pixel - margin_mm, (found[-1] + 1) * pixel + margin_mm
            lacking = max(0.0, least_mm - (high - low)) / 2
            low, high = low - lacking, high + lacking
            # A box that sticks out is pushed back in before it is cut.
            shift = max(0.0, -low) - max(0.0, high - size)
            edges += [max(0.0, low + shift), min(size, high + shift)]
        return edges[0], edges[1], edges[2], edges[3]


def view_of(grid: Grid, axis: int | None = None) -> View:
    """The plane to show: the one with the finest in-plane resolution, axial where there is none.

    Args:
        grid: a canonical grid.
        axis: cut across this axis instead.
    """
    if axis is None:
        order = np.argsort(grid.spacing)
        widest, next_ = grid.spacing[order[2]], grid.spacing[order[1]]
        axis = int(order[2]) if widest > _CLEARLY_THICKER * next_ else AXIAL
    return View(axis, grid)


def aligned(image: Volume, *others: Volume | None) -> tuple[Volume, list[NDArray[Any] | None]]:
    """Turn volumes on one grid to canonical orientation.

    Returns:
        the canonical image, and the canonical arrays of the others.

    Raises:
        GeometryError: a volume lies on another grid than the image.
    """
    canonical = to_canonical(image)
    arrays: list[NDArray[Any] | None] = []
    for other in others:
        if other is None:
            arrays.append(None)
            continue
        turned = to_canonical(other)
        difference = canonical.grid.difference(turned.grid)
        if difference:
            raise GeometryError(f"the picture's volumes lie on different grids: {difference}.")
        arrays.append(turned.data)
    return canonical, arrays


def pick_slices(mask: NDArray[np.bool_], axis: int, count: int) -> list[int]:
    """Slices that show a mask well, in order: spread over its area, its largest slice among them.

    Args:
        mask: (X, Y, Z); an empty one is taken as full.
        axis: the axis that is cut across.
        count: how many at most; fewer where the mask has fewer slices.
    """
    others = tuple(other for other in range(3) if other != axis)
    area = mask.sum(axis=others) if mask.any() else np.ones(mask.shape[axis])
    used = np.flatnonzero(area)
    if len(used) <= count:
        return [int(index) for index in used]
    share = np.cumsum(area) / area.sum()
    chosen = np.searchsorted(share, (np.arange(count) + 0.5) / count)
    if mask.any():
        largest = int(area.argmax())
        chosen[np.abs(chosen - largest).argmin()] = largest
    spread = sorted({int(index) for index in chosen})
    # Slices that hold several parts of the area leave places free; large slices fill them.
    fill = [int(index) for index in np.argsort(-area, kind="stable") if index not in spread]
    return sorted(spread + fill[: count - len(spread)])
