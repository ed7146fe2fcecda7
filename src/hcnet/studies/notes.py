"""What every study says of its numbers, and how it writes them."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hcnet.evaluation.statistics import DRAWS, Estimate
from hcnet.files import write_aside

FEW_CASES = 20
FEW_SEEDS = 5

Cell = str | int | float | None


def bootstrap_note(seeds: int, family: str) -> str:
    """What intervals and p-values are.

    Args:
        seeds: how many.
        family: the comparisons that Holm's correction is for, after "the".
    """
    over = "patients and seeds, crossed" if seeds > 1 else (
        "patients only, as there is one seed: they say nothing about another training"
    )  # fmt: skip
    return (
        f"Intervals and p-values: bootstrap ({DRAWS} draws) over {over}; Holm's correction for the "
        f"{family}."
    )


def caution_notes(seeds: int, cases: int) -> list[str]:
    """What few seeds or few cases do to the intervals; nothing where there are enough."""
    found = []
    if 1 < seeds < FEW_SEEDS:
        found.append(
            f"With {seeds} seeds the bootstrap sees only {seeds - 1}/{seeds} of the variance "
            "between trainings, so intervals are somewhat too narrow."
        )
    if cases < FEW_CASES:
        found.append(
            f"With fewer than {FEW_CASES} cases, bootstrap intervals and p-values are too sure of "
            "themselves; read them as descriptions. No p-value is below 2 / 2^patients."
        )
    return found


def p_text(p: float) -> str:
    """A p-value to read."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def number(value: float | None, form: str) -> str:
    """A number to read; a dash where it is undefined or does not apply."""
    return "-" if value is None or math.isnan(value) else f"{value:{form}}"


def with_interval(estimate: Estimate, form: str) -> str:
    """A mean with its interval, if it has one."""
    if math.isnan(estimate.mean) or math.isnan(estimate.low):
        return number(estimate.mean, form)
    return f"{estimate.mean:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def flat(name: str, estimate: Estimate | None) -> dict[str, Cell]:
    """Columns of an estimate, full precision; None where there is none."""
    parts = ("mean", "low", "high", "undefined")
    return {f"{name} {part}": None if estimate is None else getattr(estimate, part)
            for part in parts}  # fmt: skip


def write_rows(path: Path, rows: Sequence[Mapping[str, Cell]]) -> None:
    """Write a CSV file with the columns of the first row; NaN and None are empty cells."""
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: None if v != v else v for k, v in row.items()} for row in rows)


def plain(value: Any) -> Any:
    """A value as JSON has it: undefined numbers are None, tuples are lists."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
