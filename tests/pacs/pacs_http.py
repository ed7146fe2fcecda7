"""A small DICOMweb service in this process, on the loopback and a port of its own."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qsl, urlsplit

import pydicom
from pacs_exam import encoded
from pydicom.dataset import Dataset

JSON = "application/dicom+json"
ROOT = "/dicom-web"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    kind: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class WebArchive:
    """What it holds, and how it misbehaves: `instead` may answer in its place.

    Attributes:
        listed: what searches find and retrievals give.
        instead: of method and path below the root, gives the reply or None.
        page: how many entries a list has at most.
        requests: method, path and headers of all requests.
        stored: what has been stored.
    """

    listed: list[Dataset] = field(default_factory=list)
    instead: Callable[[str, str], Reply | None] = lambda method, path: None
    page: int = 1000
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}{ROOT}"

    def start(self) -> "WebArchive":
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer takes 40 ms

            def do_GET(self) -> None:
                self._reply(archive.answer("GET", self.path, dict(self.headers), b""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._reply(archive.answer("POST", self.path, dict(self.headers), body))

            def _reply(self, reply: Reply) -> None:
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                self.send_header("Content-Length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(reply.body)
                except OSError:  # the client has had enough
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(target)
        path = parts.path.removeprefix(ROOT).strip("/")
        self.requests.append((method, path, headers))
        other = self.instead(method, path)
        if other is not None:
            return other
        if method == "POST":
            return self._store(headers["Content-Type"], body)
        return self._get(path.split("/"), dict(parse_qsl(parts.query)))

    def _get(self, path: list[str], query: dict[str, str]) -> Reply:
        match path:
            case ["studies"]:
                keys = ("StudyInstanceUID", "PatientID", "StudyDate")
                found = [
                    d
                    for d in self.listed
                    if all(query.get(k) in (None, str(d.get(k))) for k in keys)
                ]
                return self._list(found, "StudyInstanceUID", query)
            case ["studies", study, "series"]:
                found = [d for d in self.listed if d.StudyInstanceUID == study]
                return self._list(found, "SeriesInstanceUID", query)
            case ["studies", study, "series", series, "instances"]:
                found = [
                    d
                    for d in self.listed
                    if (d.StudyInstanceUID, d.SeriesInstanceUID) == (study, series)
                ]
                return self._list(found, "SOPInstanceUID", query)
            case ["studies", _, "series", _, "instances", uid]:
                for dataset in self.listed:
                    if dataset.SOPInstanceUID == uid:
                        return multipart(encoded(dataset))
        return Reply(404)

    def _list(self, found: list[Dataset], key: str, query: dict[str, str]) -> Reply:
        first = {str(dataset.get(key)): dataset for dataset in found}
        start = int(query.get("offset", 0))
        page = list(first.values())[start : start + min(self.page, int(query["limit"]))]
        return Reply(body=json.dumps([_header(dataset) for dataset in page]).encode())

    def _store(self, kind: str, body: bytes) -> Reply:
        mark = b"--" + kind.split("boundary=")[1].encode()
        data = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n" + mark, 1)[0]
        self.stored.append(data)
        uid = str(pydicom.dcmread(BytesIO(data)).SOPInstanceUID)
        done = Dataset()
        done.ReferencedSOPInstanceUID = uid
        answer = Dataset()
        answer.ReferencedSOPSequence = [done]
        return Reply(body=json.dumps(answer.to_json_dict()).encode())


def multipart(data: bytes, boundary: str = "frontier") -> Reply:
    """An answer of one DICOM file, as WADO-RS has it."""
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {len(data)}\r\n\r\n"
    return Reply(
        body=head.encode() + data + f"\r\n--{boundary}--".encode(),
        kind=f'multipart/related; type="application/dicom"; boundary="{boundary}"',
    )


def _header(dataset: Dataset) -> dict[str, object]:
    kept = Dataset()
    for element in dataset:
        if element.keyword not in ("PixelData", "SegmentSequence"):
            kept[element.keyword] = element
    return kept.to_json_dict()
