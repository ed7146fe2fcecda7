"""Tables and scores of a report from what the evaluation found."""

import math

from hcnet.evaluation.evaluate import EvaluationTable
from hcnet.evaluation.statistics import Estimate, PairedComparison
from hcnet.evaluation.tables import COLUMNS, HEADINGS, detection_text, interval_text, value_text
from hcnet.report.content import Score, Table

UNDEFINED_RULE = (
    "Undefined: PPV without a prediction, SEN without a reference, surface distances where either "
    "mask is empty. Undefined cases are not in the mean, so read it beside their number."
)

FEW = 20
FEW_RULE = f"With fewer than {FEW} patients bootstrap intervals are narrower than they should be."


def estimate_score(label: str, estimate: Estimate, *, signed: bool = False) -> Score:
    """A mean to be seen first, with interval and the count of cases."""
    form = "+.3f" if signed else ".3f"
    if math.isnan(estimate.mean):
        return Score(label, "undefined", f"{estimate.undefined} cases, all undefined")
    detail = _interval(estimate, form)
    cases = f"{estimate.n} {'case' if estimate.n == 1 else 'cases'}"
    left_out = f", {estimate.undefined} undefined" if estimate.undefined else ""
    return Score(label, format(estimate.mean, form), f"{detail}{cases}{left_out}")


def difference_score(label: str, comparison: PairedComparison) -> Score:
    """A paired difference to be seen first, with interval and Wilcoxon p-value."""
    estimate = comparison.difference
    base = estimate_score(label, estimate, signed=True)
    if math.isnan(comparison.p_wilcoxon):
        return base
    # Of the two p-values this one stays honest with few patients.
    p = f"p = {comparison.p_wilcoxon:.3f}" if comparison.p_wilcoxon >= 0.001 else "p < 0.001"
    return Score(label, base.value, f"{base.detail}, {p} (Wilcoxon)")


def summary_table(methods: dict[str, EvaluationTable], caption: str) -> Table:
    """Means with intervals, one row a metric and method, and the counts behind them."""
    rows = [
        (
            HEADINGS[metric],
            name,
            interval_text(metric, table.summary[metric]),
            value_text(metric, table.summary[metric].median),
            table.summary[metric].n,
            table.summary[metric].undefined,
        )
        for metric in next(iter(methods.values())).summary
        for name, table in methods.items()
    ]
    found = " ".join(f"{name}: {detection_text(t.detection)}." for name, t in methods.items())
    columns = ("Metric", "Method", "Mean (interval)", "Median", "Cases", "Undefined")
    fewest = min(table.summary["dsc"].n for table in methods.values())
    few = f" {FEW_RULE}" if fewest < FEW else ""
    return Table(caption, columns, tuple(rows), f"{found} {UNDEFINED_RULE}{few}")


def cases_table(table: EvaluationTable, caption: str) -> Table:
    """All scores, one row a case; starts folded."""
    rows = tuple(tuple(getattr(case, name) for name in COLUMNS) for case in table.cases)
    return Table(caption, tuple(HEADINGS[name] for name in COLUMNS), rows, folded=True)


def _interval(estimate: Estimate, form: str) -> str:
    if math.isnan(estimate.low):
        return ""
    return f"{estimate.level:.0%} {estimate.low:{form}} to {estimate.high:{form}}, "
