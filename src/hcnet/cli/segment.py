"""`hcnet segment`: a pre-contrast exam to tumour mask, map and report."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Force, PrePhase, SeriesNumbers


def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="A NIfTI file, a DICOM folder or a zip of DICOM. Of a contrast-enhanced exam only "
            "the pre-contrast phase is read."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    bundle: Annotated[
        Path, typer.Option("--bundle", "-b", help="Bundle folder or zip, as `hcnet train` writes.")
    ],
    breast: Annotated[
        Path | None, typer.Option(help="Breast mask (NIfTI, same grid); computed where not given.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Tumour probability; default: bundle's.")
    ] = None,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    force: Force = False,
) -> None:
    """Segment the tumour in a pre-contrast breast MRI.

    Writes, on the input's own grid: tumour mask, tumour probability, heterogeneity map and class
    probabilities (NIfTI), a JSON of volumes, a manifest, a preview picture and an HTML report.
    From a DICOM exam also tumour.dcm and heterogeneity.dcm (DICOM SEG) and probability.dcm
    (parametric map), which refer to the exam's own images.
    """
    from rich.table import Table

    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.open import open_case
    from hcnet.files import folder_aside
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.output import DICOM_FILES, segment_to_folder
    from hcnet.report.write import write_report

    case = open_case(inputs, series=series or None, pre=pre, breast=breast)
    opened = open_bundle(bundle)
    with folder_aside(out, force=force) as aside:
        summary = segment_to_folder(
            case, opened, aside, threshold=threshold, progress=ConsoleProgress()
        )
        write_report(aside)
        objects = [name for name in DICOM_FILES if (aside / name).is_file()]
    # With --force, objects of an earlier input would lie beside the results of this one.
    for name in set(DICOM_FILES).difference(objects):
        (out / name).unlink(missing_ok=True)
    table = Table(title=case.name, show_header=False)
    table.add_row("tumour", f"{summary['tumour_ml']:.2f} ml, {len(summary['components'])} foci")
    table.add_row("breast", f"{summary['breast_ml']:.0f} ml")
    if objects:
        table.add_row("DICOM", ", ".join(objects))
    table.add_row("report", str(out / "report.html"))
    console.print(table)
    for warning in summary["warnings"]:
        console.print(warning, style="yellow", highlight=False, markup=False)
