"""Means with intervals, paired comparisons and detection rates, resampled by patient.

Voxels and exams of one patient are not independent, so the patient is what is drawn. A value that
is undefined (NaN) takes no part in a mean, and every result carries how many those were.

Percentile intervals and bootstrap p-values are too sure of themselves with few patients (below
some twenty); the Wilcoxon p-value is exact there and is the one to quote.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
DRAWS = 10_000
DETECTION_DSC = 0.1
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Estimate:
    """A mean with its bootstrap interval.

    Attributes:
        mean: mean of the defined values; NaN where there are none.
        low: lower end of the interval; NaN with fewer than two patients.
        high: upper end of the interval.
        median: median of the defined values.
        n: how many values are defined.
        undefined: how many values are NaN and took no part.
        level: coverage that the interval aims at.
    """

    mean: float
    low: float
    high: float
    median: float
    n: int
    undefined: int
    level: float = LEVEL

    @classmethod
    def of(
        cls, values: NDArray[np.float64], means: NDArray[np.float64] | None, level: float
    ) -> "Estimate":
        """Summarise values of any shape, NaN being undefined.

        Args:
            values: what was measured.
            means: bootstrap means; None where there is no interval.
            level: coverage of the interval.
        """
        kept = values[~np.isnan(values)]
        low = high = math.nan
        if means is not None and kept.size:
            low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return cls(
            mean=float(kept.mean()) if kept.size else math.nan,
            low=float(low),
            high=float(high),
            median=float(np.median(kept)) if kept.size else math.nan,
            n=int(kept.size),
            undefined=int(values.size - kept.size),
            level=level,
        )


@dataclass(frozen=True)
class Proportion:
    """A count out of a total with its Wilson score interval; NaN where the total is 0."""

    count: int
    total: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """First method minus second method, case by case.

    Attributes:
        difference: mean difference with interval; pairs with an undefined value are counted there.
        p_bootstrap: two-sided p-value of "the mean difference is zero", from the bootstrap
            distribution shifted to a mean of zero; never below 1 / (draws + 1).
        p_wilcoxon: two-sided p-value of the Wilcoxon signed-rank test (Pratt's zeros); it ignores
            which exams share a patient.
        higher: in how many cases the first method has the higher value.
        lower: in how many cases it has the lower value.
        equal: in how many cases both agree exactly.
    """

    difference: Estimate
    p_bootstrap: float
    p_wilcoxon: float
    higher: int
    lower: int
    equal: int


def bootstrap_mean(
    values: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate:
    """Mean with a percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: (N,) one value a case; NaN is undefined.
        patients: (N,) who each case belongs to, where a patient has several; by default each case
            is its own patient.
        draws: number of bootstrap samples.
        level: coverage of the interval.
        seed: of the random draws.

    Returns:
        the estimate; its interval is NaN with fewer than two patients.

    Raises:
        ValueError: an infinite value, or `patients` of another length.
    """
    array, owners = _checked(values, patients)
    defined = ~np.isnan(array)
    means = None
    if len(np.unique(owners[defined])) > 1:
        means = _bootstrap_means(array[defined], owners[defined], draws, seed)
    return Estimate.of(array, means, level)


def paired_comparison(
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> PairedComparison:
    """Compare two methods on the same cases.

    Args:
        first: (N,) values of the first method.
        second: (N,) values of the second method, same cases in the same order.
        patients: as in `bootstrap_mean`.
        draws: number of bootstrap samples.
        level: coverage of the interval.
        seed: of the random draws.

    Raises:
        ValueError: the lengths differ, or a value is infinite.
    """
    a, owners = _checked(first, patients)
    b, _ = _checked(second, patients)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}")
    difference = a - b
    estimate = bootstrap_mean(difference, patients, draws=draws, level=level, seed=seed)
    defined = ~np.isnan(difference)
    kept, owners = difference[defined], owners[defined]
    p_bootstrap = p_wilcoxon = math.nan
    if len(np.unique(owners)) > 1:
        null = _bootstrap_means(kept - kept.mean(), owners, draws, seed)
        # The tolerance keeps draws that tie with the observed mean, up to rounding, on its side.
        beyond = np.abs(null) >= abs(kept.mean()) - 1e-12
        p_bootstrap = float((1 + beyond.sum()) / (draws + 1))
        # Without a single difference the test has nothing to rank.
        changed = bool((kept != 0).any())
        p_wilcoxon = _wilcoxon(kept) if changed else 1.0
    return PairedComparison(
        difference=estimate,
        p_bootstrap=p_bootstrap,
        p_wilcoxon=p_wilcoxon,
        higher=int((kept > 0).sum()),
        lower=int((kept < 0).sum()),
        equal=int((kept == 0).sum()),
    )


def detection_rate(
    dsc: ArrayLike,
    has_lesion: Sequence[bool],
    *,
    threshold: float = DETECTION_DSC,
    level: float = LEVEL,
) -> Proportion:
    """Share of the cases with a lesion in which the prediction found it.

    A lesion counts as found where the whole-case DSC is above `threshold`; cases without a lesion
    in the reference are left out.

    Args:
        dsc: (N,) Dice similarity coefficient of each case.
        has_lesion: (N,) whether the reference mask holds a voxel.
        threshold: DSC that must be exceeded.
        level: coverage of the Wilson interval.

    Raises:
        ValueError: the lengths differ.
    """
    values, lesions = np.asarray(dsc, dtype=float), np.asarray(has_lesion, dtype=bool)
    if values.shape != lesions.shape:
        raise ValueError(f"{len(values)} values for {len(lesions)} cases")
    count, total = int((values[lesions] > threshold).sum()), int(lesions.sum())
    if total == 0:
        return Proportion(0, 0, math.nan, math.nan, math.nan)
    from scipy import stats  # over half a second, and what only reads scores needs none of it

    interval = stats.binomtest(count, total).proportion_ci(level, method="wilson")
    return Proportion(count, total, count / total, float(interval.low), float(interval.high))


def _checked(
    values: ArrayLike, patients: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The values as an array, and the number of the patient that each belongs to."""
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    if np.isinf(array).any():
        raise ValueError("an infinite value has no place in a mean; use NaN for undefined")
    if patients is None:
        return array, np.arange(len(array))
    if len(patients) != len(array):
        raise ValueError(f"{len(array)} values for {len(patients)} patient names")
    numbers: dict[Hashable, int] = {}
    return array, np.array([numbers.setdefault(name, len(numbers)) for name in patients], int)


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed ranks, ties with zero ranked."""
    from scipy import stats  # as in `detection_rate`

    return float(stats.wilcoxon(differences, zero_method="pratt").pvalue)


def _bootstrap_means(
    values: NDArray[np.float64], owners: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Means over cases of `draws` samples of patients with replacement, each with all its cases."""
    _, index = np.unique(owners, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    patients = len(sums)
    generator = np.random.default_rng(seed)
    means = np.empty(draws)
    step = max(1, _CHUNK // patients)  # bounds the memory, not the result's distribution
    for start in range(0, draws, step):
        drawn = generator.integers(patients, size=(min(step, draws - start), patients))
        means[start : start + step] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
