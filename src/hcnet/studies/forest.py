"""What the forest plots of the studies are made of: a row a method, a mean with its interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hcnet.evaluation.statistics import Estimate

FAINT = "#5c6670"
ROW_INCHES = 0.34
_GRID = "#d9dde1"


@dataclass(frozen=True)
class Style:
    """How a kind of method is drawn; the marker repeats what the colour says."""

    colour: str
    marker: str


# Okabe and Ito's colours
BLUE = Style("#0072B2", "D")
BLACK = Style("#000000", "o")
VERMILION = Style("#D55E00", "s")
GREEN = Style("#009E73", "^")


def draw_estimates(
    axes: Axes,
    estimates: Iterable[Estimate | None],
    styles: Iterable[Style],
    places: Iterable[float],
) -> None:
    """Draw means with their intervals, one above the other.

    Args:
        axes: where to draw.
        estimates: None and undefined means leave their row empty.
        styles: of each row.
        places: height of each row.
    """
    for estimate, style, place in zip(estimates, styles, places, strict=True):
        if estimate is None or math.isnan(estimate.mean):
            continue
        if not math.isnan(estimate.low):
            axes.hlines(place, estimate.low, estimate.high, color=style.colour, lw=1.8)
        axes.plot(estimate.mean, place, color=style.colour, marker=style.marker, ms=5.5, ls="none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.tick_params(axis="x", colors=FAINT, labelcolor="black", labelsize=8.5)
    axes.grid(axis="x", color=_GRID, lw=0.7)
    axes.set_axisbelow(True)


def mark_reference(axes: Axes, value: float, *, dotted: bool = False) -> None:
    """A thin vertical line behind the rows."""
    axes.axvline(value, color=FAINT, lw=1, ls="dotted" if dotted else "solid", zorder=1)


def headline(axes: Axes, text: str) -> None:
    """Title of one side."""
    axes.set_title(text, loc="left", fontsize=10)


def legend(figure: Figure, axes: Axes, kinds: Sequence[tuple[str, Style]]) -> None:
    """Name the kinds, above the plot and to the right."""
    handles = [
        axes.plot([], [], color=style.colour, marker=style.marker, ls="none", label=kind)[0]
        for kind, style in kinds
    ]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=8.5
    )
