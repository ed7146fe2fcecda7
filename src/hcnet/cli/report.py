"""`hcnet report`: write the HTML report of a run or of a segmentation anew."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Json


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A run of `hcnet train`, or the results of `hcnet segment`."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Write FOLDER/report.html anew from what lies in FOLDER.

    Examples:
        hcnet report run
        hcnet report out
    """
    from hcnet.cli.console import answer, show
    from hcnet.report.write import write_report

    page = write_report(folder)
    if as_json:
        answer({"report": str(page)})
    else:
        show(f"report: {page}")
