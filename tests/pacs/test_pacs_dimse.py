"""DIMSE against a small archive in this process."""

import copy

import pytest
from pacs_exam import OTHER_STUDY, STUDY, read_all
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
)

from dicom_factory import phase_array, write_phase
from hcnet.errors import InputError, ServerError
from hcnet.pacs import dimse as dimse_module
from hcnet.pacs.pull import pull
from hcnet.pacs.push import push
from hcnet.pacs.server import open_server
from hcnet.pacs.study import Query

P1 = Query(patient="P1")


@pytest.fixture
def filled(dimse, exam):
    dimse.listed = read_all(exam)
    return dimse


def test_find_knows_us_by_our_title(filled):
    filled.start(known=["WARD7"])
    with pytest.raises(ServerError, match=r"refuses the association .*know us as HCNET"):
        open_server(filled.address, "HCNET").studies(P1, 10)
    (study,) = open_server(filled.address, "WARD7").studies(P1, 10)
    assert (study.uid, study.patient, study.date) == (STUDY, "P1", "20240102")
    assert filled.callers == ["WARD7"]


def test_pull_gives_every_instance(filled, connect, tmp_path):
    pulled = pull(connect(filled.start()), P1, tmp_path / "exam")
    assert pulled.instances == 6
    assert read_all(tmp_path / "exam") == filled.listed
    for dataset in filled.listed:
        assert (tmp_path / "exam" / f"{dataset.SOPInstanceUID}.dcm").is_file()
    assert len(list(tmp_path.rglob("*"))) == 7


def test_compressed_instances_stay_compressed(dimse, connect, tmp_path):
    write_phase(tmp_path / "rle", phase_array(0)[..., :2], compressed=True)
    dimse.listed = read_all(tmp_path / "rle")
    pull(connect(dimse.start(syntaxes=[RLELossless])), P1, tmp_path / "exam")
    found = read_all(tmp_path / "exam")
    assert {d.file_meta.TransferSyntaxUID for d in found} == {RLELossless}
    assert found == dimse.listed


def test_several_studies_and_limits(filled, connect, tmp_path):
    for dataset in filled.listed[:2]:
        dataset.StudyInstanceUID = OTHER_STUDY
    server = connect(filled.start())
    assert len(server.studies(P1, 1)) == 1
    with pytest.raises(ServerError, match="2 studies match"):
        pull(server, P1, tmp_path / "exam")
    with pytest.raises(ServerError, match="no study that matches patient P2"):
        pull(server, Query(patient="P2"), tmp_path / "exam")
    assert not list(tmp_path.iterdir())


def test_a_search_that_fails(filled, connect):
    filled.find_status = 0xA700
    with pytest.raises(ServerError, match=r"search failed, it has no room or is too busy \(0xA700"):
        connect(filled.start()).studies(P1, 10)


def test_a_server_without_the_service(filled, connect, exam):
    server = connect(filled.start(search=False))
    with pytest.raises(ServerError, match="offers none of the services"):
        server.studies(P1, 10)


def test_no_server(filled):
    filled.start()
    with pytest.raises(ServerError, match=r"refuses the association \(Called AE title"):
        open_server(filled.address.replace("ARCHIVE", "OTHER"), "HCNET").studies(P1, 10)
    filled.stop().join()
    with pytest.raises(ServerError, match="cannot be reached, or is no DICOM server"):
        open_server(filled.address, "HCNET").studies(P1, 10)
    with pytest.raises(ServerError, match=r"cannot be reached .*is the address right"):
        open_server("dicom://A@nobody.invalid:104", "HCNET").studies(P1, 10)
    filled.start()


def nothing_is_left(server, folder, match: str) -> None:
    with pytest.raises(ServerError, match=match):
        pull(server, P1, folder / "exam")
    assert not list(folder.iterdir())


def test_a_server_that_cannot_send_all(filled, connect, tmp_path):
    filled.get_failures = 1
    nothing_is_left(connect(filled.start()), tmp_path, "could not send|retrieval failed")


def test_a_server_that_sends_less_than_it_lists(filled, connect, tmp_path):
    filled.sent = filled.listed[1:]
    nothing_is_left(connect(filled.start()), tmp_path, "1 of 6 instances did not come")


def test_a_server_that_sends_something_else(filled, connect, tmp_path):
    other = copy.deepcopy(filled.listed[0])
    other.SOPInstanceUID = "1.2.3.4"
    filled.sent = [*filled.listed[:2], other, *filled.listed[2:]]
    nothing_is_left(connect(filled.start()), tmp_path, "not asked for")


def test_a_server_that_sends_without_end(filled, connect, tmp_path, monkeypatch):
    monkeypatch.setattr(dimse_module, "MAX_INSTANCE_BYTES", 1 << 17)
    filled.listed[0].PixelData = bytes(1 << 20)
    nothing_is_left(connect(filled.start()), tmp_path, "sends an instance above")


def test_push(dimse, exam, connect):
    outcomes = push(connect(dimse.start()), [exam])
    assert all(outcome.stored and not outcome.why for outcome in outcomes)
    stored = sorted(dimse.stored, key=lambda d: str(d.SOPInstanceUID))
    assert stored == read_all(exam)
    assert set(dimse.syntaxes) == {ExplicitVRLittleEndian}


def test_push_in_the_one_syntax_that_every_server_knows(dimse, exam, connect):
    push(connect(dimse.start(syntaxes=[ImplicitVRLittleEndian])), [exam])
    stored = sorted(dimse.stored, key=lambda d: str(d.SOPInstanceUID))
    assert stored == read_all(exam)
    assert set(dimse.syntaxes) == {ImplicitVRLittleEndian}


def test_what_is_refused_is_told_and_the_rest_goes_on(dimse, connect, tmp_path):
    write_phase(tmp_path / "rle", phase_array(0)[..., :2], compressed=True)
    write_phase(tmp_path / "seg", phase_array(0)[..., :1], series=9, SOPClassUID="1.2.3.4")
    write_phase(tmp_path / "plain", phase_array(0)[..., :3], series=5)
    dimse.start(classes=[MRImageStorage])
    outcomes = push(connect(dimse), [tmp_path])
    told = {outcome.why for outcome in outcomes if not outcome.stored}
    assert told == {
        "it does not take MR Image Storage as RLE Lossless",
        "it does not take 1.2.3.4 as Explicit VR Little Endian",
    }
    assert len(dimse.stored) == 3
    (outcome,) = push(connect(dimse), [tmp_path / "seg"])  # not one context is accepted
    assert outcome.why == "it does not take 1.2.3.4 as Explicit VR Little Endian"


STATUSES = [
    (0xB000, True, "it changed or dropped elements (0xB000)"),
    (0xA701, False, "it has no room or is too busy (0xA701)"),
    (0xA900, False, "the object does not fit its class (0xA900)"),
    (0xC123, False, "it cannot understand the object (0xC123)"),
    (0x0124, False, "it does not allow us to (0x0124)"),
]


def test_statuses(dimse, exam, connect):
    dimse.start()
    for status, stored, why in STATUSES:
        dimse.store_status = status
        (outcome,) = push(connect(dimse), sorted(exam.iterdir())[:1])
        assert (outcome.stored, outcome.why) == (stored, why)


def test_half_an_image_is_not_sent_and_the_rest_is(dimse, web, connect, tmp_path):
    files = write_phase(tmp_path / "plain", phase_array(0)[..., :2])
    files += write_phase(tmp_path / "rle", phase_array(0)[..., :1], series=4, compressed=True)
    for path in (files[0], files[2]):
        path.write_bytes(path.read_bytes()[:-12])
    for archive in (dimse.start(), web):
        outcomes = push(connect(archive), [tmp_path])
        assert [outcome.stored for outcome in outcomes] == [False, True, False]
        for path, outcome in zip(files, outcomes, strict=True):
            why = f"it cannot be sent: {path}: ends too early; copy it again."
            assert outcome.why in ("", why)
        assert len(archive.stored) == 1


def test_a_server_that_hangs_up(dimse, exam, connect):
    dimse.hang_up = True
    with pytest.raises(ServerError, match="broke off, or did not answer in time"):
        push(connect(dimse.start()), [exam])


def test_nothing_to_push(dimse, connect, tmp_path):
    with pytest.raises(InputError, match="no DICOM file"):
        push(connect(dimse.start()), [tmp_path])
    assert not dimse.callers
