import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hcnet.errors import InputError
from hcnet.prepare.chest_line import BEHIND_LINE_MM, chest_line, front_surface


def test_front_is_the_most_anterior_voxel_of_each_column():
    body = np.zeros((2, 10, 1), bool)
    body[0, :4, 0] = True
    body[0, 6, 0] = True  # an overhang: the front is the foremost voxel
    front = front_surface(body, 2.0)
    assert front[0, 0] == 12.0
    assert np.isnan(front[1, 0])


def test_line_lies_behind_a_bump_on_a_flat_chest():
    z = np.arange(60)
    front = np.tile(50.0 + 60.0 * np.exp(-(((z - 30) / 8) ** 2)), (20, 1))
    line = chest_line(front, (3.0, 3.0))
    assert_allclose(line, 50.0 - BEHIND_LINE_MM, atol=0.1)


@given(st.floats(-0.8, 0.8))
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


def test_sternum_and_flanks_are_left_out_of_two_breasts():
    x, z = np.meshgrid(np.arange(100) * 3.0, np.arange(60) * 3.0, indexing="ij")
    front = np.full(x.shape, 80.0)
    for centre in (75.0, 225.0):
        front += 60.0 * np.exp(-(((x - centre) / 25) ** 2 + ((z - 90) / 30) ** 2))
    left_out = np.isnan(chest_line(front, (3.0, 3.0))).all(axis=1)
    assert_array_equal(left_out[[0, 25, 50, 75, 99]], [True, False, True, False, True])


def test_a_flat_surface_is_refused():
    with pytest.raises(InputError, match="stands out"):
        chest_line(np.full((20, 60), 50.0), (3.0, 3.0))
