"""`hcnet train`: the three stages on a cohort, to a bundle and a report."""

from typing import Annotated

import typer

from hcnet.cli.options import (
    CohortFolder,
    ConfigFile,
    DryRun,
    Json,
    Overrides,
    Preset,
    ResumedFolder,
    Segmentation,
)


def train(
    cohort: CohortFolder,
    out: ResumedFolder,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline/--no-baseline",
            help="Also train a plain ResUNet with the same steps, to compare with.",
        ),
    ] = True,
    pseudo_labels: Annotated[
        bool,
        typer.Option("--pseudo-labels", help="Let stage 3 learn from pseudo-labels, too."),
    ] = False,
    segmentation: Segmentation = None,
    preset: Preset = "small",
    config: ConfigFile = None,
    set_: Overrides = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train TIC clustering, HIPM and KIS-Net on a cohort.

    One fifth of the patients is held out; their scores are in the report. The result is
    OUT/bundle, which `hcnet segment` takes. All settings are in OUT/config.json.

    Examples:
        hcnet train cohort -o run
        hcnet train cohort -o run --preset ispy1-small --set kis.epochs=50
        hcnet train cohort -o again --config run/config.json --set seed=1
        hcnet train cohort -o run --dry-run
    """
    from hcnet.cli.console import ConsoleProgress, answer, say, show
    from hcnet.cli.settings import read_settings
    from hcnet.cohorts.cohort import read_cohort

    settings = read_settings(preset, config, set_, None if dry_run else out / "config.json")
    data = read_cohort(cohort, segmentation)
    say(f"{len(data)} cases, tumour masks from {data.segmentation}")
    if dry_run:
        if as_json:
            told = settings.model_dump(mode="json", by_alias=True)
            answer({"cases": len(data), "segmentation": data.segmentation, "settings": told})
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
    if as_json:
        answer({**results.as_json(), "bundle": str(out / "bundle"), "report": str(page)})
    else:
        show(*results.lines(), f"bundle: {out / 'bundle'}", f"report: {page}")
