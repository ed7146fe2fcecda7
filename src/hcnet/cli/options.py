"""Options that several verbs have in common, so that they read alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

SeriesNumbers = Annotated[
    list[int] | None, typer.Option(help="DICOM series number(s) to take, against our choice.")
]
PrePhase = Annotated[
    int | None, typer.Option(help="Which phase is pre-contrast (0 is the first in time).")
]
Times = Annotated[
    str | None, typer.Option(help="Acquisition times in s, comma-separated, pre first.")
]
Force = Annotated[bool, typer.Option(help="Replace earlier results in OUT.")]
Preset = Annotated[str, typer.Option(help="Settings to start from.")]
ConfigFile = Annotated[Path | None, typer.Option(help="TOML file of settings.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, e.g. kinetics.k=6.")
]
Source = Annotated[str | None, typer.Option(help="Which folder of segmentations/ to learn from.")]
