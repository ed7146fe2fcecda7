"""A cohort's measures beside their bands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from hcnet.cohorts.phantom.describe.bands import Band, find_band
from hcnet.cohorts.phantom.describe.catalogue import GRADES, SECTIONS, Measure
from hcnet.cohorts.phantom.describe.measure import CaseMeasures

Verdict = Literal["inside", "outside", "no band", "no data", "too few"]
FEWEST = 5
"""Cases that quartiles need to be held to a centre."""


@dataclass(frozen=True)
class Row:
    """One measure over the cases of one group.

    Attributes:
        section: headline that it stands under.
        measure: what was measured.
        group: density, background grade or field strength; empty for all cases.
        n: cases in which it is defined.
        undefined: cases in which it is not.
        centre: median, or share of the cases; NaN where `n` is 0.
        low: lower quartile, or lower end of the share's interval.
        high: upper quartile, or upper end of the share's interval.
        band: what it is compared with.
        verdict: the outcome.
    """

    section: str
    measure: Measure
    group: str
    n: int
    undefined: int
    centre: float
    low: float
    high: float
    band: Band | None
    verdict: Verdict


def summarise(cases: Sequence[CaseMeasures], like: str) -> list[Row]:
    """One row for each measure and group, in the catalogue's order."""
    return [
        _row(section, measure, group, cases, like)
        for section, measures in SECTIONS.items()
        for measure in measures
        for group in _groups(measure, cases)
    ]


def values_of(cases: Sequence[CaseMeasures], measure: Measure, group: str) -> NDArray[np.float64]:
    """The measure in each case of the group, NaN where it is undefined there."""
    return np.array(
        [
            case.values[measure.key]
            for case in cases
            if not measure.by or case.groups[measure.by] == group
        ]
    )


def judge(
    centre: float, low: float, high: float, band: Band | None, *, quartiles_of: int | None = None
) -> Verdict:
    """Say whether a cohort's value fits its band.

    A band with two ends holds the cohort's centre or does not. A band that is a centre alone says
    nothing of the spread, so there the cohort's own interval has to hold it.

    Args:
        centre: the cohort's median or share, NaN without data.
        low: lower quartile, or lower end of the share's interval.
        high: upper quartile, or upper end of the share's interval.
        band: the band.
        quartiles_of: number of cases where the interval is the quartiles; those of fewer than
            `FEWEST` cases are not held to a centre.

    Raises:
        ValueError: the band has neither two ends nor a centre.
    """
    if math.isnan(centre):
        return "no data"
    if band is None:
        return "no band"
    if band.low is not None and band.high is not None:
        return "inside" if band.low <= centre <= band.high else "outside"
    if band.centre is None:
        raise ValueError(f"the band of {band.key} has neither two ends nor a centre")
    if quartiles_of is not None and quartiles_of < FEWEST:
        return "too few"
    return "inside" if low <= band.centre <= high else "outside"


def _row(
    section: str, measure: Measure, group: str, cases: Sequence[CaseMeasures], like: str
) -> Row:
    values = values_of(cases, measure, group)
    defined = values[~np.isnan(values)]
    centre, low, high = _share(defined) if measure.share else _quartiles(defined)
    band = find_band(measure.key, group, like)
    quartiles_of = None if measure.share else len(defined)
    return Row(
        section=section,
        measure=measure,
        group=group,
        n=len(defined),
        undefined=len(values) - len(defined),
        centre=centre,
        low=low,
        high=high,
        band=band,
        verdict=judge(centre, low, high, band, quartiles_of=quartiles_of),
    )


def _groups(measure: Measure, cases: Sequence[CaseMeasures]) -> list[str]:
    """The groups that the cases have, in their own order where they have one."""
    if not measure.by:
        return [""]
    present = {case.groups[measure.by] for case in cases}
    order = GRADES.get(measure.by, ())
    return sorted(present, key=lambda g: (order.index(g) if g in order else len(order), g))


def _quartiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    if not len(values):
        return math.nan, math.nan, math.nan
    low, centre, high = np.percentile(values, (25, 50, 75))
    return float(centre), float(low), float(high)


def _share(values: NDArray[np.float64]) -> tuple[float, float, float]:
    if not len(values):
        return math.nan, math.nan, math.nan
    test = binomtest(round(float(values.sum())), len(values))
    interval = test.proportion_ci(confidence_level=0.95, method="wilson")
    return float(values.mean()), float(interval.low), float(interval.high)
