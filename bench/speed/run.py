"""The table of speed and memory: `make bench`.

    python bench/speed/run.py [ROW ...] [--rounds 5] [--exam ZIP] [--json FILE]

Every row is measured against what a user would otherwise run, in turn, on this machine, now.
"""

import argparse
import importlib
import json
import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from ceilings import ceilings
from rich.console import Console
from rich.table import Table
from timing import Row

ROWS = ("start", "prepare", "cluster", "load", "step", "segment", "nnunet", "growth", "growth_exam")
"""Each is a module beside this one with `measure(options) -> list[Row]`."""


@dataclass(frozen=True)
class Options:
    """What the rows are told.

    Attributes:
        rounds: counted runs of each contender.
        exam: a DICOM zip of a dynamic exam; rows that need one make their own where it is absent.
        work: folder for files made on the way.
        edge: of the patches of training steps, in voxels.
        networks: `published` sizes, or `small` (a third of the UX-Net), for slow machines.
    """

    rounds: int
    exam: Path | None
    work: Path
    edge: int
    networks: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="all where none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--exam", type=Path)
    parser.add_argument("--work", type=Path, default=Path("bench-work"))
    parser.add_argument("--edge", type=int, default=96)
    parser.add_argument("--networks", choices=("published", "small"), default="published")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor seconds of one thread, for machines with other work on them",
    )
    parser.add_argument("--json", type=Path, help="all runs, for later")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    options = Options(
        arguments.rounds,
        arguments.exam,
        arguments.work.resolve(),
        arguments.edge,
        arguments.networks,
    )

    if arguments.clock == "cpu":
        os.environ.update(HCNET_BENCH_CLOCK="cpu", OMP_NUM_THREADS="1")
        torch.set_num_threads(1)
    console = Console(width=max(Console().width, 160))
    limits = ceilings()
    console.print(limits)
    rows: list[Row] = []
    for name in arguments.rows or ROWS:
        measured = importlib.import_module(name).measure(options)
        rows += measured
        console.print(table(measured, limits))
    if arguments.json:
        content = {"ceilings": limits, "rows": [row.as_dict() for row in rows]}
        arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return 0


def table(rows: list[Row], limits: dict[str, float | None]) -> Table:
    """The rows as a table; ratios are medians of pairs, with the smallest and the largest."""
    shown = Table("work", "reference", "ours", "ref. s", "ours s", "faster", "goal", "memory",
                  "of ceiling", "agreement")  # fmt: skip
    for row in rows:
        ratios = row.ratios
        middle = statistics.median(ratios) if ratios else 0.0
        gflop_s = limits[f"convolution_{'bf16' if row.ours == 'bf16' else 'fp32'}_gflop_s"]
        share = row.gflop / row.ours_s / gflop_s if row.gflop and gflop_s else None
        shown.add_row(
            row.work,
            row.reference,
            row.ours,
            f"{row.reference_s:.3g}" if row.reference_s is not None else "",
            f"{row.ours_s:.3g}",
            f"{middle:.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})" if ratios else "",
            f"{row.goal:g}x" if ratios else f"{row.goal:g} s",
            f"{row.memory_ratio:.2f}" if row.memory_ratio else "",
            f"{share:.0%}" if share else "",
            " ".join(text for text in (row.agreement, row.note) if text),
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
