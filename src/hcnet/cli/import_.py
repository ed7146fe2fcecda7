"""`hcnet import`: a published collection or loose exams, brought to the cohort layout."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import DryRun, Json, Processes


def import_(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of the collection.")],
    target: Annotated[
        Path,
        typer.Argument(metavar="COHORT", help="Folder for the cohort; the same folder resumes."),
    ],
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Which collection it is; auto asks the files. A wrong name lists those known.",
        ),
    ] = "auto",
    visit: Annotated[
        str,
        typer.Option(
            metavar="N|all", help="Which visit of a patient, 1 the earliest; all: each is a case."
        ),
    ] = "1",
    processes: Processes = 1,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring exams into a cohort in the MAMA-MIA layout; nothing of the source is changed.

    Cases that are there already are left, so the same command goes on where it was stopped. Every
    decision is in COHORT/import/CASE.json, the outcome in COHORT/import/summary.csv.

    Examples:
        hcnet import downloads/ISPY1 ispy1 --dry-run
        hcnet import downloads/ISPY1 ispy1 --processes 4
        hcnet import exams cohort --from dicom --visit all
    """
    from hcnet.cli.console import ConsoleProgress, answer, say, show, tell_case
    from hcnet.cohorts.importers.importer import Options
    from hcnet.cohorts.importers.run import find_cases, import_cases
    from hcnet.errors import ConfigError, InputError

    if visit != "all" and not (visit.isdecimal() and int(visit) > 0):
        raise ConfigError(f"--visit {visit}: give a number from 1, or all.")
    options = Options(visit=None if visit == "all" else int(visit))
    name, findings = find_cases(source, from_, options)
    say(f"{name}: {len(findings.items)} cases, {len(findings.left)} left out")
    for note in findings.notes:
        say(note)
    if dry_run:
        found = [{"name": item.name, "place": str(item.place)} for item in findings.items]
        if as_json:
            left = [asdict(each) for each in findings.left]
            answer({"collection": name, "cases": found, "left": left})
        else:
            show(*(f"{case['name']}: {case['place']}" for case in found))
            show(*(f"{each.name}: left, {each.why}" for each in findings.left))
        return
    summary = import_cases(name, findings, target, processes=processes, progress=ConsoleProgress())
    for row in summary.rows:
        if row.status in {"left", "failed"}:
            tell_case(row.name, row.status, " ".join(row.decisions))
    told = (
        f"{summary.count('taken')} taken, {summary.count('already there')} already there, "
        f"{summary.count('left')} left, {summary.count('failed')} failed"
    )
    if not summary.count("taken") and not summary.count("already there"):
        raise InputError(f"{source}: no case could be imported ({told}); the reasons are above.")
    if as_json:
        rows = [asdict(row) for row in summary.rows]
        answer({"collection": name, "cohort": str(target), "cases": rows})
    else:
        show(f"{told}; see {target / 'import' / 'summary.csv'}")
