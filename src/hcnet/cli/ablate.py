"""`hcnet ablate`: which part of the method helps, arm by arm under one budget."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import (
    ConfigFile,
    DryRun,
    Json,
    MaskedCohort,
    Overrides,
    Preset,
    ResumedFolder,
    Segmentation,
)


def ablate(
    cohort: MaskedCohort,
    out: ResumedFolder,
    extra: Annotated[
        Path | None,
        typer.Option(
            metavar="COHORT",
            help="Contrast-enhanced exams to learn from as well, without their masks.",
        ),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Arms, such as B0,P,N1; else all that the data allow. B0 is always in.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Hold out every patient once, in so many folds; 1: a share.",
        ),
    ] = 1,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many times everything is trained.")
    ] = 3,
    share_maps: Annotated[
        bool,
        typer.Option(
            "--share-maps", help="Maps of the first seed serve all seeds; train that one first."
        ),
    ] = False,
    only_seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Train this seed alone (from 0), no table: to share the work among processes.",
        ),
    ] = None,
    only_fold: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="With --only-seed: train this fold of it alone (from 0)."
        ),
    ] = None,
    segmentation: Segmentation = None,
    preset: Preset = "ablation",
    config: ConfigFile = None,
    set_: Overrides = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the method, its parts, its rivals and controls on the same cases with the same budget.

    The same splits by patient serve all arms; the seed varies all else. Writes OUT/table.md,
    table.csv, figure.png, figure.svg, cases.csv and results.json, anew after each complete seed.
    All settings are in OUT/config.json.

    Examples:
        hcnet ablate cohort -o ablation --dry-run
        hcnet ablate cohort -o ablation --extra unmasked --arms B0,P,N1
        hcnet ablate cohort -o crossed --folds 5 --arms B0,P,N1,N3
        hcnet ablate cohort -o crossed --folds 5 --seeds 3 --share-maps --arms B0,P
        hcnet ablate cohort -o ablation --only-seed 1
        hcnet ablate cohort -o crossed --folds 5 --only-seed 0 --only-fold 2
    """
    from hcnet.cli.console import ConsoleProgress, answer, say, show
    from hcnet.cli.settings import read_settings
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.errors import ConfigError
    from hcnet.files import read_json
    from hcnet.studies.ablation.run import (
        RESULTS,
        plan_ablation,
        run_ablation,
        train_part,
    )

    if only_fold is not None and only_seed is None:
        raise ConfigError("--only-fold is of a seed; give --only-seed, too.")
    settings = read_settings(preset, config, set_, None if dry_run else out / "config.json")
    others = None if extra is None else read_cohort(extra)
    names = None if arms is None else [name.strip() for name in arms.split(",") if name.strip()]
    masked = read_cohort(cohort, segmentation)
    splits, plan = plan_ablation(masked, others, settings, seeds, names, folds, share_maps)
    lines = [
        *(
            f"{len(split.train)} cases to learn from, {len(split.test)} held out, "
            f"{len(split.extra)} extra"
            for split in splits
        ),
        *plan.lines(),
    ]
    if dry_run:
        if as_json:
            answer({"plan": lines, "settings": settings.model_dump(mode="json", by_alias=True)})
        else:
            show(*lines)
        return
    for line in lines:
        say(line)
    if only_seed is not None:
        train_part(only_seed, only_fold, splits, plan, settings, out, ConsoleProgress())
        done = f"seed {only_seed}" if only_fold is None else f"seed {only_seed}, fold {only_fold}"
        say(f"{done} is done; the same command without --only-... goes on")
        return
    summary = run_ablation(splits, plan, settings, out, ConsoleProgress())
    if as_json:
        answer(read_json(out / RESULTS))
        return
    for name, arm in summary.arms.items():
        dsc = arm.metrics["dsc"]
        show(f"{name}: DSC {dsc.mean:.3f} (95% {dsc.low:.3f} to {dsc.high:.3f})")
    show(f"table: {out / 'table.md'}")
