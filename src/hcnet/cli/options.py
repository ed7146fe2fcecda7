"""Arguments and options that several verbs have, so that they read alike everywhere.

A verb's own order is: what it reads, where it writes, what it does, settings, how it runs, output.
Units are in the help, in brackets where they are not part of a sentence.
"""

from pathlib import Path
from typing import Annotated

import typer


def preset_completions(incomplete: str) -> list[str]:
    """Presets that begin so, for the shell."""
    from hcnet.config import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


def network_completions(incomplete: str) -> list[str]:
    """Networks that begin so, for the shell."""
    from hcnet.nets.registry import network_names

    return [name for name in network_names() if name.startswith(incomplete)]


CohortFolder = Annotated[
    Path, typer.Argument(metavar="COHORT", help="Cohort in the MAMA-MIA layout.")
]
MaskedCohort = Annotated[
    Path,
    typer.Argument(
        metavar="COHORT", help="Cohort in the MAMA-MIA layout, with a tumour mask for each case."
    ),
]
DceExam = Annotated[
    list[Path],
    typer.Argument(
        metavar="EXAM...",
        help="A DCE exam: DICOM folder or zip, a 4-D NIfTI, or NIfTI files, pre-contrast first.",
    ),
]

ResultFolder = Annotated[
    Path, typer.Option("--out", "-o", metavar="OUT", help="Folder for the results.")
]
ResumedFolder = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="OUT", help="Folder for the results; the same folder resumes."
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace results in OUT, which else has to be empty.")
]
Remake = Annotated[bool, typer.Option("--force", help="Make masks again that are there already.")]

SeriesNumbers = Annotated[
    list[int] | None,
    typer.Option("--series", metavar="N", help="Number of a DICOM series to use; may be repeated."),
]
PrePhase = Annotated[
    int | None,
    typer.Option("--pre", metavar="N", help="Which phase is pre-contrast; the earliest is 0."),
]
Times = Annotated[
    str | None,
    typer.Option("--times", metavar="S,S,...", help="Acquisition times (s), such as 0,120,240."),
]
BundleChoice = Annotated[
    str,
    typer.Option(
        "--bundle",
        "-b",
        metavar="BUNDLE",
        help="Trained networks: folder or zip of `hcnet train`, or a name of `hcnet bundle list`.",
    ),
]
BreastMask = Annotated[
    Path | None,
    typer.Option(
        "--breast", metavar="FILE", help="Breast mask (NIfTI, same grid); else it is computed."
    ),
]
Region = Annotated[
    Path | None, typer.Option("--region", metavar="FILE", help="Tumour mask (NIfTI, same grid).")
]
DicomSeg = Annotated[
    int | None,
    typer.Option(
        "--dicom-seg", metavar="N", help="Tumour mask: number of a DICOM SEG series of the exam."
    ),
]
Segmentation = Annotated[
    str | None,
    typer.Option(
        "--segmentation",
        metavar="NAME",
        help="Which folder of COHORT/segmentations the tumour masks are from.",
    ),
]

Preset = Annotated[
    str,
    typer.Option(metavar="NAME", help="Settings to start from.", autocompletion=preset_completions),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings over the preset: TOML, or the config.json of an earlier run.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="One setting, such as kis.lr=0.01; may be repeated."
    ),
]

Processes = Annotated[
    int, typer.Option("--processes", metavar="N", min=1, help="How many cases are done at once.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and stop.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
