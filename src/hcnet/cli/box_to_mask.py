"""`hcnet box-to-mask`: tumour pseudo-labels for exams that have a reader's box and no outline."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer


def box_to_mask(
    cohort: Annotated[Path, typer.Argument(help="Cohort in the MAMA-MIA layout.")],
    out: Annotated[
        str, typer.Option("--out", "-o", help="Name of the folder in COHORT/segmentations/.")
    ] = "box-to-mask",
    force: Annotated[bool, typer.Option(help="Make masks again that are there already.")] = False,
) -> None:
    """Make a tumour pseudo-label of every case with a box, from its contrast-enhanced phases.

    Writes COHORT/segmentations/OUT/case.nii.gz, and beside them source.json, which says that these
    are no references: nothing is scored against them, and training takes them only when told to.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.errors import InputError
    from hcnet.prepare.box_to_mask import write_box_masks

    data = read_cohort(cohort, masks=False)
    outcomes = write_box_masks(data, out, force=force, progress=ConsoleProgress())
    for outcome in outcomes:
        if outcome.why:
            console.print(
                f"{outcome.name}: {outcome.status}, {outcome.why}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    console.print(
        f"{told}: {cohort / 'segmentations' / out}", highlight=False, markup=False, soft_wrap=True
    )
    if not counts["written"] and not counts["already there"]:
        raise InputError(f"{cohort}: no mask could be made; {told}.")
