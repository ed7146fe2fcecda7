"""`hcnet report`: write the HTML report of a run, a segmentation or a study anew."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Json


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A run of `hcnet train`, or the results of `hcnet segment`, `hcnet compare` or "
            "`hcnet ablate`.",
        ),
    ],
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", metavar="DIR", help="Also write every figure to DIR, as PNG and as SVG."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write FOLDER/report.html anew from what lies in FOLDER.

    Examples:
        hcnet report run
        hcnet report out
        hcnet report out --figures figures
    """
    from hcnet.cli.console import answer, show
    from hcnet.report.figure_files import write_figures
    from hcnet.report.write import read_report, write_report

    found = read_report(folder)
    page = write_report(folder, found)
    files = write_figures(found, figures) if figures is not None else []
    if as_json:
        answer({"report": str(page), "figures": [str(file) for file in files]})
        return
    show(f"report: {page}")
    if figures is not None:
        show(f"figures: {figures} ({len(files)} files)")
