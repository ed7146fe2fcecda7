"""The results of a comparison as a LaTeX table, as the paper's Table 1 is laid out."""

import re
from collections.abc import Mapping

from hcnet.evaluation.statistics import Estimate
from hcnet.studies.compare.entries import BASELINE, OURS
from hcnet.studies.compare.measure import Measured
from hcnet.studies.compare.summary import MAP_METRICS, Row, Summary
from hcnet.studies.compare.tables import (
    Metric,
    cost,
    groups,
    method,
    metrics_of,
    of_maps,
    ranks,
    rivals,
    seen,
    value,
    versus,
)
from hcnet.studies.notes import number

SIGNIFICANT = 0.05
_SHOWN = ("dsc", "ppv", "sen", "asd_mm", "hd95_mm")
_SIGNS = {BASELINE: "*", OURS: r"\dagger"}
_EMPHASIS = {1: r"\textbf", 2: r"\underline"}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{each: f"\\{each}" for each in "&%$#_{}"},
}


def latex(summary: Summary, measured: Mapping[str, Measured]) -> str:
    """The table as a float with a caption that explains its marks.

    It needs the packages booktabs and, for the check marks, amssymb.

    Args:
        summary: the results.
        measured: FLOPs by the entry's name.
    """
    maps = of_maps(summary)
    metrics = {name: metric for name, metric in metrics_of(summary).items()
               if maps or name in _SHOWN}  # fmt: skip
    head = ["Network"] if maps else ["Method", "Pre", "Post", "Sub"]
    head += [f"{escape(m.heading)} {_arrow(m)}" for m in metrics.values()]
    head += ["Par. (M)", "GFLOPs"]
    columns = "l" + "c" * (len(metrics) + (0 if maps else 3)) + "rr"
    lines = [
        r"% \usepackage{booktabs,amssymb}",
        r"\begin{table}",
        r"\centering",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_caption(summary)}}}",
        r"\small",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(head),
    ]
    best = ranks(summary)
    for group in groups(summary):
        lines.append(r"\midrule")
        lines += [_line(_cells(row, summary, metrics, measured, best)) for row in group]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _SPECIAL[found.group()], text)


def _cells(
    row: Row,
    summary: Summary,
    metrics: Mapping[str, Metric],
    measured: Mapping[str, Measured],
    best: Mapping[tuple[str, str], int],
) -> list[str]:
    entry = row.entry
    cells = [escape(method(entry))]
    if not of_maps(summary):
        cells += seen(entry, r"\checkmark")
    for name, metric in metrics.items():
        text = number(value(row, name), metric.form)
        place = best.get((entry.name, name))
        if place is not None:
            text = f"{_EMPHASIS[place]}{{{text}}}"
        if name in ("dsc", *MAP_METRICS):
            text += _signs(summary, entry.name, name)
        if name in row.metrics:
            text = rf"\shortstack{{{text}\\{{\tiny {_interval(row.metrics[name], metric)}}}}}"
        cells.append(text)
    flops, _ = cost(entry, measured)
    return [*cells, f"{row.took.parameters / 1e6:.2f}", f"{flops / 1e9:.1f}"]


def _interval(estimate: Estimate, metric: Metric) -> str:
    parts = []
    if estimate.low == estimate.low:
        parts.append(f"{estimate.low:{metric.form}}--{estimate.high:{metric.form}}")
    if estimate.undefined:
        parts.append(f"[{estimate.undefined}]")
    return " ".join(parts) or r"\strut"


def _signs(summary: Summary, name: str, metric: str) -> str:
    """Marks of the rivals that a row differs from."""
    found = ""
    for rival in rivals(summary):
        made = versus(summary, name, rival.name, metric)
        if made is not None and made.p_holm < SIGNIFICANT:  # NaN is not
            found += _SIGNS.get(rival, "*")
    return f"$^{{{found}}}$" if found else ""


def _caption(summary: Summary) -> str:
    maps = of_maps(summary)
    what = "cases" if maps else "cases with a lesion"
    found = [
        f"{'Heterogeneity maps' if maps else 'Tumour segmentation'}: means over {summary.cases} "
        rf"held-out {what} and {summary.seeds} seed(s), small their 95\,\% intervals"
        + ("" if maps else ", [n] how many values are undefined")
        + ".",
        f"Best {'of each group ' * (len(groups(summary)) > 1)}bold, second best underlined.",
    ]
    for rival in rivals(summary):
        metric = "the metric" if maps else "DSC"
        found.append(
            f"${_SIGNS.get(rival, '*')}$: {metric} differs from that of {escape(rival.title)}, "
            f"Holm-corrected $p < {SIGNIFICANT:g}$."
        )
    return " ".join(found)


def _arrow(metric: Metric) -> str:
    return r"$\uparrow$" if metric.more else r"$\downarrow$"


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
