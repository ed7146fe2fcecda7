"""`hcnet segment`: a pre-contrast exam to tumour mask, map and report."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import (
    BreastMask,
    BundleChoice,
    Force,
    Json,
    PrePhase,
    ResultFolder,
    SeriesNumbers,
)
from hcnet.inference.built_in import DEFAULT


def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXAM...",
            help="A NIfTI file, a DICOM folder or a zip of DICOM. Of a contrast-enhanced exam only "
            "the pre-contrast phase is read.",
        ),
    ],
    out: ResultFolder,
    bundle: BundleChoice = DEFAULT,
    breast: BreastMask = None,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            min=0.0,
            max=1.0,
            help="Probability from which a voxel is tumour; else the bundle's own.",
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Use the first N members of the bundle's ensemble; else all."
        ),
    ] = None,
    tta: Annotated[
        bool,
        typer.Option(
            "--tta",
            help="Also predict three mirror images of the exam and take the mean; four times as "
            "long.",
        ),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Compute in float32 also where the processor is faster in bfloat16, which rounds.",
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Segment the tumour in a pre-contrast breast MRI.

    Writes, on the input's own grid: tumour mask, tumour probability and its uncertainty,
    heterogeneity map and class probabilities (NIfTI), a JSON of volumes, a manifest, a preview
    picture and an HTML report.
    From a DICOM exam also tumour.dcm and heterogeneity.dcm (DICOM SEG) and probability.dcm
    (parametric map), which refer to the exam's own images.

    Examples:
        hcnet segment exam.zip -o out
        hcnet segment exam.zip -o out -b run/bundle
        hcnet segment t1.nii.gz -o out -b bundle.zip --breast breast.nii.gz
        hcnet segment dicom/ -o out -b bundle.zip --series 5 --threshold 0.3
        hcnet segment exam.zip -o out -b bundle.zip --members 3 --tta
    """
    from rich.table import Table
    from rich.text import Text

    from hcnet.cli.console import ConsoleProgress, answer, show, warn
    from hcnet.cohorts.open import open_case
    from hcnet.files import folder_aside
    from hcnet.inference.built_in import find_bundle
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.names import DICOM_FILES, SOMETIMES
    from hcnet.inference.output import segment_to_folder
    from hcnet.report.write import write_report
    from hcnet.runtime import spare_memory

    spare_memory()
    case = open_case(inputs, series=series or None, pre=pre, breast=breast)
    opened = open_bundle(find_bundle(bundle))
    with folder_aside(out, force=force) as aside:
        summary = segment_to_folder(
            case,
            opened,
            aside,
            threshold=threshold,
            members=members,
            exact=exact,
            tta=tta,
            progress=ConsoleProgress(),
        )
        write_report(aside)
        written = [name for name in SOMETIMES if (aside / name).is_file()]
    # With --force, files of an earlier input would lie beside the results of this one.
    for name in set(SOMETIMES).difference(written):
        (out / name).unlink(missing_ok=True)
    objects = [name for name in DICOM_FILES if name in written]
    for warning in summary["warnings"]:
        warn(warning)
    if as_json:
        answer({**summary, "out": str(out), "dicom": objects})
        return
    table = Table(title=Text(case.name), show_header=False)
    table.add_row("tumour", f"{summary['tumour_ml']:.2f} ml, {len(summary['components'])} foci")
    unsure = summary["uncertainty"]
    if unsure["volume_ml_low"] is not None:
        low, high = unsure["volume_ml_low"], unsure["volume_ml_high"]
        table.add_row("single members", f"{low:.2f} to {high:.2f} ml")
    table.add_row("breast", f"{summary['breast_ml']:.0f} ml")
    if objects:
        table.add_row("DICOM", ", ".join(objects))
    table.add_row("report", Text(str(out / "report.html"), overflow="fold"))
    show(table)
