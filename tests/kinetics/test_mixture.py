"""A mixture is found again, its likelihood never falls, and flat clusters are no trouble."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from hcnet.kinetics.mixture import FLOOR, Mixture, fit_mixture, log_joint


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.choice(2, 6000, p=[0.7, 0.3])
    wide = rng.multivariate_normal([0, 0], [[1.0, 0.9], [0.9, 1.0]], 6000)
    small = rng.multivariate_normal([1.5, -1.5], [[0.04, 0], [0, 0.04]], 6000)
    return np.where(codes[:, None] == 0, wide, small), codes


def test_finds_the_components_that_points_were_drawn_from():
    points, codes = drawn()
    started = (points[:, 0] - points[:, 1] > 1).astype(int)
    mixture, history = fit_mixture(points, started, 2)
    np.testing.assert_allclose(mixture.weights, [0.7, 0.3], atol=0.03)
    np.testing.assert_allclose(mixture.means, [[0, 0], [1.5, -1.5]], atol=0.08)
    np.testing.assert_allclose(mixture.covariances[0], [[1, 0.9], [0.9, 1]], atol=0.1)
    assert np.mean(log_joint(mixture, points).argmax(axis=1) == codes) > 0.98
    # The floor on the variances may cost a trace of likelihood, no more.
    assert len(history) > 2
    assert (np.diff(history) > -1e-6).all()


def test_density_is_the_normal_density():
    points, _ = drawn(seed=1)
    covariance = np.array([[1.0, 0.3], [0.3, 0.5]])
    mixture = Mixture(np.array([1.0]), np.array([[0.2, -0.1]]), covariance[None])
    expected = multivariate_normal([0.2, -0.1], covariance).logpdf(points)
    np.testing.assert_allclose(log_joint(mixture, points)[:, 0], expected)


def test_flat_clusters_keep_a_variance():
    points = np.repeat([[0.0, 0.0, 1.0], [0.0, 1.0, 0.5]], 50, axis=0)
    mixture, _ = fit_mixture(points, np.repeat([0, 1], 50), 2)
    floor = FLOOR * points.var(axis=0).mean()
    for covariance in mixture.covariances:
        np.testing.assert_allclose(covariance, floor * np.eye(3), atol=1e-12)
    assert (log_joint(mixture, points).argmax(axis=1) == np.repeat([0, 1], 50)).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_component_may_start_without_points(seed):
    points, codes = drawn(seed)
    mixture, _ = fit_mixture(points, codes, 3)
    assert np.isfinite(mixture.means).all()
    assert mixture.weights[2] < 1e-12
    assert (log_joint(mixture, points).argmax(axis=1) < 2).all()
