"""What DCMTK and dicom3tools make of DICOM, hcnet reads the same; and they of what hcnet writes."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pacs_exam import same
from pacs_programs import dcmtk, program, run
from pydicom.pixels.decoders.base import get_decoder

from dicom_factory import write_interleaved
from hcnet.cohorts.open import open_case
from hcnet.errors import InputError
from hcnet.inference.names import DICOM_FILES
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.segmentation import read_segmentation

pytestmark = pytest.mark.slow

SYNTAXES = {"explicit": "+te", "implicit": "+ti", "big endian": "+tb", "deflated": "+td"}


def converted(folder: Path, target: Path, name: str, *options: str) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        dcmtk(name, *options, path, target / path.name)
    return target


def syntax_of(folder: Path) -> pydicom.uid.UID:
    (syntax,) = {pydicom.dcmread(path).file_meta.TransferSyntaxUID for path in folder.iterdir()}
    return syntax


def assert_reads_as(folder: Path, volumes: list[np.ndarray]) -> None:
    phases = open_case(folder).phases
    for phase, volume in zip(phases, volumes, strict=True):
        np.testing.assert_array_equal(phase.load().data, volume)


@pytest.mark.parametrize(
    ("encode", "options", "syntax", "decode"),
    [
        ("dcmcrle", (), "RLE Lossless", "dcmdrle"),
        ("dcmcjpls", (), "JPEG-LS Lossless Image Compression", "dcmdjpls"),
        ("dcmcjpeg", ("+e1",), "JPEG Lossless, Non-Hierarchical, First-Order", "dcmdjpeg"),
        ("dcmcjpeg", ("+el",), "JPEG Lossless, Non-Hierarchical (Process 14)", "dcmdjpeg"),
    ],
)
def test_a_recompressed_exam_reads_the_same(tmp_path, encode, options, syntax, decode):
    volumes = write_interleaved(tmp_path / "exam", count=2)
    packed = converted(tmp_path / "exam", tmp_path / "packed", encode, *options)
    kind = syntax_of(packed)
    assert kind.name.startswith(syntax)
    if get_decoder(kind).is_available:
        assert_reads_as(packed, volumes)
    else:
        with pytest.raises(InputError, match=r'pip install "hcnet\[dicom-codecs\]"'):
            open_case(packed).pre.load()
    assert_reads_as(converted(packed, tmp_path / "unpacked", decode), volumes)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_exam_in_another_syntax_reads_the_same(tmp_path, syntax):
    volumes = write_interleaved(tmp_path / "exam", count=2)
    other = converted(tmp_path / "exam", tmp_path / "other", "dcmconv", SYNTAXES[syntax])
    assert syntax in syntax_of(other).name.lower()
    assert_reads_as(other, volumes)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_results_in_another_syntax_read_the_same(tmp_path, breast_exam, results, syntax):
    grid = open_case(breast_exam).pre.stack.grid
    for name in DICOM_FILES:
        ours, other = results / name, tmp_path / name
        dcmtk("dcmconv", SYNTAXES[syntax], ours, other)
        first, second = pydicom.dcmread(ours), pydicom.dcmread(other)
        assert syntax in second.file_meta.TransferSyntaxUID.name.lower()
        for number in range(1, 1 + len(first.get("SegmentSequence", []))):
            masks = [read_segmentation(DicomFile(p), grid, number).data for p in (ours, other)]
            np.testing.assert_array_equal(*masks)
        # Back in our own syntax, the object is what it was.
        dcmtk("dcmconv", "+te", other, tmp_path / "back.dcm")
        assert same(pydicom.dcmread(tmp_path / "back.dcm"), first)


def test_results_survive_xml(tmp_path, results):
    for name in DICOM_FILES:
        dcmtk("dcm2xml", "+M", "+Wb", "+Eb", results / name, tmp_path / "object.xml")
        dcmtk("xml2dcm", "+te", tmp_path / "object.xml", tmp_path / "back.dcm")
        assert pydicom.dcmread(tmp_path / "back.dcm") == pydicom.dcmread(results / name)


def test_dcmdump_reads_what_we_wrote(results):
    for name in DICOM_FILES:
        text = dcmtk("dcmdump", results / name)
        dataset = pydicom.dcmread(results / name)
        assert f"[{dataset.SOPInstanceUID}]" in text
        assert f"[{dataset.SeriesDescription}]" in text
        assert not re.search(r"^[EWF]: ", text, re.MULTILINE)


def test_dciodvfy_finds_no_error(results):
    path = program("dciodvfy", "dicom3tools")
    for name in DICOM_FILES:
        text = run(path, results / name)
        assert not [line for line in text.splitlines() if line.startswith("Error")], name
