"""What a bundle's networks learned from, and how well they did on patients held out."""

from collections.abc import Iterator, Mapping
from typing import Any

from hcnet.evaluation.tables import HEADINGS
from hcnet.report.content import Cell, Section, Table
from hcnet.report.stored import BundleFacts, TrainingData


def learned_section(bundle: BundleFacts) -> Section:
    """The part of a segmentation's report on its model; empty where the manifest tells nothing.

    Scores are shown in the two forms that `bundle.json` has them: `networks`, each with a
    `summary` of means, or `cross_validation` with `arms`, each with `metrics`. Others are left out.
    """
    text = [] if bundle.training_data is None else [_data(bundle.name, bundle.training_data)]
    rows = tuple(_rows(bundle.scores))
    if rows:
        text.append(
            "Scores are of patients of that cohort who were held out. They do not tell how well "
            "the networks do on exams of another scanner or protocol."
        )
    tables = (
        Table(
            "Scores of the model on held-out patients",
            ("Network", "Metric", "Mean", "95 % from", "95 % to", "Cases"),
            rows,
        ),
    )
    return Section(text=tuple(text), tables=tables if rows else ())


def _data(name: str, data: TrainingData) -> str:
    cases, pseudo = _count(data.cases), _count(data.pseudo_labels)
    what = "exams" if cases is None else f"{cases} {'exam' if cases == 1 else 'exams'}"
    where = f" of the cohort “{data.cohort}”" if data.cohort else ""
    extra = f" and {pseudo} exams with masks that were made, not drawn" if pseudo else ""
    return f"The model “{name}” learned from {what}{where}{extra}."


def _count(cases: int | tuple[str, ...] | None) -> int | None:
    return len(cases) if isinstance(cases, tuple) else cases


def _summaries(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Title and means of each network."""
    networks = scores.get("networks")
    for network, found in networks.items() if isinstance(networks, dict) else ():
        yield str(network), found.get("summary") if isinstance(found, dict) else None
    crossed = scores.get("cross_validation")
    arms = crossed.get("arms") if isinstance(crossed, dict) else None
    for arm, found in arms.items() if isinstance(arms, dict) else ():
        if isinstance(found, dict):
            yield f"{arm}: {found.get('isolates', '')}", found.get("metrics")


def _rows(scores: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    for network, summary in _summaries(scores):
        for metric, estimate in summary.items() if isinstance(summary, dict) else ():
            if metric in HEADINGS and isinstance(estimate, dict):
                numbers = [estimate.get(key) for key in ("mean", "low", "high", "n")]
                if all(value is None or isinstance(value, int | float) for value in numbers):
                    yield (network, HEADINGS[metric], *numbers)
