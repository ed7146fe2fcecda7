import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dicom_factory import Geometry, image, phase_array, save, write_phase
from hcnet.errors import InputError
from hcnet.volumes.dicom.files import DicomFile, hash_files, list_files, open_streams
from hcnet.volumes.dicom.headers import scan


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def dicom_bytes(tmp_path: Path) -> bytes:
    pixels = np.zeros((4, 3), np.int16)
    return save(image(pixels, Geometry(), 0), tmp_path / "one" / "file").read_bytes()


def test_folder_and_zip_hold_the_same_headers(tmp_path: Path) -> None:
    files = write_phase(tmp_path / "exam" / "deep" / "er", phase_array(0))
    archive = zipped(tmp_path / "exam.zip", {f"a/{f.name}": f.read_bytes() for f in files})
    from_folder, from_zip = scan(tmp_path / "exam"), scan(archive)
    assert len(from_folder.instances) == len(files)
    assert [i.sop_uid for i in from_folder.instances] == [i.sop_uid for i in from_zip.instances]
    assert [i.position for i in from_folder.instances] == [i.position for i in from_zip.instances]


def test_zip_is_not_unpacked(tmp_path: Path, dicom_bytes: bytes) -> None:
    folder = tmp_path / "z"
    folder.mkdir()
    archive = zipped(folder / "exam.zip", {"a/b.dcm": dicom_bytes})
    scan(archive)
    assert os.listdir(folder) == ["exam.zip"]  # noqa: PTH208


def test_what_is_not_dicom_is_counted_and_skipped(tmp_path: Path, dicom_bytes: bytes) -> None:
    archive = zipped(
        tmp_path / "e.zip",
        {
            "a.dcm": dicom_bytes,
            "readme.txt": b"hello " * 100,
            "empty": b"",
            "__MACOSX/._a.dcm": dicom_bytes,
        },
    )
    found = scan(archive)
    assert (len(found.instances), found.skipped) == (1, 3)


def test_a_copy_of_the_same_object_is_left_out(tmp_path: Path, dicom_bytes: bytes) -> None:
    found = scan(zipped(tmp_path / "e.zip", {"a": dicom_bytes, "b": dicom_bytes}))
    assert (len(found.instances), found.copies) == (1, 1)


@pytest.mark.parametrize(
    "name", ["../evil.dcm", "a/../../evil", "/etc/passwd", "C:\\evil", "a\\..\\..\\evil"]
)
def test_member_with_a_path_outside(tmp_path: Path, dicom_bytes: bytes, name: str) -> None:
    archive = zipped(tmp_path / "e.zip", {"good": dicom_bytes, name: dicom_bytes})
    with pytest.raises(InputError, match="path outside the zip") as caught:
        scan(archive)
    assert "evil" in str(caught.value) or "passwd" in str(caught.value)


def test_encrypted_member(tmp_path: Path, dicom_bytes: bytes) -> None:
    archive = zipped(tmp_path / "e.zip", {"secret.dcm": dicom_bytes})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"secret\.dcm.*encrypted"):
        scan(archive)


def test_member_in_deflate64(tmp_path: Path, dicom_bytes: bytes) -> None:
    # As Windows packs large files. The method stands in both headers of a member.
    archive = zipped(tmp_path / "e.zip", {"large.dcm": dicom_bytes})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x03\x04") + 8] = 9
    content[content.index(b"PK\x01\x02") + 10] = 9
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"large\.dcm: is packed in a way .* unpack the zip"):
        scan(archive)


def test_zip_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("zeros", "w") as member,
    ):
        block = bytes(1 << 20)
        for _ in range(257):
            member.write(block)
    with pytest.raises(InputError, match="which no exam does"):
        list_files(archive)


def test_damaged_zip_member(tmp_path: Path, dicom_bytes: bytes) -> None:
    archive = zipped(tmp_path / "e.zip", {"a.dcm": dicom_bytes})
    content = bytearray(archive.read_bytes())
    for offset in range(60, 90):
        content[offset] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.dcm"):
        scan(archive)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        scan(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="folder is empty"):
        scan(tmp_path / "empty")
    with pytest.raises(InputError, match="zip is empty"):
        scan(zipped(tmp_path / "empty.zip", {}))


def test_nothing_of_it_is_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("not an image")
    (tmp_path / "b.dcm").write_bytes(b"\0" * 500)
    with pytest.raises(InputError, match=r"none of its 2 file\(s\) is a DICOM image"):
        scan(tmp_path)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
def test_header_cut_short_names_the_file(tmp_path: Path, dicom_bytes: bytes, part: float) -> None:
    header = dicom_bytes.index(b"\xe0\x7f\x10\x00")  # the pixel data element
    (tmp_path / "cut.dcm").write_bytes(dicom_bytes[: int(header * part)])
    with pytest.raises(InputError, match=r"cut\.dcm"):
        scan(tmp_path / "cut.dcm")


def test_files_without_preamble_are_read(tmp_path: Path) -> None:
    dataset = image(np.zeros((4, 3), np.int16), Geometry(), 0)
    whole = save(dataset, tmp_path / "whole").read_bytes()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "x").write_bytes(whole[132:])
    assert scan(tmp_path / "bare").instances[0].series_number == 3


def test_unreadable_values_count_as_absent(tmp_path: Path, dicom_bytes: bytes) -> None:
    position = dicom_bytes.index(b"GR")
    assert position > 0
    broken = dicom_bytes.replace(b"100000", b"xx:yy:")
    (tmp_path / "a").write_bytes(broken)
    assert scan(tmp_path / "a").instances[0].acquired_s is None


def test_streams_start_at_the_start(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "e.zip", {"b": b"second", "a": b"first"})
    assert [stream.read() for _, stream in open_streams(archive)] == [b"first", b"second"]


def test_hash_depends_on_content_and_not_on_the_container(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"content")
    archive = zipped(tmp_path / "e.zip", {"m": b"content", "n": b"other"})
    plain = hash_files([DicomFile(tmp_path / "plain")]).hexdigest()
    assert plain == hash_files([DicomFile(archive, "m")]).hexdigest()
    assert plain != hash_files([DicomFile(archive, "n")]).hexdigest()


def test_only_what_is_read_is_decompressed(tmp_path: Path) -> None:
    """A member whose end is damaged still gives its first bytes."""
    archive = zipped(tmp_path / "e.zip", {"m": np.random.default_rng(0).bytes(1 << 18)})
    content = bytearray(archive.read_bytes())
    content[len(content) - 5000] ^= 0xFF
    archive.write_bytes(content)
    ((_, first),) = [(file, stream.read(10)) for file, stream in open_streams(archive)]
    assert first == io.BytesIO(np.random.default_rng(0).bytes(1 << 18)).read(10)


def test_a_zip_that_is_cut_off_is_named_as_one(tmp_path: Path, dicom_bytes: bytes) -> None:
    whole = tmp_path / "exam.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("IM1", dicom_bytes)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cut\.zip: is a zip that is cut off or damaged"):
        list_files(cut)
