"""What a server sends is checked before it becomes a file."""

import zlib
from io import BytesIO

import pydicom
import pytest
from pacs_exam import STUDY, encoded
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_factory import Geometry, image, phase_array, uid
from hcnet.errors import ServerError
from hcnet.pacs import intake
from hcnet.pacs.intake import Intake
from hcnet.pacs.server import Reference
from hcnet.volumes.dicom.values import quiet

UID = uid("object", "P1", "S1", 3, 1)


def dataset(**tags: object):
    return image(phase_array(0)[:, :, 0].T, Geometry(), 0, **tags)


def awaiting(folder, *uids: str) -> Intake:
    references = [Reference(STUDY, "1.2", uid, "") for uid in uids]
    return Intake(folder, "http://server", references)


def refused(folder, data: bytes, match: str) -> None:
    taker = awaiting(folder, UID)
    with pytest.raises(ServerError, match=match):
        taker.take(data)
    assert not list(folder.glob("*.dcm"))


def test_a_file_is_kept_byte_by_byte(tmp_path):
    taker = awaiting(tmp_path, UID)
    data = encoded(dataset())
    taker.take(data)
    taker.take(data)
    taker.require_complete()
    (path,) = tmp_path.iterdir()
    assert path.name == f"{UID}.dcm"
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..", "1.2\\..\\x", "1.2.3", ""])
def test_a_uid_that_was_not_asked_for_is_no_path(tmp_path, name):
    hostile = dataset()
    good = encoded(hostile)
    with quiet():
        hostile.SOPInstanceUID = name
        stream = BytesIO()
        pydicom.dcmwrite(stream, hostile, implicit_vr=False, little_endian=True)
    folder = tmp_path / "in"
    folder.mkdir()
    # pydicom writes no such file; its header comes from the honest one.
    refused(folder, good[: good.index(b"\x08\x00\x08\x00")] + stream.getvalue(), "not asked for")
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_another_study(tmp_path):
    refused(tmp_path, encoded(dataset(StudyInstanceUID="1.2.3")), "of another study")


@pytest.mark.parametrize("data", [b"", b"<html>", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM\xff"])
def test_not_dicom(tmp_path, data):
    refused(tmp_path, data, "not DICOM|not asked for")


def test_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "MAX_INSTANCE_BYTES", 100)
    refused(tmp_path, encoded(dataset()), "more than a study can have")


def test_too_large_in_all(tmp_path, monkeypatch):
    data = encoded(dataset())
    monkeypatch.setattr(intake, "MAX_TOTAL_BYTES", 3 * len(data) // 2)
    taker = awaiting(tmp_path, UID)
    taker.take(data)
    with pytest.raises(ServerError, match="more than a study can have"):
        taker.take(data)


def deflated(**tags: object) -> bytes:
    plain = dataset(**tags)
    plain.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return encoded(plain)


def test_deflated_is_taken(tmp_path):
    taker = awaiting(tmp_path, UID)
    taker.take(deflated())
    taker.require_complete()


def test_a_small_file_that_unpacks_to_a_large_one_is_not(tmp_path, monkeypatch):
    data = deflated()
    start = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = data[:start] + packer.compress(bytes(8 << 20)) + packer.flush()
    assert len(bomb) < 1 << 20
    monkeypatch.setattr(intake, "MAX_INSTANCE_BYTES", 4 << 20)
    refused(tmp_path, bomb, "unpacks to more than")


def test_what_did_not_come_is_named(tmp_path):
    taker = awaiting(tmp_path, UID, "1.2.3.4")
    taker.take(encoded(dataset()))
    with pytest.raises(ServerError, match=r"1 of 2 instances did not come, 1\.2\.3\.4 among"):
        taker.require_complete()
