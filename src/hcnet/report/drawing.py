"""What every picture of an exam is made of: grey image, outline, class overlay, scale bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from hcnet.kinetics.palette import class_colours
from hcnet.kinetics.scale_bar import PLATE, draw_scale_bar
from hcnet.report.view import Box, View

PAPER = "#0d1014"
"""Background of pictures: dark, as where images are read."""
INK = "#e8ebee"
FAINT = "#9aa4ae"
PREDICTION = "#45d0ff"
REFERENCE = "#ffb020"
"""Light blue and orange differ for every kind of colour vision; the class palette has no cyan."""

UNCERTAIN = "#3ddc97"
"""Green, which neither the outlines nor the class palette have."""

_CASING = [Stroke(linewidth=2.6, foreground="black", alpha=0.75), Normal()]
_CLEAR_TO_GREEN = LinearSegmentedColormap.from_list(
    "uncertainty", [(*(int(UNCERTAIN[i : i + 2], 16) / 255 for i in (1, 3, 5)), a) for a in (0, 1)]
)


@dataclass(frozen=True, eq=False)
class Outline:
    """A mask to draw around.

    Attributes:
        mask: (X, Y, Z) canonical boolean.
        colour: of the line.
        dashed: whether the line is.
    """

    mask: NDArray[np.bool_]
    colour: str
    dashed: bool = False


def picture(width: float, height: float) -> Figure:
    """An empty dark figure of a size in inches."""
    engine = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, rect=(0.01, 0.01, 0.98, 0.98))
    return Figure(figsize=(width, height), layout=engine, facecolor=PAPER)


def window(image: NDArray[Any]) -> tuple[float, float]:
    """Grey levels that become black and white: 1st and 99.5th percentile of the finite voxels."""
    values = image[np.isfinite(image)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, (1.0, 99.5))
    return float(low), float(high) if high > low else float(low) + 1.0


def show_slice(
    axes: Axes,
    view: View,
    image: NDArray[Any],
    index: int,
    grey: tuple[float, float],
    box: Box | None = None,
    outlines: Sequence[Outline] = (),
) -> None:
    """Draw one slice in grey, in mm, with orientation letters, scale bar and outlines.

    Args:
        axes: where to draw.
        view: the plane.
        image: (X, Y, Z) canonical.
        index: which slice.
        grey: levels of black and white.
        box: part to show (left, right, top, bottom in mm); all by default.
        outlines: drawn around where they meet the slice.
    """
    show_plane(axes, view, view.cut(image, index), grey, box)
    for outline in outlines:
        draw_outline(axes, view, view.cut(outline.mask, index), outline.colour, outline.dashed)


def show_plane(
    axes: Axes,
    view: View,
    plane: NDArray[Any],
    grey: tuple[float, float],
    box: Box | None = None,
) -> None:
    """Draw an upright plane (rows, columns) in grey with letters and scale bar."""
    width, height = view.size_mm
    axes.imshow(
        plane, cmap="gray", vmin=grey[0], vmax=grey[1], extent=(0, width, height, 0),
        interpolation="bilinear",
    )  # fmt: skip
    left, right, top, bottom = box or (0.0, width, 0.0, height)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], facecolor="black")
    axes.spines[:].set_visible(False)
    _letters(axes, view)
    draw_scale_bar(axes, right - left)


def draw_outline(
    axes: Axes, view: View, plane: NDArray[np.bool_], colour: str, dashed: bool = False
) -> None:
    """Draw the outline of an upright mask; nothing where the mask is empty."""
    if not plane.any():
        return
    padded = np.pad(plane, 1).astype(float)  # closes the line where the mask meets the border
    width, height = view.pixel_mm
    x, y = (
        (np.arange(n) - 0.5) * size
        for n, size in zip(padded.shape[::-1], (width, height), strict=True)
    )
    lines = axes.contour(
        x, y, padded, levels=[0.5], colors=[colour], linewidths=1.3,
        linestyles="dashed" if dashed else "solid",
    )  # fmt: skip
    lines.set_path_effects(_CASING)


def draw_classes(axes: Axes, view: View, plane: NDArray[Any], classes: int) -> None:
    """Lay an upright heterogeneity map over a slice; labels 0 (outside) stay clear.

    The map is opaque: a blend with the image would show colours that the legend does not have.
    """
    width, height = view.size_mm
    axes.imshow(
        np.ma.masked_less(plane, 1), cmap=ListedColormap(class_colours(classes)),
        vmin=0.5, vmax=classes + 0.5, extent=(0, width, height, 0),
        interpolation="nearest",
    )  # fmt: skip


def draw_uncertainty(axes: Axes, view: View, plane: NDArray[Any]) -> None:
    """Lay upright uncertainties from 0 to 1 over a slice: the surer, the clearer."""
    width, height = view.size_mm
    axes.imshow(
        plane, cmap=_CLEAR_TO_GREEN, vmin=0, vmax=1, extent=(0, width, height, 0),
        interpolation="nearest",
    )  # fmt: skip


def uncertainty_bar(figure: Figure, panels: Sequence[Axes]) -> None:
    """What the green of `draw_uncertainty` means, to the right of the panels."""
    scale = ScalarMappable(Normalize(0, 1), _CLEAR_TO_GREEN)
    bar = figure.colorbar(scale, ax=list(panels), fraction=0.04, shrink=0.7, pad=0.02)
    bar.set_ticks([0, 0.5, 1], labels=["0 (sure)", "0.5", "1"])
    bar.ax.tick_params(colors=FAINT, labelcolor=INK, labelsize=8)
    bar.outline.set_edgecolor(FAINT)
    bar.ax.set_facecolor("black")
    bar.set_label("uncertainty", color=INK, fontsize=8)


def draw_box(axes: Axes, box: Box) -> None:
    """Mark the part that another panel shows."""
    left, right, top, bottom = box
    axes.add_patch(
        Rectangle(
            (left, top), right - left, bottom - top, fill=False, ec=INK, lw=0.8, ls=(0, (4, 3))
        )
    )


def class_entries(classes: int) -> list[Artist]:
    """Legend entries of the classes, most suspicious first."""
    patches: list[Artist] = [
        Patch(facecolor=colour, edgecolor=FAINT, lw=0.4, label=class_name(code + 1, classes))
        for code, colour in enumerate(class_colours(classes))
    ]
    return patches[::-1]


def class_name(number: int, classes: int) -> str:
    """What a legend calls a class: `number` from 1 to `classes`; the ends are explained."""
    if number == classes:
        return f"class {number} (most suspicious)"
    return f"class {number} (least suspicious)" if number == 1 else f"class {number}"


def line_entry(label: str, colour: str, dashed: bool = False) -> Artist:
    """Legend entry of an outline."""
    return Line2D([], [], color=colour, lw=1.8, ls="dashed" if dashed else "solid", label=label)


def legend(figure: Figure, entries: Sequence[Artist]) -> None:
    """Put a legend to the right of the panels."""
    figure.legend(
        handles=list(entries), loc="outside right center", frameon=False, labelcolor=INK, fontsize=8
    )  # fmt: skip


def headline(axes: Axes, text: str) -> None:
    """Title of a panel; text is drawn as it is, so that no name is read as mathematics."""
    axes.set_title(text, color=INK, fontsize=9, parse_math=False)


def row_label(axes: Axes, text: str) -> None:
    """Label to the left of a row of panels."""
    axes.set_ylabel(text, color=INK, fontsize=9, parse_math=False)


def footer(figure: Figure, text: str) -> None:
    """Small print under the panels."""
    figure.supxlabel(text, color=FAINT, fontsize=7.5, parse_math=False)


def _letters(axes: Axes, view: View) -> None:
    left, right, top, _ = view.letters  # the scale bar is at the bottom
    # Large enough that no L can be taken for an I.
    for letter, place, inwards in (
        (left, (0.0, 0.5), (5, 0)),
        (right, (1.0, 0.5), (-5, 0)),
        (top, (0.5, 1.0), (0, -4)),
    ):
        axes.annotate(
            letter, place, inwards, xycoords="axes fraction", textcoords="offset points",
            ha={0.0: "left", 1.0: "right"}.get(place[0], "center"),
            va="top" if place[1] == 1.0 else "center",
            color=INK, fontsize=8.5, fontweight="bold", bbox=PLATE,
        )  # fmt: skip
