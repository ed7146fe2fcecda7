"""The figure of a comparison: what each row scores, and how it differs from the baseline."""

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hcnet.studies import forest
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.summary import MAP_BASELINE, MAP_METRICS, Summary
from hcnet.studies.compare.tables import groups, method, metrics_of, of_maps, versus

_CONTRAST = ("sees contrast", forest.GREEN)
_PRE = ("pre-contrast only", forest.BLACK)
_OURS = ("the method", forest.BLUE)
_OF_HIPM = ("the paper's choice", forest.BLUE)
_OTHER = ("other networks", forest.BLACK)
_GAP = 0.6


def table_figure(summary: Summary) -> Figure:
    """Means with intervals, a row an entry, in the order of the table.

    Tumours: DSC, and its difference to the pre-contrast ResUNet where that is among the rows.
    Maps: Mean Accuracy and Mean IoU.
    """
    rows = [row for group in groups(summary) for row in group]
    places = [
        number + _GAP * place
        for place, group in enumerate(groups(summary))
        for number, row in enumerate(rows)
        if row in group
    ]
    maps = of_maps(summary)
    beside = maps or BASELINE in [row.entry for row in rows]
    height = 1.7 + forest.ROW_INCHES * (places[-1] + 1)
    layout = ConstrainedLayoutEngine(wspace=0.04)  # keeps the outer tick labels apart
    figure = Figure(figsize=(11.0 if beside else 7.0, height), layout=layout)
    (axes,) = figure.subplots(1, 2 if beside else 1, sharey=True, squeeze=False)
    kinds = [_kind(row.entry, maps) for row in rows]
    styles = [style for _, style in kinds]
    for side, metric in zip(axes, MAP_METRICS if maps else ("dsc",), strict=False):
        forest.draw_estimates(side, [row.metrics[metric] for row in rows], styles, places)
        forest.headline(side, metrics_of(summary)[metric].heading)
        side.set_xlim(left=0)
    if beside and not maps:
        compared = [versus(summary, row.entry.name, BASELINE.name, "dsc") for row in rows]
        differences = [made.result.difference if made else None for made in compared]
        forest.draw_estimates(axes[1], differences, styles, places)
        forest.mark_reference(axes[1], 0)
        forest.headline(axes[1], f"DSC minus that of {BASELINE.title}")
        baseline = next(row for row in rows if row.entry == BASELINE)
        forest.mark_reference(axes[0], baseline.metrics["dsc"].mean, dotted=True)
    labels = [method(row.entry) if maps else row.entry.title for row in rows]
    axes[0].set_yticks(places, labels)
    for label, row in zip(axes[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.entry == OURS else "normal")
    axes[0].set_ylim(places[-1] + 0.6, -0.6)  # the first row on top
    what = "cases" if maps else "cases with a lesion"
    over = f"{summary.cases} held-out {what}, {summary.seeds} seed(s)"
    dotted = f"; dotted: {BASELINE.title}" if beside and not maps else ""
    figure.supxlabel(f"mean and 95 % interval over {over}{dotted}", fontsize=8.5)
    forest.legend(figure, axes[0], list(dict.fromkeys(kinds)))
    return figure


def _kind(entry: Entry, maps: bool) -> tuple[str, forest.Style]:
    if entry == OURS:
        return _OURS
    if maps:
        return _OF_HIPM if entry.name == MAP_BASELINE else _OTHER
    return _PRE if entry.inputs == "pre" else _CONTRAST
