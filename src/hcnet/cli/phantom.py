"""`hcnet phantom`: make a synthetic cohort."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same gives the same cases.")] = 0,
    size: Annotated[
        Size, typer.Option(help="small: 48 x 64 x 64 voxels; full: 60 x 256 x 256, as I-SPY1.")
    ] = Size.small,
    processes: Annotated[int, typer.Option(min=1, help="Cases made at once.")] = 1,
) -> None:
    """Make a synthetic cohort of breast DCE-MRI exams, with the truth under DST/truth.

    Sagittal exams of one breast with a tumour: contrast kinetics, spoiled gradient echo, Rician
    noise. DST has the layout of a real cohort, so `hcnet train DST` works.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.phantom import PhantomSettings, write_phantom_cohort

    written = write_phantom_cohort(
        dst,
        n,
        seed,
        PhantomSettings(size=size.value),
        processes=processes,
        progress=ConsoleProgress(),
    )
    kept = n - written
    already = f", {kept} there already" if kept else ""
    console.print(
        f"cohort: {dst} ({written} cases written{already})", highlight=False, soft_wrap=True
    )
