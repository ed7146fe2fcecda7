"""`hcnet phantom`: make a synthetic cohort, or describe one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
        typer.Argument(help="Folder of the cohort: new, empty, or to be resumed or extended."),
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of cases.")] = 24,
    like: Annotated[
        Like,
        typer.Option(
            help="ispy1: sagittal, one breast, reader's masks; duke: axial, both breasts, boxes."
        ),
    ] = Like.ispy1,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same gives the same cases.")] = 0,
    size: Annotated[
        Size,
        typer.Option(help="small: voxels of about 3 mm; full: the collection's own grids."),
    ] = Size.small,
    null: Annotated[
        bool, typer.Option("--null", help="Masses that cannot be seen before contrast.")
    ] = False,
    scan: Annotated[
        int, typer.Option(min=0, help="Scan the same patients again: 1, 2, ... have new noise.")
    ] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Cases made at once.")] = 1,
    describe: Annotated[
        bool,
        typer.Option(
            "--describe",
            help="Make nothing: measure the cohort in DST and set it beside the literature.",
        ),
    ] = False,
) -> None:
    """Make a synthetic cohort of breast DCE-MRI exams, with the truth under DST/truth.

    Anatomy, tumours and decoys, contrast kinetics, spoiled gradient echo, motion, blur, Rician
    noise. DST has the layout of a real cohort, so `hcnet train DST` works. --describe writes
    DST/description/.
    """
    from hcnet.cli.console import ConsoleProgress, console

    if describe:
        from hcnet.cohorts.phantom.describe import describe_cohort

        for line in describe_cohort(dst, dst / "description", ConsoleProgress()):
            console.print(line, highlight=False, soft_wrap=True)
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
    already = f", {kept} there already" if kept else ""
    console.print(
        f"cohort: {dst} ({written} cases written{already})", highlight=False, soft_wrap=True
    )
