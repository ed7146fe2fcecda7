"""`hcnet inspect`: what an exam holds and how it is understood."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hcnet.cohorts.case import Case
from hcnet.cohorts.dicom_exam import ExamDescription, describe_exam
from hcnet.cohorts.open import kind_of, open_case
from hcnet.errors import ConfigError

_WIDTH_WITHOUT_TERMINAL = 160


def inspect(
    paths: Annotated[
        list[Path],
        typer.Argument(help="A DICOM folder or zip, a NIfTI file or folder, or several NIfTI."),
    ],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for machines instead of tables.")
    ] = False,
    series: Annotated[
        list[int] | None,
        typer.Option("--series", help="Number of a DICOM series to use; may be repeated."),
    ] = None,
    phases: Annotated[int | None, typer.Option("--phases", help="Number of phases.")] = None,
    pre: Annotated[
        int | None, typer.Option("--pre", help="Which phase is pre-contrast, from 0.")
    ] = None,
    times: Annotated[
        str | None,
        typer.Option("--times", help="Acquisition times in seconds, e.g. 0,120,240."),
    ] = None,
) -> None:
    """Explain what an exam holds: its series, its phases, their times, and why."""
    seconds = parse_times(times)
    if kind_of(paths) == "dicom":
        description = describe_exam(
            paths[0], series=series or None, phases=phases, pre=pre, times=seconds
        )
        facts = exam_as_json(description)
    else:
        case = open_case(paths, series=series or None, phases=phases, pre=pre, times=seconds)
        facts = case_as_json(case)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, allow_nan=False))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    for table in _tables(facts):
        console.print(table)
    for line in _remarks(facts):
        console.print(Text(line))
    for warning in facts["warnings"]:
        console.print(Text(f"Warning: {warning}", style="yellow"))


def parse_times(times: str | None) -> list[float] | None:
    """Seconds from a comma-separated list.

    Raises:
        ConfigError: a part is not a finite number.
    """
    if times is None:
        return None
    try:
        seconds = [float(part) for part in times.split(",")]
    except ValueError:
        seconds = [math.nan]
    if not all(map(math.isfinite, seconds)):
        raise ConfigError(f"--times {times}: give seconds separated by commas, such as 0,120,240.")
    return seconds


def exam_as_json(description: ExamDescription) -> dict[str, Any]:
    """All that was found in a DICOM exam, as JSON values; lengths in mm, times in seconds."""
    grid = description.grid
    return {
        "kind": "dicom",
        "path": str(description.path),
        "patient": description.patient,
        "study_date": description.study_date,
        "facts": description.facts,
        "series": [
            {
                "number": row.series.number,
                "description": row.series.first.description,
                "images": len(row.series.instances),
                "slices": row.series.positions,
                "size": [row.series.first.columns, row.series.first.rows],
                "spacing_mm": row.series.spacing,
                "orientation": row.series.axis_codes,
                "role": row.role,
                "why": row.why,
            }
            for row in description.series
        ],
        "phases": [
            {
                "phase": index,
                "series": row.series_number,
                "time_s": row.time_s,
                "size": list(grid.shape),
                "spacing_mm": list(grid.spacing),
                "orientation": grid.axis_codes,
                "pre": index == description.pre_index,
                "used": index >= description.pre_index,
                "why": description.pre_why if index == description.pre_index else row.why,
            }
            for index, row in enumerate(description.phases)
        ],
        "dynamic_why": description.dynamic_why,
        "split_why": description.phases[0].why,
        "pre_why": description.pre_why,
        "times_from": description.times_from,
        "times_why": description.times_why,
        "maps": [{"series": m.series_number, "name": m.name} for m in description.maps],
        "segmentations": [
            {
                "series": found.series_number,
                "name": found.name,
                "segments": [{"number": n, "label": label} for n, label in found.segments],
            }
            for found in description.segmentations
        ],
        "skipped_files": description.skipped_files,
        "warnings": list(description.warnings),
    }


def case_as_json(case: Case) -> dict[str, Any]:
    """The phases of a case read from NIfTI, as JSON values; the images are read."""
    phases = []
    warnings = []
    for index, source in enumerate(case.phases):
        volume = source.load()
        finite = volume.data[np.isfinite(volume.data)]
        bad = int(volume.data.size - finite.size)
        if bad:
            warnings.append(f"{source.location}: {bad} voxel(s) are NaN or infinite")
        phases.append(
            {
                "phase": index,
                "location": source.location,
                "time_s": None if case.times_s is None else case.times_s[index],
                "size": list(volume.shape),
                "spacing_mm": list(volume.spacing),
                "orientation": volume.grid.axis_codes,
                "type": str(volume.data.dtype),
                "minimum": float(finite.min()) if finite.size else None,
                "maximum": float(finite.max()) if finite.size else None,
                "not_finite": bad,
                "pre": index == 0,
            }
        )
    return {
        "kind": "nifti",
        "name": case.name,
        "phases": phases,
        "times_from": case.times_from,
        "warnings": warnings,
    }


def _tables(facts: dict[str, Any]) -> list[Table]:
    if facts["kind"] == "nifti":
        table = _table(f"Phases of {facts['name']}", _PHASE_COLUMNS + _RANGE_COLUMNS)
        for phase in facts["phases"]:
            span = f"{_number(phase['minimum'])} to {_number(phase['maximum'])}"
            bad = str(phase["not_finite"])
            _add(table, [*_phase(phase), phase["type"], span, bad, phase["location"]])
        return [table]
    series = _table(f"Series of {facts['path']}", _SERIES_COLUMNS)
    for row in facts["series"]:
        size = f"{_number(row['size'][0])} x {_number(row['size'][1])}"
        _add(
            series,
            [
                _number(row["number"]),
                row["description"],
                str(row["images"]),
                str(row["slices"]),
                size,
                _lengths(row["spacing_mm"]),
                row["orientation"],
                row["role"],
                row["why"],
            ],
            style="bold" if row["role"] == "dynamic" else None,
        )
    phases = _table("Phases", [*_PHASE_COLUMNS, "series", "why"])
    for row in facts["phases"]:
        _add(phases, [*_phase(row), _number(row["series"]), row["why"]])
    return [series, phases]


_SERIES_COLUMNS = (
    "no.",
    "description",
    "images",
    "slices",
    "size",
    "spacing mm",
    "axes",
    "role",
    "why",
)
_PHASE_COLUMNS = ("phase", "pre", "time s", "size", "spacing mm", "axes")
_RANGE_COLUMNS = ("type", "range", "NaN", "file")


def _phase(phase: dict[str, Any]) -> list[str]:
    return [
        str(phase["phase"]),
        "pre" if phase["pre"] else "",
        _number(phase["time_s"]),
        " x ".join(map(str, phase["size"])),
        _lengths(phase["spacing_mm"]),
        phase["orientation"],
    ]


def _remarks(facts: dict[str, Any]) -> list[str]:
    if facts["kind"] == "nifti":
        return []
    lines = [
        f"Dynamic: {facts['dynamic_why']}.",
        f"Split: {facts['split_why']}.",
        f"Pre-contrast: {facts['pre_why']}.",
        f"Times: {facts['times_why']}.",
    ]
    if facts["skipped_files"]:
        lines.append(f"{facts['skipped_files']} file(s) are not DICOM images and were skipped.")
    return lines


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add(table: Table, cells: Sequence[str], style: str | None = None) -> None:
    # Text, not str: names come from files and must not be read as markup.
    table.add_row(*(Text(cell) for cell in cells), style=style)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _lengths(values: Sequence[float] | None) -> str:
    return "-" if values is None else " x ".join(f"{value:.4g}" for value in values)
