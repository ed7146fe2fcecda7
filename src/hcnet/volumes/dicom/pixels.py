"""The pixels of a stack."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from hcnet.errors import InputError
from hcnet.volumes.dicom.files import DicomFile, open_files
from hcnet.volumes.dicom.stacks import Stack
from hcnet.volumes.dicom.values import integer, number, parse, quiet, text
from hcnet.volumes.volume import Volume


def load_stack(stack: Stack) -> Volume:
    """Read the pixels of a stack, and of nothing else.

    Stored values of MONOCHROME1 images are mirrored within their range, so that bright is high;
    then rescale slope and intercept of each slice apply.

    Returns:
        volume on `stack.grid`: the stored integer type, or float32 where a slice is rescaled.

    Raises:
        InputError: a file is damaged, cut short, in colour, or compressed in a way that needs a
            decoder that is not installed.
    """
    columns, rows, depth = stack.grid.shape
    slices: list[NDArray[Any]] = []
    files = [instance.file for instance in stack.instances]
    for file, dataset in zip(files, read_objects(files), strict=True):
        plane = _plane(file, dataset)
        if plane.shape != (rows, columns):
            raise InputError(
                f"{file.location}: its pixels have shape {plane.shape}, the header "
                f"says {(rows, columns)}; the file is damaged."
            )
        slices.append(plane)
    kind = np.result_type(*{plane.dtype for plane in slices})
    data = np.empty((columns, rows, depth), dtype=kind, order="F")
    for index, plane in enumerate(slices):
        data[:, :, index] = plane.T
    return Volume(data, stack.grid.affine)


def read_objects(files: Sequence[DicomFile]) -> Iterator[FileDataset]:
    """Parse whole DICOM files one after the other.

    Raises:
        InputError: a file is damaged.
    """
    for file, stream in open_files(files):
        yield parse(file, stream)


def stored_pixels(file: DicomFile, dataset: FileDataset) -> NDArray[Any]:
    """Decode the pixels of one file: (rows, columns), or (frames, rows, columns).

    Raises:
        InputError: no decoder for the compression, no pixels, or too few of them.
    """
    with quiet():
        syntax = UID(text(dataset.file_meta, "TransferSyntaxUID"))
    if not syntax.is_transfer_syntax:
        raise InputError(f"{file.location}: does not say its transfer syntax; the file is damaged.")
    if syntax.is_encapsulated:
        _require_decoder(file, syntax)
    try:
        with quiet():
            return dataset.pixel_array
    # Decoders of many makers sit behind this line, each with its own errors.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{file.location}: its pixels cannot be read ({reason[:200]}); copy the file again."
        ) from error


def _require_decoder(file: DicomFile, syntax: UID) -> None:
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise InputError(
            f"{file.location}: is compressed as {syntax.name}, which cannot be decoded; convert "
            "the exam to uncompressed DICOM or NIfTI."
        ) from None
    if not available:
        raise InputError(
            f"{file.location}: is compressed as {syntax.name}, whose decoder is not installed; "
            'install it with: pip install "hcnet[dicom-codecs]"'
        )


def _plane(file: DicomFile, dataset: FileDataset) -> NDArray[Any]:
    if integer(dataset, "SamplesPerPixel") not in (1, None):
        raise InputError(f"{file.location}: is a colour image; an MR image has one value a pixel.")
    plane = stored_pixels(file, dataset)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        plane = _mirrored(plane, int(dataset.BitsStored), bool(dataset.PixelRepresentation))
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    slope = 1.0 if slope is None else slope
    intercept = 0.0 if intercept is None else intercept
    if (slope, intercept) == (1.0, 0.0):
        return plane
    if slope == 0:
        raise InputError(f"{file.location}: its rescale slope is 0; the file is damaged.")
    return (plane * slope + intercept).astype(np.float32)


def _mirrored(plane: NDArray[Any], bits: int, signed: bool) -> NDArray[Any]:
    # Within n bits, the highest value takes the place of the lowest: v -> 2^n - 1 - v, or
    # -1 - v in two's complement.
    return -1 - plane if signed else ((1 << bits) - 1 - plane.astype(np.int64)).astype(plane.dtype)
