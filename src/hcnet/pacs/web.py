"""DICOMweb (DICOM PS3.18): QIDO-RS to find, WADO-RS to retrieve, STOW-RS to store.

Written on requests, not on a DICOMweb library: files are to be kept and sent byte by byte as they
are, answers are to have a largest size, and nothing of them is to be parsed before it was checked.
"""

import re
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from email.message import Message
from http import HTTPStatus

from pydicom.dataset import Dataset

from hcnet.errors import InputError, ServerError
from hcnet.pacs.address import WebAddress
from hcnet.pacs.intake import MAX_INSTANCE_BYTES
from hcnet.pacs.outgoing import Outgoing
from hcnet.pacs.reasons import store_reason
from hcnet.pacs.server import MAX_INSTANCES, Outcome, Reference
from hcnet.pacs.study import Query, Study
from hcnet.pacs.uids import is_uid
from hcnet.pacs.web_session import Answer, WebSession
from hcnet.volumes.dicom.values import integer, items_of, quiet, text, value_of

_JSON = "application/dicom+json"
_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_MAX_LIST_BYTES = 256 * 1024**2
_MAX_STORE_ANSWER_BYTES = 16 * 1024**2
_PAGE = 1000
# Not this instance is the trouble, but the service: the next one would fare the same.
_OF_THE_SERVICE = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}


class WebServer:
    """A DICOMweb service as a `hcnet.pacs.server.Server`."""

    def __init__(self, address: WebAddress) -> None:
        self._session = WebSession(address)

    def __str__(self) -> str:
        return self._session.url

    def studies(self, query: Query, limit: int) -> list[Study]:
        """The studies that match, at most `limit`.

        Raises:
            ServerError: no connection, a failure, or an answer that is not DICOM JSON.
        """
        wanted = {**query.keys, "includefield": "StudyDescription", "limit": str(limit)}
        found: dict[str, Study] = {}
        for dataset in self._search("studies", wanted):
            study = Study.from_dataset(dataset)
            if study is not None and query.matches(study):
                found.setdefault(study.uid, study)
        return list(found.values())[:limit]

    def instances(self, study: str, modalities: Collection[str]) -> list[Reference]:
        """All instances of a study, series by series.

        Raises:
            ServerError: as `studies`; or more than any study has.
        """
        found: list[Reference] = []
        for uid, series in self._all(f"studies/{study}/series", "SeriesInstanceUID", None).items():
            if modalities and text(series, "Modality") not in modalities:
                continue
            count = integer(series, "NumberOfSeriesRelatedInstances")
            below = f"studies/{study}/series/{uid}/instances"
            found.extend(
                Reference(study, uid, sop_uid, text(instance, "SOPClassUID"))
                for sop_uid, instance in self._all(below, "SOPInstanceUID", count).items()
            )
            if len(found) > MAX_INSTANCES:
                raise self._too_many()
        return found

    def retrieve(
        self, references: Sequence[Reference], take: Callable[[bytes], None]
    ) -> Iterator[None]:
        """Retrieve instance by instance, in the transfer syntax in which the server has each.

        Raises:
            ServerError: as `studies`; or an answer that is no multipart of one DICOM file; or
                what `take` raises.
        """
        for reference in references:
            path = (
                f"studies/{reference.study}/series/{reference.series}/instances/{reference.sop_uid}"
            )
            take(self._part(self._session.get(path, _DICOM, MAX_INSTANCE_BYTES, {})))
            yield

    def store(self, items: Sequence[Outgoing]) -> Iterator[Outcome]:
        """Send instance by instance, each as its file has it.

        Raises:
            ServerError: no connection, or a failure that is not about the instance.
        """
        for item in items:
            try:
                data = item.read()
            except InputError as error:
                yield Outcome(item, stored=False, why=f"it cannot be sent: {error}")
                continue
            boundary = uuid.uuid4().hex
            headers = {
                "Accept": _JSON,
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            }
            start = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
            body = start.encode() + data + f"\r\n--{boundary}--\r\n".encode()
            answer = self._session.post("studies", headers, body, _MAX_STORE_ANSWER_BYTES)
            if answer.status in _OF_THE_SERVICE or 300 <= answer.status < 400:
                self._session.require(answer)
            yield self._outcome(item, answer)

    def _outcome(self, item: Outgoing, answer: Answer) -> Outcome:
        told = self._datasets(answer, lenient=True)
        failures = _codes(told, "FailedSOPSequence", "FailureReason")
        warnings = [c for c in _codes(told, "ReferencedSOPSequence", "WarningReason") if c]
        # 200: all stored; 202: with warnings or failures; 409: none (PS3.18, table 10.5.3-1).
        if failures:
            return Outcome(item, stored=False, why=store_reason(failures[0]))
        if answer.status == HTTPStatus.OK or (answer.status == HTTPStatus.ACCEPTED and warnings):
            return Outcome(item, stored=True, why=store_reason(warnings[0]) if warnings else "")
        return Outcome(item, stored=False, why=f"it answers HTTP {answer.status} and no reason")

    def _all(self, path: str, key: str, count: int | None) -> dict[str, Dataset]:
        """Everything of a list that the server may give in pages, by its UID.

        Asks on until the server has told `count`, or nothing new comes.
        """
        found: dict[str, Dataset] = {}
        while count is None or len(found) < count:
            page = {"limit": str(_PAGE), "offset": str(len(found))}
            answers = {text(dataset, key): dataset for dataset in self._search(path, page)}
            new = {uid: dataset for uid, dataset in answers.items() if uid not in found}
            if not new:
                break
            if not all(map(is_uid, new)):
                raise ServerError(f"{self}: lists an object without a legal UID; it is not asked.")
            found.update(new)
            if len(found) > MAX_INSTANCES:
                raise self._too_many()
        return found

    def _search(self, path: str, params: dict[str, str]) -> list[Dataset]:
        answer = self._session.get(path, _JSON, _MAX_LIST_BYTES, params)
        if answer.status == HTTPStatus.NO_CONTENT or not answer.body:
            return []
        return self._datasets(answer)

    def _datasets(self, answer: Answer, *, lenient: bool = False) -> list[Dataset]:
        """The data sets of a JSON answer; with `lenient`, none where it is not JSON."""
        try:
            items = answer.json()
            with quiet():
                return [Dataset.from_json(item) for item in items_of(_as_list(items))]
        # Besides bad JSON: pydicom meets odd values with errors of all kinds.
        except Exception as error:
            if lenient:
                return []
            raise ServerError(
                f"{self}: does not answer in DICOM JSON; is this the address of a DICOMweb service?"
            ) from error

    def _part(self, answer: Answer) -> bytes:
        """The one part of a multipart answer (RFC 2046, 5.1)."""
        header = Message()
        header["Content-Type"] = answer.content_type
        if header.get_content_type() == "application/dicom":  # some servers leave the frame out
            return answer.body
        boundary = header.get_boundary()
        if header.get_content_type() == "multipart/related" and boundary:
            mark = re.escape(boundary.encode())
            opening = rb"(?:^|\r\n)--" + mark + rb"[ \t]*\r\n(?:[^\r\n]+\r\n)*\r\n"
            start = re.search(opening, answer.body)
            end = answer.body.find(b"\r\n--" + boundary.encode(), start.end() if start else 0)
            if start is not None and end >= 0:
                return answer.body[start.end() : end]
        raise ServerError(f"{self}: does not answer with a DICOM file where one was asked for.")

    def _too_many(self) -> ServerError:
        return ServerError(f"{self}: lists more than {MAX_INSTANCES} instances of one study.")


def _codes(told: Sequence[Dataset], sequence: str, key: str) -> list[int]:
    """The code of each item of a sequence; 0 where it has none."""
    items = [item for dataset in told for item in items_of(value_of(dataset, sequence))]
    return [integer(item, key) or 0 for item in items]


def _as_list(items: object) -> object:
    return [items] if isinstance(items, dict) else items
