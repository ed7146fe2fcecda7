"""What `hcnet compare` and `hcnet ablate` leave behind, read into one form.

Only their files are read, so a report needs nothing that the study itself needed.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from hcnet.errors import InputError
from hcnet.evaluation.statistics import Estimate
from hcnet.files import read_json
from hcnet.report.stored import Stored, read_stored

RESULTS = "results.json"
CASES = "cases.csv"


class EstimateFacts(Stored):
    """A mean as JSON has it: undefined numbers are null."""

    mean: float | None
    low: float | None
    high: float | None
    median: float | None
    n: int
    undefined: int
    level: float

    def estimate(self) -> Estimate:
        """With NaN for what is undefined."""
        parts = (self.mean, self.low, self.high, self.median)
        mean, low, high, median = (math.nan if part is None else part for part in parts)
        return Estimate(mean, low, high, median, self.n, self.undefined, self.level)


class FalsePositiveFacts(Stored):
    """What was marked in exams without a lesion."""

    cases: int
    rate: float | None
    ml: float | None


class ComparedFacts(Stored):
    """One comparison: first minus second."""

    class Result(Stored):
        """The difference and its p-value."""

        difference: EstimateFacts
        p: float | None

    first: str
    second: str
    metric: str = "dsc"
    result: Result
    p_holm: float | None


class ComparisonFacts(Stored):
    """`results.json` of `hcnet compare`."""

    class Row(Stored):
        """One row of the table."""

        class Entry(Stored):
            """A network and what it sees."""

            network: str
            inputs: str

        class Took(Stored):
            """What its training took."""

            parameters: int
            training_s: float
            inference_s: tuple[float, ...]

        entry: Entry
        metrics: dict[str, EstimateFacts]
        false_positives: FalsePositiveFacts | None
        took: Took

    class EntryTold(Stored):
        """Its name for a reader."""

        name: str
        title: str

    rows: tuple[Row, ...] = Field(min_length=1)
    entries: tuple[EntryTold, ...]
    compared: tuple[ComparedFacts, ...]
    task: str
    reference: str
    notes: tuple[str, ...]
    environment: dict[str, Any] = Field(default_factory=dict)


class AblationFacts(Stored):
    """`results.json` of `hcnet ablate`."""

    class Arm(Stored):
        """One arm."""

        class Cost(Stored):
            """What its training took."""

            parameters: int
            seconds: float

        metrics: dict[str, EstimateFacts]
        false_positives: FalsePositiveFacts
        cost: Cost
        isolates: str

    arms: dict[str, Arm] = Field(min_length=1)
    compared: tuple[ComparedFacts, ...]
    seeds: tuple[int, ...]
    seeds_planned: int
    lesion_cases: tuple[str, ...]
    left_out: dict[str, str]
    reference: str
    environment: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """One method of a study.

    Attributes:
        name: as the files have it.
        title: for a reader.
        detail: what it sees, or what it isolates.
        metrics: mean of each metric, by name.
        false_positives: on exams without a lesion; None where there is no such number.
        parameters: that are trained.
        training_s: seconds.
    """

    name: str
    title: str
    detail: str
    metrics: Mapping[str, Estimate]
    false_positives: FalsePositiveFacts | None
    parameters: int
    training_s: float


@dataclass(frozen=True)
class Difference:
    """First method minus second in one metric; p-values are NaN where undefined."""

    first: str
    second: str
    metric: str
    estimate: Estimate
    p: float
    p_holm: float


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        ablation: whether it is one; else a comparison.
        methods: in the order of the table.
        differences: all comparisons that were made.
        metric: the one that patients are looked at in.
        reference: the method that the others are held against; None where nothing was compared.
        scores: `metric` of each case, mean over seeds, by method and case.
        truth: what the methods were held against.
        notes: what the numbers are.
        warnings: what a reader must not miss.
        settings: all else that the results hold.
        environment: versions and device.
    """

    ablation: bool
    methods: tuple[Method, ...]
    differences: tuple[Difference, ...]
    metric: str
    reference: str | None
    scores: Mapping[str, Mapping[str, float]]
    truth: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]

    def method(self, name: str) -> Method:
        """One method."""
        return next(method for method in self.methods if method.name == name)

    def against(self, name: str) -> Difference | None:
        """A method minus the reference, whichever way round that was compared; None if never."""
        for each in self.differences:
            if each.metric != self.metric:
                continue
            if (each.first, each.second) == (name, self.reference):
                return each
            if (each.first, each.second) == (self.reference, name):
                turned = replace(
                    each.estimate,
                    mean=-each.estimate.mean,
                    low=-each.estimate.high,
                    high=-each.estimate.low,
                    median=-each.estimate.median,
                )
                return replace(each, first=name, second=each.first, estimate=turned)
        return None


def is_study(folder: Path) -> bool:
    """Whether a folder holds results of `hcnet compare` or `hcnet ablate`.

    Raises:
        InputError: it holds results that are no JSON.
    """
    path = folder / RESULTS
    content = read_json(path) if path.is_file() else None
    return isinstance(content, dict) and ("rows" in content or "arms" in content)


def read_study(folder: Path) -> Study:
    """Read a finished study.

    Raises:
        InputError: a file is missing or damaged.
    """
    content = read_json(folder / RESULTS)
    if "arms" in content:
        return _ablation(folder, content)
    return _comparison(folder, content)


def _comparison(folder: Path, content: Mapping[str, Any]) -> Study:
    facts = read_stored(ComparisonFacts, folder / RESULTS)
    titles = {entry.name: entry.title for entry in facts.entries}
    methods = []
    for row in facts.rows:
        name = f"{row.entry.network}-{row.entry.inputs}"
        estimates = {metric: value.estimate() for metric, value in row.metrics.items()}
        took, title = row.took, titles.get(name, name).removesuffix(f" ({row.entry.inputs})")
        methods.append(
            Method(
                name, title, row.entry.inputs, estimates, row.false_positives,
                took.parameters, took.training_s,
            )
        )  # fmt: skip
    metric = "mean_iou" if facts.task == "map" else "dsc"
    told = ("rows", "compared", "notes", "environment", "reference")
    return Study(
        ablation=False,
        methods=tuple(methods),
        differences=_differences(facts.compared),
        metric=metric,
        reference=_reference(facts.compared),
        scores=_scores(folder / CASES, "entry", metric, [method.name for method in methods]),
        truth=facts.reference,
        notes=facts.notes,
        warnings=(),
        settings={key: value for key, value in content.items() if key not in told},
        environment=facts.environment,
    )


def _ablation(folder: Path, content: Mapping[str, Any]) -> Study:
    facts = read_stored(AblationFacts, folder / RESULTS)
    methods = tuple(
        Method(
            name, name, arm.isolates,
            {metric: value.estimate() for metric, value in arm.metrics.items()},
            arm.false_positives, arm.cost.parameters, arm.cost.seconds,
        )
        for name, arm in facts.arms.items()
    )  # fmt: skip
    cases, seeds = len(facts.lesion_cases), len(facts.seeds)
    notes = [
        f"Held out: {cases} cases with a lesion; {seeds} seed(s). Means are over these cases and "
        "seeds, intervals are bootstraps over patients and seeds. p-values are corrected (Holm) "
        "for all comparisons that were made.",
        *(f"{name} is left out: {reason}." for name, reason in facts.left_out.items()),
    ]
    unfinished = f"Only {seeds} of {facts.seeds_planned} seeds are done."
    told = ("arms", "compared", "environment", "reference", "left_out")
    return Study(
        ablation=True,
        methods=methods,
        differences=_differences(facts.compared),
        metric="dsc",
        reference=_reference(facts.compared),
        scores=_scores(folder / CASES, "arm", "dsc", list(facts.arms)),
        truth=facts.reference,
        notes=tuple(notes),
        warnings=(unfinished,) if seeds < facts.seeds_planned else (),
        settings={key: value for key, value in content.items() if key not in told},
        environment=facts.environment,
    )


def _differences(compared: Sequence[ComparedFacts]) -> tuple[Difference, ...]:
    return tuple(
        Difference(
            each.first,
            each.second,
            each.metric,
            each.result.difference.estimate(),
            *(math.nan if p is None else p for p in (each.result.p, each.p_holm)),
        )
        for each in compared
    )


def _reference(compared: Sequence[ComparedFacts]) -> str | None:
    """The studies compare with their baseline first."""
    return compared[0].second if compared else None


def _scores(
    path: Path, key: str, metric: str, methods: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Mean over seeds of every case with a lesion (of maps: of every case).

    Raises:
        InputError: the file is missing, or not as the study writes it.
    """
    found: dict[str, dict[str, list[float]]] = {name: {} for name in methods}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if float(row.get("reference_ml") or 1) <= 0 or row[key] not in found:
                    continue
                value = float(row[metric]) if row[metric] else math.nan
                found[row[key]].setdefault(row["name"], []).append(value)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; run the study anew.") from None
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: is not as hcnet writes it ({error}); run the study anew."
        ) from None
    return {
        name: {case: float(np.mean(values)) for case, values in cases.items()}
        for name, cases in found.items()
    }
