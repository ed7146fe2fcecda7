"""The measures that a description is made of, against known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist

from hcnet.cohorts.phantom.describe.contrast import auc, contrast_to_noise, median
from hcnet.cohorts.phantom.describe.curves import (
    curve_types,
    early_phase,
    enhancement_percent,
    enhancement_ratios,
    hottest,
    ratio_shares,
    type_shares,
)
from hcnet.cohorts.phantom.describe.shape import (
    bounding_box,
    equivalent_diameter_mm,
    longest_diameter_mm,
    near,
)
from hcnet.volumes.volume import Grid

SHAPE = (9, 8, 7)
AFFINE = np.array([[0, 0, 3.0, 5], [-1.0, 0, 0, 40], [0, -2.0, 0, 20], [0, 0, 0, 1]])
GRID = Grid(SHAPE, AFFINE)
GREY = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(GREY, GREY)
def test_auc_counts_pairs_with_ties_as_half(one: list[int], other: list[int]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in one for b in other]
    assert auc(np.array(one), np.array(other)) == pytest.approx(np.mean(pairs))


def test_auc_of_an_empty_group_is_undefined() -> None:
    assert math.isnan(auc(np.array([]), np.array([1.0])))
    assert math.isnan(auc(np.array([1.0]), np.array([])))


def test_contrast_to_noise_and_median() -> None:
    assert contrast_to_noise(np.array([4, 6]), np.array([1, 1]), 2.0) == 2.0
    assert math.isnan(contrast_to_noise(np.array([]), np.array([1]), 2.0))
    assert median(np.array([3.0, np.nan, 1.0])) == 2.0
    assert math.isnan(median(np.array([np.nan])))


def test_curve_types_turn_at_ten_percent_of_the_early_signal() -> None:
    early = np.array([100.0, 100, 100, 100, 100, 0])
    late = np.array([110.1, 110, 100, 90, 89.9, 5])
    np.testing.assert_array_equal(curve_types(early, late), [1, 2, 2, 2, 3, 0])


def test_type_shares_leave_out_what_has_no_type() -> None:
    assert type_shares(np.array([1, 3, 3, 0, 2])) == (0.25, 0.25, 0.5)
    assert all(math.isnan(share) for share in type_shares(np.array([0])))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([-60.0, 150, 450], 1),
        ([-60.0, 60, 110, 160, 210], 2),
        ([-60.0, 40, 125], 1),
        ([-60.0, 100, 200, 300, 400], 1),
    ],
)
def test_early_phase_is_nearest_to_two_minutes_but_not_the_last(
    times: list[float], expected: int
) -> None:
    assert early_phase(times) == expected


def test_one_post_contrast_phase_has_no_early_one() -> None:
    with pytest.raises(ValueError, match="two post-contrast"):
        early_phase([-60.0, 90])


def test_enhancement_and_its_hottest_tenth() -> None:
    percent = enhancement_percent(np.array([100.0, 50, 0]), np.array([150.0, 40, 9]))
    np.testing.assert_allclose(percent, [50, -20, np.nan])
    values = np.array([*range(20), np.nan])
    np.testing.assert_array_equal(np.flatnonzero(hottest(values)), [18, 19])
    assert not hottest(np.array([np.nan, np.nan])).any()
    assert not hottest(np.array([])).any()


def test_enhancement_ratios_are_of_enhancing_voxels_only() -> None:
    before = np.array([100.0, 100, 100, 100])
    early = np.array([200.0, 169, 200, 170])
    late = np.array([180.0, 300, 100, 240])
    ratios = enhancement_ratios(before, early, late)
    np.testing.assert_allclose(ratios, [1.25, 0.5])
    assert ratio_shares(np.array([0.5, 0.9, 1.0, 1.3, 1.75, 2.0, 1.1, 0.95])) == [
        0.125, 0.25, 0.25, 0.125, 0.25,
    ]  # fmt: skip
    assert all(math.isnan(share) for share in ratio_shares(np.array([])))


@given(hnp.arrays(bool, SHAPE))
def test_longest_diameter_equals_the_brute_force_one(mask: np.ndarray) -> None:
    points = np.argwhere(mask) @ AFFINE[:3, :3].T
    found = longest_diameter_mm(mask, GRID)
    if len(points) == 0:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(max(pdist(points), default=0.0))


def test_longest_diameter_of_a_ball_a_line_and_two_islands() -> None:
    grid = Grid((61, 61, 61), np.eye(4))
    x, y, z = np.indices(grid.shape) - 30
    ball = x**2 + y**2 + z**2 <= 25**2
    assert longest_diameter_mm(ball, grid) == pytest.approx(50)
    line = np.zeros(SHAPE, dtype=bool)
    line[2, 3, 1:6] = True
    assert longest_diameter_mm(line, GRID) == pytest.approx(4 * 3.0)
    islands = np.zeros(SHAPE, dtype=bool)
    islands[0, 0, 0] = islands[8, 7, 6] = True
    assert longest_diameter_mm(islands, GRID) == pytest.approx(math.hypot(8, 14, 18))


def test_equivalent_diameter_of_a_ball() -> None:
    assert equivalent_diameter_mm(4 / 3 * math.pi * 1.5**3) == pytest.approx(30)


def test_near_reaches_so_many_millimetres_and_leaves_the_mask_out() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4, 4, 3] = True
    mm = np.moveaxis(np.indices(SHAPE), 0, -1) - np.array([4, 4, 3])
    distance = np.linalg.norm(mm * np.array(GRID.spacing), axis=-1)
    np.testing.assert_array_equal(near(mask, GRID, 3.0), (distance <= 3.0) & ~mask)
    assert not near(np.zeros(SHAPE, dtype=bool), GRID, 3.0).any()


def test_bounding_box_stays_within_the_array() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[0, 3:5, 6] = True
    assert bounding_box(mask, (1, 1, 1)) == (slice(0, 2), slice(2, 6), slice(5, 7))
