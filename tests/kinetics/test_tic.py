import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcnet.errors import ConfigError, InputError
from hcnet.kinetics.tic import (
    UNKNOWN_INTERVAL_S,
    choose_time_grid,
    kinetic_clock,
    resample_curves,
    resampling_weights,
    scale_curves,
)


def test_clock_from_injection_puts_the_pre_phase_at_zero():
    assert kinetic_clock((-280, 143, 488), "injection", 3).tolist() == [0, 143, 488]
    # A pre phase dated after the injection is pre-contrast all the same.
    assert kinetic_clock((10, 143, 488), "injection", 3).tolist() == [0, 143, 488]
    # Several phases before the injection are all baseline.
    assert kinetic_clock((-60, -30, 60, 120), "injection", 4).tolist() == [0, 0, 60, 120]


def test_clock_shortens_a_long_pause_before_the_injection():
    times = (0, 23 * 60, 23 * 60 + 122, 23 * 60 + 243)
    assert kinetic_clock(times, "pre", 4).tolist() == [0, 122, 244, 365]
    assert kinetic_clock((0, 90, 300), "pre", 3).tolist() == [0, 90, 300]
    assert kinetic_clock((5, 605), "pre", 2).tolist() == [0, 600]


def test_clock_without_times_is_equally_spaced():
    clock = kinetic_clock(None, "unknown", 4)
    np.testing.assert_array_equal(np.diff(clock), UNKNOWN_INTERVAL_S)
    assert clock[0] == 0


@pytest.mark.parametrize(
    ("times", "origin", "phases"),
    [
        ((0,), "pre", 1),
        ((0, 10), "pre", 3),
        ((0, 10, 10), "pre", 3),
        ((0, 10, float("nan")), "pre", 3),
        ((-30, -10), "injection", 2),
    ],
)
def test_clock_refuses_times_that_make_no_sense(times, origin, phases):
    with pytest.raises(InputError):
        kinetic_clock(times, origin, phases)


def test_grid_is_the_median_of_the_most_common_phase_count():
    clocks = [
        np.array([0.0, 100, 200]),
        np.array([0.0, 140, 300]),
        np.array([0.0, 150, 310]),
        np.array([0.0, 50, 90, 130, 900]),
    ]
    assert choose_time_grid(clocks).tolist() == [0, 140, 300]
    assert choose_time_grid(clocks, 5).tolist() == [0, 70, 140, 220, 300]
    assert choose_time_grid(clocks, 2).tolist() == [0, 300]
    # On a tie the larger count wins; phases at one time count once.
    assert choose_time_grid([np.array([0.0, 0.0, 90]), np.array([0.0, 60, 90])]).tolist() == [
        0,
        60,
        90,
    ]


def test_grid_needs_curves_and_points():
    with pytest.raises(InputError):
        choose_time_grid([])
    with pytest.raises(InputError):
        choose_time_grid([np.array([0.0])])
    with pytest.raises(ConfigError):
        choose_time_grid([np.array([0.0, 1])], 1)


clocks = st.lists(st.floats(1, 500), min_size=1, max_size=9).map(
    lambda gaps: np.concatenate([[0.0], np.cumsum(gaps)])
)


@settings(deadline=None)
@given(st.lists(clocks, min_size=1, max_size=6), st.none() | st.integers(2, 12))
def test_grid_rises_from_zero_and_never_leaves_the_acquired_time(cases, points):
    grid = choose_time_grid(cases, points)
    assert grid[0] == 0
    assert (np.diff(grid) > 0).all()
    assert grid[-1] <= max(clock[-1] for clock in cases) * (1 + 1e-12)
    if points is not None:
        assert grid.size == points


@settings(deadline=None)
@given(clocks, clocks)
def test_resampling_equals_interpolation_of_each_curve(clock, grid):
    curves = np.random.default_rng(0).uniform(0, 100, (5, clock.size)).astype(np.float32)
    expected = [np.interp(grid, clock, curve) for curve in curves]
    np.testing.assert_allclose(resample_curves(curves, clock, grid), expected, atol=1e-3)
    np.testing.assert_allclose(resampling_weights(clock, grid).sum(axis=0), 1, atol=1e-6)


def test_resampling_averages_baseline_phases_and_holds_the_last():
    curves = np.array([[10.0, 20, 45, 60]])
    out = resample_curves(curves, np.array([0.0, 0, 100, 200]), np.array([0.0, 50, 200, 900]))
    np.testing.assert_allclose(out, [[15, 30, 60, 60]], rtol=1e-6)
    with pytest.raises(InputError):
        resample_curves(curves, np.array([0.0, 1]), np.array([0.0, 1]))


def test_min_max_known_answers():
    curves = np.array([[10.0, 20, 30], [7, 7, 7], [0, 0, 0], [30, 10, 20]])
    expected = [[0, 0.5, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0.5]]
    np.testing.assert_allclose(scale_curves(curves, "minmax"), expected, atol=1e-6)


def test_min_max_takes_rounding_for_constant():
    flat = np.full((1, 3), 1000.0, dtype=np.float32)
    flat[0, 1] = np.nextafter(flat[0, 1], np.float32(2000))
    assert (scale_curves(flat, "minmax") == 0).all()


def test_relative_known_answers():
    curves = np.array([[1.0, 2, 1.5], [2, 2, 1], [1, 9, 1], [0, 0.05, 0.2], [1, -3, 1]])
    expected = [[0, 1, 0.5], [0, 0, -0.5], [0, 5, 0], [0, 0.5, 2], [0, -1, 0]]
    np.testing.assert_allclose(scale_curves(curves, "relative"), expected, atol=1e-6)


@settings(deadline=None)
@given(
    phases=st.integers(2, 10),
    factor=st.floats(0.1, 50),
    offset=st.floats(0, 100),
    seed=st.integers(0, 99),
)
def test_scalings_ignore_what_the_scanner_chooses(phases, factor, offset, seed):
    curves = np.random.default_rng(seed).uniform(20, 100, (20, phases))
    np.testing.assert_allclose(
        scale_curves(curves * factor + offset, "minmax"), scale_curves(curves, "minmax"), atol=2e-3
    )
    np.testing.assert_allclose(
        scale_curves(curves * factor, "relative"), scale_curves(curves, "relative"), atol=1e-4
    )
