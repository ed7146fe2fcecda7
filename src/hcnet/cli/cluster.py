"""`hcnet cluster`: the heterogeneity map of one contrast-enhanced exam."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import (
    BreastMask,
    ConfigFile,
    DceExam,
    DicomSeg,
    Force,
    Json,
    Overrides,
    PrePhase,
    Preset,
    Region,
    ResultFolder,
    SeriesNumbers,
    Times,
)


def cluster(
    inputs: DceExam,
    out: ResultFolder,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", "-b", metavar="BUNDLE", help="Whose classes to take; else they are fitted."
        ),
    ] = None,
    breast: BreastMask = None,
    region: Region = None,
    dicom_seg: DicomSeg = None,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    times: Times = None,
    preset: Preset = "small",
    config: ConfigFile = None,
    set_: Overrides = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Cluster the time-intensity curves of an exam (stage 1 alone).

    The tumour mask of --region or --dicom-seg never takes part in the clustering; it only serves to
    tell the composition in and out of it. All settings are in OUT/manifest.json.

    Examples:
        hcnet cluster exam.zip -o out
        hcnet cluster pre.nii.gz post1.nii.gz post2.nii.gz -o out --times 0,120,240
        hcnet cluster dce/ -o out --bundle run/bundle --region tumour.nii.gz
    """
    from hcnet.cli.console import ConsoleProgress, answer, show
    from hcnet.cli.inspect import parse_times
    from hcnet.cli.settings import read_settings
    from hcnet.cohorts.open import open_case
    from hcnet.errors import ConfigError
    from hcnet.files import folder_aside, read_json
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.names import SUMMARY
    from hcnet.training.cluster import cluster_to_folder

    if region is not None and dicom_seg is not None:
        raise ConfigError("give --region or --dicom-seg, not both.")
    seconds = parse_times(times)
    settings = read_settings(preset, config, set_, out / "manifest.json")
    case = open_case(
        inputs,
        series=series or None,
        pre=pre,
        times=seconds,
        breast=breast,
        tumour=region if dicom_seg is None else dicom_seg,
    )
    fitted = open_bundle(bundle).clustering if bundle is not None else None
    with folder_aside(out, force=force) as aside:
        lines = cluster_to_folder(case, settings, aside, fitted=fitted, progress=ConsoleProgress())
    if as_json:
        answer({**read_json(out / SUMMARY), "out": str(out)})
    else:
        show(*lines, f"results: {out}")
