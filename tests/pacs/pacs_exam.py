"""The exams that the tests of this folder send around."""

import copy
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from dicom_factory import phase_array, uid, write_phase
from hcnet.cli.main import app

STUDY = uid("study", "P1", "S1")
OTHER_STUDY = uid("study", "P1", "S2")


def write_exam(folder: Path) -> None:
    """Two phases of two slices in one series, two slices of a map in another."""
    common = {"StudyDescription": "Breast"}
    for phase in (0, 1):
        volume, first = phase_array(phase, (6, 5, 2)), 1 + 2 * phase
        clock = f"10{2 * phase:02d}00"
        write_phase(folder, volume, first_instance=first, clock=clock, **common)
    derived = ["DERIVED", "PRIMARY", "PE"]
    write_phase(folder, phase_array(9, (6, 5, 2)), series=8, ImageType=derived, **common)


def read_all(folder: Path) -> list[Dataset]:
    """All DICOM files of a folder, by SOP Instance UID."""
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    return sorted(found, key=lambda dataset: str(dataset.SOPInstanceUID))


def encoded(dataset: Dataset) -> bytes:
    """The bytes of a DICOM file."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def same(first: Dataset, second: Dataset) -> bool:
    """Whether all elements are equal; in Implicit VR, Pixel Data is OW whatever it was before."""
    first, second = copy.copy(first), copy.copy(second)
    for dataset in (first, second):
        if "PixelData" in dataset:
            dataset.add_new("PixelData", "OW", dataset.PixelData)
    return first == second


def segment(exam: Path, bundle: Path, out: Path) -> None:
    """`hcnet segment`, the whole breast as tumour, so that there is something to compare."""
    arguments = ["segment", exam, "-o", out, "-b", bundle, "--threshold", 0.0]
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
