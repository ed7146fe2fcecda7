"""The figure of an ablation: what each arm scores, and by how much it differs from the baseline."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hcnet.evaluation.statistics import Estimate
from hcnet.studies.ablation.arms import ARMS, BASELINE
from hcnet.studies.ablation.summary import Summary
from hcnet.studies.ablation.tables import against_baseline

# Okabe and Ito's colours; markers repeat what they say.
_KINDS = {
    "method": ("#0072B2", "D"),
    "alternative": ("#000000", "o"),
    "no information": ("#D55E00", "s"),
    "upper bound": ("#009E73", "^"),
}
_FAINT = "#5c6670"
_GRID = "#d9dde1"
_ROW = 0.34


def forest_figure(summary: Summary) -> Figure:
    """Mean DSC of each arm with its interval, and beside it the difference to the baseline."""
    names = list(summary.arms)
    figure = Figure(figsize=(11.0, 1.7 + _ROW * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    isolates = {arm.name: arm.isolates for arm in ARMS}
    differences = {}
    for name in names:
        versus = against_baseline(summary, name)
        if versus is not None:
            differences[name] = versus.result.difference
    means = {name: summary.arms[name].metrics["dsc"] for name in names}
    _draw(left, names, means)
    _draw(right, names, differences)
    left.axvline(means[BASELINE].mean, color=_FAINT, lw=1, ls="dotted", zorder=1)
    right.axvline(0, color=_FAINT, lw=1, zorder=1)
    left.set_yticks(range(len(names)), [f"{isolates[name]}   {name}" for name in names])
    left.set_ylim(len(names) - 0.4, -0.6)  # the first arm on top
    left.set_xlim(left=0)
    seeds = len(summary.seeds)
    over = f"{len(summary.lesion_cases)} held-out cases with a lesion, {seeds} seed(s)"
    left.set_title("DSC", loc="left", fontsize=10)
    right.set_title(f"DSC minus that of {BASELINE}", loc="left", fontsize=10)
    figure.supxlabel(f"mean and 95 % interval over {over}", fontsize=8.5)
    drawn = {_kind(name) for name in names}
    handles = [
        left.plot([], [], color=colour, marker=marker, ls="none", label=kind)[0]
        for kind, (colour, marker) in _KINDS.items()
        if kind in drawn
    ]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=8.5
    )
    return figure


def _draw(axes: Axes, names: list[str], estimates: Mapping[str, Estimate]) -> None:
    for place, name in enumerate(names):
        estimate = estimates.get(name)
        if estimate is None or math.isnan(estimate.mean):
            continue
        colour, marker = _KINDS[_kind(name)]
        if not math.isnan(estimate.low):
            axes.hlines(place, estimate.low, estimate.high, color=colour, lw=1.8)
        axes.plot(estimate.mean, place, color=colour, marker=marker, ms=5.5, ls="none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.tick_params(axis="x", colors=_FAINT, labelcolor="black", labelsize=8.5)
    axes.grid(axis="x", color=_GRID, lw=0.7)
    axes.set_axisbelow(True)


def _kind(name: str) -> str:
    if name.startswith("P"):
        return "method"
    if name.startswith("O"):
        return "upper bound"
    return "no information" if name[0] in "LN" else "alternative"
