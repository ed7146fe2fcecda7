"""The one scale bar of pictures of anatomy."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke

# A dark plate, not an outline of the letters: text with an outline is no text any more in an SVG.
PLATE: dict[str, Any] = {"facecolor": "black", "alpha": 0.55, "lw": 0, "pad": 1.2}
"""Ground of text on an image, as matplotlib's `bbox`."""

_BARS_MM = (1, 2, 5, 10, 20, 50, 100)


def bar_mm(width_mm: float) -> int:
    """Length of the scale bar of a picture this wide: round, and about a third at most."""
    return max(b for b in _BARS_MM if b <= max(width_mm * 0.35, _BARS_MM[0]))


def draw_scale_bar(axes: Axes, width_mm: float) -> None:
    """Draw a white bar of a round length, at most a third of the panel, at its lower left.

    Args:
        axes: shows a slice from edge to edge.
        width_mm: of what it shows.
    """
    length = bar_mm(width_mm)
    start, stop = 0.03, 0.03 + length / width_mm
    axes.plot(
        [start, stop], [0.05, 0.05], transform=axes.transAxes, color="white", lw=2.2,
        solid_capstyle="butt", path_effects=[Stroke(linewidth=4, foreground="black"), Normal()],
    )  # fmt: skip
    axes.annotate(
        f"{length} mm", (start, 0.05), (0, 3), xycoords="axes fraction",
        textcoords="offset points", ha="left", va="bottom", color="white", fontsize=7.5,
        bbox=PLATE,
    )  # fmt: skip
