"""The figure of an ablation: what each arm scores, and by how much it differs from the baseline."""

from matplotlib.figure import Figure

from hcnet.studies import forest
from hcnet.studies.ablation.arms import ARMS, BASELINE
from hcnet.studies.ablation.summary import Summary
from hcnet.studies.ablation.tables import against_baseline

_KINDS = {
    "method": forest.BLUE,
    "alternative": forest.BLACK,
    "no information": forest.VERMILION,
    "upper bound": forest.GREEN,
}


def forest_figure(summary: Summary) -> Figure:
    """Mean DSC of each arm with its interval, and beside it the difference to the baseline."""
    names = list(summary.arms)
    figure = Figure(figsize=(11.0, 1.7 + forest.ROW_INCHES * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    isolates = {arm.name: arm.isolates for arm in ARMS}
    compared = [against_baseline(summary, name) for name in names]
    differences = [versus.result.difference if versus else None for versus in compared]
    means = [summary.arms[name].metrics["dsc"] for name in names]
    styles, places = [_KINDS[_kind(name)] for name in names], range(len(names))
    forest.draw_estimates(left, means, styles, places)
    forest.draw_estimates(right, differences, styles, places)
    forest.mark_reference(left, summary.arms[BASELINE].metrics["dsc"].mean, dotted=True)
    forest.mark_reference(right, 0)
    left.set_yticks(places, [f"{isolates[name]}   {name}" for name in names])
    left.set_ylim(len(names) - 0.4, -0.6)  # the first arm on top
    left.set_xlim(left=0)
    seeds = len(summary.seeds)
    over = f"{len(summary.lesion_cases)} held-out cases with a lesion, {seeds} seed(s)"
    forest.headline(left, "DSC")
    forest.headline(right, f"DSC minus that of {BASELINE}")
    figure.supxlabel(f"mean and 95 % interval over {over}", fontsize=8.5)
    drawn = {_kind(name) for name in names}
    forest.legend(figure, left, [item for item in _KINDS.items() if item[0] in drawn])
    return figure


def _kind(name: str) -> str:
    if name.startswith("P"):
        return "method"
    if name.startswith("O"):
        return "upper bound"
    return "no information" if name[0] in "LN" else "alternative"
