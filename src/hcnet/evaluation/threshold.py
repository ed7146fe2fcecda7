"""The probability from which a voxel is tumour, chosen on predictions of cases that were held out.

A network's own 0.5 is arbitrary: losses that weigh rare voxels more, and short trainings, shift all
its probabilities. The threshold is chosen on other patients than it is then used on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS: NDArray[np.float64] = np.round(np.arange(0.05, 0.96, 0.05), 2)
"""Candidates. A finer choice would be one of noise: few patients, and a flat top."""


def dsc_curve(
    probability: NDArray[Any], breast: NDArray[Any], truth: NDArray[Any]
) -> NDArray[np.float64]:
    """DSC of one case at each of `THRESHOLDS`.

    Args:
        probability: (X, Y, Z) tumour probability.
        breast: (X, Y, Z); outside it nothing is ever tumour.
        truth: (X, Y, Z) reference mask.

    Returns:
        (T,); 1 where both masks are empty.

    Raises:
        ValueError: the shapes differ.
    """
    if not probability.shape == breast.shape == truth.shape:
        raise ValueError(f"shapes differ: {probability.shape}, {breast.shape}, {truth.shape}")
    inside, expected = breast > 0, truth > 0
    steps = np.searchsorted(THRESHOLDS, probability[inside], side="right")  # thresholds reached
    marked = _reaching(steps)
    shared = _reaching(steps[expected[inside]])
    total = marked + expected.sum()
    return np.where(total > 0, 2 * shared / np.maximum(total, 1), 1.0)


def best_threshold(curves: Sequence[NDArray[np.float64]]) -> float:
    """The threshold of the largest mean DSC; of equal ones the middle.

    Args:
        curves: of `dsc_curve`, one a case, at least one.

    Raises:
        ValueError: no curves.
    """
    if not len(curves):
        raise ValueError("there is no case to choose a threshold on")
    mean = np.mean(curves, axis=0)
    best = np.flatnonzero(mean >= mean.max() - 1e-12)
    return float(THRESHOLDS[best[len(best) // 2]])


def _reaching(steps: NDArray[np.integer]) -> NDArray[np.int64]:
    """(T,) voxels at or above each threshold, of how many thresholds each voxel reaches."""
    counts = np.bincount(steps, minlength=len(THRESHOLDS) + 1)
    return np.asarray(counts[::-1].cumsum()[::-1][1:], np.int64)
