"""How good a clustering is: SSE, CPN, SPT, DBN, TVR, voxel ratios and perplexity.

Reference [10] of the paper publishes no code; these are the field's usual forms (docs of each
field of `Quality`). Distances are Euclidean. Points come in chunks, in two passes: `Moments` first,
which fixes the centroids, then `Spread` around them. Memory does not grow with the points.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import ClusterError, kmeans2, vq

from hcnet.errors import InputError
from hcnet.kinetics.moments import Array, Moments
from hcnet.kinetics.tic import Floats

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quality:
    """Metrics of a clustering in one space (TICs or latents).

    Clusters without points are left out of every mean, and `used` says how many are left.

    Attributes:
        points: number of points N.
        used: clusters with points, K'.
        sse: mean of ||x - mu||^2, mu the centroid of the point's cluster. It sums over the
            dimensions as Eq. (1) does; divide by T for an error per time point.
        reconstruction_sse: mean of ||x - c||^2, c what the model puts in the point's place: the
            decoded curve (TIC space) or the code vector (latent space).
        cpn: compactness, mean over clusters of the mean ||x - mu||.
        spt: separation, mean ||mu_i - mu_j|| over pairs; None with one cluster.
        dbn: Davies-Bouldin index, mean over i of max over j of (S_i + S_j) / ||mu_i - mu_j||, S the
            mean ||x - mu|| of a cluster; None with one cluster or where two centroids coincide.
        perplexity: exp of the entropy of the clusters' shares: codes used, 1 to K.
    """

    points: int
    used: int
    sse: float
    reconstruction_sse: float
    cpn: float
    spt: float | None
    dbn: float | None
    perplexity: float

    def as_dict(self) -> dict[str, int | float | None]:
        """The metrics as JSON values."""
        return asdict(self)


class Spread:
    """Second pass: mean distances to fixed centroids."""

    def __init__(self, moments: Moments, prototypes: Floats) -> None:
        """Fix the centroids.

        Args:
            moments: the first pass, complete.
            prototypes: (K, D) decoded curves or code vectors.
        """
        self._moments = moments
        self._means = moments.means
        self._error = moments.error(np.asarray(prototypes, dtype=np.float64))
        self._distances = np.zeros(len(self._means))
        self._points = np.zeros(len(self._means), dtype=np.int64)

    def add(self, points: Floats, codes: NDArray[np.integer[Any]]) -> None:
        """Count a chunk in; the same points as in the first pass, in any order.

        Args:
            points: (N, D).
            codes: (N,) cluster of each point.
        """
        k = len(self._means)
        distances = np.sqrt(_squared(points, self._means, codes))
        self._distances += np.bincount(codes, weights=distances, minlength=k)
        self._points += np.bincount(codes, minlength=k)

    def quality(self) -> Quality:
        """The metrics of all points seen.

        Raises:
            InputError: no point, or others than in the first pass.
        """
        counts = self._moments.counts
        if not counts.sum():
            raise InputError("there are no points to measure a clustering on.")
        if (counts != self._points).any():
            raise InputError("the two passes over the points saw different clusters.")
        used = counts > 0
        if not used.all():
            _log.info("%d of %d clusters have no point", int((~used).sum()), used.size)
        scatter = self._distances[used] / counts[used]
        spt, dbn = _separation(self._means[used], scatter)
        total = int(counts.sum())
        return Quality(
            points=total,
            used=int(used.sum()),
            sse=self._moments.sse,
            reconstruction_sse=self._error,
            cpn=float(scatter.mean()),
            spt=spt,
            dbn=dbn,
            perplexity=perplexity(counts),
        )


class Composition:
    """Which codes tumour and non-tumour consist of, inside the breast.

    Attributes:
        counts: (K, 2) voxels of each code, non-tumour and tumour.
    """

    def __init__(self, k: int) -> None:
        self.counts = np.zeros((k, 2), dtype=np.int64)

    def add(self, codes: NDArray[np.integer[Any]], tumour: NDArray[Any]) -> None:
        """Count voxels in.

        Args:
            codes: any shape, 0 to K - 1.
            tumour: the same shape; voxels that are not 0 are tumour.
        """
        k = len(self.counts)
        inside = np.asarray(tumour) != 0
        self.counts[:, 1] += np.bincount(codes[inside], minlength=k)
        self.counts[:, 0] += np.bincount(codes[~inside], minlength=k)

    def add_map(self, labels: NDArray[np.integer[Any]], tumour: NDArray[Any]) -> None:
        """Count a heterogeneity map in: label k + 1 is code k, label 0 (outside) is left out."""
        breast = labels > 0
        self.add(labels[breast].astype(np.int64) - 1, np.asarray(tumour)[breast])

    @property
    def ratios(self) -> Array:
        """(K, 2) share of each code in the non-tumour and in the tumour voxels (Fig. 2c).

        Each column sums to 1, or to 0 where the region has no voxel.
        """
        return self.counts / np.maximum(self.counts.sum(axis=0), 1)

    def tvr(self) -> tuple[float, float] | None:
        """Maximal TIC cluster voxel ratio: max over codes of |C_k in R| / |C_k|.

        Returns:
            for R = tumour and R = non-tumour, or None without voxels of both.
        """
        if (self.counts.sum(axis=0) == 0).any():
            return None
        used = self.counts[self.counts.sum(axis=1) > 0]
        healthy, tumour = (used / used.sum(axis=1, keepdims=True)).max(axis=0)
        return float(tumour), float(healthy)


def perplexity(counts: NDArray[np.integer[Any]]) -> float:
    """Exponential of the entropy of counts: K when all are equal, 1 when one holds everything."""
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def measure(points: Floats, codes: NDArray[np.integer[Any]], prototypes: Floats) -> Quality:
    """Metrics of points that are all in memory (both passes at once).

    Args:
        points: (N, D).
        codes: (N,).
        prototypes: (K, D).
    """
    moments = Moments(*np.shape(prototypes))
    moments.add(points, codes)
    spread = Spread(moments, prototypes)
    spread.add(points, codes)
    return spread.quality()


def kmeans_reference(
    sample: Floats, k: int, seed: int, starts: Sequence[int] = range(3)
) -> tuple[Array, Quality]:
    """K-means on the same curves, the yardstick to show beside the VQ-VAE.

    Args:
        sample: (N, T) normalised curves, at least K distinct ones.
        k: number of clusters.
        seed: of the k-means++ starts.
        starts: numbers of the starts; the one with the least SSE is kept.

    Returns:
        (K, T) centroids, and the metrics on the sample.

    Raises:
        InputError: every start left a cluster empty, as with fewer distinct curves than K.
    """
    best: tuple[Array, Quality] | None = None
    data = np.asarray(sample, dtype=np.float32)  # half of the time of float64
    for start in starts:
        rng = np.random.default_rng([seed, start])
        try:
            # With fewer distinct curves than K, the k-means++ odds become 0 / 0.
            with np.errstate(invalid="raise"):
                centroids, _ = kmeans2(data, k, iter=50, minit="++", missing="raise", rng=rng)
        except (ClusterError, FloatingPointError):
            continue
        codes, _ = vq(data, centroids)
        quality = measure(data, codes, centroids)
        if best is None or quality.sse < best[1].sse:
            best = np.asarray(centroids, dtype=np.float64), quality
    if best is None:
        raise InputError(f"k-means with {k} clusters left some empty: use fewer (kinetics.k).")
    return best


def _squared(points: Floats, centres: Array, codes: NDArray[np.integer[Any]]) -> Array:
    # Axis by axis: a table of K numbers and runs of N, where centres[codes] would be N x D.
    total = np.zeros(len(points))
    for values, centre in zip(points.T, centres.T, strict=True):
        difference = values - centre[codes]
        difference *= difference
        total += difference
    return total


def _separation(means: Array, scatter: Array) -> tuple[float | None, float | None]:
    k = len(means)
    if k < 2:
        return None, None
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)
    pairs = apart[np.triu_indices(k, 1)]
    spt = float(pairs.mean())
    if pairs.min() == 0:
        return spt, None
    np.fill_diagonal(apart, np.inf)
    ratio = (scatter[:, None] + scatter[None]) / apart
    return spt, float(ratio.max(axis=1).mean())
