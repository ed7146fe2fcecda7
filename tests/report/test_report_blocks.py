import math

from hcnet.evaluation.evaluate import CaseScores, EvaluationTable, tabulate
from hcnet.evaluation.statistics import bootstrap_mean, paired_comparison
from hcnet.report.blocks import (
    cases_table,
    difference_score,
    estimate_score,
    summary_table,
)


def table(shift: float) -> EvaluationTable:
    nan = math.nan
    rows = [CaseScores(f"c{i}", i / 10 + shift, 0.5, 0.5, 2.0, 4.0, 1.0, 1.0) for i in range(6)]
    rows.append(CaseScores("missed", 0.0, nan, 0.0, nan, nan, 0.0, 1.0))
    return tabulate(rows, draws=200)


def test_estimate_score() -> None:
    score = estimate_score("DSC", bootstrap_mean([0.4, 0.6, math.nan], draws=100))
    assert score.value == "0.500"
    assert score.detail == "95% 0.400 to 0.600, 2 cases, 1 undefined"
    assert estimate_score("DSC", bootstrap_mean([0.4])).detail == "1 case"
    assert estimate_score("x", bootstrap_mean([math.nan])).value == "undefined"


def test_difference_score_quotes_the_test_that_few_patients_allow() -> None:
    score = difference_score("gain", paired_comparison([0.5, 0.7, 0.9, 0.8], [0.4, 0.5, 0.6, 0.4]))
    assert score.value == "+0.250"
    assert score.detail.endswith("4 cases, p = 0.125 (Wilcoxon)")
    single = difference_score("gain", paired_comparison([0.5], [0.4]))
    assert single.detail == "1 case"


def test_summary_table_counts_undefined_cases() -> None:
    found = summary_table({"KIS-Net": table(0.3), "ResUNet": table(0.0)}, "Scores")
    assert [row[:2] for row in found.rows[:3]] == [
        ("DSC", "KIS-Net"),
        ("DSC", "ResUNet"),
        ("PPV", "KIS-Net"),
    ]
    assert [row[-2:] for row in found.rows[:3]] == [(7, 0), (7, 0), (6, 1)]
    assert "KIS-Net: Lesion found (DSC above 0.1) in 6 of 7 cases" in found.note
    assert "fewer than 20 patients" in found.note


def test_cases_table_holds_every_case() -> None:
    found = cases_table(table(0.0), "Cases")
    assert found.folded
    assert [row[0] for row in found.rows] == [f"c{i}" for i in range(6)] + ["missed"]
    assert found.columns[1] == "DSC"
