"""What a file is by its content; its name is not asked."""

import gzip
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import nibabel as nib

from hcnet.errors import InputError
from hcnet.volumes.dicom.files import is_dicom, list_files
from hcnet.volumes.nifti import nifti_length

Kind = Literal["nifti", "dicom", "zip"]

LARGEST_IMAGE = 8 << 30
"""Bytes of an image once unpacked; an hour of dynamic MRI has less."""

_SIZES = (348, 540)  # of the headers of NIfTI-1 and NIfTI-2
_MAGICS = {348: (344, b"n+1\0"), 540: (4, b"n+2\0")}


def kind_of_content(path: Path) -> Kind | None:
    """Whether a file is NIfTI (also gzipped), DICOM or a zip; None for anything else."""
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(0)
        if head == b"PK\x03\x04":
            return "zip" if zipfile.is_zipfile(path) else None
        if _is_nifti_head(_unpacked_head(path) if is_gzip(path) else stream.read(540)):
            return "nifti"
        stream.seek(0)
        return "dicom" if is_dicom(stream) else None


def is_gzip(path: Path) -> bool:
    """Whether a file starts as gzip does."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file that would fill the memory.

    Raises:
        InputError: it cannot be read, or unpacks to more than `LARGEST_IMAGE`.
    """
    nifti_length(path)
    image: Any = nib.load(path)
    size = math.prod(image.shape) * image.get_data_dtype().itemsize
    if size > LARGEST_IMAGE:
        raise InputError(f"{path}: unpacks to {size / 1e9:.0f} GB, which no exam does.")


def check_zip(path: Path) -> None:
    """Refuse a zip that leads outside, is encrypted or unpacks to an absurd size.

    Raises:
        InputError: as `hcnet.volumes.dicom.files.list_files`, or the zip is empty.
    """
    if not list_files(path):
        raise InputError(f"{path}: the zip is empty; give one that holds an exam.")


def _unpacked_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read(540)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_nifti_head(head: bytes) -> bool:
    for size in _SIZES:
        start, magic = _MAGICS[size]
        if head[start : start + 4] == magic:
            return int.from_bytes(head[:4], "little") == size or (
                int.from_bytes(head[:4], "big") == size
            )
    return False
