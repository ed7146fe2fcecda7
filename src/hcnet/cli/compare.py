"""`hcnet compare`: published networks and the method under one protocol (Table 1, Fig. 3)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from hcnet.cli.options import (
    ConfigFile,
    Json,
    MaskedCohort,
    Overrides,
    Preset,
    ResumedFolder,
    Segmentation,
)


def compare(
    cohort: MaskedCohort,
    out: ResumedFolder,
    task: Annotated[
        Literal["tumour", "map"],
        typer.Option(help="tumour: segment it (Table 1); map: predict the map (Fig. 3)."),
    ] = "tumour",
    networks: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...", help="Networks, such as resunet,kisnet; else those of the paper."
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="What each shall see: pre, post, post+sub, pre+post, all-phases; else the pairs "
            "of the paper's Table 1.",
        ),
    ] = None,
    extra: Annotated[
        Path | None,
        typer.Option(
            metavar="COHORT",
            help="Contrast-enhanced exams, read without their masks, for stages 1 and 2 of the "
            "method.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Hold out every patient once, in so many folds; 1: a share."
        ),
    ] = 1,
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON with lists train and test, or MAMA-MIA's CSV of the split."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many times everything is trained.")
    ] = 1,
    segmentation: Segmentation = None,
    preset: Preset = "compare",
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Processes on this machine; each takes a GPU in turn."
        ),
    ] = 1,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Prepare the cases, tell what it would take, and stop."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train networks on the same cases, patches and number of updates, each by its own recipe.

    The same command with the same --out may run on several machines that share the folder: each
    takes trainings that no other is at. Writes OUT/table1.md, .csv, .tex, figure.png, panels and
    more (--task map: fig3.*). All settings are in OUT/config.json.

    Examples:
        hcnet compare cohort -o table1 --dry-run
        hcnet compare cohort -o table1 --folds 5 --workers 2
        hcnet compare cohort -o mine --networks resunet,kisnet --inputs pre
        hcnet compare cohort -o fig3 --task map
    """
    from hcnet.cli.console import ConsoleProgress, answer, say, show
    from hcnet.cli.settings import read_settings
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.files import read_json
    from hcnet.nets.registry import check_network
    from hcnet.studies.compare.entries import Entry, choose_entries, choose_map_networks
    from hcnet.studies.compare.plan import make_plan
    from hcnet.studies.compare.results import RESULTS, write_results
    from hcnet.studies.compare.run import open_comparison, train_all

    names, kinds = _listed(networks), _listed(inputs)
    for name in names or ():
        check_network(name)
    entries: tuple[Entry, ...]
    if task == "map":
        entries = tuple(Entry(name, "pre") for name in choose_map_networks(names))
    else:
        entries = choose_entries(names, kinds)
    settings = read_settings(preset, config, set_, out / "config.json")
    plan = make_plan(
        task,
        entries,
        read_cohort(cohort, segmentation),
        None if extra is None else read_cohort(extra),
        settings,
        seeds=seeds,
        folds=folds,
        split=split,
    )
    progress = ConsoleProgress()
    _share_threads(workers)
    comparison = open_comparison(plan, settings, out, progress)
    if dry_run:
        lines = comparison.lines()
        if as_json:
            answer({"plan": lines, "settings": settings.model_dump(mode="json", by_alias=True)})
        else:
            show(*lines)
        return
    for line in comparison.lines():
        say(line)
    others = [_another(number) for number in range(1, workers)]
    try:
        records = train_all(comparison, progress)
    except BaseException:
        for each in others:
            each.terminate()
        raise
    finally:
        for each in others:
            each.wait()
    lines = write_results(comparison, records, progress)
    if as_json:
        answer(read_json(out / RESULTS))
    else:
        show(*lines)


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _share_threads(workers: int) -> None:
    """Leave each worker its share of the cores."""
    import torch

    if workers > 1:
        threads = max(1, torch.get_num_threads() // workers)
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes that are started


def _another(number: int) -> "subprocess.Popen[bytes]":
    """The same command once more, on a GPU of its own if there is one."""
    import torch

    environment = dict(os.environ)
    if torch.cuda.is_available():
        environment["CUDA_VISIBLE_DEVICES"] = str(number % torch.cuda.device_count())
    command = [sys.executable, "-m", "hcnet", *sys.argv[1:], "--workers", "1"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
