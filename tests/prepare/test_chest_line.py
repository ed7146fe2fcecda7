import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hcnet.errors import InputError
from hcnet.prepare.chest_line import BEHIND_LINE_MM, USUAL_LEAN, chest_line


def test_line_lies_behind_a_bump_on_a_flat_chest():
    z = np.arange(60)
    front = np.tile(50.0 + 60.0 * np.exp(-(((z - 30) / 8) ** 2)), (20, 1))
    line = chest_line(front, (3.0, 3.0))
    assert_allclose(line, 50.0 - BEHIND_LINE_MM, atol=0.1)


@given(st.floats(-0.45, 0.45))
def test_a_slanting_chest_is_followed_at_the_same_distance(slope):
    z = 3.0 * np.arange(60)
    bump = 60.0 * np.exp(-(((z - 90) / 24) ** 2))
    line = chest_line(np.tile(200.0 + slope * z + bump, (20, 1)), (3.0, 3.0))
    inner = slice(5, -5)  # smoothing bends the ends
    expected = 200.0 + slope * z - BEHIND_LINE_MM * np.hypot(1.0, slope)
    assert_allclose(line[:, inner], np.tile(expected, (20, 1))[:, inner], atol=1.0)


def test_empty_slices_take_the_line_of_their_neighbours():
    z = np.arange(60)
    front = np.tile(50.0 + 60.0 * np.exp(-(((z - 30) / 8) ** 2)), (20, 1))
    front[8:10] = np.nan
    assert_allclose(chest_line(front, (3.0, 3.0)), 50.0 - BEHIND_LINE_MM, atol=0.1)


@pytest.mark.parametrize("end", [slice(0, 25), slice(35, None)])
def test_a_breast_cut_by_the_picture_does_not_hold_the_line(end):
    """The line would end on the breast; it turns about the end on the chest instead."""
    z = 3.0 * np.arange(60)
    front = np.tile(50.0 + 60.0 * np.exp(-(((z - 90) / 30) ** 2)), (20, 1))
    whole = chest_line(front, (3.0, 3.0))
    front[:, end] = np.nan
    known = np.isfinite(front[0])
    line = chest_line(front[:, known], (3.0, 3.0))
    across = 3.0 * known.sum()
    assert (line - whole[:, known]).max() < USUAL_LEAN * across
    assert (line < front[:, known]).all()


def test_sternum_and_flanks_are_left_out_of_two_breasts():
    x, z = np.meshgrid(np.arange(100) * 3.0, np.arange(60) * 3.0, indexing="ij")
    front = np.full(x.shape, 80.0)
    for centre in (75.0, 225.0):
        front += 60.0 * np.exp(-(((x - centre) / 25) ** 2 + ((z - 90) / 30) ** 2))
    left_out = np.isnan(chest_line(front, (3.0, 3.0))).all(axis=1)
    assert_array_equal(left_out[[0, 25, 50, 75, 99]], [True, False, True, False, True])


def two_breasts() -> np.ndarray:
    x, z = np.meshgrid(np.arange(120) * 3.0, np.arange(60) * 3.0, indexing="ij")
    front = 80.0 - ((x - 180) / 30) ** 2
    for centre in (105.0, 255.0):
        front += 60.0 * np.exp(-(((x - centre) / 25) ** 2 + ((z - 90) / 30) ** 2))
    return front


@pytest.mark.parametrize("rows", [slice(None), slice(40, None)])
def test_arms_belong_to_no_breast(rows):
    front = two_breasts()
    without = chest_line(front, (3.0, 3.0))
    front[:8, rows] = front[112:, rows] = 110.0
    line = chest_line(front, (3.0, 3.0))
    assert np.isnan(line[:8, rows]).all()
    assert np.isnan(line[112:, rows]).all()
    assert_allclose(line[25:95], without[25:95], atol=1.0)


def test_a_missing_breast_leaves_the_other():
    front = two_breasts()
    front[:60] = front[60]
    left_out = np.isnan(chest_line(front, (3.0, 3.0))).all(axis=1)
    assert left_out[:50].all()
    assert not left_out[85]


def test_mirrored_breasts_have_a_mirrored_line():
    front = two_breasts()
    front[:8, 40:] = 120.0
    line, mirrored = (chest_line(f, (3.0, 3.0)) for f in (front, front[::-1]))
    assert_allclose(mirrored[::-1], line, atol=1.0)


def test_a_flat_surface_is_refused():
    with pytest.raises(InputError, match="stands out"):
        chest_line(np.full((20, 60), 50.0), (3.0, 3.0))
