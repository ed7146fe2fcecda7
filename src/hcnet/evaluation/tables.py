"""An evaluation as CSV, JSON and Markdown."""

import csv
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hcnet.errors import InputError
from hcnet.evaluation.evaluate import CaseScores, EvaluationTable, tabulate
from hcnet.evaluation.map_metrics import MapScores, MapTable
from hcnet.evaluation.statistics import DETECTION_DSC, Estimate, Proportion
from hcnet.files import write_aside, write_json

HEADINGS = {
    "name": "Case",
    "dsc": "DSC",
    "ppv": "PPV",
    "sen": "SEN",
    "asd_mm": "ASD (mm)",
    "hd95_mm": "HD95 (mm)",
    "prediction_ml": "Predicted (ml)",
    "reference_ml": "Reference (ml)",
}
_DECIMALS = {"dsc": 3, "ppv": 3, "sen": 3}
COLUMNS = tuple(field.name for field in fields(CaseScores))


def write_csv(table: EvaluationTable, path: Path) -> None:
    """Write one row a case, full precision; undefined values read `nan`."""
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(case, name) for name in COLUMNS] for case in table.cases)


def write_evaluation_json(table: EvaluationTable, path: Path) -> None:
    """Write cases, summary and detection rate; undefined values are null."""
    write_json(path, as_json(table))


def as_json(table: EvaluationTable) -> dict[str, Any]:
    """The table as JSON values; undefined values are None."""
    return _without_nan(
        {
            "summary": {name: asdict(estimate) for name, estimate in table.summary.items()},
            "detection": {"dsc_above": DETECTION_DSC, **asdict(table.detection)},
            "bootstrap": {"draws": table.draws, "seed": table.seed, "unit": "patient"},
            "patients": None if table.patients is None else [str(p) for p in table.patients],
            "cases": [asdict(case) for case in table.cases],
        }
    )


def from_json(value: Mapping[str, Any]) -> EvaluationTable:
    """The table that `as_json` told; the summary is computed anew from the cases.

    Raises:
        InputError: a field is missing.
    """
    try:
        cases = [
            CaseScores(str(row["name"]), *(_number(row[name]) for name in COLUMNS[1:]))
            for row in value["cases"]
        ]
        bootstrap, patients = value["bootstrap"], value["patients"]
        return tabulate(cases, patients, draws=bootstrap["draws"], seed=bootstrap["seed"])
    except (KeyError, TypeError) as error:
        raise InputError(f"the stored scores cannot be used: {error!r}.") from error


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def maps_as_json(table: MapTable) -> dict[str, Any]:
    """Map scores as JSON values; undefined values are None."""
    return _without_nan(
        {
            "confusion": table.confusion.tolist(),
            "pooled": _map_row(table.pooled),
            "cases": [{"name": name, **_map_row(scores)} for name, scores in table.cases],
        }
    )


def _map_row(scores: MapScores) -> dict[str, Any]:
    return {
        "mean_accuracy": scores.mean_accuracy,
        "mean_iou": scores.mean_iou,
        "voxel_accuracy": scores.voxel_accuracy,
        "absent": list(scores.absent),
        "voxels": scores.voxels,
    }


def as_markdown(table: EvaluationTable) -> str:
    """The table as Markdown: the summary, then one row a case."""
    lines = ["| Metric | Mean (interval) | Median | Cases | Undefined |", "|---|---|---|---|---|"]
    for metric, estimate in table.summary.items():
        lines.append(
            f"| {HEADINGS[metric]} | {interval_text(metric, estimate)} | "
            f"{value_text(metric, estimate.median)} | {estimate.n} | {estimate.undefined} |"
        )
    lines += ["", f"{detection_text(table.detection)}.", ""]
    lines += ["| " + " | ".join(HEADINGS[name] for name in COLUMNS) + " |"]
    lines += ["|" + "---|" * len(COLUMNS)]
    for case in table.cases:
        cells = [value_text(name, getattr(case, name)) for name in COLUMNS]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def interval_text(metric: str, estimate: Estimate) -> str:
    """Mean and interval as text, e.g. `0.612 (95% 0.540-0.678)`."""
    mean = value_text(metric, estimate.mean)
    if math.isnan(estimate.low):
        return mean
    low, high = value_text(metric, estimate.low), value_text(metric, estimate.high)
    return f"{mean} ({estimate.level:.0%} {low} to {high})"


def detection_text(detection: Proportion) -> str:
    """The detection rate as text."""
    if detection.total == 0:
        return "No case has a lesion in its reference, so there is no detection rate"
    return (
        f"Lesion found (DSC above {DETECTION_DSC:g}) in {detection.count} of {detection.total} "
        f"cases: {detection.rate:.0%} (95% {detection.low:.0%} to {detection.high:.0%})"
    )


def value_text(column: str, value: str | float) -> str:
    """One cell as text; NaN is spelled out."""
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "undefined"
    return f"{value:.{_DECIMALS.get(column, 2)}f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
