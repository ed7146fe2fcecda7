"""`hcnet inspect`: what an exam holds and how it is understood."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hcnet.cli.options import Json, PrePhase, SeriesNumbers, Times
from hcnet.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table


def inspect(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXAM...",
            help="A DICOM folder or zip, a NIfTI file or folder, or several NIfTI.",
        ),
    ],
    *,
    series: SeriesNumbers = None,
    phases: Annotated[
        int | None, typer.Option("--phases", metavar="N", help="How many phases there are.")
    ] = None,
    pre: PrePhase = None,
    times: Times = None,
    as_json: Json = False,
) -> None:
    """Explain what an exam holds: its series, its phases, their times, and why.

    The options decide against what was understood; `hcnet segment` and `hcnet cluster` have them,
    too.

    Examples:
        hcnet inspect exam.zip
        hcnet inspect dicom/ --series 5 --series 6 --json
        hcnet inspect pre.nii.gz post1.nii.gz post2.nii.gz --times 0,120,240
    """
    from hcnet.cli.console import answer, show, warn
    from hcnet.cohorts.dicom_exam import describe_exam
    from hcnet.cohorts.facts import case_as_json, exam_as_json
    from hcnet.cohorts.open import kind_of, open_case

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
        answer(facts)
        return
    show(*_tables(facts), *_remarks(facts))
    for warning in facts["warnings"]:
        warn(warning)


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


def _tables(facts: dict[str, Any]) -> "list[Table]":
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


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add(table: "Table", cells: Sequence[str], style: str | None = None) -> None:
    from rich.text import Text

    # Text, not str: names come from files and must not be read as markup.
    table.add_row(*(Text(cell) for cell in cells), style=style)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _lengths(values: Sequence[float] | None) -> str:
    return "-" if values is None else " x ".join(f"{value:.4g}" for value in values)
