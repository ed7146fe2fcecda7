"""Quick reading finds what pydicom finds, or leaves the file to pydicom."""

import io
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_factory import Geometry, image, phase_array, write_phase
from hcnet.errors import InputError
from hcnet.volumes.dicom import headers, pixels
from hcnet.volumes.dicom.elements import Unusual, read_header
from hcnet.volumes.dicom.files import DicomFile, list_files, read_files
from hcnet.volumes.dicom.headers import scan
from hcnet.volumes.dicom.pixels import load_stack, plain_pixels
from hcnet.volumes.dicom.stacks import stack_slices
from hcnet.volumes.dicom.values import quiet

PLANE = phase_array(1)[:, :, 0].T


def content_of(dataset: Dataset, **how: object) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True, **how)
    return buffer.getvalue()


def leave_all_to_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    def unusual(*args: object, **kwargs: object) -> None:
        raise Unusual

    monkeypatch.setattr(headers, "read_header", unusual)
    monkeypatch.setattr(pixels, "read_header", unusual)


def nested() -> Dataset:
    """A slice with sequences within sequences, which stand before elements that are wanted."""
    dataset = image(PLANE, Geometry(), 0, PatientName="Ä^B", SpecificCharacterSet="ISO_IR 100")
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.PurposeOfReferenceCodeSequence = [inner]
    dataset.ReferencedImageSequence = [outer, outer]
    return dataset


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
def test_records_are_those_of_pydicom(tmp_path, monkeypatch, implicit, undefined):
    dataset = nested()
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    for sequence in (dataset["ReferencedImageSequence"],):
        sequence.is_undefined_length = undefined
        for item in sequence.value:
            item.is_undefined_length_sequence_item = undefined
    content = content_of(dataset)
    (tmp_path / "a").write_bytes(content)
    read_header(content, [0x00100010], whole=True)  # nothing is left to pydicom
    quick = scan(tmp_path)
    leave_all_to_pydicom(monkeypatch)
    assert scan(tmp_path) == quick
    assert quick.instances[0].patient == "P1"


def test_real_records_and_pixels_are_those_of_pydicom(shared_data, monkeypatch):
    exam = shared_data / "ispy1_1002" / "ISPY1_1002.zip"
    quick = scan(exam)
    by_series: dict[str, list[headers.Instance]] = {}
    for instance in quick.instances:
        by_series.setdefault(instance.series_uid, []).append(instance)
    few = [i.file for members in by_series.values() for i in members[:2]]
    only = [(file, content) for file, content in read_files(few)]
    planes = []
    for _, content in only:
        try:
            planes.append(plain_pixels(read_header(content, pixels._TAGS, whole=True), content))
        except Unusual:
            planes.append(None)
    assert sum(plane is not None for plane in planes) > len(few) / 2
    for (_, content), plane in zip(only, planes, strict=True):
        if plane is not None:
            theirs = pydicom.dcmread(io.BytesIO(content)).pixel_array
            np.testing.assert_array_equal(plane, theirs)
            assert plane.dtype == theirs.dtype


@pytest.mark.parametrize(
    ("kind", "stored"), [(np.int16, 16), (np.uint16, 16), (np.int16, 12), (np.uint16, 9)]
)
def test_pixels_are_those_of_pydicom(kind, stored):
    plane = np.random.default_rng(0).integers(0, 1 << 16, (5, 7), np.uint16).view(kind)
    dataset = image(plane, Geometry(), 0, BitsStored=stored, HighBit=stored - 1)
    content = content_of(dataset)
    ours = plain_pixels(read_header(content, pixels._TAGS, whole=True), content)
    theirs = pydicom.dcmread(io.BytesIO(content)).pixel_array
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("tag", ["NumberOfFrames", "SamplesPerPixel", "BitsStored", "Rows"])
def test_pixels_that_are_not_plain_are_left_to_pydicom(tag):
    values = {"NumberOfFrames": 2, "SamplesPerPixel": 3, "BitsStored": 17, "Rows": 999}
    content = content_of(image(PLANE, Geometry(), 0, **{tag: values[tag]}))
    with pytest.raises(Unusual):
        plain_pixels(read_header(content, pixels._TAGS, whole=True), content)


def test_big_endian_is_left_to_pydicom():
    dataset = image(PLANE, Geometry(), 0)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    with pytest.raises(Unusual):
        read_header(content_of(dataset), pixels._TAGS, whole=True)


@given(st.data())
def test_damage_ends_in_values_or_is_left_to_pydicom(data):
    """No other error, no endless loop, nothing read beyond the file."""
    content = bytearray(content_of(nested()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(Unusual), quiet():
        plain_pixels(read_header(cut, pixels._TAGS, whole=True), cut)


def test_a_header_that_goes_on_needs_more_of_the_file():
    content = content_of(image(PLANE, Geometry(), 0))
    with pytest.raises(Unusual):
        read_header(content[:300], pixels._TAGS, whole=False)


def test_files_come_in_order_and_the_first_that_fails_is_named(tmp_path):
    for number in range(40):
        (tmp_path / f"{number:02d}").write_bytes(bytes([number]) * 1000)
    files = list_files(tmp_path)
    assert [content[0] for _, content in read_files(files)] == list(range(40))
    broken = [*files[:3], DicomFile(Path("gone")), *files[3:5], DicomFile(Path("lost"))]
    reader = read_files(broken)
    assert [file for file, _ in islice(reader, 3)] == files[:3]
    with pytest.raises(InputError, match="gone: cannot be read"):
        next(reader)


def test_a_stack_is_the_same_however_it_is_read(tmp_path, monkeypatch):
    write_phase(tmp_path, phase_array(3), RescaleSlope=2.0, RescaleIntercept=1.0)
    quick = load_stack(stack_slices(scan(tmp_path).instances, "s"))
    leave_all_to_pydicom(monkeypatch)
    slow = load_stack(stack_slices(scan(tmp_path).instances, "s"))
    np.testing.assert_array_equal(quick.data, slow.data)
    np.testing.assert_array_equal(quick.affine, slow.affine)
    assert quick.data.dtype == slow.data.dtype
