"""`hcnet phantom`: make a synthetic cohort, or describe one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Json, Processes


class Like(StrEnum):
    """Collections whose exams the phantom resembles."""

    ispy1 = "ispy1"
    duke = "duke"


class Size(StrEnum):
    """Voxel grids of the phantom."""

    small = "small"
    full = "full"


def phantom(
    dst: Annotated[
        Path,
        typer.Argument(
            metavar="COHORT",
            help="Folder for the cohort: new, empty, or to be resumed or extended.",
        ),
    ],
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many cases.")] = 24,
    like: Annotated[
        Like,
        typer.Option(
            help="ispy1: sagittal, one breast, reader's masks; duke: axial, both breasts, boxes."
        ),
    ] = Like.ispy1,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed; the same gives the same cases.")
    ] = 0,
    size: Annotated[
        Size,
        typer.Option(help="small: voxels of about 3 mm; full: the collection's own grids."),
    ] = Size.small,
    null: Annotated[
        bool, typer.Option("--null", help="Masses that cannot be seen before contrast.")
    ] = False,
    scan: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Scan the same patients again: 1, 2, ... have new noise."
        ),
    ] = 0,
    describe: Annotated[
        bool,
        typer.Option(
            "--describe",
            help="Make nothing: measure the cohort and set it beside the literature.",
        ),
    ] = False,
    processes: Processes = 1,
    as_json: Json = False,
) -> None:
    """Make a synthetic cohort of breast DCE-MRI exams, with the truth in COHORT/truth.

    Anatomy, tumours and decoys, contrast kinetics, spoiled gradient echo, motion, blur, Rician
    noise. It has the layout of a real cohort, so `hcnet train COHORT` works. --describe writes
    COHORT/description.

    Examples:
        hcnet phantom cohort
        hcnet phantom cohort --n 100 --size full --processes 8
        hcnet phantom again --scan 1
        hcnet phantom cohort --describe
    """
    from hcnet.cli.console import ConsoleProgress, answer, show

    if describe:
        from hcnet.cohorts.phantom.describe import describe_cohort
        from hcnet.files import read_json

        lines = describe_cohort(dst, dst / "description", ConsoleProgress())
        if as_json:
            answer(read_json(dst / "description" / "description.json"))
        else:
            show(*lines)
        return
    from hcnet.cohorts.phantom import PhantomSettings, write_phantom_cohort

    written = write_phantom_cohort(
        dst,
        n,
        seed,
        PhantomSettings(like=like.value, size=size.value, null=null, scan=scan),
        processes=processes,
        progress=ConsoleProgress(),
    )
    kept = n - written
    if as_json:
        answer({"cohort": str(dst), "written": written, "already_there": kept})
        return
    already = f", {kept} there already" if kept else ""
    show(f"cohort: {dst} ({written} cases written{already})")
