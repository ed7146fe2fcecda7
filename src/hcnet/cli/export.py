"""`hcnet export`: a cohort in the layout of another tool, one sub-command a tool."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hcnet.cli.options import CohortFolder, Json, Segmentation
from hcnet.cli.verb import LOOK, Verbs, add_verb
from hcnet.errors import ConfigError, InputError

if TYPE_CHECKING:
    from hcnet.cohorts.cohort import Cohort

export = typer.Typer(
    name="export",
    cls=Verbs,
    help="Write a cohort in the layout of another tool; nothing of the cohort is changed.",
    **LOOK,
)


def nnunet(
    cohort: CohortFolder,
    dst: Annotated[
        Path,
        typer.Argument(
            metavar="RAW", help="Folder of raw datasets ($nnUNet_raw); the same command resumes."
        ),
    ],
    id_: Annotated[int, typer.Option("--id", metavar="N", help="Number of the dataset, 1 to 999.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the dataset, such as Breast.")],
    target: Annotated[
        Literal["breast", "tumour"], typer.Option(help="Whose masks are the labels.")
    ],
    phases: Annotated[
        str,
        typer.Option(
            metavar="pre|all|N", help="Channels: pre, all (as many in every case), or the first N."
        ),
    ] = "pre",
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON with lists train and test, or MAMA-MIA's CSV of the split; the test cases "
            "go to imagesTs and labelsTs.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Also write splits_final.json: those of `hcnet compare --folds` and seed.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the folds.")] = 0,
    segmentation: Segmentation = None,
    pseudo_labels: Annotated[
        bool,
        typer.Option("--pseudo-labels", help="Let nnU-Net learn from pseudo-labels, too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a cohort as a raw dataset of nnU-Net v2.

    Volumes are written in the canonical orientation (R, A, S), since nnU-Net does not look at
    directions. Cases without the mask, and those that cannot be read, are listed and left out.
    splits_final.json goes to nnUNet_preprocessed/DATASET/ before training.

    Examples:
        hcnet export nnunet cohort raw --id 101 --name Breast --target breast
        hcnet export nnunet cohort raw --id 2 --name Mass --target tumour --folds 5
    """
    from hcnet.cli.console import ConsoleProgress, answer, show, tell_case
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.cohorts.export.nnunet import SPLITS, Request, export_nnunet

    if segmentation is not None and target == "breast":
        raise ConfigError("--segmentation names tumour masks; leave it out with --target breast.")
    request = Request(id_, name, target, _phase_count(phases), pseudo_labels)
    data = read_cohort(cohort, segmentation, masks=target == "tumour")
    train, test = _sides(data, split)
    result = export_nnunet(
        data,
        dst,
        request,
        train=train,
        test=test,
        folds=_folds(data, train, folds, seed) if folds else (),
        progress=ConsoleProgress(),
    )

    for row in result.rows:
        if row.why:
            tell_case(row.name, row.status, row.why)
    if as_json:
        answer(
            {
                "dataset": str(result.folder),
                "training": result.training,
                "held_out": result.held_out,
                "channels": result.channels,
                "folds": str(result.folder / SPLITS) if folds else None,
                "cases": [asdict(row) for row in result.rows],
            }
        )
        return
    show(
        f"{result.count('written')} written, {result.count('already there')} already there, "
        f"{result.count('left')} left, {result.count('failed')} failed: {result.training} to learn "
        f"from, {result.held_out} held out, {result.channels} channel(s)",
        f"dataset: {result.folder}",
    )
    if folds:
        show(f"folds: {result.folder / SPLITS}")


add_verb(export, nnunet)


def _phase_count(phases: str) -> int | None:
    """How many phases; None for all."""
    if phases in ("pre", "all"):
        return 1 if phases == "pre" else None
    if phases.isdecimal() and int(phases) > 0:
        return int(phases)
    raise ConfigError(f"--phases {phases}: give pre, all, or a number from 1.")


def _sides(cohort: "Cohort", split: Path | None) -> tuple[set[str], set[str]]:
    """Names to learn from and names held out; without a file all are to learn from."""
    if split is None:
        return {case.name for case in cohort.cases}, set()
    from hcnet.studies.compare.plan import read_split
    from hcnet.training.split import patient_of

    test, train = read_split(split, cohort)
    sides = [{patient_of(c) for c in cohort.cases if c.name in names} for names in (train, test)]
    both = sorted(sides[0] & sides[1])
    if both:
        raise InputError(
            f"{split}: patient {both[0]} has cases on both sides; keep all exams of a patient on "
            "one side."
        )
    return train, test


def _folds(cohort: "Cohort", train: set[str], count: int, seed: int) -> list[set[str]]:
    from hcnet.training.split import folds_of

    cases = [case for case in cohort.cases if case.name in train]
    return [{case.name for case in fold} for fold in folds_of(cases, count, seed)]
