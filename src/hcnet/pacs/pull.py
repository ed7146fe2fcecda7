"""One study of a server to a folder."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hcnet.errors import ConfigError, ServerError
from hcnet.files import folder_aside
from hcnet.pacs.intake import Intake
from hcnet.pacs.server import Server
from hcnet.pacs.study import Query, Study
from hcnet.progress import SILENT, Progress

_LISTED = 10
_LOOKED_AT = 200


@dataclass(frozen=True)
class Pulled:
    """What was received: how many files, and their size in bytes."""

    study: Study
    instances: int
    size: int


def pull(
    server: Server,
    query: Query,
    folder: Path,
    *,
    modalities: Collection[str] = (),
    force: bool = False,
    progress: Progress = SILENT,
) -> Pulled:
    """Retrieve the one study that matches, one file an instance, named by its SOP Instance UID.

    All or nothing: the files come into a folder aside, which takes its place when the last one is
    there. After an error or an interruption the same call starts anew.

    Args:
        server: from `hcnet.pacs.server.open_server`.
        query: what is looked for; of patients, only one.
        folder: where the files go.
        modalities: of the series to retrieve, such as MR; all where empty.
        force: write into a folder that holds something.
        progress: is told of every instance.

    Raises:
        ConfigError: a wildcard in the PatientID.
        InputError: `folder` is not empty, or a file.
        ServerError: no study or several match, or the server fails.
    """
    if query.patient and set("*?") & set(query.patient):
        raise ConfigError(
            f"--patient {query.patient}: stands for several patients; give one PatientID, which "
            "hcnet pacs find may find."
        )
    with folder_aside(folder, force=force) as aside:
        study = _one_study(server, query)
        progress.message(f"Study {study}")
        references = server.instances(study.uid, modalities)
        if not references:
            of_these = f" of modality {', '.join(modalities)}" if modalities else ""
            raise ServerError(f"{server}: has no instances{of_these} in study {study.uid}.")
        intake = Intake(aside, str(server), references)
        arrivals = server.retrieve(references, intake.take)
        for _ in progress.track(arrivals, "Receiving", total=len(references)):
            pass
        intake.require_complete()
    return Pulled(study, len(intake.received), intake.size)


def _one_study(server: Server, query: Query) -> Study:
    studies = server.studies(query, _LOOKED_AT)
    if not studies:
        raise ServerError(f"{server}: has no study that matches {query}.")
    if len(studies) > 1:
        listed = "; ".join(map(str, studies[:_LISTED]))
        more = "; ..." if len(studies) > _LISTED else ""
        raise ServerError(
            f"{server}: {len(studies)} studies match {query}; give --study with one of these: "
            f"{listed}{more}."
        )
    return studies[0]
