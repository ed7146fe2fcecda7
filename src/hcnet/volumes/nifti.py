"""NIfTI in and out."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from hcnet.errors import GeometryError, InputError
from hcnet.files import write_aside
from hcnet.volumes.volume import Grid, Volume

SUFFIXES = (".nii", ".nii.gz")


def is_nifti(path: Path) -> bool:
    """Whether the name says NIfTI."""
    return path.name.lower().endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The file name without `.nii` or `.nii.gz`."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def nifti_length(path: Path) -> int:
    """Number of 3-D volumes in the file: 1, or the length of the fourth axis.

    Raises:
        InputError: the file is missing, not NIfTI, or has more than four axes.
    """
    shape = _open(path).shape
    return 1 if len(shape) == 3 else int(shape[3])


def read_nifti(path: Path, index: int | None = None) -> Volume:
    """Read one 3-D volume.

    Args:
        path: a `.nii` or `.nii.gz` file.
        index: which volume of a 4-D file; None for a 3-D file.

    Returns:
        the volume with the file's own type, or float32 where the header scales the values.

    Raises:
        InputError: the file is missing, unreadable, truncated, not 3-D or 4-D as asked, without a
            usable affine, or holds complex or RGB values.
    """
    image = _open(path)
    if len(image.shape) == 4 and image.shape[3] > 1 and index is None:
        raise InputError(
            f"{path}: holds {image.shape[3]} volumes where one is expected; "
            "give a 3-D file or say which volume."
        )
    position = index or 0
    count = 1 if len(image.shape) == 3 else image.shape[3]
    if not 0 <= position < count:
        raise InputError(f"{path}: has no volume {position}, only 0 to {count - 1}.")
    try:
        proxy = image.dataobj
        data = proxy[..., position] if len(image.shape) == 4 else proxy[...]
    except (OSError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the image data cannot be read ({error}).") from error
    array = np.asarray(data)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path}: values of type {array.dtype} are not an MR image.")
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    try:
        return Volume(array, image.affine)
    except GeometryError as error:
        raise InputError(f"{path}: {error}") from error


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume in one step; booleans become uint8.

    The affine goes into both the sform and the qform, code 1 (scanner), so that viewers which
    read either place it alike.
    """
    data = volume.data.astype(np.uint8) if volume.data.dtype == bool else volume.data
    image = nib.Nifti1Image(data, volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    with write_aside(path) as aside:
        nib.save(image, aside)


def write_nifti_shares(shares: NDArray[np.floating[Any]], grid: Grid, path: Path) -> None:
    """Write shares between 0 and 1, one volume a class, as a 4-D file in one step.

    Args:
        shares: (X, Y, Z, K), stored as uint8 with a slope of 1/255: a quarter of the size of
            float32, each value within 0.002.
        grid: of the first three axes.
        path: the file.
    """
    stored = np.empty(shares.shape, np.uint8, order="F")  # as NIfTI has it; a class at a time
    for k in range(shares.shape[-1]):
        stored[..., k] = np.rint(shares[..., k] * 255)
    image = nib.Nifti1Image(stored, grid.affine)
    image.header.set_slope_inter(1 / 255, 0)
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    image.header.set_xyzt_units("mm")
    with write_aside(path) as aside:
        nib.save(image, aside)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    try:
        image = nib.load(path)
        shape = image.shape
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as NIfTI ({error}).") from error
    if not isinstance(image, nib.Nifti1Pair):  # Nifti2 derives from it
        raise InputError(f"{path}: is not a NIfTI file.")
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise InputError(f"{path}: has shape {tuple(shape)}; a 3-D or 4-D image is expected.")
    return image
