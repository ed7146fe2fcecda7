"""One panel of a description: every case as a dot, the cohort's median, and what it is held to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from hcnet.cohorts.phantom.describe.bands import Band

# Okabe and Ito's colours, distinct for every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BAND = "#c9d1d9"
FAINT = "#5c6670"
_SPREAD = 0.22


@dataclass(frozen=True, eq=False)
class Slot:
    """One column of a panel.

    Attributes:
        label: under the column.
        values: (N,) one a case; NaN is left out.
        band: what they are held to.
        colour: of the dots.
    """

    label: str
    values: NDArray[np.float64]
    band: Band | None = None
    colour: str = COLOURS[0]


def draw_slots(axes: Axes, slots: Sequence[Slot], *, logarithmic: bool = False) -> None:
    """Draw the columns side by side; where values are drawn logarithmically, those of 0 are not."""
    for place, slot in enumerate(slots):
        drawn = slot.values[~np.isnan(slot.values)]
        if logarithmic:
            drawn = drawn[drawn > 0]
        draw_band(axes, slot.band, place - 0.4, place + 0.4)
        # Dots are spread in the order of the cases: the same cohort gives the same picture.
        spread = np.linspace(-_SPREAD, _SPREAD, len(drawn)) if len(drawn) > 1 else np.zeros(1)
        if len(drawn):
            axes.plot(
                place + spread, drawn, "o", ms=3.6, color=slot.colour, alpha=0.65, mew=0, zorder=3
            )
            axes.hlines(
                float(np.median(drawn)), place - 0.34, place + 0.34, color="black", lw=2, zorder=4
            )
    axes.set_xticks(range(len(slots)), [slot.label for slot in slots])
    axes.set_xlim(-0.55, len(slots) - 0.45)
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def draw_band(axes: Axes, band: Band | None, left: float, right: float) -> None:
    """Shade a band between two places on x, with a dashed line at its centre."""
    if band is None:
        return
    if band.low is not None and band.high is not None:
        axes.fill_between(
            [left, right], band.low, band.high, color=BAND, alpha=0.4 if band.descriptor else 0.9,
            hatch="////" if band.descriptor else None, edgecolor="white", lw=0, zorder=1,
        )  # fmt: skip
    if band.centre is not None:
        axes.hlines(
            band.centre, left, right, color=FAINT, lw=1.6,
            ls="dotted" if band.descriptor else "dashed", zorder=2,
        )  # fmt: skip


def key_to_marks() -> list[Line2D | Patch]:
    """Handles of a legend that explains all panels."""
    return [
        Line2D([], [], marker="o", ls="", ms=4, color=COLOURS[0], label="a case"),
        Line2D([], [], color="black", lw=2, label="median of the cohort"),
        Patch(facecolor=BAND, label="band"),
        Line2D([], [], color=FAINT, lw=1.6, ls="dashed", label="its centre"),
        Patch(facecolor=BAND, alpha=0.5, hatch="////", edgecolor="white", label="descriptor"),
        Line2D([], [], color=FAINT, lw=1.6, ls="dotted", label="its centre"),
    ]


def finish(axes: Axes, title: str, y: str) -> None:
    """Title, axis label and a quiet frame."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel(y, fontsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=FAINT, labelcolor="black", labelsize=8)
    axes.grid(axis="y", color="#e3e6e9", lw=0.7)
    axes.set_axisbelow(True)
