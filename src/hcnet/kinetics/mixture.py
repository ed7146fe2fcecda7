"""Gaussian mixture on curves by expectation-maximisation, with the same result for the same seed.

Full covariances, since the points of a curve are anything but independent. Min-max curves have a
point that is exactly 0 and one that is exactly 1, so clusters of them are flat: every covariance
is kept away from singular by `FLOOR`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from hcnet.kinetics.tic import Floats

Array = NDArray[np.float64]

FLOOR = 1e-3
"""Added to each variance, as a share of the sample's mean variance over the time points."""

_STEPS = 100
_TOLERANCE = 1e-4
_LEAST = 1e-300


class Mixture(NamedTuple):
    """Parameters of K components in T dimensions.

    Attributes:
        weights: (K,) that sum to 1.
        means: (K, T).
        covariances: (K, T, T), positive definite.
    """

    weights: Array
    means: Array
    covariances: Array


def fit_mixture(points: Floats, codes: NDArray[np.integer], k: int) -> tuple[Mixture, list[float]]:
    """Fit by expectation-maximisation (Dempster et al. 1977), started from a hard clustering.

    Args:
        points: (N, T), not all the same.
        codes: (N,) cluster of each point to start from, 0 to K - 1, e.g. of k-means.
        k: number of components K.

    Returns:
        the mixture, and the mean log-likelihood before each step.
    """
    data = np.asarray(points, dtype=np.float64)
    floor = FLOOR * float(data.var(axis=0).mean())
    mixture = _maximise(data, np.eye(k)[codes], floor)
    history: list[float] = []
    for _ in range(_STEPS):
        joint = log_joint(mixture, data)
        total = logsumexp(joint, axis=1, keepdims=True)
        history.append(float(total.mean()))
        if len(history) > 1 and history[-1] - history[-2] < _TOLERANCE:
            break
        mixture = _maximise(data, np.exp(joint - total), floor)
    return mixture, history


def log_joint(mixture: Mixture, points: Floats) -> Array:
    """(N, K) log of weight times density; its largest entry is the most probable component."""
    dimensions = points.shape[1]
    joint = np.empty((len(points), len(mixture.weights)))
    for number, (weight, mean, covariance) in enumerate(zip(*mixture, strict=True)):
        root = np.linalg.cholesky(covariance)
        away = solve_triangular(root, (points - mean).T, lower=True)
        log_root = float(np.log(np.diagonal(root)).sum())
        constant = np.log(max(float(weight), _LEAST)) - log_root
        joint[:, number] = constant - 0.5 * np.einsum("tn,tn->n", away, away)
    return joint - 0.5 * dimensions * np.log(2 * np.pi)


def _maximise(points: Array, shares: Array, floor: float) -> Mixture:
    """The parameters that fit (N, K) shares of membership best, with `floor` on each variance."""
    members = shares.sum(axis=0)
    divisor = np.maximum(members, _LEAST)[:, None]
    means = (shares.T @ points) / divisor
    covariances = np.empty((len(members), points.shape[1], points.shape[1]))
    for number, mean in enumerate(means):
        away = points - mean
        covariances[number] = (away * shares[:, number, None]).T @ away / divisor[number]
    covariances += floor * np.eye(points.shape[1])
    return Mixture(members / members.sum(), means, covariances)
