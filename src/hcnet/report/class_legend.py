"""The legend of the heterogeneity classes as a figure: colour, name and mean curve of each."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hcnet.kinetics.figures import class_line
from hcnet.report.charts import FAINT
from hcnet.report.content import TissueClass
from hcnet.report.drawing import class_name

_ROW_INCHES = 0.4
_CURVE = (0.62, 0.98)
"""Where curves begin and end, in parts of the figure's width."""
_ROOM = 0.76
"""Share of a row's height that its curve may take."""


def class_legend_figure(classes: Sequence[TissueClass], curve_label: str) -> Figure:
    """Every class in a row, the most suspicious on top, as the page's legend has them.

    Names and the order say what the colours say, so none depends on colour vision alone. All curves
    share one scale; a grey line is 0.

    Args:
        classes: at least one, in the order of their numbers.
        curve_label: what the curves are; empty where none is known.

    Raises:
        ValueError: there is no class.
    """
    if not classes:
        raise ValueError("there is no class to draw")
    values = [0.0, *(value for entry in classes for value in entry.curve)]
    low, span = min(values), (max(values) - min(values)) or 1.0
    figure = Figure(figsize=(5.2, _ROW_INCHES * (len(classes) + 1.4)), layout="constrained")
    axes = figure.subplots()
    for row, entry in enumerate(classes):
        axes.add_patch(
            Rectangle(
                (0.02, row + 0.2), 0.07, 0.6, facecolor=entry.colour, edgecolor="black", lw=0.5
            )
        )
        axes.text(0.12, row + 0.5, class_name(entry.number, len(classes)), va="center", fontsize=9)
        if not entry.curve:
            continue
        foot = row + (1 - _ROOM) / 2
        axes.plot(_CURVE, [foot - _ROOM * low / span] * 2, color=FAINT, lw=0.6, alpha=0.6, zorder=1)
        step = (_CURVE[1] - _CURVE[0]) / max(len(entry.curve) - 1, 1)
        axes.plot(
            [_CURVE[0] + step * place for place in range(len(entry.curve))],
            [foot + _ROOM * (value - low) / span for value in entry.curve],
            "o-", label=class_name(entry.number, len(classes)), **class_line(entry.colour),
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, len(classes)))
    axes.set_axis_off()
    axes.set_title("Classes of the heterogeneity map", fontsize=10, loc="left")
    if any(entry.curve for entry in classes):
        # The words come from a file, so none is read as mathematics.
        what = f"Curves: {curve_label or 'mean of the class'}; one scale, grey line at 0."
        figure.supxlabel(what, color=FAINT, fontsize=7.5, parse_math=False)
    return figure
