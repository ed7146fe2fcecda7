"""Vessels and ducts: where they lie, and how much of a voxel they fill."""

import numpy as np

from hcnet.cohorts.phantom.distributions import Uniform
from hcnet.cohorts.phantom.fields import Frame
from hcnet.cohorts.phantom.tubes import Tubes, grow


def _frame(step: float, n: int) -> Frame:
    axis = (np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(step)
    return Frame(axis, axis, axis)


def _straight(radius: float) -> Tubes:
    z = np.arange(-30, 30, 0.3)
    return Tubes(np.stack([0 * z, 0 * z, z], 1), np.full(z.size, radius))


def test_a_thick_tube_has_the_volume_of_a_cylinder() -> None:
    frame = _frame(0.5, 41)
    share = _straight(3.0).on(frame)
    per_slice = share[:, :, 20].sum() * 0.25
    np.testing.assert_allclose(per_slice, np.pi * 9, rtol=0.05)
    assert share.max() == 1
    assert share[20, 20, 20] == 1
    assert share[0, 0, 20] == 0


def test_a_tube_thinner_than_a_voxel_never_fills_one() -> None:
    share = _straight(0.4).on(_frame(2.0, 15))
    assert 0 < share.max() < 0.3


def test_what_lies_outside_the_image_is_left_out() -> None:
    tubes = Tubes(np.array([[500.0, 0, 0], [0, 0, 0]]), np.array([1.0, 1.0]))
    assert tubes.on(_frame(1.0, 9)).sum() > 0
    assert Tubes(np.empty((0, 3)), np.empty(0)).on(_frame(1.0, 9)).sum() == 0


def test_branches_start_at_roots_or_branches_and_thin_out() -> None:
    roots, aims = np.zeros((1, 3)), np.array([[60.0, 0, 0]])
    tubes = grow(np.random.default_rng(0), roots, aims, 12, Uniform(low=0.5, high=1.5))
    np.testing.assert_array_equal(tubes.points[0], 0)
    assert tubes.radii.max() <= 1.5
    assert 0 < tubes.radii.min() < 0.5
    nearest = np.linalg.norm(tubes.points - aims[0], axis=1).min()
    assert nearest < 30  # bent towards the aim
    assert len(grow(np.random.default_rng(0), roots, aims, 0, Uniform(low=1, high=1)).points) == 0
