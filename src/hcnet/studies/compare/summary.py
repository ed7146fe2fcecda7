"""From records to rows: means, intervals and paired comparisons over patients and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from hcnet.evaluation.evaluate import METRICS
from hcnet.evaluation.hierarchical import (
    CrossedComparison,
    crossed_comparison,
    crossed_mean,
    holm,
)
from hcnet.evaluation.map_metrics import map_scores
from hcnet.evaluation.statistics import DETECTION_DSC, Estimate
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.records import MapRecord, Took, TumourRecord
from hcnet.studies.false_positives import FalsePositives, false_positives
from hcnet.studies.score import score_table

MAP_METRICS = ("mean_accuracy", "mean_iou")
MAP_BASELINE = "uxnet-pre"
"""The paper's choice for HIPM, which the other map networks are compared with."""

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        entry: which.
        metrics: mean of each metric over cases and seeds, by name.
        pooled: for maps, the metrics of all held-out voxels together, mean over seeds; else empty.
        false_positives: None for maps.
        took: mean over seeds and folds; `training_s` and `updates` are of all folds together,
            `inference_s` holds one number, the mean of a case.
    """

    entry: Entry
    metrics: Mapping[str, Estimate]
    pooled: Mapping[str, float]
    false_positives: FalsePositives | None
    took: Took


@dataclass(frozen=True)
class Compared:
    """First entry minus second, in one metric; `p_holm` is corrected within the metric."""

    first: str
    second: str
    metric: str
    result: CrossedComparison
    p_holm: float


@dataclass(frozen=True)
class Summary:
    """All results.

    Attributes:
        rows: in the order of the plan.
        compared: every row against the baseline and against the method, in every metric.
        seeds: how many.
        folds: how many.
        cases: held-out cases that the means are over.
    """

    rows: tuple[Row, ...]
    compared: tuple[Compared, ...]
    seeds: int
    folds: int
    cases: int

    def against(self, first: str, second: str, metric: str) -> Compared | None:
        """One comparison, or None where it was not made."""
        for each in self.compared:
            if (each.first, each.second, each.metric) == (first, second, metric):
                return each
        return None


def summarise_tumours(
    records: Sequence[TumourRecord],
    entries: Sequence[Entry],
    patients: Mapping[str, str],
    seed: int,
) -> Summary:
    """Summarise complete records.

    Means are over cases with a lesion; those without count among the false positives.

    Args:
        records: every entry with every seed and fold.
        entries: in the order of the table.
        patients: who each case belongs to.
        seed: of the bootstrap.
    """
    first = [record for record in records if record.seed == records[0].seed]
    sizes = {row.scores.name: row.scores.reference_ml for record in first for row in record.rows}
    lesions = sorted(name for name, ml in sizes.items() if ml > 0)
    free = sorted(name for name, ml in sizes.items() if ml <= 0)
    tables: dict[str, dict[str, Table]] = {}
    rows = []
    for entry in entries:
        own = [record for record in records if record.entry == entry.name]
        values = {metric: score_table(own, metric, lesions) for metric in METRICS}
        tables[entry.name] = values
        values = {**values, "detection": (values["dsc"] > DETECTION_DSC).astype(np.float64)}
        owners = [patients[name] for name in lesions]
        rows.append(
            Row(
                entry,
                {name: crossed_mean(table, owners, seed=seed) for name, table in values.items()},
                {},
                false_positives(
                    score_table(own, "prediction_ml", free), score_table(own, "components", free)
                ),
                _took(own),
            )
        )
    against = (BASELINE.name, OURS.name)
    compared = _compare(tables, against, METRICS, [patients[name] for name in lesions], seed)
    return Summary(tuple(rows), compared, *_counts(records), len(lesions))


def summarise_maps(
    records: Sequence[MapRecord],
    entries: Sequence[Entry],
    patients: Mapping[str, str],
    seed: int,
) -> Summary:
    """Summarise complete records of map networks; arguments as `summarise_tumours`."""
    cases = sorted({row.name for record in records for row in record.rows})
    owners = [patients[name] for name in cases]
    tables: dict[str, dict[str, Table]] = {}
    rows = []
    for entry in entries:
        own = [record for record in records if record.entry == entry.name]
        tables[entry.name] = {metric: _map_table(own, metric, cases) for metric in MAP_METRICS}
        estimates = {
            name: crossed_mean(table, owners, seed=seed)
            for name, table in tables[entry.name].items()
        }
        rows.append(Row(entry, estimates, _pooled(own), None, _took(own)))
    compared = _compare(tables, (MAP_BASELINE,), MAP_METRICS, owners, seed)
    return Summary(tuple(rows), compared, *_counts(records), len(cases))


def _compare(
    tables: Mapping[str, Mapping[str, Table]],
    against: Sequence[str],
    metrics: Sequence[str],
    owners: Sequence[str],
    seed: int,
) -> tuple[Compared, ...]:
    pairs = [(a, b) for b in against if b in tables for a in tables if a != b]
    # of two entries that all others are compared with, one comparison says all
    pairs = [(a, b) for a, b in pairs if (b, a) not in pairs[: pairs.index((a, b))]]
    found = []
    for metric in metrics:
        results = [
            crossed_comparison(tables[a][metric], tables[b][metric], owners, seed=seed)
            for a, b in pairs
        ]
        corrected = holm([result.p for result in results])
        found += [
            Compared(a, b, metric, result, p)
            for (a, b), result, p in zip(pairs, results, corrected, strict=True)
        ]
    return tuple(found)


def _map_table(records: Sequence[MapRecord], metric: str, cases: Sequence[str]) -> Table:
    by_seed: dict[int, dict[str, float]] = {}
    for record in records:
        found = by_seed.setdefault(record.seed, {})
        found |= {row.name: getattr(map_scores(row.confusion), metric) for row in record.rows}
    rows = [[by_seed[seed][name] for name in cases] for seed in sorted(by_seed)]
    return np.array(rows, np.float64).reshape(len(by_seed), len(cases))


def _pooled(records: Sequence[MapRecord]) -> dict[str, float]:
    seeds = sorted({record.seed for record in records})
    scores = [
        map_scores(
            np.sum([row.confusion for r in records if r.seed == s for row in r.rows], axis=0)
        )
        for s in seeds
    ]
    return {metric: mean(getattr(each, metric) for each in scores) for metric in MAP_METRICS}


def _took(records: Sequence[TumourRecord] | Sequence[MapRecord]) -> Took:
    seeds = len({record.seed for record in records})
    return Took(
        records[0].took.parameters,
        sum(record.took.updates for record in records) // seeds,
        sum(record.took.training_s for record in records) / seeds,
        (mean(s for record in records for s in record.took.inference_s),),
        mean(record.took.final_loss for record in records),
    )


def _counts(records: Sequence[TumourRecord] | Sequence[MapRecord]) -> tuple[int, int]:
    return len({r.seed for r in records}), len({r.fold for r in records})
