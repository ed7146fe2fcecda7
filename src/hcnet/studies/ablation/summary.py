"""From the scores of every arm, seed and case to means, differences and their intervals."""

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
from hcnet.evaluation.statistics import DETECTION_DSC, Estimate
from hcnet.studies.ablation.arms import COMPARISONS
from hcnet.studies.ablation.records import ArmRecord, Cost
from hcnet.studies.ablation.strata import CaseFacts, strata, stratum_values
from hcnet.studies.false_positives import FalsePositives, false_positives
from hcnet.studies.score import score_table

Table = NDArray[np.float64]


@dataclass(frozen=True)
class ArmSummary:
    """One row of the results.

    Attributes:
        metrics: mean of each of `METRICS` and of `detection`, over lesion cases and seeds.
        strata: mean DSC of each stratum.
        false_positives: on lesion-free cases.
        prior: mean DSC against redrawn lesions (null cohorts), else None.
        leak: DSC against the true lesion minus that, else None.
        cost: means over the seeds.
        map_accuracy: mean over the seeds, None without maps.
        map_iou: the same.
    """

    metrics: Mapping[str, Estimate]
    strata: Mapping[str, Estimate]
    false_positives: FalsePositives
    prior: Estimate | None
    leak: CrossedComparison | None
    cost: Cost
    map_accuracy: float | None
    map_iou: float | None


@dataclass(frozen=True)
class Compared:
    """First arm minus second, in DSC; `p_holm` is corrected for all comparisons made."""

    first: str
    second: str
    result: CrossedComparison
    p_holm: float


@dataclass(frozen=True)
class Summary:
    """All results.

    Attributes:
        arms: by name, in order.
        compared: those of `COMPARISONS` whose arms are both there.
        seeds: seeds that every arm was trained with.
        lesion_cases: names of the held-out cases with a lesion.
        members: cases of each stratum.
        shared_maps: whether maps of the first seed served all seeds.
    """

    arms: Mapping[str, ArmSummary]
    compared: tuple[Compared, ...]
    seeds: tuple[int, ...]
    lesion_cases: tuple[str, ...]
    members: Mapping[str, Sequence[str]]
    shared_maps: bool = False


def summarise(
    records: Sequence[ArmRecord],
    facts: Mapping[str, CaseFacts],
    patients: Mapping[str, str],
    seed: int,
) -> Summary:
    """Summarise complete seeds.

    Args:
        records: every arm with every seed, cases in the same order throughout.
        facts: of the held-out cases.
        patients: who each case belongs to.
        seed: of the bootstrap.
    """
    by_arm: dict[str, list[ArmRecord]] = {}
    for record in sorted(records, key=lambda r: r.seed):
        by_arm.setdefault(record.arm, []).append(record)
    lesions = tuple(name for name, fact in facts.items() if fact.lesion)
    owners = [patients[name] for name in lesions]
    members = strata(facts)
    arms = {
        name: _summarised(group, lesions, facts, owners, members, seed)
        for name, group in by_arm.items()
    }
    dsc = {name: score_table(group, "dsc", lesions) for name, group in by_arm.items()}
    pairs = [(a, b) for a, b in COMPARISONS if a in dsc and b in dsc]
    results = [crossed_comparison(dsc[a], dsc[b], owners, seed=seed) for a, b in pairs]
    corrected = holm([result.p for result in results])
    compared = tuple(
        Compared(a, b, result, p)
        for (a, b), result, p in zip(pairs, results, corrected, strict=True)
    )
    seeds = tuple(sorted({record.seed for record in records}))
    shared = any(record.maps_seed is not None for record in records)
    return Summary(arms, compared, seeds, lesions, members, shared)


def _summarised(
    group: Sequence[ArmRecord],
    lesions: Sequence[str],
    facts: Mapping[str, CaseFacts],
    owners: Sequence[str],
    members: Mapping[str, Sequence[str]],
    seed: int,
) -> ArmSummary:
    tables = {metric: score_table(group, metric, lesions) for metric in METRICS}
    tables["detection"] = (tables["dsc"] > DETECTION_DSC).astype(np.float64)
    redrawn = score_table(group, "redrawn_dsc", lesions)
    free = [name for name, fact in facts.items() if not fact.lesion]
    null = bool(np.isfinite(redrawn).any())
    by_stratum = {}
    for name, inside in members.items():
        own = [owner for case, owner in zip(lesions, owners, strict=True) if case in inside]
        by_stratum[name] = crossed_mean(
            stratum_values(tables["dsc"], lesions, inside), own, seed=seed
        )
    return ArmSummary(
        metrics={name: crossed_mean(t, owners, seed=seed) for name, t in tables.items()},
        strata=by_stratum,
        false_positives=false_positives(
            score_table(group, "prediction_ml", free), score_table(group, "components", free)
        ),
        prior=crossed_mean(redrawn, owners, seed=seed) if null else None,
        leak=crossed_comparison(tables["dsc"], redrawn, owners, seed=seed) if null else None,
        cost=Cost(
            group[0].cost.parameters,
            group[0].cost.updates,
            mean(record.cost.seconds for record in group),
            mean(record.cost.final_loss for record in group),
        ),
        map_accuracy=_mean_or_none([record.map_accuracy for record in group]),
        map_iou=_mean_or_none([record.map_iou for record in group]),
    )


def _mean_or_none(found: Sequence[float | None]) -> float | None:
    there = [value for value in found if value is not None]
    return mean(there) if there else None
