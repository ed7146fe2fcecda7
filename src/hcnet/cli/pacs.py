"""`hcnet pacs`: exams from a PACS, and results back to it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

_LIMIT = 200
_WIDTH_WITHOUT_TERMINAL = 160

pacs = typer.Typer(
    name="pacs",
    help="Exams from a PACS, and results back to it. SERVER is http(s)://HOST:PORT/dicom-web for "
    "DICOMweb or dicom://AET@HOST:PORT for DIMSE. Nothing is made anonymous.",
    no_args_is_help=True,
)

Server = Annotated[
    str, typer.Argument(help="http(s)://HOST:PORT/dicom-web, or dicom://AET@HOST:PORT.")
]
StudyUid = Annotated[str | None, typer.Option("--study", help="Study Instance UID.")]
Date = Annotated[
    str | None, typer.Option(help="Study date, YYYYMMDD or a range YYYYMMDD-YYYYMMDD.")
]
OwnTitle = Annotated[
    str, typer.Option("--aet", help="Our own AE title; DIMSE servers know us by it.")
]


@pacs.command()
def find(
    server: Server,
    *,
    study: StudyUid = None,
    patient: Annotated[
        str | None, typer.Option(help="PatientID; * and ? stand for other characters.")
    ] = None,
    date: Date = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    aet: OwnTitle = "HCNET",
) -> None:
    """List the studies that a server has of a patient or a day."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hcnet.cli.console import ConsoleProgress
    from hcnet.pacs.server import open_server
    from hcnet.pacs.study import Query, shown

    query = Query(study, patient, date)
    studies = open_server(server, aet).studies(query, _LIMIT + 1)
    if len(studies) > _LIMIT:
        ConsoleProgress().message(f"Only the first {_LIMIT} studies are shown; ask for less.")
    studies = sorted(studies[:_LIMIT], key=lambda study: (study.date, study.patient))
    if as_json:
        typer.echo(json.dumps([asdict(study) for study in studies], indent=2))
        return
    table = Table("date", "patient", "name", "description", "modalities", "images", "study")
    for found in studies:
        cells = (
            found.date, shown(found.patient), found.name, found.description,
            " ".join(found.modalities),
            "" if found.instances is None else str(found.instances), found.uid,
        )  # fmt: skip
        # Text, not str: names come from the server and must not be read as markup.
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    console.print(table if studies else f"No study matches {query}.", markup=False)


@pacs.command()
def pull(
    server: Server,
    folder: Annotated[Path, typer.Argument(metavar="DST", help="Folder for the exam.")],
    *,
    study: StudyUid = None,
    patient: Annotated[str | None, typer.Option(help="PatientID, the whole of it.")] = None,
    date: Date = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(help="Only series of this modality, such as MR; may be repeated."),
    ] = None,
    aet: OwnTitle = "HCNET",
    force: Annotated[bool, typer.Option(help="Write into DST though it holds something.")] = False,
) -> None:
    """Retrieve one study: one file an instance, for `hcnet inspect` and `hcnet segment`.

    DST appears when the study is complete; after an error or an interruption give the same command
    again. Credentials come from HCNET_PACS_USER and HCNET_PACS_PASSWORD, from HCNET_PACS_TOKEN, or
    from netrc.
    """
    from hcnet.cli.console import ConsoleProgress
    from hcnet.errors import ConfigError
    from hcnet.pacs.pull import pull as pull_study
    from hcnet.pacs.server import open_server
    from hcnet.pacs.study import Query

    if study is None and patient is None:
        raise ConfigError("which study? Give --study or --patient; hcnet pacs find lists them.")
    progress = ConsoleProgress()
    pulled = pull_study(
        open_server(server, aet),
        Query(study, patient, date),
        folder,
        modalities=[name.upper() for name in modality or ()],
        force=force,
        progress=progress,
    )
    progress.message(f"{pulled.instances} instances, {pulled.size / 1e6:.1f} MB, in {folder}")


@pacs.command()
def push(
    server: Server,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="DICOM files, folders or zips.")
    ],
    *,
    aet: OwnTitle = "HCNET",
) -> None:
    """Send DICOM files as they are, such as the segmentation and maps of `hcnet segment`.

    Files that are not DICOM are left out. Every refused instance is named, and any makes the
    command fail. Credentials as for pull.
    """
    from hcnet.cli.console import ConsoleProgress
    from hcnet.errors import ServerError
    from hcnet.pacs.push import push as push_files
    from hcnet.pacs.server import open_server

    progress = ConsoleProgress()
    outcomes = push_files(open_server(server, aet), paths, progress=progress)
    for outcome in outcomes:
        if outcome.why:
            what = "stored, but" if outcome.stored else "not stored,"
            progress.message(f"{outcome.item.file.location}: {what} {outcome.why}")
    refused = sum(not outcome.stored for outcome in outcomes)
    progress.message(f"{len(outcomes) - refused} of {len(outcomes)} instances stored at {server}")
    if refused:
        raise ServerError(
            f"{server}: {refused} of {len(outcomes)} instances were not stored; the reasons are "
            "above."
        )
