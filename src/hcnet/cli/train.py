"""`hcnet train`: the three stages on a cohort, to a bundle and a report."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import ConfigFile, Overrides, Preset, Source


def train(
    cohort: Annotated[Path, typer.Argument(help="Cohort in the MAMA-MIA layout.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; the same folder resumes it.")
    ],
    preset: Preset = "small",
    config: ConfigFile = None,
    set_: Overrides = None,
    segmentation: Source = None,
    baseline: Annotated[
        bool, typer.Option(help="Also train a plain ResUNet with the same steps, to compare with.")
    ] = True,
    pseudo_labels: Annotated[
        bool,
        typer.Option("--pseudo-labels", help="Let stage 3 learn from pseudo-labels, too."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Check settings and cohort, print the settings, train nothing.")
    ] = False,
) -> None:
    """Train TIC clustering, HIPM and KIS-Net on a cohort.

    One fifth of the patients is held out; their scores are in the report. The result is
    OUT/bundle, which `hcnet segment` takes.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.config import load_config

    settings = load_config(preset, config, set_ or [])
    data = read_cohort(cohort, segmentation)
    if dry_run:
        console.print(f"{len(data)} cases, tumour masks from {data.segmentation}")
        console.print_json(settings.model_dump_json(by_alias=True))
        return

    from hcnet.report.write import write_report
    from hcnet.training.run import train_run

    results = train_run(
        data,
        settings,
        out,
        baseline=baseline,
        pseudo_labels=pseudo_labels,
        progress=ConsoleProgress(),
    )
    page = write_report(out)
    for line in results.lines():
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"bundle: {out / 'bundle'}\nreport: {page}", highlight=False, soft_wrap=True)
