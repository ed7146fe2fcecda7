"""`hcnet choose-k`: how many kinds of curves there are, and by which clustering."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import (
    CohortFolder,
    ConfigFile,
    Json,
    Overrides,
    Preset,
    ResumedFolder,
    Segmentation,
)


def choose_k(
    cohort: CohortFolder,
    out: ResumedFolder,
    retest: Annotated[
        Path | None,
        typer.Option(
            metavar="COHORT",
            help="Cohort with a second scan of the same patients, e.g. phantom --scan 1.",
        ),
    ] = None,
    k: Annotated[
        str, typer.Option("--k", metavar="K", help="Numbers of codes: 2..16, or 4,8,12.")
    ] = "2..16",
    scales: Annotated[
        str, typer.Option(metavar="NAME,...", help="Normalisations of curves: minmax, relative.")
    ] = "minmax,relative",
    methods: Annotated[
        str, typer.Option(metavar="NAME,...", help="Clusterings: vqvae, kmeans, gmm, bins.")
    ] = "vqvae,kmeans,gmm",
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Fits of each, to compare their maps.")
    ] = 1,
    max_points: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most curves to fit on.")
    ] = 50_000,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="Epochs of the VQ-VAE.")] = 30,
    cases: Annotated[
        int | None,
        typer.Option(metavar="N", min=4, help="Take the first so many cases by name; else all."),
    ] = None,
    segmentation: Segmentation = None,
    preset: Preset = "small",
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: Json = False,
) -> None:
    """Fit clusterings of every K and judge them on held-out patients.

    With --retest also by how well the maps of two scans agree. Writes OUT/table.md, table.csv,
    results.json and figure.png; all settings are in OUT/settings.json.

    Examples:
        hcnet choose-k cohort -o study
        hcnet choose-k cohort -o study --k 4,8,12 --methods vqvae,kmeans --seeds 3
        hcnet choose-k scan0 -o study --retest scan1 --set validation_share=0.4
    """
    from hcnet.cli.console import ConsoleProgress, answer, show
    from hcnet.cli.settings import read_settings
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.files import read_json
    from hcnet.studies.choose_k.plan import Plan, parse_ks, parse_methods, parse_scales
    from hcnet.studies.choose_k.study import study_k

    chosen = parse_scales(scales)
    plan = Plan(
        ks=parse_ks(k),
        scales=chosen,
        methods=parse_methods(methods, chosen),
        seeds=seeds,
        max_points=max_points,
        epochs=epochs,
        cases=cases,
    )
    settings = read_settings(preset, config, set_, out / "settings.json")
    data = read_cohort(cohort, segmentation)
    second = None if retest is None else read_cohort(retest)
    lines = study_k(data, second, settings, plan, out, ConsoleProgress())
    if as_json:
        answer(read_json(out / "results.json"))
    else:
        show(*lines, f"results: {out}")
