"""`hcnet compare`: published networks and the method under one protocol (Table 1, Fig. 3)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from hcnet.cli.options import ConfigFile, Overrides, Preset, Source


def compare(
    cohort: Annotated[
        Path, typer.Argument(help="Cohort in the MAMA-MIA layout, with a mask for each case.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the results; the same folder resumes.")
    ],
    task: Annotated[
        Literal["tumour", "map"],
        typer.Option(help="tumour: segment it (Table 1); map: predict the map (Fig. 3)."),
    ] = "tumour",
    networks: Annotated[
        str | None,
        typer.Option(help="Networks, e.g. resunet,kisnet; default: those of the paper."),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="What they see: pre, post, post+sub, pre+post, all-phases; every pair that can "
            "be. Default: the pairs of the paper's Table 1."
        ),
    ] = None,
    extra: Annotated[
        Path | None,
        typer.Option(
            help="Cohort of contrast-enhanced exams, read without their masks, for stages 1 and 2 "
            "of the method."
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=1, help="Hold out every patient once, in so many folds; 1: a share.")
    ] = 1,
    split: Annotated[
        Path | None,
        typer.Option(help="JSON with lists train and test, or MAMA-MIA's CSV of the split."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many times everything is trained.")] = 1,
    preset: Preset = "compare",
    config: ConfigFile = None,
    set_: Overrides = None,
    segmentation: Source = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on this machine; each takes a GPU in turn.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option(help="Prepare the cases, print the estimate, train nothing.")
    ] = False,
) -> None:
    """Train networks on the same cases, patches and number of updates, each by its own recipe.

    The same command with the same --out may run on several machines that share the folder: each
    takes trainings that no other is at. Writes OUT/table1.md, .csv, .tex, figure.png, panels and
    more (--task map: fig3.*).
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.config import load_config
    from hcnet.studies.compare.entries import Entry, choose_entries, choose_map_networks
    from hcnet.studies.compare.plan import make_plan
    from hcnet.studies.compare.results import write_results
    from hcnet.studies.compare.run import open_comparison, train_all

    names, kinds = _listed(networks), _listed(inputs)
    entries: tuple[Entry, ...]
    if task == "map":
        entries = tuple(Entry(name, "pre") for name in choose_map_networks(names))
    else:
        entries = choose_entries(names, kinds)
    settings = load_config(preset, config, set_ or [])
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
    for line in comparison.lines():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if dry_run:
        return
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
    for line in write_results(comparison, records, progress):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


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
