"""What pull and push need of a server, whichever protocol it speaks."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hcnet.errors import MissingExtraError
from hcnet.pacs.address import DimseAddress, parse_address
from hcnet.pacs.outgoing import Outgoing
from hcnet.pacs.study import Query, Study

MAX_INSTANCES = 100_000
"""No study has as many; a server that lists more means harm or is broken."""


@dataclass(frozen=True)
class Reference:
    """An instance that a server lists; `sop_class` is empty where it does not say. Legal UIDs."""

    study: str
    series: str
    sop_uid: str
    sop_class: str


@dataclass(frozen=True)
class Outcome:
    """What became of an instance that was sent; `why` says it for refusals and warnings."""

    item: Outgoing
    stored: bool
    why: str = ""


class Server(Protocol):
    """A client of one server; every method raises ServerError where the server fails."""

    def studies(self, query: Query, limit: int) -> list[Study]:
        """The studies that match, at most `limit`, in the server's order."""
        ...

    def instances(self, study: str, modalities: Collection[str]) -> list[Reference]:
        """All instances of a study, or those of its series with one of `modalities`."""
        ...

    def retrieve(
        self, references: Sequence[Reference], take: Callable[[bytes], None]
    ) -> Iterator[None]:
        """Hand each instance to `take` as the bytes of a DICOM file; yield once after each."""
        ...

    def store(self, items: Sequence[Outgoing]) -> Iterator[Outcome]:
        """Send instances one after the other."""
        ...


def open_server(text: str, own_title: str) -> Server:
    """The client for an address; nothing is sent yet.

    Args:
        text: SERVER of the command line, see `hcnet.pacs.address`.
        own_title: our AE title, which DIMSE servers want to know us by.

    Raises:
        ConfigError: the address, the title or the credentials make no sense.
        MissingExtraError: the extra "pacs" is not installed.
    """
    address = parse_address(text)
    try:
        if isinstance(address, DimseAddress):
            from hcnet.pacs.dimse import DimseServer

            return DimseServer(address, own_title)
        from hcnet.pacs.web import WebServer

        return WebServer(address)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{address}: talking to a server needs {error.name}; pip install 'hcnet[pacs]'."
        ) from None
