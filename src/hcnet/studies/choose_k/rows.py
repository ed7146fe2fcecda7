"""Rows of a study of K: one for each scale, method and K, over its seeds and held-out cases."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hcnet.evaluation.statistics import bootstrap_mean
from hcnet.studies.choose_k.agreement import MEASURES, agreement
from hcnet.studies.choose_k.plan import Fit

REGIONS = ("breast", "tumour")
QUALITY = ("sse", "reconstruction_sse", "cpn", "spt", "dbn", "perplexity", "used")


class Interval(NamedTuple):
    """Mean over cases with a 95 % bootstrap interval over patients.

    Attributes:
        mean: of the defined values; None where there are none.
        low: end of the interval; None with fewer than two patients.
        high: the other end.
        n: cases that the mean is of.
        of: cases that have a voxel there.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    of: int


class Row(NamedTuple):
    """One scale, method and K.

    Attributes:
        scale: normalisation of curves.
        method: way to cluster.
        k: codes asked for.
        codes: codes there are; other than `k` for `bins` only.
        seeds: number of fits.
        quality: of held-out curves, mean over seeds: `QUALITY`, `tvr_tumour` and `tvr_rest`; None
            where undefined.
        retest: agreement of test and retest, by "region/measure"; empty without second scans.
        between_seeds: agreement of the maps of each two seeds, likewise; empty with one seed.
        fit_seconds: mean time of a fit.
    """

    scale: str
    method: str
    k: int
    codes: int
    seeds: int
    quality: Mapping[str, float | None]
    retest: Mapping[str, Interval]
    between_seeds: Mapping[str, Interval]
    fit_seconds: float

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        plain = {name: getattr(self, name) for name in self._fields}
        for name in ("retest", "between_seeds"):
            plain[name] = {key: value._asdict() for key, value in plain[name].items()} or None
        return plain | {"quality": dict(self.quality)}

    def flat(self) -> dict[str, float | int | str | None]:
        """The row as the cells of a table, by column."""
        cells: dict[str, float | int | str | None] = {
            name: getattr(self, name) for name in ("scale", "method", "k", "codes", "seeds")
        }
        cells |= self.quality
        for group in ("retest", "between_seeds"):
            for key, interval in getattr(self, group).items():
                column = f"{group}_{key.replace('/', '_')}"
                for part, value in interval._asdict().items():
                    cells[column if part == "mean" else f"{column}_{part}"] = value
        return cells | {"fit_seconds": self.fit_seconds}


def rows_of(results: Sequence[Mapping[str, Any]], fits: Path) -> list[Row]:
    """Gather the fits of a study.

    Args:
        results: contents of the fits' files; those that differ in the seed only become one row.
        fits: folder with the codes of each fit.
    """
    groups: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["scale"], result["method"], result["k"]), []).append(result)
    return [_row(group, fits) for group in groups.values()]


def _row(group: Sequence[Mapping[str, Any]], fits: Path) -> Row:
    first = group[0]
    quality = {name: _mean([result["quality"][name] for result in group]) for name in QUALITY}
    for name in ("tumour", "rest"):
        quality[f"tvr_{name}"] = _mean(
            [None if result["tvr"] is None else result["tvr"][name] for result in group]
        )
    return Row(
        scale=first["scale"],
        method=first["method"],
        k=first["k"],
        codes=first["codes"],
        seeds=len(group),
        quality=quality,
        retest=_intervals([result["cases"] for result in group]),
        between_seeds=_intervals(_between_seeds(group, fits)),
        fit_seconds=float(np.mean([result["fit_seconds"] for result in group])),
    )


def _between_seeds(group: Sequence[Mapping[str, Any]], fits: Path) -> list[list[dict[str, Any]]]:
    """Agreement of each case's codes, for each two seeds."""
    if len(group) < 2:
        return []
    codes = []
    for result in group:
        fit = Fit(**{name: result[name] for name in ("scale", "method", "k", "seed")})
        with np.load(fits / f"{fit.name}.npz", allow_pickle=False) as stored:  # noqa: TID251 - no threads
            codes.append(dict(stored))
    pairs = []
    for one, other in combinations(codes, 2):
        cases = []
        for number, case in enumerate(group[0]["cases"]):
            row = {"name": case["name"], "patient": case["patient"]}
            for region in REGIONS:
                key = f"{number}/{region}"
                both = agreement(one[key], other[key], group[0]["codes"])
                row[region] = both.as_dict() if both.voxels else None
            cases.append(row)
        pairs.append(cases)
    return pairs


def _intervals(comparisons: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Interval]:
    """Each measure in each region: mean over comparisons of a case, then over cases."""
    intervals: dict[str, Interval] = {}
    for region in REGIONS:
        # A case without a tumour has no agreement there, which is other than an undefined one.
        cases = [same for same in zip(*comparisons, strict=True) if same[0][region] is not None]
        if not cases:
            continue
        patients = [same[0]["patient"] for same in cases]
        for measure in MEASURES:
            values = [_mean([case[region][measure] for case in same]) for same in cases]
            intervals[f"{region}/{measure}"] = _interval(values, patients)
    return intervals


def _interval(values: Sequence[float | None], patients: Sequence[str]) -> Interval:
    numbers = [math.nan if value is None else value for value in values]
    estimate = bootstrap_mean(numbers, patients)
    mean, low, high = (
        None if math.isnan(end) else end for end in (estimate.mean, estimate.low, estimate.high)
    )
    return Interval(mean, low, high, estimate.n, len(values))


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
