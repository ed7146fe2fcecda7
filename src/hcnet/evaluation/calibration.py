"""How often a tumour probability is right, and the line through its logits that mends it.

Everything is counted inside the breast, voxel by voxel, on predictions of patients that the
networks have not seen. Patients come one after the other, and nothing of them is kept but a sample
of voxels and the counts of the bins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logit

from hcnet.errors import InputError
from hcnet.inference.calibration import SURE, Calibration

Patient = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Tumour probability, true tumour and breast mask, each (X, Y, Z)."""

BINS = 15
"""Of equal width, as in Guo et al., ICML 2017."""
VOXELS = 20_000
"""Sampled of each patient for the fit."""
FOLDS = 5
STEEPEST = 100.0
"""Neither the temperature nor one over it is larger, also where a threshold separates perfectly."""
FURTHEST = 20.0
"""The offset is no further from 0."""


@dataclass(frozen=True)
class Bin:
    """Voxels of like probability.

    Attributes:
        confidence: their mean probability.
        observed: the share of them that is tumour.
        count: how many there are.
    """

    confidence: float
    observed: float
    count: int


@dataclass(frozen=True)
class Reliability:
    """How often probabilities are right.

    Attributes:
        ece: expected calibration error: the mean over voxels of how far their bin's share of
            tumour is from its mean probability. Source: Naeini et al., AAAI 2015.
        bins: those that hold voxels, by rising probability.
    """

    ece: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration and what it does.

    Attributes:
        calibration: fitted to all patients.
        before: of the probabilities as they are.
        after: of each patient calibrated by a fit to the other folds' patients, so that nobody is
            judged by what was fitted to him.
    """

    calibration: Calibration
    before: Reliability
    after: Reliability

    def as_json(self) -> dict[str, Any]:
        """The content of `calibration.json`."""
        return {
            "temperature": self.calibration.temperature,
            "offset": self.calibration.offset,
            "ece_before": self.before.ece,
            "ece_after": self.after.ece,
            "bins_before": [vars(each) for each in self.before.bins],
            "bins_after": [vars(each) for each in self.after.bins],
        }


def fit_temperature(
    patients: Iterable[Patient], *, offset: bool = True, voxels: int = VOXELS, seed: int = 0
) -> Calibration:
    """Fit temperature and offset by maximum likelihood.

    Each patient weighs the same, whatever the size of the breast.

    Args:
        patients: out-of-fold predictions; gone through once.
        offset: False fits the temperature alone.
        voxels: sampled inside the breast of each patient, or all where there are fewer.
        seed: of the sample.

    Raises:
        InputError: there is no voxel, or only tumour or only healthy ones.
    """
    return _fit(list(_samples(patients, voxels, seed)), offset)


def calibrate(
    patients: Iterable[Patient],
    *,
    offset: bool = True,
    voxels: int = VOXELS,
    seed: int = 0,
    bins: int = BINS,
) -> CalibrationResult:
    """Fit a calibration and measure it on patients that it was not fitted to.

    Args:
        patients: out-of-fold predictions; gone through twice, so a sequence or an object that
            iterates anew each time, not a generator.
        offset: as in `fit_temperature`.
        voxels: as in `fit_temperature`.
        seed: of samples and folds.
        bins: of the reliability.

    Raises:
        InputError: fewer than two patients; see also `fit_temperature`.
        TypeError: `patients` can be gone through only once.
    """
    if iter(patients) is patients:
        raise TypeError("patients are gone through twice: give a sequence, not a generator")
    samples = list(_samples(patients, voxels, seed))
    if len(samples) < 2:
        raise InputError("a calibration is measured on at least two patients.")
    order = np.random.default_rng([seed, 1]).permutation(len(samples))
    fold = np.empty(len(samples), int)
    fold[order] = np.arange(len(samples)) % min(FOLDS, len(samples))
    others = [
        _fit([sample for sample, f in zip(samples, fold, strict=True) if f != number], offset)
        for number in range(int(fold.max()) + 1)
    ]
    before, after = _Counts(bins), _Counts(bins)
    for (probability, truth), number in zip(map(_inside, patients), fold, strict=True):
        before.add(probability, truth)
        after.add(others[number].of(probability), truth)
    return CalibrationResult(_fit(samples, offset), before.reliability(), after.reliability())


def reliability(
    patients: Iterable[Patient], calibration: Calibration | None = None, bins: int = BINS
) -> Reliability:
    """Expected calibration error and reliability bins, inside the breast, each voxel the same.

    Args:
        patients: gone through once.
        calibration: done first; None takes the probabilities as they are.
        bins: number of bins of equal width from 0 to 1.

    Raises:
        InputError: there is no voxel.
    """
    counts = _Counts(bins)
    for probability, truth in map(_inside, patients):
        counts.add(probability if calibration is None else calibration.of(probability), truth)
    return counts.reliability()


class _Counts:
    """Of each bin: voxels, the sum of their probabilities, and the tumour voxels among them."""

    def __init__(self, bins: int) -> None:
        self._voxels = np.zeros(bins, np.int64)
        self._sure, self._tumour = np.zeros(bins), np.zeros(bins)

    def add(self, probability: NDArray[Any], truth: NDArray[np.bool_]) -> None:
        bins = len(self._voxels)
        number = np.clip((probability * bins).astype(int), 0, bins - 1)
        self._voxels += np.bincount(number, minlength=bins)
        self._sure += np.bincount(number, probability, bins)
        self._tumour += np.bincount(number, truth, bins)

    def reliability(self) -> Reliability:
        total = int(self._voxels.sum())
        if not total:
            raise InputError("there is no voxel inside a breast to measure calibration on.")
        found = tuple(
            Bin(float(sure / count), float(tumour / count), int(count))
            for count, sure, tumour in zip(self._voxels, self._sure, self._tumour, strict=True)
            if count
        )
        ece = sum(each.count * abs(each.confidence - each.observed) for each in found) / total
        return Reliability(ece, found)


def _inside(patient: Patient) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Probability and truth of the voxels in the breast."""
    probability, truth, breast = patient
    if not probability.shape == truth.shape == breast.shape:
        raise InputError(
            f"probability, truth and breast differ in shape: {probability.shape}, {truth.shape}, "
            f"{breast.shape}."
        )
    inside = breast > 0
    return probability[inside], truth[inside] > 0


def _samples(
    patients: Iterable[Patient], voxels: int, seed: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Logits and truths of some voxels of each patient."""
    for number, (probability, truth) in enumerate(map(_inside, patients)):
        if len(truth) > voxels:
            rng = np.random.default_rng([seed, number])
            chosen = rng.choice(len(truth), voxels, replace=False, shuffle=False)
            probability, truth = probability[chosen], truth[chosen]
        yield logit(np.clip(probability, SURE, 1 - SURE, dtype=np.float64)), truth


def _fit(samples: list[tuple[NDArray[np.float64], NDArray[np.bool_]]], offset: bool) -> Calibration:
    """The most likely line through the logits; a convex problem of one or two numbers."""
    samples = [(logits, truth) for logits, truth in samples if len(truth)]
    logits = np.concatenate([np.empty(0), *(each for each, _ in samples)])
    truths = np.concatenate([np.empty(0, bool), *(truth for _, truth in samples)])
    if truths.all() or not truths.any():
        raise InputError("a calibration needs voxels of tumour and of healthy breast.")
    weights = np.concatenate(
        [np.full(len(truth), 1 / (len(samples) * len(truth))) for _, truth in samples]
    )

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = line[0] * logits + line[1]
        wrong = np.where(truths, -scores, scores)
        # log(1 + exp(x)) and its derivative, without overflow.
        rest = np.exp(-np.abs(wrong))
        value = np.maximum(wrong, 0) + np.log1p(rest)
        slope = np.where(wrong > 0, 1, rest) / (1 + rest)
        slope = weights * np.where(truths, -slope, slope)
        return float(weights @ value), np.array([slope @ logits, slope.sum()])

    furthest = FURTHEST if offset else 0.0
    found = minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / STEEPEST, STEEPEST), (-furthest, furthest)],
        options={"ftol": 1e-12, "gtol": 1e-8},
    )
    return Calibration(temperature=1 / float(found.x[0]), offset=float(found.x[1]))
