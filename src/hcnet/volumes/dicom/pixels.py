"""The pixels of a stack."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hcnet.errors import InputError
from hcnet.volumes.dicom.elements import Header, Unusual, read_header
from hcnet.volumes.dicom.enhanced import Frame, frames_of
from hcnet.volumes.dicom.files import DicomFile, open_files, read_files
from hcnet.volumes.dicom.stacks import Stack, files_of
from hcnet.volumes.dicom.values import Elements, integer, number, parse, quiet, text
from hcnet.volumes.volume import Volume

_SHAPE = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)
_TAGS = frozenset(
    map(
        Tag,
        (
            *_SHAPE,
            "NumberOfFrames",
            "PhotometricInterpretation",
            "RescaleSlope",
            "RescaleIntercept",
        ),
    )
)


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
    for file, plane in _planes(stack):
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


def _planes(stack: Stack) -> Iterator[tuple[DicomFile, NDArray[Any]]]:
    """Each slice's file and its values, in the order of the stack."""
    if any(instance.frame is not None for instance in stack.instances):
        yield from _frames(stack)
        return
    for file, content in read_files([instance.file for instance in stack.instances]):
        yield file, _plane(file, *_header_and_stored(file, content))


def _frames(stack: Stack) -> Iterator[tuple[DicomFile, NDArray[Any]]]:
    """The same of frames of enhanced files; no other frame is decoded."""
    opened: dict[DicomFile, tuple[FileDataset, list[Frame]]] = {}
    for file, stream in open_files(files_of(stack)):
        dataset = parse(file, stream)
        opened[file] = dataset, frames_of(file, dataset)
    for instance in stack.instances:
        file, number = instance.file, instance.frame or 0
        dataset, described = opened[file]
        stored = partial(stored_pixels, file, dataset, number)
        yield file, _plane(file, described[number], stored)


def read_objects(files: Sequence[DicomFile]) -> Iterator[FileDataset]:
    """Parse whole DICOM files one after the other.

    Raises:
        InputError: a file is damaged.
    """
    for file, stream in open_files(files):
        yield parse(file, stream)


def stored_pixels(file: DicomFile, dataset: FileDataset, frame: int | None = None) -> NDArray[Any]:
    """Decode the pixels of one file: (rows, columns), or (frames, rows, columns).

    With `frame` only that one, (rows, columns).

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
            return dataset.pixel_array if frame is None else pixel_array(dataset, index=frame)
    # Decoders of many makers sit behind this line, each with its own errors.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{file.location}: its pixels cannot be read ({reason[:200]}); copy the file again."
        ) from error


def _require_decoder(file: DicomFile, syntax: UID) -> None:
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:  # what pydicom says of a syntax that it has no decoder for
        raise InputError(
            f"{file.location}: is compressed as {syntax.name}, which cannot be decoded; convert "
            "the exam to uncompressed DICOM or NIfTI."
        ) from None
    if not available:
        raise InputError(
            f"{file.location}: is compressed as {syntax.name}, whose decoder is not installed; "
            'install it with: pip install "hcnet[dicom-codecs]"'
        )


def _header_and_stored(
    file: DicomFile, content: bytes
) -> tuple[Elements, Callable[[], NDArray[Any]]]:
    """What the header says of the pixels, and the way to their stored values."""
    try:
        header = read_header(content, _TAGS, whole=True)
        plain = plain_pixels(header, content)
        return header, lambda: plain
    except Unusual:
        dataset = parse(file, io.BytesIO(content))
        return dataset, lambda: stored_pixels(file, dataset)


def plain_pixels(header: Header, content: bytes) -> NDArray[Any]:
    """The pixels of one uncompressed plane: (rows, columns), as pydicom decodes them.

    Args:
        header: of the file, with the elements of the image pixel module.
        content: the whole file.

    Raises:
        Unusual: compressed, in colour, of several frames, or not of the length that the header
            says; pydicom can say what is wrong, if something is.
    """
    values = [integer(header, name) for name in _SHAPE]
    frames = integer(header, "NumberOfFrames")
    if None in values or frames not in (None, 1) or header.pixels_at is None:
        raise Unusual
    rows, columns, samples, allocated, stored, signed = (value or 0 for value in values)
    known = text(header, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
    if not known or samples != 1 or allocated not in (8, 16, 32) or not 0 < stored <= allocated:
        raise Unusual
    if header.syntax == ExplicitVRLittleEndian:
        kind, start = content[header.pixels_at + 4 : header.pixels_at + 6], header.pixels_at + 12
        if kind not in (b"OW", b"OB"):
            raise Unusual
    elif header.syntax == ImplicitVRLittleEndian:
        start = header.pixels_at + 8
    else:
        raise Unusual
    size = rows * columns * allocated // 8
    length = int.from_bytes(content[start - 4 : start], "little")
    if size == 0 or length != size + size % 2 or start + length > len(content):
        raise Unusual
    kind_of_number = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    plane = np.frombuffer(content, kind_of_number, rows * columns, start).reshape(rows, columns)
    unused = allocated - stored
    # Bits that hold no value are cleared, or repeat the sign.
    return plane if unused == 0 else plane << unused >> unused


def _plane(file: DicomFile, header: Elements, stored: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    if integer(header, "SamplesPerPixel") not in (1, None):
        raise InputError(f"{file.location}: is a colour image; an MR image has one value a pixel.")
    plane = stored()
    if text(header, "PhotometricInterpretation") == "MONOCHROME1":
        bits, signed = integer(header, "BitsStored"), integer(header, "PixelRepresentation")
        plane = _mirrored(plane, bits or 0, bool(signed))
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
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
