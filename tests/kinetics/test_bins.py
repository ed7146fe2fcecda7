"""The rule on early enhancement and signal enhancement ratio, on curves whose bin is plain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcnet.kinetics.bins import (
    ENHANCING,
    SER_CUTS,
    assign_bins,
    bin_layout,
    early_point,
    filled_bins,
    pe_cuts,
)


@pytest.mark.parametrize(
    ("k", "layout"),
    [(2, (1, 1)), (5, (2, 2)), (7, (2, 3)), (10, (3, 3)), (16, (3, 5)), (99, (5, 5))],
)
def test_layout_is_as_near_to_k_as_it_gets(k, layout):
    assert bin_layout(k, points=3) == layout


def test_two_time_points_have_levels_only():
    assert bin_layout(10, points=2) == (9, 1)


@given(st.integers(2, 26))
def test_no_other_layout_is_nearer(k):
    levels, bands = bin_layout(k, points=5)
    nearest = min(abs(1 + a * b - k) for a in range(1, 6) for b in range(1, 6))
    assert abs(1 + levels * bands - k) == nearest


@pytest.mark.parametrize(
    ("grid", "point"),
    [([0, 120], 1), ([0, 150, 450], 1), ([0, 60, 120, 180, 240, 300], 2), ([0, 10, 20], 1)],
)
def test_early_point_is_near_150_s_and_never_the_last(grid, point):
    assert early_point(np.array(grid, dtype=float)) == point


def test_bands_of_the_ratio():
    # SER .8, .95, 1.1, 1.5, 2 and infinite, all with PE of 1; then hardly enhancing.
    early = np.ones(6)
    late = np.array([1 / 0.8, 1 / 0.95, 1 / 1.1, 1 / 1.5, 1 / 2, -0.1])
    curves = np.stack([np.zeros(6), early, late], axis=1)
    curves = np.vstack([curves, [0, ENHANCING - 0.01, 3.0]])
    codes = assign_bins(curves, 1, [ENHANCING], SER_CUTS[5])
    assert codes.tolist() == [1, 2, 3, 4, 5, 5, 0]


def test_levels_part_the_enhancing_curves_evenly():
    rng = np.random.default_rng(0)
    pe = np.concatenate([rng.uniform(-0.2, 0.49, 500), rng.uniform(0.5, 3, 3000)])
    curves = np.stack([np.zeros_like(pe), pe, pe], axis=1)
    cuts = pe_cuts(curves, 1, 3)
    counts = np.bincount(assign_bins(curves, 1, cuts, ()), minlength=4)
    np.testing.assert_allclose(counts, [500, 1000, 1000, 1000], atol=2)
    assert pe_cuts(curves[:500], 1, 3) == [ENHANCING] * 3


def test_bins_without_curves_lend_theirs_to_the_nearest():
    # Two levels of three bands: 0 | 1 2 3 | 4 5 6.
    counts = np.array([9, 0, 5, 0, 0, 0, 1])
    assert filled_bins(counts, bands=3) == [0, 2, 2, 2, 6, 6, 6]
    assert filled_bins(np.array([0, 0, 2, 0, 1, 0, 0]), bands=3) == [2, 2, 2, 2, 4, 4, 4]
    assert filled_bins(np.array([9, 0, 0, 0]), bands=3) == [0, 0, 0, 0]
