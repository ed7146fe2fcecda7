"""DICOM segmentation objects (SEG), laid onto the grid of the image they belong to."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.pixels import read_objects, stored_pixels
from hcnet.volumes.dicom.stacks import LPS_TO_RAS
from hcnet.volumes.dicom.values import (
    integer,
    items_of,
    number,
    numbers,
    segments_of,
    text,
    value_of,
)
from hcnet.volumes.volume import Grid, Volume

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"

_ALIGNED = 0.02  # of a voxel, for a step of one SEG pixel along a grid axis
_OFF_PLANE = 0.3  # of a slice distance, how far a frame may lie from the slice it belongs to
_OFF_PIXEL = 0.3  # of a pixel, how far frames smaller than the image may lie from its pixels
_OFF_FULL = 0.75  # of a pixel, the same for frames that have the image's own size


class _Frame(NamedTuple):
    number: int
    origin: NDArray[np.float64]
    steps: NDArray[np.float64]


def read_segmentation(file: DicomFile, grid: Grid, segment: int | str | None = None) -> Volume:
    """Read one segment as a mask on `grid`.

    Frames are placed by their ImagePosition, whatever their number and order. In-plane, a frame
    of the image's own size is laid on it pixel by pixel even where its stated origin is off by up
    to three quarters of a pixel: some writers mark pixel corners instead of centres (I-SPY1 on
    TCIA), and half a pixel could be rounded either way.

    Args:
        file: a Segmentation Storage object, BINARY or FRACTIONAL.
        grid: the image's grid, in any axis order.
        segment: number or label (any case); None takes the only one.

    Returns:
        uint8 volume of 0 and 1; fractional values count from half of the maximum.

    Raises:
        InputError: not a segmentation, damaged, or no such segment.
        GeometryError: frames that do not lie on the grid's voxels.
    """
    dataset = _read(file)
    wanted = _pick(file, segments_of(dataset), segment)
    pixels = stored_pixels(file, dataset)
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    frames = _frames(file, dataset, wanted)
    if any(frame.number >= len(pixels) for frame in frames):
        raise InputError(f"{file.location}: has fewer frames than its header describes.")
    threshold = 1.0
    if text(dataset, "SegmentationType").upper() == "FRACTIONAL":
        threshold = (number(dataset, "MaximumFractionalValue") or 255.0) / 2
    mask = np.zeros(grid.shape, dtype=np.uint8)
    for frame in frames:
        _place(file, mask, grid, frame, pixels[frame.number] >= threshold)
    return Volume(mask, grid.affine)


def _read(file: DicomFile) -> FileDataset:
    (dataset,) = read_objects([file])
    if text(dataset, "SOPClassUID") != SOP_CLASS:
        raise InputError(f"{file.location}: is not a DICOM segmentation object.")
    return dataset


def _pick(file: DicomFile, found: Sequence[tuple[int, str]], segment: int | str | None) -> int:
    listed = ", ".join(f"{identifier} ({label})" for identifier, label in found) or "none"
    if segment is None:
        if len(found) == 1:
            return found[0][0]
        raise InputError(f"{file.location}: say which segment to read; there are: {listed}.")
    for identifier, label in found:
        if segment == identifier or str(segment).lower() == label.lower():
            return identifier
    raise InputError(f"{file.location}: has no segment {segment}; there are: {listed}.")


def _frames(file: DicomFile, dataset: Dataset, segment: int) -> list[_Frame]:
    shared = next(items_of(value_of(dataset, "SharedFunctionalGroupsSequence")), Dataset())
    found = []
    for index, own in enumerate(items_of(value_of(dataset, "PerFrameFunctionalGroupsSequence"))):
        belongs = _nested(own, shared, "SegmentIdentificationSequence")
        if integer(belongs, "ReferencedSegmentNumber") not in (segment, None):
            continue
        position = numbers(_nested(own, shared, "PlanePositionSequence"), "ImagePositionPatient", 3)
        orientation = numbers(
            _nested(own, shared, "PlaneOrientationSequence"), "ImageOrientationPatient", 6
        )
        spacing = numbers(_nested(own, shared, "PixelMeasuresSequence"), "PixelSpacing", 2)
        if position is None or orientation is None or spacing is None:
            raise InputError(f"{file.location}: frame {index + 1} has no position in space.")
        steps = np.array(orientation).reshape(2, 3) * [[spacing[1]], [spacing[0]]]
        found.append(_Frame(index, LPS_TO_RAS @ np.array(position), LPS_TO_RAS @ steps.T))
    return found


def _nested(own: Dataset, shared: Dataset, keyword: str) -> Dataset:
    for group in (own, shared):
        for item in items_of(value_of(group, keyword)):
            if isinstance(item, Dataset):
                return item
    return Dataset()


def _place(
    file: DicomFile, mask: NDArray[Any], grid: Grid, frame: _Frame, plane: NDArray[np.bool_]
) -> None:
    """Set the voxels of `mask` that the true pixels of `plane` (rows, columns) cover."""
    inverse = np.linalg.inv(grid.affine)
    steps = inverse[:3, :3] @ frame.steps  # (3 grid axes, [along columns, along rows])
    whole = np.rint(steps).astype(int)
    one_each = np.abs(whole).sum(0).tolist() == [1, 1] and np.abs(whole).sum(1).max() == 1
    if not one_each or np.abs(steps - whole).max() > _ALIGNED:
        raise GeometryError(
            f"{file.location}: its frames do not run along the image's voxels (another spacing or "
            "orientation); resample the segmentation to the image first."
        )
    origin = inverse[:3, :3] @ frame.origin + inverse[:3, 3]
    start = np.rint(origin).astype(int)
    rows, columns = plane.shape
    for step, size in ((whole[:, 0], columns), (whole[:, 1], rows)):
        axis = int(np.flatnonzero(step)[0])
        edge = 0 if step[axis] > 0 else size - 1
        if size == grid.shape[axis] and abs(origin[axis] - edge) <= _OFF_FULL:
            start[axis] = edge
        elif abs(origin[axis] - start[axis]) > _OFF_PIXEL:
            raise GeometryError(
                f"{file.location}: frame {frame.number + 1} lies between the image's pixels; "
                "resample the segmentation to the image first."
            )
    row, column = np.nonzero(plane)
    if not len(row):
        return
    through = int(np.flatnonzero(np.abs(whole).sum(1) == 0)[0])
    if abs(origin[through] - start[through]) > _OFF_PLANE:
        raise GeometryError(
            f"{file.location}: frame {frame.number + 1} lies between two slices of the image."
        )
    index = start[:, None] + np.outer(whole[:, 0], column) + np.outer(whole[:, 1], row)
    if (index < 0).any() or (index >= np.array(grid.shape)[:, None]).any():
        raise GeometryError(
            f"{file.location}: frame {frame.number + 1} reaches outside the image; does it belong "
            "to another exam?"
        )
    mask[tuple(index)] = 1
