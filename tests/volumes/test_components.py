"""Foci: their size in ml, their place in mm."""

import numpy as np
import pytest

from hcnet.volumes.components import components, remove_small
from hcnet.volumes.volume import Grid

GRID = Grid((10, 10, 10), np.array([[2, 0, 0, -5], [0, 2, 0, 1], [0, 0, 2.5, 0], [0, 0, 0, 1.0]]))


def two_foci():
    mask = np.zeros(GRID.shape, np.uint8)
    mask[1:3, 1:3, 1:3] = 1
    mask[7, 7, 7] = 1
    return mask


def test_largest_first_in_ml_and_mm():
    found = components(two_foci(), GRID)
    assert [c.volume_ml for c in found] == pytest.approx([0.08, 0.01])
    assert found[0].centroid_mm == pytest.approx((-2.0, 4.0, 3.75))
    assert found[1].centroid_mm == pytest.approx((9.0, 15.0, 17.5))


def test_voxels_that_touch_at_a_corner_are_one_focus():
    mask = np.zeros(GRID.shape, bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    assert len(components(mask, GRID)) == 1


def test_small_foci_are_removed():
    kept = remove_small(two_foci(), GRID, 0.05)
    assert kept.sum() == 8
    assert remove_small(two_foci(), GRID, 0.0).sum() == 9
    assert not remove_small(two_foci(), GRID, 1.0).any()
    assert components(np.zeros(GRID.shape), GRID) == []
