"""How far two heterogeneity maps of the same voxels agree, e.g. of a test and a retest scan."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEASURES = ("exact", "kappa", "weighted_kappa", "rank")


@dataclass(frozen=True)
class Agreement:
    """Agreement of two labellings; None where it is undefined.

    Attributes:
        voxels: number of voxels.
        exact: share of voxels with the same code; it grows as codes get fewer.
        kappa: Cohen's kappa (1960), the same corrected for chance; undefined where chance alone
            would make all agree.
        weighted_kappa: with quadratic weights (Cohen 1968): codes are ordered, so that a voxel one
            code off counts less than one that is far off.
        rank: Spearman's rank correlation of the codes; undefined where a labelling is constant.
    """

    voxels: int
    exact: float | None
    kappa: float | None
    weighted_kappa: float | None
    rank: float | None

    def as_dict(self) -> dict[str, int | float | None]:
        """The measures as JSON values."""
        return asdict(self)


def agreement(one: NDArray[np.integer[Any]], other: NDArray[np.integer[Any]], k: int) -> Agreement:
    """Compare the codes of the same voxels.

    Args:
        one: (N,) sorted codes, 0 to K - 1.
        other: (N,) sorted codes of the same voxels.
        k: number of codes K.
    """
    pairs = one.astype(np.int64) * k + other
    table = np.bincount(pairs, minlength=k * k).reshape(k, k).astype(np.float64)
    voxels = int(table.sum())
    if not voxels:
        return Agreement(0, None, None, None, None)
    table /= voxels
    steps = np.arange(k, dtype=np.float64)
    return Agreement(
        voxels=voxels,
        exact=float(np.trace(table)),
        kappa=_kappa(table, 1.0 - np.eye(k)),
        weighted_kappa=_kappa(table, (steps[:, None] - steps) ** 2),
        rank=_rank_correlation(table),
    )


def _kappa(table: Array, weights: Array) -> float | None:
    """1 - observed / expected disagreement of (K, K) shares; None where none is expected."""
    expected = float((weights * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return None if expected == 0 else 1.0 - float((weights * table).sum()) / expected


def _rank_correlation(table: Array) -> float | None:
    """Spearman's correlation from (K, K) shares: all voxels of a code share its middle rank."""
    ranks = []
    for share in (table.sum(axis=1), table.sum(axis=0)):
        middle = np.cumsum(share) - share / 2
        centred = middle - float(share @ middle)
        variance = float(share @ centred**2)
        # One code for all voxels leaves a variance of rounding errors.
        if variance < 1e-15:
            return None
        ranks.append(centred / np.sqrt(variance))
    return float(ranks[0] @ table @ ranks[1])
