"""Charts: training curves, and two methods case by case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, distinct for every kind of colour vision; line styles repeat the message.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("solid", "dashed", "dashdot", "dotted")
_GRID = "#d9dde1"
FAINT = "#5c6670"
_MOST_NAMED = 60
_MOST_LEFT_OUT = 5
_COLUMNS = 3


@dataclass(frozen=True)
class CurvePanel:
    """One chart of training curves.

    Attributes:
        title: headline.
        unit: label of the y axis.
        lines: epochs and values of each curve, by name.
        logarithmic: whether y is.
    """

    title: str
    unit: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    logarithmic: bool = False


def curve_panel(
    title: str,
    unit: str,
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
    keys: Sequence[str],
    *,
    logarithmic: bool = False,
) -> CurvePanel:
    """Pick curves from the logs of one or more trainings.

    Args:
        title: headline.
        unit: label of the y axis.
        logs: lines of each log, by the training's name: an `epoch` (from 0) and numbers; a number
            may be missing from some lines, as validation that does not run every epoch.
        keys: which numbers to show; those that no line has are left out.
        logarithmic: whether y is.
    """
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for name, log in logs.items():
        for key in keys:
            points = [(line["epoch"] + 1, line[key]) for line in log if line.get(key) is not None]
            if not points:
                continue
            parts = ([name] if len(logs) > 1 else []) + ([key] if len(keys) > 1 else [])
            x, y = zip(*points, strict=True)
            lines[", ".join(parts) or key] = (list(x), list(y))
    return CurvePanel(title, unit, lines, logarithmic)


def training_curves_figure(panels: Sequence[CurvePanel]) -> Figure:
    """Training curves, one chart a panel; panels without a line are left out.

    Raises:
        ValueError: no panel has a line.
    """
    full = [panel for panel in panels if panel.lines]
    if not full:
        raise ValueError("there is no curve to draw")
    columns = min(_COLUMNS, len(full))
    rows = -(-len(full) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.9 * rows), layout="constrained")
    charts = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(charts, full, strict=False):
        for number, (name, (x, y)) in enumerate(panel.lines.items()):
            axes.plot(
                x, y, color=COLOURS[number % len(COLOURS)], ls=STYLES[number % len(STYLES)],
                lw=1.6, marker="o" if len(x) < 12 else None, ms=3.5, label=name,
            )  # fmt: skip
        axes.set_title(panel.title, fontsize=10, loc="left", parse_math=False)
        axes.set_xlabel("epoch", fontsize=8.5)
        axes.set_ylabel(panel.unit, fontsize=8.5, parse_math=False)
        if panel.logarithmic:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        plain_axes(axes)
        if len(panel.lines) > 1 or panel.title not in panel.lines:
            axes.legend(frameon=False, fontsize=7.5)
    for axes in charts[len(full) :]:
        axes.set_axis_off()
    return figure


def paired_dots_figure(
    names: Sequence[str],
    first: Sequence[float],
    second: Sequence[float],
    labels: tuple[str, str],
    metric: str = "DSC",
) -> Figure:
    """Both methods' score of every case, joined by a line, ordered by the difference.

    Cases where one of the scores is undefined (NaN) cannot be drawn and are named under the chart.

    Args:
        names: (N,) of the cases.
        first: (N,) scores of the first method.
        second: (N,) scores of the second method.
        labels: names of the methods.
        metric: what the scores are.

    Raises:
        ValueError: the lengths differ or no case has both scores.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not len(names) == len(a) == len(b):
        raise ValueError(f"{len(names)} names for {len(a)} and {len(b)} scores")
    drawn = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    if not len(drawn):
        raise ValueError("no case has both scores")
    order = drawn[np.argsort((a - b)[drawn], kind="stable")]
    places = np.arange(len(order))
    figure = Figure(figsize=(7.2, max(2.6, 1.5 + 0.21 * len(order))), layout="constrained")
    axes = figure.subplots()
    better = a[order] >= b[order]
    for wins, colour in ((better, COLOURS[0]), (~better, COLOURS[1])):
        axes.hlines(places[wins], b[order][wins], a[order][wins], color=colour, alpha=0.35, lw=2.2)
    open_, full = (
        axes.scatter(
            values[order], places, s=34, marker=marker, facecolor=face, edgecolor=edge, lw=1.5,
            label=f"{label} (mean {values[drawn].mean():.3f}, {line} line)", zorder=3,
        )
        for values, marker, face, edge, label, line in (
            (b, "o", "white", COLOURS[1], labels[1], "dotted"),
            (a, "D", COLOURS[0], COLOURS[0], labels[0], "dashed"),
        )
    )  # fmt: skip
    axes.axvline(a[drawn].mean(), color=COLOURS[0], lw=1, ls="dashed", zorder=1)
    axes.axvline(b[drawn].mean(), color=COLOURS[1], lw=1, ls="dotted", zorder=1)
    if len(order) <= _MOST_NAMED:
        axes.set_yticks(places, [names[i] for i in order], fontsize=7.5, parse_math=False)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(order)} cases")
    axes.set_ylim(-0.8, len(order) - 0.2)
    if metric in {"DSC", "PPV", "SEN"}:
        axes.set_xlim(-0.02, 1.02)
    left_out = sorted(set(range(len(names))) - set(drawn.tolist()))
    named = ", ".join(names[i] for i in left_out[:_MOST_LEFT_OUT])
    more = f" and {len(left_out) - _MOST_LEFT_OUT} more" if len(left_out) > _MOST_LEFT_OUT else ""
    note = f"\nundefined, not drawn: {named}{more}" if left_out else ""
    axes.set_xlabel(metric + note, fontsize=9, parse_math=False)
    plain_axes(axes)
    figure.legend(
        handles=[full, open_], loc="outside upper left", ncols=2, frameon=False, fontsize=8.5
    )
    return figure


def plain_axes(axes: Axes) -> None:
    """Give a chart thin grey lines, so that the data stand out."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=FAINT, labelcolor="black", labelsize=8)
    axes.grid(color=_GRID, lw=0.7)
    axes.set_axisbelow(True)
