"""`hcnet evaluate`: score predicted masks against reference masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hcnet.cli.options import Json
from hcnet.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hcnet.evaluation.evaluate import EvaluationTable

_MOST_NAMED = 10


def evaluate(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTED",
            help="Predicted mask, or a folder of CASE.nii.gz or CASE/tumour.nii.gz.",
        ),
    ],
    references: Annotated[
        Path,
        typer.Argument(
            metavar="REFERENCE",
            help="Reference mask, or a folder of them, matched by case name.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="OUT", help="Folder for metrics.csv and metrics.json."),
    ],
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Leave out cases that only one side has."),
    ] = False,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed of the bootstrap intervals.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Score predicted tumour masks: DSC, PPV, SEN, ASD and HD95 (mm), with intervals.

    Examples:
        hcnet evaluate out/tumour.nii.gz expert.nii.gz -o scores
        hcnet evaluate results cohort/segmentations/expert -o scores --allow-missing
    """
    from hcnet.cli.console import ConsoleProgress, answer, say, show, warn
    from hcnet.evaluation.evaluate import evaluate_masks
    from hcnet.evaluation.pairing import pair_masks
    from hcnet.evaluation.tables import as_json as table_as_json
    from hcnet.evaluation.tables import write_csv, write_evaluation_json

    pairing = pair_masks(predictions, references)
    missing = "; ".join(
        f"{folder}: there is no {kind} for {_names(paths)}"
        for folder, kind, paths in (
            (predictions, "prediction", pairing.without_prediction),
            (references, "reference", pairing.without_reference),
        )
        if paths
    )
    if missing and not allow_missing:
        raise InputError(f"{missing}; complete them, or pass --allow-missing to leave them out.")
    if missing:
        warn(f"left out: {missing}")
    if not pairing.pairs:
        raise InputError(f"{predictions} and {references} have no case in common.")
    table = evaluate_masks(pairing.pairs, seed=seed, progress=ConsoleProgress())
    write_csv(table, out / "metrics.csv")
    write_evaluation_json(table, out / "metrics.json")
    if as_json:
        answer(table_as_json(table))
    else:
        show(*evaluation_as_tables(table))
    say(f"results: {out}")


def evaluation_as_tables(table: "EvaluationTable") -> list["RenderableType"]:
    """Cases, summary and detection rate, to read."""
    from rich.markup import escape
    from rich.table import Table

    from hcnet.evaluation.tables import (
        COLUMNS,
        HEADINGS,
        detection_text,
        interval_text,
        value_text,
    )

    cases = Table(title="Cases")
    for name in COLUMNS:
        cases.add_column(HEADINGS[name], justify="left" if name == "name" else "right")
    for case in table.cases:
        cases.add_row(*(escape(value_text(name, getattr(case, name))) for name in COLUMNS))
    summary = Table(
        title=f"Summary of {len(table.cases)} cases, patients drawn {table.draws} times"
    )
    for heading in ("Metric", "Mean (interval)", "Median", "Cases", "Undefined"):
        summary.add_column(heading, justify="left" if heading == "Metric" else "right")
    for metric, estimate in table.summary.items():
        summary.add_row(
            HEADINGS[metric],
            interval_text(metric, estimate),
            value_text(metric, estimate.median),
            str(estimate.n),
            str(estimate.undefined),
        )
    return [cases, summary, detection_text(table.detection) + "."]


def _names(paths: Sequence[Path]) -> str:
    from hcnet.evaluation.pairing import case_name

    named = ", ".join(case_name(path) for path in paths[:_MOST_NAMED])
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return named + more
