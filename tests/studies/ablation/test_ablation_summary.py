"""From records to table and figure, on scores made by hand."""

import csv
import json
import math

import numpy as np
import pytest

from hcnet.evaluation.evaluate import CaseScores
from hcnet.studies.ablation.figure import forest_figure
from hcnet.studies.ablation.records import ArmRecord, Cost, read_record
from hcnet.studies.ablation.strata import CaseFacts, lesion_cnr, strata
from hcnet.studies.ablation.summary import summarise
from hcnet.studies.ablation.tables import (
    against_baseline,
    as_json,
    markdown,
    write_cases_csv,
    write_results_csv,
)
from hcnet.studies.score import TestScores, score_table
from hcnet.training.logbook import trained_seconds

NAN = math.nan
NAMES = [f"C{i}" for i in range(6)] + ["FREE"]
FACTS = {name: CaseFacts(True, "abcd"[i % 4], float(i)) for i, name in enumerate(NAMES[:6])}
FACTS["FREE"] = CaseFacts(False, "a", NAN)
PATIENTS = {name: name for name in NAMES}


def row(name, dsc, redrawn=NAN, found=True):
    if name == "FREE":
        scores = CaseScores(name, 0.0 if found else 1.0, 0.0, NAN, NAN, NAN, 2.5 * found, 0.0)
        return TestScores(scores, 3 * found, NAN)
    ppv = dsc if found else NAN
    return TestScores(CaseScores(name, dsc, ppv, dsc, 1.0, 2.0, 1.0 * found, 1.0), 1, redrawn)


def record(arm, seed, shift, redrawn=NAN, maps=None):
    rows = [row(name, 0.05 + 0.1 * i + shift, redrawn) for i, name in enumerate(NAMES[:-1])]
    return ArmRecord(arm, seed, (*rows, row("FREE", 0, found=seed == 0)),
                     Cost(1000, 20, 10.0 + seed, 0.5), maps, maps)  # fmt: skip


@pytest.fixture
def records():
    return [record(arm, seed, shift + 0.02 * seed, maps=0.4 if arm == "P" else None)
            for seed in (0, 1) for arm, shift in (("B0", 0.0), ("P", 0.1))]  # fmt: skip


@pytest.fixture
def summary(records):
    return summarise(records, FACTS, PATIENTS, seed=0)


def test_means_and_differences(summary):
    assert summary.arms["B0"].metrics["dsc"].mean == pytest.approx(0.31)
    assert summary.arms["P"].metrics["dsc"].mean == pytest.approx(0.41)
    versus = against_baseline(summary, "P")
    assert versus.result.difference.mean == pytest.approx(0.1)
    assert versus.result.difference.low == pytest.approx(0.1)  # the same in each case and seed
    assert against_baseline(summary, "B0") is None
    assert [(c.first, c.second) for c in summary.compared] == [("P", "B0")]
    assert summary.seeds == (0, 1)


def test_detection_counts_lesion_cases_above_the_threshold(summary):
    # B0: .05 and .07 are below .1 in one case of six, both seeds
    assert summary.arms["B0"].metrics["detection"].mean == pytest.approx(5 / 6)
    assert summary.arms["P"].metrics["detection"].mean == 1


def test_lesion_free_cases_count_as_false_positives_only(summary):
    false = summary.arms["P"].false_positives
    assert (false.cases, false.rate, false.ml, false.components) == (1, 0.5, 1.25, 1.5)
    assert summary.lesion_cases == tuple(NAMES[:-1])
    assert summary.arms["P"].metrics["dsc"].n == 12


def test_strata(summary):
    groups = strata(FACTS)
    assert groups["density a-b"] == ["C0", "C1", "C4", "C5"]
    assert groups["density c-d"] == ["C2", "C3"]
    assert groups["CNR low"] == ["C0", "C1"]
    assert groups["CNR high"] == ["C4", "C5"]
    found = summary.arms["B0"].strata
    assert found["CNR low"].mean == pytest.approx(0.11)
    assert found["density c-d"].mean == pytest.approx(0.31)
    empty = strata({"FREE": FACTS["FREE"]})
    assert set(empty) == set(groups)
    assert not any(empty.values())


def test_contrast_to_noise():
    rest = np.array([8.0, 12.0])
    assert lesion_cnr(np.array([15.0, 17.0]), rest) == 3
    assert lesion_cnr(np.array([3.0, 5.0]), rest) == 3
    for lesion, beside in (([], rest), ([1.0], []), ([1.0], [2.0, 2.0])):
        assert math.isnan(lesion_cnr(np.array(lesion), np.array(beside)))


def test_a_leak_shows_and_its_absence_does(records):
    even = summarise(
        [record("B0", s, 0.0, redrawn=0.3) for s in (0, 1)], FACTS, PATIENTS, seed=0
    ).arms["B0"]
    leaky = summarise(
        [record("B0", s, 0.5, redrawn=0.3) for s in (0, 1)], FACTS, PATIENTS, seed=0
    ).arms["B0"]
    assert even.prior.mean == leaky.prior.mean == pytest.approx(0.3)
    assert even.leak.difference.low < 0 < even.leak.difference.high
    assert leaky.leak.difference.low > 0.2
    assert leaky.leak.p < 0.05 < even.leak.p
    assert summarise(records, FACTS, PATIENTS, seed=0).arms["B0"].leak is None


def test_values_follow_the_names_not_the_order(records):
    table = score_table([records[0]], "dsc", ["C3", "C0"])
    np.testing.assert_allclose(table, [[0.35, 0.05]])
    assert score_table(records[:1], "dsc", []).shape == (1, 0)


def test_the_table_says_what_it_is(summary):
    text = markdown(summary, {"B3": "no extra cases"}, "the reader")
    lines = text.splitlines()
    assert {line.count("|") for line in lines[:4]} == {lines[0].count("|")}
    assert lines[2].startswith("| B0 | baseline")
    assert "| 0.310 (" in lines[2]
    for part in ("the reader", "B3 is left out: no extra cases.", "6 cases with a lesion and 1",
                 "patients and seeds", "With 2 seeds", "Holm", "fewer than 20 cases"):  # fmt: skip
        assert part in text
    assert "Prior DSC" not in text


def test_one_seed_and_undefined_values_are_said(tmp_path):
    rows = (row("C0", 0.0, found=False), row("C1", 0.5))
    one = [ArmRecord("B0", 0, rows, Cost(1, 1, 1.0, 1.0))]
    facts = {name: FACTS[name] for name in ("C0", "C1")}
    summary = summarise(one, facts, PATIENTS, seed=0)
    text = markdown(summary, {}, "x")
    assert "patients only, as there is one seed" in text
    assert "0.500 [1]" in text
    write_results_csv(summary, tmp_path / "table.csv")
    read = next(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert float(read["ppv mean"]) == 0.5
    assert read["ppv undefined"] == "1"
    assert read["false_positive_rate"] == ""
    json.dumps(as_json(summary), allow_nan=False)


def test_cases_table(records, tmp_path):
    write_cases_csv(records, FACTS, tmp_path / "cases.csv")
    rows = list(csv.DictReader((tmp_path / "cases.csv").read_text().splitlines()))
    assert len(rows) == 4 * 7
    assert (rows[0]["arm"], rows[0]["name"], rows[0]["density"]) == ("B0", "C0", "a")
    assert float(rows[3]["dsc"]) == pytest.approx(0.35)
    assert rows[6]["asd_mm"] == ""


def test_figure_has_a_row_for_each_arm_and_no_difference_for_the_baseline(summary):
    left, right = forest_figure(summary).axes
    labels = [label.get_text().split()[-1] for label in left.get_yticklabels()]
    assert labels == ["B0", "P"]
    markers = [
        [line for line in axes.lines if line.get_marker() not in ("None", "", None)
         and len(line.get_xdata()) == 1] for axes in (left, right)
    ]  # fmt: skip
    assert [len(found) for found in markers] == [2, 1]
    assert markers[1][0].get_xdata()[0] == pytest.approx(0.1)


def test_a_record_reads_back(records, tmp_path):
    assert read_record(tmp_path) is None
    records[1].write(tmp_path)
    again = read_record(tmp_path)
    np.testing.assert_equal(
        [scored.as_json() for scored in again.rows], [s.as_json() for s in records[1].rows]
    )
    assert (again.arm, again.seed, again.cost, again.map_iou) == ("P", 0, records[1].cost, 0.4)
    assert math.isnan(again.rows[-1].scores.asd_mm)


def test_seconds_of_a_resumed_training(tmp_path):
    lines = [{"epoch": e, "seconds": s} for e, s in enumerate((5.0, 9.0, 3.0, 4.0))]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert trained_seconds([tmp_path, tmp_path / "absent"]) == 13


def test_sites_and_sizes_are_strata():
    sites = ["A"] * 5 + ["B"]
    facts = {
        name: CaseFacts(True, "", float(i), ml=4.0 * i, site=sites[i])
        for i, name in enumerate(NAMES[:6])
    }
    groups = strata(facts)
    assert groups["< 8 ml"] == NAMES[:2]
    assert groups[">= 8 ml"] == NAMES[2:6]
    assert groups["site A"] == NAMES[:5]
    assert groups["other sites"] == [NAMES[5]]
    assert not any(name.startswith("site") for name in strata(FACTS))
