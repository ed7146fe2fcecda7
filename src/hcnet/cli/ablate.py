"""`hcnet ablate`: which part of the method helps, arm by arm under one budget."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import ConfigFile, Overrides, Preset, Source


def ablate(
    cohort: Annotated[
        Path, typer.Argument(help="Cohort in the MAMA-MIA layout, with a mask for each case.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the results; the same folder resumes.")
    ],
    extra: Annotated[
        Path | None,
        typer.Option(help="Cohort of contrast-enhanced exams to learn from without their masks."),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="Arms, e.g. B0,P,N1; default: all that the data allow. B0 is always in."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many times everything is trained.")] = 3,
    preset: Preset = "ablation",
    config: ConfigFile = None,
    set_: Overrides = None,
    segmentation: Source = None,
    only_seed: Annotated[
        int | None,
        typer.Option(help="Train this seed alone, no table: to share the work among processes."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the plan, train nothing.")] = False,
) -> None:
    """Train the method, its parts, its rivals and controls on the same cases with the same budget.

    One split by patient serves all arms; the seed varies all else. Writes OUT/table.md, table.csv,
    figure.png, figure.svg, cases.csv and results.json, anew after each complete seed.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.config import load_config
    from hcnet.studies.ablation.run import plan_ablation, run_ablation, train_one_seed

    settings = load_config(preset, config, set_ or [])
    others = None if extra is None else read_cohort(extra)
    names = None if arms is None else [name.strip() for name in arms.split(",") if name.strip()]
    split, plan = plan_ablation(read_cohort(cohort, segmentation), others, settings, seeds, names)
    console.print(
        f"{len(split.train)} cases to learn from, {len(split.test)} held out, "
        f"{len(split.extra)} extra",
        highlight=False,
    )
    for line in plan.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if dry_run:
        return
    if only_seed is not None:
        train_one_seed(only_seed, split, plan, settings, out, ConsoleProgress())
        console.print(f"seed {only_seed} is done; the same command without --only-seed goes on")
        return
    summary = run_ablation(split, plan, settings, out, ConsoleProgress())
    for name, arm in summary.arms.items():
        dsc = arm.metrics["dsc"]
        console.print(
            f"{name}: DSC {dsc.mean:.3f} (95% {dsc.low:.3f} to {dsc.high:.3f})",
            highlight=False,
            markup=False,
        )
    console.print(f"table: {out / 'table.md'}", highlight=False, soft_wrap=True)
