"""Scores survive being stored as JSON."""

import json

import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.evaluation.evaluate import compare, score_case, tabulate
from hcnet.evaluation.map_metrics import evaluate_maps
from hcnet.evaluation.tables import as_json, from_json, maps_as_json
from hcnet.volumes.volume import Grid

GRID = Grid((8, 8, 8), np.eye(4))


def table(seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random((2, *GRID.shape)) > 0.7 for _ in range(5)]
    masks[2][0] = False  # an empty prediction: undefined values must survive too
    rows = [score_case(f"c{i}", m[0], m[1], GRID) for i, m in enumerate(masks)]
    return tabulate(rows, ["a", "a", "b", "c", "d"], draws=200, seed=3)


def test_round_trip():
    first = table(0)
    again = from_json(json.loads(json.dumps(as_json(first))))
    assert as_json(again) == as_json(first)
    assert np.isnan(again.cases[2].asd_mm)
    assert again.patients == ("a", "a", "b", "c", "d")
    other = table(1)
    assert compare(again, other, "dsc") == compare(first, other, "dsc")


def test_patients_widen_the_interval_of_a_comparison():
    first, second = table(0), table(1)
    alone = tabulate(first.cases, draws=200, seed=3)
    grouped, single = (compare(t, second, "dsc").difference for t in (first, alone))
    assert grouped.mean == single.mean
    assert (grouped.low, grouped.high) != (single.low, single.high)


def test_incomplete_scores_are_refused():
    with pytest.raises(InputError, match="stored scores"):
        from_json({"cases": [{"name": "a"}]})


def test_map_scores_are_plain_json():
    truth = np.array([0, 1, 1, 2, 2, 2]).reshape(1, 1, 6)
    predicted = np.array([1, 1, 2, 2, 2, 1]).reshape(1, 1, 6)
    stored = json.loads(json.dumps(maps_as_json(evaluate_maps([("a", truth, predicted)], 3))))
    assert stored["pooled"]["mean_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert stored["pooled"]["absent"] == [2]
    assert stored["cases"][0]["name"] == "a"
