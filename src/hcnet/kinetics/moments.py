"""Sums per cluster, gathered chunk by chunk: the first pass over the points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Moments:
    """Counts, sums and sums of squares of the points of each cluster.

    Memory does not grow with the number of points.

    Attributes:
        counts: (K,) points of each cluster.
        sums: (K, D) sum of the points of each cluster.
        squares: (K, D) sum of their squares.
    """

    def __init__(self, k: int, dimensions: int) -> None:
        self.counts = np.zeros(k, dtype=np.int64)
        self.sums = np.zeros((k, dimensions))
        self.squares = np.zeros((k, dimensions))

    def add(self, points: NDArray[np.floating[Any]], codes: NDArray[np.integer[Any]]) -> None:
        """Count a chunk in.

        Args:
            points: (N, D).
            codes: (N,) cluster of each point, 0 to K - 1.
        """
        k = len(self.counts)
        codes = codes.astype(np.intp)  # else bincount does so each time
        self.counts += np.bincount(codes, minlength=k)
        for axis, values in enumerate(points.T):
            # bincount adds in double precision whatever the points are.
            self.sums[:, axis] += np.bincount(codes, weights=values, minlength=k)
            squares = np.square(values, dtype=np.float64)
            self.squares[:, axis] += np.bincount(codes, weights=squares, minlength=k)

    @property
    def means(self) -> Array:
        """(K, D) centroid of each cluster; zeros where it has no point."""
        return self.sums / np.maximum(self.counts, 1)[:, None]

    @property
    def deviations(self) -> Array:
        """(K, D) standard deviation of each cluster, over its points (not n - 1)."""
        variance = self.squares / np.maximum(self.counts, 1)[:, None] - self.means**2
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    @property
    def sse(self) -> float:
        """Mean squared distance of the points to their centroids; 0 without points."""
        return self.error(self.means)

    def error(self, prototypes: Array) -> float:
        """Mean squared distance of the points to (K, D) prototypes of their clusters.

        The sum of ||x - c||^2 is that of ||x||^2 - 2 x c + ||c||^2, so the points themselves are
        not needed again.
        """
        cross = float((self.sums * prototypes).sum())
        norms = float((prototypes**2).sum(axis=1) @ self.counts)
        within = float(self.squares.sum()) - 2 * cross + norms
        return max(within, 0.0) / max(int(self.counts.sum()), 1)
