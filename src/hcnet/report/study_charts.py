"""Charts of a study: each method against the reference method, patient by patient."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hcnet.evaluation.statistics import Estimate
from hcnet.report.charts import COLOURS, FAINT, plain_axes

BETTER, WORSE = COLOURS[0], COLOURS[1]
_ROW_INCHES = 0.42
_SPREAD = 0.3
_COLUMNS = 5


@dataclass(frozen=True, eq=False)
class Pairs:
    """One method and the reference method on the same cases.

    Attributes:
        title: of the method.
        method: (N,) its scores.
        reference: (N,) the reference's.
        difference: mean of method minus reference with its interval; None where not compared.
        p: of that difference, corrected; NaN where undefined.
    """

    title: str
    method: NDArray[np.float64]
    reference: NDArray[np.float64]
    difference: Estimate | None
    p: float


def pairs_of(
    title: str,
    method: Mapping[str, float],
    reference: Mapping[str, float],
    difference: Estimate | None = None,
    p: float = math.nan,
) -> Pairs:
    """Pair the scores of the cases that both have, undefined ones left out."""
    cases = [
        case
        for case, value in method.items()
        if math.isfinite(value) and math.isfinite(reference.get(case, math.nan))
    ]
    a, b = (np.array([scores[case] for case in cases]) for scores in (method, reference))
    return Pairs(title, a, b, difference, p)


def differences_figure(pairs: Sequence[Pairs], reference: str, metric: str) -> Figure:
    """A dot a case: method minus reference, with the median and the mean with its interval.

    Args:
        pairs: one row each, the first on top.
        reference: name of the reference method.
        metric: what is subtracted.

    Raises:
        ValueError: there is no pair.
    """
    if not pairs:
        raise ValueError("there is no pair to draw")
    figure = Figure(figsize=(8.2, 1.5 + _ROW_INCHES * len(pairs)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=FAINT, lw=1, zorder=1)
    for place, pair in enumerate(pairs):
        values = pair.method - pair.reference
        heights = place + _offsets(values)
        for chosen, colour, marker in ((values >= 0, BETTER, "o"), (values < 0, WORSE, "v")):
            axes.scatter(
                values[chosen], heights[chosen], s=16, color=colour, marker=marker, alpha=0.6, lw=0
            )
        if len(values):
            middle = float(np.median(values))
            axes.vlines(middle, place - 0.36, place + 0.36, color="black", lw=1.6, zorder=3)
        if pair.difference is not None and not math.isnan(pair.difference.mean):
            _mean_with_interval(axes, pair.difference, place + 0.4)
    axes.set_yticks(range(len(pairs)), [_row_text(pair) for pair in pairs], parse_math=False)
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_xlabel(f"{metric} minus that of {reference}", fontsize=9, parse_math=False)
    plain_axes(axes)
    axes.tick_params(axis="y", length=0)
    handles = [
        axes.scatter([], [], s=16, color=BETTER, marker="o", label="a case, higher"),
        axes.scatter([], [], s=16, color=WORSE, marker="v", label="a case, lower"),
        axes.plot([], [], color="black", lw=0, marker="|", ms=11, mew=1.6, label="median")[0],
        axes.errorbar([], [], xerr=[], fmt="D", ms=4, color="black", lw=1.6,
                      label="mean, 95 % interval"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=8.5)
    return figure


def paired_lines_figure(pairs: Sequence[Pairs], reference: str, metric: str) -> Figure:
    """A line a case from the reference's score to the method's, one chart a method.

    Args:
        pairs: one chart each.
        reference: name of the reference method.
        metric: what the scores are, from 0 to 1.

    Raises:
        ValueError: there is no pair.
    """
    if not pairs:
        raise ValueError("there is no pair to draw")
    columns = min(_COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(2.2 * columns + 0.7, 2.8 * rows + 0.5), layout="constrained")
    charts = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, pair in zip(charts.ravel(), pairs, strict=False):
        higher = pair.method >= pair.reference
        for wins, colour, style in ((higher, BETTER, "solid"), (~higher, WORSE, "dashed")):
            ends = np.stack([pair.reference[wins], pair.method[wins]])
            axes.plot([0, 1], ends, color=colour, ls=style, lw=1, alpha=0.55)
        for place, values in enumerate((pair.reference, pair.method)):
            axes.scatter(np.full(len(values), place), values, s=12, color="#333333", zorder=3, lw=0)
            if len(values):
                axes.hlines(np.median(values), place - 0.16, place + 0.16, color="black", lw=2.6)
        axes.set_xticks([0, 1], ["reference", "method"])
        axes.set_xlim(-0.3, 1.3)
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(_wrapped(pair.title), fontsize=9, loc="left", parse_math=False)
        plain_axes(axes)
        count = f"higher in {np.count_nonzero(pair.method > pair.reference)} of {len(higher)}"
        axes.set_xlabel(count, fontsize=8)
    for axes in charts.ravel()[len(pairs) :]:
        axes.set_axis_off()
    for row in charts:
        row[0].set_ylabel(metric, fontsize=9, parse_math=False)
    figure.suptitle(
        f"Reference: {reference}. Bars: medians.\nSolid blue: higher, dashed orange: lower.",
        fontsize=8.5, color=FAINT, parse_math=False,
    )  # fmt: skip
    return figure


def _offsets(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights that keep dots apart: cases of nearly one value are spread, always alike."""
    found = np.zeros(len(values))
    if not len(values):
        return found
    width = max(float(np.ptp(values)), 1e-9) / 40
    bins = np.floor((values - values.min()) / width)
    for value in np.unique(bins):
        (members,) = np.nonzero(bins == value)
        found[members] = (np.arange(len(members)) - (len(members) - 1) / 2) * 0.11
    return np.clip(found, -_SPREAD, _SPREAD)


def _mean_with_interval(axes: Axes, estimate: Estimate, place: float) -> None:
    if not math.isnan(estimate.low):
        axes.hlines(place, estimate.low, estimate.high, color="black", lw=1.6, zorder=3)
    axes.plot(estimate.mean, place, color="black", marker="D", ms=4, ls="none", zorder=4)


def _row_text(pair: Pairs) -> str:
    if math.isnan(pair.p):
        return pair.title
    p = "p < 0.001" if pair.p < 0.001 else f"p = {pair.p:.3f}"
    return f"{pair.title}\n{p} (Holm)"


def _wrapped(title: str) -> str:
    """A title over two lines where it has a bracket."""
    return title.replace(" (", "\n(", 1)
