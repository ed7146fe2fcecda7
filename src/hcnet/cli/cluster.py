"""`hcnet cluster`: the heterogeneity map of one contrast-enhanced exam or of a cohort."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Force, Overrides, PrePhase, Preset, SeriesNumbers, Times


def cluster(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="A DCE exam: DICOM folder or zip, a 4-D NIfTI, or NIfTI files, pre-contrast first."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", "-b", help="Use the classes of this bundle; else fit anew."),
    ] = None,
    preset: Preset = "small",
    set_: Overrides = None,
    breast: Annotated[
        Path | None, typer.Option(help="Breast mask (NIfTI, same grid); computed where not given.")
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option(help="Tumour mask (NIfTI): the composition is then told in and out of it."),
    ] = None,
    dicom_seg: Annotated[
        int | None,
        typer.Option(help="Series number of a DICOM SEG in the exam to use as the tumour mask."),
    ] = None,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    times: Times = None,
    force: Force = False,
) -> None:
    """Cluster the time-intensity curves of an exam (stage 1 alone).

    The tumour mask never takes part in the clustering; it only serves to describe the result.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cli.inspect import parse_times
    from hcnet.cohorts.open import open_case
    from hcnet.config import load_config
    from hcnet.errors import ConfigError
    from hcnet.files import folder_aside
    from hcnet.inference.bundle import open_bundle
    from hcnet.training.cluster import cluster_to_folder

    if region is not None and dicom_seg is not None:
        raise ConfigError("give --region or --dicom-seg, not both.")
    case = open_case(
        inputs,
        series=series or None,
        pre=pre,
        times=parse_times(times),
        breast=breast,
        tumour=region if dicom_seg is None else dicom_seg,
    )
    config = load_config(preset, None, set_ or [])
    fitted = open_bundle(bundle).clustering if bundle is not None else None
    with folder_aside(out, force=force) as aside:
        lines = cluster_to_folder(case, config, aside, fitted=fitted, progress=ConsoleProgress())
    for line in [*lines, f"results: {out}"]:
        console.print(line, highlight=False, soft_wrap=True)
