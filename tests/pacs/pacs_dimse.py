"""A small archive that speaks DIMSE, in this process, on the loopback and a port of its own."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    ParametricMapStorage,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

LEVELS = {
    "STUDY": ("StudyInstanceUID", "PatientID", "StudyDate"),
    "SERIES": ("StudyInstanceUID", "SeriesInstanceUID"),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
DISTINCT = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass
class DimseArchive:
    """What it holds, and how it misbehaves.

    Attributes:
        listed: what searches find.
        sent: what the first C-GET sends instead of `listed`, whatever is asked for.
        find_status: final status of a search.
        get_failures: instances of a C-GET that it says it could not send.
        store_status: status of every store.
        hang_up: end the association at the first store.
        stored: what has been stored.
        syntaxes: transfer syntaxes in which the instances came.
    """

    listed: list[Dataset] = field(default_factory=list)
    sent: list[Dataset] | None = None
    find_status: int = 0x0000
    get_failures: int = 0
    store_status: int = 0x0000
    hang_up: bool = False
    stored: list[Dataset] = field(default_factory=list)
    syntaxes: list[str] = field(default_factory=list)
    port: int = 0
    callers: list[str] = field(default_factory=list)
    _server: Any = None

    @property
    def address(self) -> str:
        return f"dicom://ARCHIVE@127.0.0.1:{self.port}"

    def start(
        self,
        classes: Sequence[str] = (MRImageStorage, SegmentationStorage, ParametricMapStorage),
        syntaxes: Sequence[str] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        *,
        search: bool = True,
        known: Sequence[str] = (),
    ) -> "DimseArchive":
        entity = AE(ae_title="ARCHIVE")
        entity.require_called_aet = True
        entity.require_calling_aet = list(known)
        if search:
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        for uid in classes:
            entity.add_supported_context(uid, list(syntaxes), scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_OPEN, _without_delay),
            (evt.EVT_ESTABLISHED, lambda e: self.callers.append(e.assoc.requestor.ae_title)),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]
        return self

    def stop(self) -> Thread:
        """Begin to stop; the thread ends half a second later."""
        thread = Thread(target=self._server.shutdown)
        thread.start()
        return thread

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        level = asked.QueryRetrieveLevel
        seen = set()
        for dataset in self.listed if self.find_status == 0 else []:
            key = dataset.get(DISTINCT[level])
            if key in seen or not self._matches(dataset, asked, level):
                continue
            seen.add(key)
            answer = Dataset()
            answer.QueryRetrieveLevel = level
            for element in asked:
                if element.keyword in dataset:
                    answer[element.keyword] = dataset[element.keyword]
            yield 0xFF00, answer
        if self.find_status:
            yield self.find_status, None

    def _matches(self, dataset: Dataset, asked: Dataset, level: str) -> bool:
        wanted = {key: str(asked.get(key) or "") for key in LEVELS[level]}
        return all(v in ("", str(dataset.get(key))) or "*" in v for key, v in wanted.items())

    def _get(self, event: Any) -> Iterator[Any]:
        asked = event.identifier
        found = [d for d in self.listed if d.SeriesInstanceUID == asked.SeriesInstanceUID]
        if self.sent is not None:
            found, self.sent = self.sent, []
        yield len(found)
        for index, dataset in enumerate(found):
            if index < self.get_failures:
                yield 0xC512, None
                return
            yield 0xFF00, dataset

    def _store(self, event: Any) -> int:
        if self.hang_up:
            event.assoc.abort()
            return 0xA700
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.stored.append(dataset)
        self.syntaxes.append(str(event.context.transfer_syntax))
        return self.store_status


def _without_delay(event: Any) -> None:
    # Else each message of two parts waits 40 ms for the other side.
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
