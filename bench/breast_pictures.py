"""Sheets of outlines for `breast_mask.py`: the mask red, the reference green, the tumour yellow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hcnet.volumes.volume import Volume

Bool = NDArray[np.bool_]

COLUMNS = 2
"""Cases side by side; each has three pictures."""
ROWS = 5
PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class View:
    """One slice: image and masks, (first, second axis), and the size of a pixel in mm."""

    image: NDArray[np.float32]
    mask: Bool
    reference: Bool
    tumour: Bool
    pixel: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Picture:
    """A case with its masks, (X, Y, Z) each, in canonical orientation."""

    case: str
    volume: Volume
    mask: Bool
    reference: Bool
    tumour: Bool

    def views(self) -> list[View]:
        """Sagittal, coronal and axial slice through the middle of tumour, breast or mask."""
        of = next((m for m in (self.tumour, self.reference, self.mask) if m.any()), None)
        middle = np.array(self.volume.shape) // 2 if of is None else _middle(of)
        found = []
        for axis in range(3):
            first, second = (a for a in range(3) if a != axis)
            planes = [
                np.take(array, middle[axis], axis)
                for array in (self.volume.data, self.mask, self.reference, self.tumour)
            ]
            pixel = (self.volume.spacing[first], self.volume.spacing[second])
            found.append(View(*planes, pixel))
        return found

    def thinned(self) -> "Sheet":
        """The slices alone: all that the sheet needs."""
        return Sheet(self.case, self.views())


@dataclass(frozen=True, eq=False)
class Sheet:
    """The slices of one case."""

    case: str
    views: list[View]


def _middle(mask: Bool) -> NDArray[np.int64]:
    """The voxel in the mask's largest sagittal section, at its centre there."""
    x = int(mask.sum(axis=(1, 2)).argmax())
    y, z = np.argwhere(mask[x]).mean(axis=0)
    return np.array([x, round(float(y)), round(float(z))])


def write_sheets(pictures: Mapping[str, Sequence[Sheet]], folder: Path) -> Iterator[Path]:
    """Write `NAME_1.png` and so on, ten cases a sheet."""
    for condition, cases in pictures.items():
        name = re.sub(r"[^a-z0-9]+", "_", condition.lower()).strip("_")
        for number, start in enumerate(range(0, len(cases), COLUMNS * ROWS), start=1):
            path = folder / f"{name}_{number}.png"
            _sheet(condition, cases[start : start + COLUMNS * ROWS]).savefig(path, dpi=75)
            yield path


def _sheet(title: str, cases: Sequence[Sheet]) -> Figure:
    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(6.6 * COLUMNS, 2.6 * rows + 0.4), layout="constrained")
    figure.suptitle(f"{title}: mask red, reference green, tumour yellow")
    grid = figure.subplots(rows, 3 * COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, case in enumerate(cases):
        row, column = divmod(number, COLUMNS)
        for plane, view in enumerate(case.views):
            _draw(grid[row, 3 * column + plane], view)
        grid[row, 3 * column].set_title(case.case, fontsize=8, loc="left")
    return figure


def _draw(axes: Axes, view: View) -> None:
    shown = np.sqrt(np.maximum(view.image, 0).astype(np.float32))
    first, second = view.pixel
    extent = (0, shown.shape[0] * first, 0, shown.shape[1] * second)
    top = float(np.percentile(shown, 99.5)) or 1.0
    axes.imshow(shown.T, cmap="gray", origin="lower", extent=extent, vmin=0, vmax=top)
    for mask, colour in ((view.reference, "lime"), (view.tumour, "yellow"), (view.mask, "red")):
        if mask.any() and not mask.all():
            axes.contour(mask.T, [0.5], colors=colour, linewidths=0.9, extent=extent)
