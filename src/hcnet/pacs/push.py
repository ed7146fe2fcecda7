"""DICOM files to a server."""

from collections.abc import Sequence
from pathlib import Path

from hcnet.errors import ServerError
from hcnet.pacs.outgoing import collect
from hcnet.pacs.server import Outcome, Server
from hcnet.progress import SILENT, Progress


def push(server: Server, paths: Sequence[Path], *, progress: Progress = SILENT) -> list[Outcome]:
    """Send all DICOM files in `paths` (files, folders, zips); nothing of them is changed.

    A refused instance does not keep the others from being sent; see the outcomes.

    Raises:
        InputError: nothing to send, or a file that cannot be.
        ServerError: the server cannot be reached, or broke off.
    """
    items = collect(paths)
    outcomes: list[Outcome] = []
    try:
        outcomes.extend(progress.track(server.store(items), "Sending", total=len(items)))
    except ServerError as error:
        if not outcomes:
            raise
        stored = sum(outcome.stored for outcome in outcomes)
        raise ServerError(
            f"{error} Of {len(items)} instances, {stored} were stored before; sending all again "
            "does no harm."
        ) from error
    return outcomes
