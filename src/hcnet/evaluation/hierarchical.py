"""Means and differences over cases and seeds, with intervals that know of both.

A benchmark trains each method with several seeds and scores each training on the same cases, so its
values are a table of seeds by cases. The bootstrap here is crossed: every draw takes seeds and
patients anew, independently, and averages the values where both meet (the "pigeonhole" bootstrap of
Owen 2007). Its intervals are for other patients *and* other trainings.

Two or three seeds say little about how much seeds vary; a single seed says nothing, and the
intervals are then over patients only.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcnet.evaluation.statistics import DRAWS, LEVEL, Estimate


@dataclass(frozen=True)
class CrossedComparison:
    """First method minus second method, same case and same seed.

    Attributes:
        difference: mean difference with interval; pairs with an undefined value are counted there.
        p: two-sided p-value of "the mean difference is zero", from the bootstrap distribution
            shifted to a mean of zero. Never below 1 / (draws + 1), nor below 2 / 2^patients, the
            least that an exact test by signs can give: a handful of patients has so few
            different samples that the bootstrap alone would call any agreement significant. NaN
            with fewer than two patients.
    """

    difference: Estimate
    p: float


def crossed_mean(
    values: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate:
    """Mean with a percentile interval over patients and seeds.

    Args:
        values: (S, N) one row a seed, one column a case; NaN is undefined.
        patients: (N,) who each case belongs to; by default each case is its own patient.
        draws: number of bootstrap samples.
        level: coverage of the interval.
        seed: of the random draws.

    Returns:
        the estimate; `n` and `undefined` count values, not cases. The interval is NaN with fewer
        than two patients.

    Raises:
        ValueError: not a table, an infinite value, or `patients` of another length.
    """
    table, owners = _checked(values, patients)
    means = None
    if _patients(owners, ~np.isnan(table)) > 1:
        means = _crossed_means(table, owners, draws, seed)
    return Estimate.of(table, means, level)


def crossed_comparison(
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> CrossedComparison:
    """Compare two methods on the same cases and seeds, `first` minus `second`.

    Args:
        first: (S, N) values of the first method.
        second: (S, N) values of the second method, same seeds and cases in the same order.
        patients: as in `crossed_mean`.
        draws: number of bootstrap samples.
        level: coverage of the interval.
        seed: of the random draws.

    Raises:
        ValueError: the shapes differ; else as `crossed_mean`.
    """
    a, owners = _checked(first, patients)
    b, _ = _checked(second, patients)
    if a.shape != b.shape:
        raise ValueError(f"values of shape {a.shape} cannot be paired with {b.shape}")
    difference = a - b
    estimate = crossed_mean(difference, patients, draws=draws, level=level, seed=seed)
    p = math.nan
    people = _patients(owners, ~np.isnan(difference))
    if people > 1:
        null = _crossed_means(difference - estimate.mean, owners, draws, seed)
        # The tolerance keeps draws that tie with the observed mean, up to rounding, on its side.
        beyond = np.abs(null) >= abs(estimate.mean) - 1e-12
        p = max(float((1 + beyond.sum()) / (len(null) + 1)), 2.0 ** (1 - people))
    return CrossedComparison(estimate, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for the number of comparisons (Holm 1979), in the order given.

    The smallest is multiplied by their number, the next by one less, and so on; none falls below
    the one before it or exceeds 1. NaN, where nothing could be tested, stays and does not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), math.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def _checked(
    values: ArrayLike, patients: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The table, and the number of the patient that each column belongs to."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"values are a table of seeds by cases, not of shape {table.shape}")
    if np.isinf(table).any():
        raise ValueError("an infinite value has no place in a mean; use NaN for undefined")
    if patients is None:
        return table, np.arange(table.shape[1])
    if len(patients) != table.shape[1]:
        raise ValueError(f"{table.shape[1]} cases for {len(patients)} patient names")
    numbers: dict[Hashable, int] = {}
    owners = [numbers.setdefault(name, len(numbers)) for name in patients]
    return table, np.array(owners, dtype=np.int64)


def _patients(owners: NDArray[np.int64], defined: NDArray[np.bool_]) -> int:
    """How many patients have a defined value."""
    return len(np.unique(owners[defined.any(axis=0)]))


def _crossed_means(
    table: NDArray[np.float64], owners: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Means of `draws` samples of seeds and patients; a draw of undefined values only is left out.

    A draw is how often each seed and each patient was taken, so a mean is a weighted one.
    """
    generator = np.random.default_rng(seed)
    seeds, people = len(table), int(owners.max()) + 1
    of_seed = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    of_case = generator.multinomial(people, np.full(people, 1 / people), size=draws)[:, owners]
    defined = ~np.isnan(table)
    counts = ((of_seed @ defined.astype(np.float64)) * of_case).sum(axis=1)
    sums = ((of_seed @ np.where(defined, table, 0.0)) * of_case).sum(axis=1)
    means: NDArray[np.float64] = sums[counts > 0] / counts[counts > 0]
    return means
