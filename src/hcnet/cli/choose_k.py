"""`hcnet choose-k`: how many kinds of curves there are, and by which clustering."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Preset


def choose_k(
    cohort: Annotated[Path, typer.Argument(help="Cohort in the MAMA-MIA layout.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the study; the same folder resumes it.")
    ],
    retest: Annotated[
        Path | None,
        typer.Option(help="Cohort with a second scan of the same patients, e.g. phantom --scan 1."),
    ] = None,
    k: Annotated[str, typer.Option("--k", help="Numbers of codes: 2..16, or 4,8,12.")] = "2..16",
    scales: Annotated[
        str, typer.Option(help="Normalisations of curves: minmax, relative.")
    ] = "minmax,relative",
    methods: Annotated[
        str, typer.Option(help="Clusterings: vqvae, kmeans, gmm, bins.")
    ] = "vqvae,kmeans,gmm",
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each, to compare their maps.")] = 1,
    max_points: Annotated[int, typer.Option(min=1, help="Most curves to fit on.")] = 50_000,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the VQ-VAE.")] = 30,
    cases: Annotated[
        int | None, typer.Option(min=4, help="Take the first so many cases by name; else all.")
    ] = None,
    preset: Preset = "small",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, e.g. validation_share=0.4.")
    ] = None,
    segmentation: Annotated[
        str | None, typer.Option(help="Which folder of segmentations/ to describe tumours by.")
    ] = None,
) -> None:
    """Fit clusterings of every K and judge them on held-out patients.

    With --retest also by how well the maps of two scans agree. Results: OUT/table.md, table.csv,
    results.json and figure.png.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.config import load_config
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
    config = load_config(preset, None, set_ or [])
    data = read_cohort(cohort, segmentation)
    second = None if retest is None else read_cohort(retest)
    lines = study_k(data, second, config, plan, out, ConsoleProgress())
    for line in [*lines, f"results: {out}"]:
        console.print(line, highlight=False, soft_wrap=True)
