"""`hcnet report`: write the HTML report of a run or of a segmentation anew."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[
        Path, typer.Argument(help="A run of `hcnet train`, or the results of `hcnet segment`.")
    ],
) -> None:
    """Write FOLDER/report.html anew from what lies in FOLDER."""
    from hcnet.cli.console import console
    from hcnet.report.write import write_report

    console.print(f"report: {write_report(folder)}", highlight=False, soft_wrap=True)
