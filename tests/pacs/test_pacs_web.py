"""DICOMweb against a small service in this process."""

import base64
import json

import pytest
from pacs_exam import OTHER_STUDY, STUDY, encoded, read_all
from pacs_http import JSON, Reply, multipart

from hcnet.errors import ConfigError, InputError, ServerError
from hcnet.pacs import web as web_module
from hcnet.pacs.pull import pull
from hcnet.pacs.push import push
from hcnet.pacs.server import open_server
from hcnet.pacs.study import Query

P1 = Query(patient="P1")


@pytest.fixture
def filled(web, exam):
    web.listed = read_all(exam)
    return web


def test_find(filled, connect):
    (study,) = connect(filled).studies(P1, 10)
    assert (study.uid, study.patient, study.date) == (STUDY, "P1", "20240102")
    assert study.description == "Breast"
    assert not connect(filled).studies(Query(patient="P2"), 10)


def test_pull_gives_every_instance_byte_by_byte(filled, connect, tmp_path):
    pulled = pull(connect(filled), P1, tmp_path / "exam")
    assert pulled.instances == 6
    for dataset in filled.listed:
        path = tmp_path / "exam" / f"{dataset.SOPInstanceUID}.dcm"
        assert path.read_bytes() == encoded(dataset)
    assert len(list(tmp_path.rglob("*"))) == 7


def test_a_list_may_come_in_pages(filled, connect, tmp_path):
    filled.page = 3
    assert pull(connect(filled), P1, tmp_path / "exam").instances == 6


def test_only_some_modalities(filled, connect, tmp_path):
    for dataset in filled.listed[:3]:
        dataset.Modality, dataset.SeriesInstanceUID = "SEG", "1.2.3"
    assert pull(connect(filled), P1, tmp_path / "exam", modalities=["SEG"]).instances == 3
    with pytest.raises(ServerError, match="no instances of modality CT"):
        pull(connect(filled), P1, tmp_path / "none", modalities=["CT"])


def test_several_studies_are_listed_and_a_date_may_choose(filled, connect, tmp_path):
    for dataset in filled.listed[:2]:
        dataset.StudyInstanceUID, dataset.StudyDate = OTHER_STUDY, "20240601"
    with pytest.raises(ServerError, match="2 studies match patient P1") as raised:
        pull(connect(filled), P1, tmp_path / "exam")
    assert STUDY in str(raised.value)
    assert OTHER_STUDY in str(raised.value)
    later = Query(patient="P1", date="20240601")
    assert pull(connect(filled), later, tmp_path / "exam").instances == 2


def test_pull_refuses_what_stands_for_several_patients_or_a_full_folder(filled, connect, tmp_path):
    with pytest.raises(ConfigError, match="stands for several"):
        pull(connect(filled), Query(patient="P*"), tmp_path / "exam")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(InputError, match="is not empty"):
        pull(connect(filled), P1, tmp_path / "full")
    assert not filled.requests


def only(match: str, reply: Reply):
    return lambda method, path: reply if path.endswith(match) else None


UID = "1.2.826.0.1"
EVIL = [{"0020000E": {"vr": "UI", "Value": ["../../../evil"]}}]
PNG = multipart(b"\x89PNG", "b")
FAILURES = [
    ("studies", Reply(200, b"<html>", "text/html"), "does not answer in DICOM JSON"),
    ("studies", Reply(200, b"[" * 3000), "does not answer in DICOM JSON"),
    ("studies", Reply(200, b'["x"]'), "does not answer in DICOM JSON"),
    ("studies", Reply(200, b"null"), "has no study"),
    ("studies", Reply(204), "has no study"),
    ("studies", Reply(401), "refuses our credentials"),
    ("studies", Reply(404), "no DICOMweb service"),
    ("studies", Reply(500), "HTTP 500 Internal Server Error"),
    ("studies", Reply(302, headers={"Location": "http://127.0.0.1:1/"}), "is not followed"),
    ("studies", Reply(200, b" " * 5000), "answers with more than"),
    ("series", Reply(200, b"[]"), "has no instances"),
    ("series", Reply(200, json.dumps(EVIL).encode()), "without a legal UID"),
    ("1", Reply(404), "HTTP 404"),
    ("1", Reply(200, b"{}"), "not answer with a DICOM file"),
    ("1", Reply(200, b"--b\r\n\r\nx", PNG.kind), "not answer with a DICOM file"),
    ("1", PNG, "not DICOM"),
]


@pytest.mark.parametrize(("path", "reply", "match"), FAILURES)
def test_a_server_that_fails_or_lies_leaves_nothing(
    web, exam, connect, tmp_path, monkeypatch, path, reply, match
):
    monkeypatch.setattr(web_module, "_MAX_LIST_BYTES", 4000)
    (one, *_) = read_all(exam)
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID
    web.listed, web.instead = [one], only(path, reply)
    if path == "1":
        web.instead = only(UID, reply)
    with pytest.raises(ServerError, match=match):
        pull(connect(web), P1, tmp_path / "exam")
    assert not list(tmp_path.iterdir())


def test_a_file_without_its_frame_is_taken(filled, connect, tmp_path):
    filled.listed = filled.listed[:1]
    data = encoded(filled.listed[0])
    uid = str(filled.listed[0].SOPInstanceUID)
    filled.instead = only(uid, Reply(200, data, "application/dicom"))
    pull(connect(filled), P1, tmp_path / "exam")
    assert (tmp_path / "exam" / f"{uid}.dcm").read_bytes() == data


def test_a_busy_server_is_asked_again(filled, connect):
    replies = [Reply(503, headers={"Retry-After": "9999"})]
    filled.instead = lambda method, path: replies.pop() if replies else None
    assert len(connect(filled).studies(P1, 10)) == 1
    assert len(filled.requests) == 2


def test_no_server(connect, web):
    address = web.address
    web.stop()
    with pytest.raises(ServerError, match="cannot be reached, or broke off"):
        open_server(address, "HCNET").studies(P1, 10)
    with pytest.raises(ServerError, match="cannot be reached, or broke off"):
        open_server("http://nobody.invalid/", "HCNET").studies(P1, 10)
    web.start()


def sent(web) -> str | None:
    return web.requests[-1][2].get("Authorization")


def test_credentials(filled, connect, monkeypatch, tmp_path):
    connect(filled).studies(P1, 10)
    assert sent(filled) is None
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password from-file\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    connect(filled).studies(P1, 10)
    assert sent(filled) == "Basic " + base64.b64encode(b"ann:from-file").decode()
    monkeypatch.setenv("HCNET_PACS_USER", "jörg")
    monkeypatch.setenv("HCNET_PACS_PASSWORD", "geheim")
    connect(filled).studies(P1, 10)
    assert sent(filled) == "Basic " + base64.b64encode("jörg:geheim".encode()).decode()
    monkeypatch.setenv("HCNET_PACS_TOKEN", "abc.def")
    with pytest.raises(ConfigError, match="both set"):
        connect(filled)
    monkeypatch.delenv("HCNET_PACS_USER")
    connect(filled).studies(P1, 10)
    assert sent(filled) == "Bearer abc.def"
    monkeypatch.setenv("HCNET_PACS_TOKEN", "abc\ndef")
    with pytest.raises(ConfigError, match="one line") as raised:
        connect(filled)
    assert "abc" not in str(raised.value)


def test_push_sends_the_files_as_they_are(web, exam, connect):
    outcomes = push(connect(web), [exam])
    assert all(outcome.stored and not outcome.why for outcome in outcomes)
    assert sorted(web.stored) == sorted(path.read_bytes() for path in exam.iterdir())


def answer(sequence: str, key: str, code: int) -> bytes:
    item = {key: {"vr": "US", "Value": [code]}}
    return json.dumps({sequence: {"vr": "SQ", "Value": [item]}}).encode()


FAILED = answer("00081198", "00081197", 0x0122)
UNEXPLAINED = answer("00081198", "00081150", 0).replace(b"US", b"UI").replace(b"0]", b'"1.2"]')
WARNED = answer("00081199", "00081196", 0xB000)


@pytest.mark.parametrize(
    ("reply", "stored", "why"),
    [
        (Reply(409, FAILED), False, "it does not store this class of objects (0x0122)"),
        (Reply(202, FAILED), False, "it does not store this class of objects (0x0122)"),
        (Reply(202, WARNED), True, "it changed or dropped elements (0xB000)"),
        (Reply(200, UNEXPLAINED), False, "for a reason of its own (0x0000)"),
        (Reply(202), False, "it answers HTTP 202 and no reason"),
        (Reply(200, b"<x/>", "application/dicom+xml"), True, ""),
        (Reply(200, b"[1]", JSON), True, ""),
        (Reply(413), False, "it answers HTTP 413 and no reason"),
        (Reply(503), False, "it answers HTTP 503 and no reason"),
    ],
)
def test_what_a_server_says_to_an_instance(web, exam, connect, reply, stored, why):
    one = sorted(exam.iterdir())[0]
    web.instead = lambda method, path: reply
    (outcome,) = push(connect(web), [one])
    assert (outcome.stored, outcome.why) == (stored, why)


def test_push_stops_where_the_service_refuses(web, exam, connect):
    replies = [Reply(401), Reply(409, FAILED)]
    web.instead = lambda method, path: replies.pop() if replies else None
    with pytest.raises(ServerError, match=r"refuses our credentials.* Of 6 instances, 0 were"):
        push(connect(web), [exam])
    assert len(web.requests) == 2
