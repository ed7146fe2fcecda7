"""DIMSE (DICOM PS3.7), as a client: C-FIND to find, C-GET to retrieve, C-STORE to store.

C-MOVE is left out on purpose: with it a server opens a connection of its own to an address that
its administrator has to enter first. C-GET sends over the connection that we have opened.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind as Find,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet as Get,
)

from hcnet.errors import InputError, ServerError
from hcnet.pacs.address import DimseAddress, check_title
from hcnet.pacs.contexts import to_receive, to_send
from hcnet.pacs.intake import MAX_INSTANCE_BYTES
from hcnet.pacs.outgoing import Outgoing
from hcnet.pacs.reasons import query_reason, store_reason
from hcnet.pacs.server import MAX_INSTANCES, Outcome, Reference
from hcnet.pacs.study import Query, Study, shown
from hcnet.pacs.uids import is_uid
from hcnet.volumes.dicom.values import parse, quiet, text

_SUCCESS, _PENDING = 0x0000, (0xFF00, 0xFF01)
_STORED_WITH_WARNING = (0xB000, 0xB006, 0xB007)
_SENT_WITH_WARNING = 0xB000
_CANNOT_KEEP = 0xA700
_CONNECT_S, _ANSWER_S = 10.0, 120.0
_PDU_BYTES = 128 * 1024
_STUDY_KEYS = (
    "StudyInstanceUID",
    "PatientID",
    "PatientName",
    "StudyDate",
    "StudyDescription",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
)

# Its remarks repeat what the errors say, in more and other words.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)


class DimseServer:
    """An application entity as a `hcnet.pacs.server.Server`.

    Args:
        address: the server.
        own_title: our AE title.

    Raises:
        ConfigError: `own_title` is no AE title.
    """

    def __init__(self, address: DimseAddress, own_title: str) -> None:
        self._address = address
        self._title = check_title(own_title, "--aet")

    def __str__(self) -> str:
        return str(self._address)

    def studies(self, query: Query, limit: int) -> list[Study]:
        """The studies that match, at most `limit`.

        Raises:
            ServerError: no association, a failure, or an answer that cannot be read.
        """
        found: dict[str, Study] = {}
        with self._association([build_context(Find)]) as association:
            keys = {**dict.fromkeys(_STUDY_KEYS, ""), **query.keys}
            for dataset in self._find(association, "STUDY", keys):
                study = Study.from_dataset(dataset)
                if study is not None and query.matches(study):
                    found.setdefault(study.uid, study)
                if len(found) >= limit:
                    association.abort()  # a server may have millions
                    break
        return list(found.values())

    def instances(self, study: str, modalities: Collection[str]) -> list[Reference]:
        """All instances of a study, series by series.

        Raises:
            ServerError: as `studies`; or more than any study has.
        """
        found: dict[str, Reference] = {}
        with self._association([build_context(Find)]) as association:
            keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": ""}
            for series in list(self._find(association, "SERIES", keys)):
                if modalities and _text(series, "Modality") not in modalities:
                    continue
                uid = self._uid(series, "SeriesInstanceUID")
                keys = {
                    "StudyInstanceUID": study,
                    "SeriesInstanceUID": uid,
                    "SOPInstanceUID": "",
                    "SOPClassUID": "",
                }
                for instance in self._find(association, "IMAGE", keys):
                    sop_uid, kind = self._uid(instance, "SOPInstanceUID"), _class_of(instance)
                    found[sop_uid] = Reference(study, uid, sop_uid, kind)
                if len(found) > MAX_INSTANCES:
                    raise self._too_many()
        return list(found.values())

    def retrieve(
        self, references: Sequence[Reference], take: Callable[[bytes], None]
    ) -> Iterator[None]:
        """Retrieve series by series, as many as the server has of each.

        Raises:
            ServerError: as `studies`; or the server failed to send some; or what `take` raises.
        """
        intake = _Handler(take, str(self))
        contexts, roles = to_receive(
            dict.fromkeys(reference.sop_class for reference in references), build_context(Get)
        )
        handlers = [(evt.EVT_C_STORE, intake.store), (evt.EVT_DATA_RECV, intake.count)]
        series = dict.fromkeys((r.study, r.series) for r in references)
        with self._association(contexts, ext_neg=roles, evt_handlers=handlers) as association:
            for study, uid in series:
                self._require(association, Get)
                keys = {"StudyInstanceUID": study, "SeriesInstanceUID": uid}
                for status, _ in association.send_c_get(_identifier("SERIES", keys), Get):
                    if intake.error is not None:
                        raise intake.error
                    yield from intake.news()
                    self._check_get(status, uid)

    def store(self, items: Sequence[Outgoing]) -> Iterator[Outcome]:
        """Send instance by instance, each in the transfer syntax of its file where accepted.

        Raises:
            ServerError: no association, or it broke off.
        """
        for batch, contexts in to_send(items):
            with self._association(contexts, none_accepted_is_fine=True) as association:
                for item in batch:
                    yield self._store(association, item)

    def _store(self, association: Association, item: Outgoing) -> Outcome:
        named = f"{UID(item.sop_class).name} as {UID(item.syntax).name}"
        if not association.accepted_contexts:
            return Outcome(item, stored=False, why=f"it does not take {named}")
        try:
            dataset = parse(item.file, BytesIO(item.read()))
            with quiet():
                status = association.send_c_store(dataset)
        except (InputError, ValueError, AttributeError) as error:
            # No context fits, or the file is damaged behind its header.
            refused = "presentation context" in str(error)
            why = f"it does not take {named}" if refused else f"it cannot be sent: {error}"
            return Outcome(item, stored=False, why=why)
        except RuntimeError:  # the association has ended between two instances
            raise self._lost() from None
        code = self._code(status)
        if code == _SUCCESS:
            return Outcome(item, stored=True)
        return Outcome(item, stored=code in _STORED_WITH_WARNING, why=store_reason(code))

    def _find(
        self, association: Association, level: str, keys: dict[str, str]
    ) -> Iterator[Dataset]:
        self._require(association, Find)
        answers = association.send_c_find(_identifier(level, keys), Find)
        for count, (status, answer) in enumerate(answers):
            code = self._code(status)
            if code == _SUCCESS:
                return
            if code not in _PENDING:
                raise ServerError(f"{self}: the search failed, {query_reason(code)}.")
            if answer is None:
                raise ServerError(f"{self}: answers a search with what is not DICOM.")
            if count >= MAX_INSTANCES:
                raise self._too_many()
            yield answer

    def _check_get(self, status: Dataset, series: str) -> None:
        code = self._code(status)
        if code == _SUCCESS or code in _PENDING:
            return
        failed = status.get("NumberOfFailedSuboperations")
        if failed:
            raise ServerError(
                f"{self}: could not send {failed} instance(s) of series {series} "
                f"(status 0x{code:04X}); nothing was kept, try again."
            )
        if code == _SENT_WITH_WARNING:  # but nothing failed; whether all has come is checked later
            return
        raise ServerError(f"{self}: the retrieval failed, {query_reason(code)}; nothing was kept.")

    def _code(self, status: Dataset) -> int:
        if "Status" not in status:
            raise self._lost()
        return int(status.Status)

    def _too_many(self) -> ServerError:
        return ServerError(f"{self}: lists more than {MAX_INSTANCES} objects of one study.")

    def _lost(self) -> ServerError:
        return ServerError(f"{self}: broke off, or did not answer in time; try again.")

    def _uid(self, dataset: Dataset, key: str) -> str:
        uid = _text(dataset, key)
        if not is_uid(uid):
            raise ServerError(f"{self}: lists an object without a legal UID; it is not asked.")
        return uid

    def _require(self, association: Association, service: str) -> None:
        if not association.is_established:  # it has ended since the last answer
            raise self._lost()
        if not any(c.abstract_syntax == service for c in association.accepted_contexts):
            name = "C-FIND" if service == Find else "C-GET"
            raise ServerError(
                f"{self}: does not offer {name} in the Study Root model to {self._title}; ask its "
                "administrator, or use its DICOMweb service."
            )

    @contextmanager
    def _association(
        self,
        contexts: list[PresentationContext],
        *,
        none_accepted_is_fine: bool = False,
        **more: Any,
    ) -> Iterator[Association]:
        entity = AE(ae_title=self._title)
        entity.connection_timeout, entity.acse_timeout = _CONNECT_S, _ANSWER_S
        entity.dimse_timeout = entity.network_timeout = _ANSWER_S
        try:
            association = entity.associate(
                self._address.host,
                self._address.port,
                contexts=contexts,
                ae_title=self._address.title,
                max_pdu=_PDU_BYTES,
                **more,
            )
        except OSError as error:  # the name of the host is not known
            raise ServerError(
                f"{self}: cannot be reached ({error.strerror}); is the address right?"
            ) from error
        if not association.is_established:
            answered = association.acceptor.primitive
            none_accepted = answered is not None and not association.is_rejected
            if not (none_accepted and none_accepted_is_fine):
                raise self._no_association(association)
        try:
            yield association
            if association.is_established:
                association.release()
        finally:
            if association.is_established:
                association.abort()

    def _no_association(self, association: Association) -> ServerError:
        answered = association.acceptor.primitive
        if association.is_rejected and answered is not None:
            return ServerError(
                f"{self}: refuses the association ({shown(answered.reason_str)}); its "
                f"administrator has to know us as {self._title} (--aet), and it may have another "
                "AE title itself."
            )
        if answered is not None:
            return ServerError(f"{self}: offers none of the services that this needs.")
        return ServerError(
            f"{self}: cannot be reached, or is no DICOM server; is it running, the address right?"
        )


class _Handler:
    """Receives instances; the first error ends the association and is kept."""

    def __init__(self, take: Callable[[bytes], None], server: str) -> None:
        self.error: Exception | None = None
        self._take, self._server = take, server
        self._waiting = 0
        self._bytes = 0

    def store(self, event: Event) -> int:
        """Answer a C-STORE request of the server."""
        if self.error is None:
            try:
                self._take(event.encoded_dataset())
            except Exception as error:  # raised again where the retrieval is waited for
                self._end(event, error)
        self._bytes = 0
        self._waiting += 1
        return _SUCCESS if self.error is None else _CANNOT_KEEP

    def count(self, event: Event) -> None:
        """Watch how much has come since the last instance: a message has no size to check."""
        self._bytes += len(event.data)
        if self._bytes > MAX_INSTANCE_BYTES and self.error is None:
            large = f"{MAX_INSTANCE_BYTES / 1e9:.1f} GB"
            self._end(event, ServerError(f"{self._server}: sends an instance above {large}."))

    def news(self) -> Iterator[None]:
        """One item for each instance since the last call."""
        waiting, self._waiting = self._waiting, 0
        for _ in range(waiting):
            yield

    def _end(self, event: Event, error: Exception) -> None:
        self.error = error
        # What pynetdicom itself puts there when an association breaks off: it ends the waiting.
        # Aborting here would not, and the error would be told two minutes later.
        event.assoc.dimse.msg_queue.put((None, None))


def _identifier(level: str, keys: dict[str, str]) -> Dataset:
    identifier = Dataset()
    with quiet():
        identifier.QueryRetrieveLevel = level
        for name, value in keys.items():
            setattr(identifier, name, value)
    return identifier


def _text(dataset: Dataset, key: str) -> str:
    with quiet():
        return text(dataset, key)


def _class_of(dataset: Dataset) -> str:
    kind = _text(dataset, "SOPClassUID")
    return kind if is_uid(kind) else ""
