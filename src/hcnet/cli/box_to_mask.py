"""`hcnet box-to-mask`: tumour pseudo-labels for exams that have a reader's box and no outline."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from hcnet.cli.options import CohortFolder, Json, Remake


def box_to_mask(
    cohort: CohortFolder,
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="NAME", help="Name of the folder in COHORT/segmentations."
        ),
    ] = "box-to-mask",
    force: Remake = False,
    as_json: Json = False,
) -> None:
    """Make a tumour pseudo-label of every case with a box, from its contrast-enhanced phases.

    Writes COHORT/segmentations/NAME/case.nii.gz, and beside them source.json, which says that these
    are no references: nothing is scored against them, and training takes them only when told to.

    Examples:
        hcnet box-to-mask duke
        hcnet box-to-mask duke -o boxes-2 --force
    """
    from hcnet.cli.console import ConsoleProgress, answer, show, tell_case
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.errors import InputError
    from hcnet.prepare.box_to_mask import write_box_masks

    data = read_cohort(cohort, masks=False)
    outcomes = write_box_masks(data, out, force=force, progress=ConsoleProgress())
    for outcome in outcomes:
        if outcome.why:
            tell_case(outcome.name, outcome.status, outcome.why)
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    folder = cohort / "segmentations" / out
    if not counts["written"] and not counts["already there"]:
        raise InputError(f"{cohort}: no mask could be made; {told}.")
    if as_json:
        answer({"folder": str(folder), "cases": [asdict(outcome) for outcome in outcomes]})
    else:
        show(f"{told}: {folder}")
