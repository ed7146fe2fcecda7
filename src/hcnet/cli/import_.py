"""`hcnet import`: a published collection or loose exams, brought to the cohort layout."""

from pathlib import Path
from typing import Annotated

import typer


def import_(
    source: Annotated[Path, typer.Argument(help="Folder of the collection.")],
    target: Annotated[Path, typer.Argument(help="Folder of the cohort; the same folder resumes.")],
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            help="Which collection it is; auto asks the files. A wrong name lists those known.",
        ),
    ] = "auto",
    visit: Annotated[
        str, typer.Option(help="Which visit of a patient: 1 is the earliest; all: each is a case.")
    ] = "1",
    processes: Annotated[int, typer.Option(min=1, help="That read and write cases.")] = 1,
    dry_run: Annotated[bool, typer.Option(help="List the cases, write nothing.")] = False,
) -> None:
    """Bring exams into a cohort in the MAMA-MIA layout; nothing of the source is changed.

    Cases that are there already are left, so the same command goes on where it was stopped. Every
    decision is in TARGET/import/CASE.json, the outcome in TARGET/import/summary.csv.
    """
    from hcnet.cli.console import ConsoleProgress, console
    from hcnet.cohorts.importers.importer import Options
    from hcnet.cohorts.importers.run import find_cases, import_cases
    from hcnet.errors import ConfigError, InputError

    if visit != "all" and not (visit.isdecimal() and int(visit) > 0):
        raise ConfigError(f"--visit {visit}: give a number from 1, or all.")
    options = Options(visit=None if visit == "all" else int(visit))
    name, findings = find_cases(source, from_, options)

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"{name}: {len(findings.items)} cases, {len(findings.left)} left out")
    for note in findings.notes:
        say(note)
    if dry_run:
        for item in findings.items:
            say(f"{item.name}: {item.place}")
        for left in findings.left:
            say(f"{left.name}: left, {left.why}")
        return
    summary = import_cases(name, findings, target, processes=processes, progress=ConsoleProgress())
    for row in summary.rows:
        if row.status in {"left", "failed"}:
            say(f"{row.name}: {row.status}, {' '.join(row.decisions)}")
    say(
        f"{summary.count('taken')} taken, {summary.count('already there')} already there, "
        f"{summary.count('left')} left, {summary.count('failed')} failed; "
        f"see {target / 'import' / 'summary.csv'}"
    )
    if not summary.count("taken") and not summary.count("already there"):
        raise InputError(f"{source}: no case could be imported; the reasons are above.")
