import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcnet.evaluation.statistics import bootstrap_mean, detection_rate, paired_comparison

VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=20)


def test_mean_median_and_counts() -> None:
    result = bootstrap_mean([0.2, math.nan, 0.4, 0.9, math.nan], draws=200)
    assert result.mean == pytest.approx(0.5)
    assert result.median == pytest.approx(0.4)
    assert (result.n, result.undefined) == (3, 2)
    assert result.low <= result.mean <= result.high


def test_nothing_defined() -> None:
    result = bootstrap_mean([math.nan, math.nan])
    assert math.isnan(result.mean)
    assert (result.n, result.undefined) == (0, 2)


def test_one_patient_has_no_interval() -> None:
    result = bootstrap_mean([0.3, 0.5], ["a", "a"])
    assert result.mean == pytest.approx(0.4)
    assert math.isnan(result.low)
    assert math.isnan(result.high)


@settings(deadline=None)
@given(VALUES)
def test_interval_lies_within_the_values(values: list[float]) -> None:
    result = bootstrap_mean(values, draws=100)
    assert min(values) - 1e-12 <= result.low <= result.high <= max(values) + 1e-12


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(12)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    trials = 300
    covered = 0
    for trial in range(trials):
        result = bootstrap_mean(generator.beta(2, 3, 40), draws=400, seed=trial)
        covered += result.low <= 2 / 5 <= result.high
    assert 0.90 <= covered / trials <= 0.98


def test_interval_of_normal_values_matches_theory() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    result = bootstrap_mean(values)
    half = 1.96 * values.std() / 20
    assert result.low == pytest.approx(values.mean() - half, abs=0.02)
    assert result.high == pytest.approx(values.mean() + half, abs=0.02)


def test_exams_of_one_patient_are_drawn_together() -> None:
    # Ten copies of each value say no more than one: as one patient each, the interval stays wide.
    values = np.random.default_rng(5).random(15)
    once = bootstrap_mean(values)
    copies = bootstrap_mean(np.repeat(values, 10), np.repeat(np.arange(15), 10).tolist())
    naive = bootstrap_mean(np.repeat(values, 10))
    assert copies.high - copies.low == pytest.approx(once.high - once.low)
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


def test_memory_is_bounded_in_steps_that_do_not_show() -> None:
    values = np.random.default_rng(0).normal(0, 1, 3000)  # more than one step of draws
    result = bootstrap_mean(values, draws=1000)
    assert result.high - result.low == pytest.approx(2 * 1.96 / math.sqrt(3000), rel=0.15)


def test_bad_values() -> None:
    with pytest.raises(ValueError, match="infinite"):
        bootstrap_mean([1.0, math.inf])
    with pytest.raises(ValueError, match="patient names"):
        bootstrap_mean([1.0, 2.0], ["a"])


def test_clear_difference_is_found() -> None:
    generator = np.random.default_rng(0)
    base = generator.random(30)
    result = paired_comparison(base + 0.1 + generator.normal(0, 0.02, 30), base)
    assert result.difference.mean == pytest.approx(0.1, abs=0.02)
    assert result.difference.low > 0.08
    assert result.p_bootstrap == pytest.approx(1 / 10_001)
    assert result.p_wilcoxon < 1e-4
    assert (result.higher, result.lower, result.equal) == (30, 0, 0)


def test_no_difference() -> None:
    result = paired_comparison([0.3, 0.6, 0.1], [0.3, 0.6, 0.1])
    assert result.difference.mean == 0
    assert result.p_bootstrap == 1
    assert result.p_wilcoxon == 1
    assert (result.higher, result.lower, result.equal) == (0, 0, 3)


def test_swapping_the_methods_mirrors_the_result() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.random(14), generator.random(14)
    forth, back = paired_comparison(a, b), paired_comparison(b, a)
    assert forth.difference.mean == pytest.approx(-back.difference.mean)
    assert forth.difference.low == pytest.approx(-back.difference.high)
    assert forth.p_bootstrap == back.p_bootstrap
    assert forth.p_wilcoxon == pytest.approx(back.p_wilcoxon)
    assert (forth.higher, forth.lower) == (back.lower, back.higher)


def test_p_values_are_uniform_without_an_effect() -> None:
    generator = np.random.default_rng(11)
    results = [
        paired_comparison(generator.normal(0, 1, 30), generator.normal(0, 1, 30), draws=300)
        for _ in range(200)
    ]
    for name in ("p_bootstrap", "p_wilcoxon"):
        rejected = np.mean([getattr(result, name) < 0.1 for result in results])
        assert 0.05 <= rejected <= 0.17


def test_a_pair_with_an_undefined_value_is_counted() -> None:
    result = paired_comparison([0.5, math.nan, 0.7, 0.2], [0.4, 0.3, math.nan, 0.3])
    assert (result.difference.n, result.difference.undefined) == (2, 2)
    assert (result.higher, result.lower) == (1, 1)


def test_one_patient_has_no_p_value() -> None:
    result = paired_comparison([0.5, 0.6], [0.4, 0.2], ["a", "a"])
    assert math.isnan(result.p_bootstrap)
    assert math.isnan(result.p_wilcoxon)
    assert result.higher == 2


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_comparison([1.0, 2.0], [1.0])


def test_detection_rate_counts_lesions_only() -> None:
    result = detection_rate([0.5, 0.1, 0.11, 1.0, 0.0], [True, True, True, False, True])
    assert (result.count, result.total) == (2, 4)
    assert result.rate == 0.5
    # Wilson score interval of 2 in 4, by its formula.
    z = 1.959964
    centre = (0.5 + z**2 / 8) / (1 + z**2 / 4)
    half = z / (1 + z**2 / 4) * math.sqrt(0.25 / 4 + z**2 / 64)
    assert result.low == pytest.approx(centre - half, abs=1e-5)
    assert result.high == pytest.approx(centre + half, abs=1e-5)


def test_detection_rate_without_lesions() -> None:
    result = detection_rate([1.0], [False])
    assert (result.count, result.total) == (0, 0)
    assert math.isnan(result.rate)
    with pytest.raises(ValueError, match="cases"):
        detection_rate([1.0], [True, False])
