"""`hcnet pacs`: exams from a PACS, and results back to it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Json
from hcnet.cli.verb import LOOK, Verbs, add_verb

_LIMIT = 200

pacs = typer.Typer(
    name="pacs",
    cls=Verbs,
    help="Exams from a PACS, and results back to it. SERVER is http(s)://HOST:PORT/dicom-web for "
    "DICOMweb or dicom://AET@HOST:PORT for DIMSE. Nothing is made anonymous.",
    **LOOK,
)

Server = Annotated[
    str,
    typer.Argument(
        metavar="SERVER", help="http(s)://HOST:PORT/dicom-web, or dicom://AET@HOST:PORT."
    ),
]
StudyUid = Annotated[str | None, typer.Option("--study", metavar="UID", help="Study Instance UID.")]
Date = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Study date, YYYYMMDD or a range YYYYMMDD-YYYYMMDD."),
]
OwnTitle = Annotated[
    str,
    typer.Option("--aet", metavar="AET", help="Our own AE title; DIMSE servers know us by it."),
]


def find(
    server: Server,
    *,
    study: StudyUid = None,
    patient: Annotated[
        str | None,
        typer.Option(metavar="ID", help="PatientID; * and ? stand for other characters."),
    ] = None,
    date: Date = None,
    aet: OwnTitle = "HCNET",
    as_json: Json = False,
) -> None:
    """List the studies that a server has of a patient or a day.

    Examples:
        hcnet pacs find https://pacs.example/dicom-web --patient 1234
        hcnet pacs find dicom://ORTHANC@localhost:4242 --date 20240101-20240131
    """
    from rich.table import Table
    from rich.text import Text

    from hcnet.cli.console import answer, show, warn
    from hcnet.pacs.server import open_server
    from hcnet.pacs.study import Query, shown

    query = Query(study, patient, date)
    studies = open_server(server, aet).studies(query, _LIMIT + 1)
    if len(studies) > _LIMIT:
        warn(f"only the first {_LIMIT} studies are shown; ask for less.")
    studies = sorted(studies[:_LIMIT], key=lambda study: (study.date, study.patient))
    if as_json:
        answer([asdict(study) for study in studies])
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
    show(table if studies else f"No study matches {query}.")


def pull(
    server: Server,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the exam.")],
    *,
    study: StudyUid = None,
    patient: Annotated[
        str | None, typer.Option(metavar="ID", help="PatientID, the whole of it.")
    ] = None,
    date: Date = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only series of this modality, such as MR; may be repeated."
        ),
    ] = None,
    aet: OwnTitle = "HCNET",
    force: Annotated[
        bool, typer.Option("--force", help="Write into FOLDER though it holds something.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Retrieve one study: one file an instance, for `hcnet inspect` and `hcnet segment`.

    FOLDER appears when the study is complete; after an error or an interruption give the same
    command again. Credentials come from HCNET_PACS_USER and HCNET_PACS_PASSWORD, from
    HCNET_PACS_TOKEN, or from netrc.

    Examples:
        hcnet pacs pull https://pacs.example/dicom-web exam --study 1.2.840.99.1
        hcnet pacs pull dicom://ORTHANC@localhost:4242 exam --patient 1234
    """
    from hcnet.cli.console import ConsoleProgress, answer, say
    from hcnet.errors import ConfigError
    from hcnet.pacs.pull import pull as pull_study
    from hcnet.pacs.server import open_server
    from hcnet.pacs.study import Query

    if study is None and patient is None:
        raise ConfigError("which study? Give --study or --patient; hcnet pacs find lists them.")
    pulled = pull_study(
        open_server(server, aet),
        Query(study, patient, date),
        folder,
        modalities=[name.upper() for name in modality or ()],
        force=force,
        progress=ConsoleProgress(),
    )
    if as_json:
        answer({"folder": str(folder), "instances": pulled.instances, "bytes": pulled.size})
    else:
        say(f"{pulled.instances} instances, {pulled.size / 1e6:.1f} MB, in {folder}")


def push(
    server: Server,
    paths: Annotated[
        list[Path], typer.Argument(metavar="DICOM...", help="DICOM files, folders or zips.")
    ],
    *,
    aet: OwnTitle = "HCNET",
    as_json: Json = False,
) -> None:
    """Send DICOM files as they are, such as the segmentation and maps of `hcnet segment`.

    Files that are not DICOM are left out. Every refused instance is named, and any makes the
    command fail. Credentials as for pull.

    Examples:
        hcnet pacs push https://pacs.example/dicom-web out/tumour.dcm
        hcnet pacs push dicom://ORTHANC@localhost:4242 out
    """
    from hcnet.cli.console import ConsoleProgress, answer, say, warn
    from hcnet.errors import ServerError
    from hcnet.pacs.push import push as push_files
    from hcnet.pacs.server import open_server

    outcomes = push_files(open_server(server, aet), paths, progress=ConsoleProgress())
    for outcome in outcomes:
        if outcome.why:
            what = "stored, but" if outcome.stored else "not stored,"
            warn(f"{outcome.item.file.location}: {what} {outcome.why}")
    refused = sum(not outcome.stored for outcome in outcomes)
    if as_json:
        answer(
            {
                "server": server,
                "instances": [
                    {"file": each.item.file.location, "stored": each.stored, "why": each.why}
                    for each in outcomes
                ],
            }
        )
    else:
        say(f"{len(outcomes) - refused} of {len(outcomes)} instances stored at {server}")
    if refused:
        raise ServerError(
            f"{server}: {refused} of {len(outcomes)} instances were not stored; the reasons are "
            "above."
        )


for _verb in (find, pull, push):
    add_verb(pacs, _verb)
