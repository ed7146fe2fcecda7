import numpy as np
from numpy.testing import assert_array_equal

from hcnet.prepare.front import closed_front, front_surface, is_arm, sternum


def test_front_is_the_most_anterior_voxel_of_each_column():
    body = np.zeros((2, 10, 1), bool)
    body[0, :4, 0] = True
    body[0, 6, 0] = True  # an overhang: the front is the foremost voxel
    front = front_surface(body, 2.0)
    assert front[0, 0] == 12.0
    assert np.isnan(front[1, 0])


def test_narrow_dents_are_closed_and_wide_ones_stay():
    front = np.full((40, 40), 60.0)
    front[10:13, 10:13] = np.nan
    front[20:40, 20:40] = 30.0
    closed = closed_front(front, (3.0, 3.0))
    assert_array_equal(closed[10:13, 10:13], 60.0)
    assert_array_equal(closed[30:, 30:], 30.0)


def test_a_single_column_of_noise_does_not_count():
    front = np.full((40, 40), 60.0)
    front[20, 20] = 150.0
    assert_array_equal(closed_front(front, (3.0, 3.0)), 60.0)


def test_no_body_stays_no_body():
    assert np.isnan(closed_front(np.full((30, 30), np.nan), (3.0, 3.0))).all()


def test_the_sternum_is_the_dip_between_the_breasts():
    x = 3.0 * np.arange(100)
    row = 80 + 50 * np.exp(-(((x - 60) / 25) ** 2)) + 50 * np.exp(-(((x - 220) / 25) ** 2))
    assert abs(sternum(np.tile(row[:, None], (1, 40)), 3.0) * 3.0 - 140) < 15


def test_a_breast_that_leans_to_the_side_is_no_arm():
    """Its foremost point moves outwards from row to row."""
    x, z = np.meshgrid(3.0 * np.arange(110), 3.0 * np.arange(50), indexing="ij")
    front = np.full(x.shape, 80.0)
    for side in (-1, 1):
        centre = 165 + side * (75 + 0.2 * (75 - z))
        front += 60 * np.exp(-(((x - centre) / 28) ** 2) - ((z - 75) / 40) ** 2)
    assert not is_arm(front, (3.0, 3.0), 55).any()
