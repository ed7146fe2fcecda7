"""Shapes of masses: known distances, spicules, foci."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hcnet.cohorts.phantom.parameters import frozen_parameters
from hcnet.cohorts.phantom.shape import Shape, draw_shape

LESION = frozen_parameters().lesion


def _points(
    *points: tuple[float, float, float],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(points, np.float32).T.reshape(3, -1, 1, 1)


def _sphere(radius: float, spicules: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Shape:
    return Shape(
        volume_ml=4 / 3000 * np.pi * radius**3,
        centres=np.zeros((1, 3)),
        radii=np.array([radius]),
        turned=np.eye(3),
        waves=np.zeros((1, 3)),
        phases=np.zeros(1),
        lobulation=0.0,
        noise_mm=0.0,
        spicules=spicules,
    )


def test_a_sphere_has_the_distance_of_a_sphere() -> None:
    shape = _sphere(10.0, np.empty((0, 4)))
    found = shape.distance(_points((0, 0, 0), (10, 0, 0), (0, 6, 8), (0, 0, 25)))
    np.testing.assert_allclose(found.ravel(), [10, 0, 0, -15], atol=1e-4)
    np.testing.assert_allclose(shape.radius_mm, 10.0)


def test_a_spicule_tapers_along_its_axis() -> None:
    shape = _sphere(5.0, np.array([[20.0, 0.0, 0.0, 1.5]]))
    found = shape.spicule_distance(_points((0, 0, 0), (15, 0, 0), (15, 2, 0), (23, 0, 0)))
    np.testing.assert_allclose(found.ravel(), [1.5, 0.75, -1.25, -2.5], atol=1e-4)
    assert shape.reach_mm >= 23


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), volume=st.floats(0.1, 150))
def test_nothing_reaches_further_than_it_says(seed: int, volume: float) -> None:
    shape = draw_shape(np.random.default_rng(seed), LESION, volume)
    directions = np.random.default_rng(0).standard_normal((200, 3))
    directions *= 1.05 * shape.reach_mm / np.linalg.norm(directions, axis=1, keepdims=True)
    points = _points(*map(tuple, directions))
    assert shape.spicule_distance(points).max() < 0
    # Lobes are unbounded in theory; what sticks out of the box is cut off there.
    assert np.mean(shape.distance(points) > 0) < 0.1
    assert 1 <= len(shape.radii) <= 4


def test_about_the_stated_share_is_spiculated_and_multifocal() -> None:
    drawn = [draw_shape(np.random.default_rng(seed), LESION, 10.0) for seed in range(300)]
    assert abs(np.mean([len(s.spicules) > 0 for s in drawn]) - 0.4) < 0.09
    assert abs(np.mean([len(s.radii) == 1 for s in drawn]) - 0.65) < 0.09
