"""Crossed bootstrap and Holm's correction: known answers, invariants, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean, holm
from hcnet.evaluation.statistics import bootstrap_mean


def crossed(rng, seeds, cases, seed_sd, case_sd, noise_sd=0.1):
    return (
        rng.normal(0, seed_sd, (seeds, 1))
        + rng.normal(0, case_sd, (1, cases))
        + rng.normal(0, noise_sd, (seeds, cases))
    )


def test_one_seed_is_the_bootstrap_over_patients():
    values = np.random.default_rng(0).normal(0, 1, 30)
    one, plain = crossed_mean(values[None], draws=20_000), bootstrap_mean(values, draws=20_000)
    assert one.mean == pytest.approx(plain.mean)
    assert (one.low, one.high) == pytest.approx((plain.low, plain.high), abs=0.02)


def test_constant_values_have_a_point_for_an_interval():
    estimate = crossed_mean(np.full((3, 5), 0.4), draws=100)
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.4, 0.4, 0.4))
    assert (estimate.n, estimate.undefined) == (15, 0)


def test_variation_between_seeds_widens_the_interval():
    rng = np.random.default_rng(1)
    calm = crossed(rng, 6, 30, seed_sd=0.0, case_sd=0.2)
    uneasy = calm + np.linspace(-1, 1, 6)[:, None]
    narrow, wide = crossed_mean(calm, draws=2000), crossed_mean(uneasy, draws=2000)
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_intervals_cover_the_truth_when_cases_and_seeds_vary():
    rng = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        estimate = crossed_mean(crossed(rng, 12, 30, 0.5, 1.0), draws=400, seed=trial)
        hits += estimate.low <= 0 <= estimate.high
    assert 0.88 <= hits / 200 <= 0.99


def test_exams_of_one_patient_are_drawn_together():
    rng = np.random.default_rng(3)
    own = rng.normal(0, 1, (2, 10))
    alike = np.repeat(own, 4, axis=1)
    patients = np.repeat(np.arange(10), 4).tolist()
    clustered, wrong = crossed_mean(alike, patients, draws=4000), crossed_mean(alike, draws=4000)
    right = crossed_mean(own, draws=4000)
    assert clustered.high - clustered.low == pytest.approx(right.high - right.low, rel=0.1)
    assert wrong.high - wrong.low < 0.8 * (right.high - right.low)


def test_undefined_values_take_no_part_and_are_counted():
    values = np.array([[1.0, math.nan, 3.0], [1.0, 2.0, math.nan]])
    estimate = crossed_mean(values, draws=500)
    assert estimate.mean == pytest.approx(7 / 4)
    assert (estimate.n, estimate.undefined) == (4, 2)
    assert 1 <= estimate.low <= estimate.high <= 3
    assert math.isnan(crossed_mean(np.full((2, 2), math.nan)).mean)
    assert math.isnan(crossed_mean(np.zeros((2, 0))).mean)


def test_a_single_patient_has_no_interval():
    estimate = crossed_mean([[0.1, 0.2], [0.3, 0.4]], ["a", "a"])
    assert estimate.mean == pytest.approx(0.25)
    assert math.isnan(estimate.low)
    assert math.isnan(crossed_comparison([[1.0]], [[0.0]]).p)


def test_comparison_is_paired_and_antisymmetric():
    rng = np.random.default_rng(4)
    base = crossed(rng, 3, 40, 0.3, 1.0)
    better = base + 0.1 + rng.normal(0, 0.05, base.shape)
    there, back = crossed_comparison(better, base), crossed_comparison(base, better)
    assert there.difference.mean == pytest.approx(0.1, abs=0.02)
    assert there.difference.low > 0  # far smaller than the spread of the cases, which cancels
    assert there.p < 0.01
    assert back.difference.mean == pytest.approx(-there.difference.mean)
    assert back.p == pytest.approx(there.p)


def test_p_values_under_the_null_are_not_small_too_often():
    rng = np.random.default_rng(5)
    small = sum(
        crossed_comparison(
            crossed(rng, 5, 25, 0, 1), crossed(rng, 5, 25, 0, 1), draws=300, seed=trial
        ).p
        < 0.05
        for trial in range(200)
    )
    assert small <= 24


@pytest.mark.parametrize(("patients", "least"), [(2, 0.5), (5, 1 / 16), (20, 1 / 1001)])
def test_few_patients_cannot_be_significant(patients, least):
    base = np.zeros((3, patients))
    better = base + np.linspace(0.1, 0.11, patients)
    assert crossed_comparison(better, base, draws=1000).p == pytest.approx(least)


def test_no_difference_at_all_has_p_one():
    assert crossed_comparison(np.ones((2, 4)), np.ones((2, 4)), draws=99).p == 1.0


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="table of seeds by cases"):
        crossed_mean([1.0, 2.0])
    with pytest.raises(ValueError, match="infinite"):
        crossed_mean([[math.inf, 1.0]])
    with pytest.raises(ValueError, match="patient names"):
        crossed_mean([[0.0, 1.0]], ["a"])
    with pytest.raises(ValueError, match="cannot be paired"):
        crossed_comparison(np.zeros((2, 3)), np.zeros((3, 2)))


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1, then never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    corrected = holm([0.5, math.nan, 0.01])
    assert corrected[::2] == pytest.approx([0.5, 0.02])
    assert math.isnan(corrected[1])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_is_between_plain_and_bonferroni(p):
    corrected = holm(p)
    for before, after in zip(p, corrected, strict=True):
        assert before <= after <= min(1.0, before * len(p)) + 1e-12
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
