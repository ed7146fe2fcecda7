"""From the slices of one phase to a stack: sorted, checked, with an affine in RAS+ mm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import Instance
from hcnet.volumes.volume import Grid

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])

_SAME_DIRECTION = 1e-3  # of a unit vector's component; about 0.06 degrees
_SAME_SPACING = 1e-3  # relative
_SAME_POSITION_MM = 0.01
_EVEN = 0.1  # a gap may differ from the usual one by this part of it; scanners round positions
_DRIFT = 0.5  # slices may be shifted sideways against the normal by this part of a pixel


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one volume, sorted along the slice normal.

    Attributes:
        name: what it is, for messages.
        instances: one per slice; the normal is (row direction) x (column direction).
        grid: (columns, rows, slices) voxels; index to mm in RAS+.
    """

    name: str
    instances: tuple[Instance, ...]
    grid: Grid


def files_of(stack: Stack) -> list[DicomFile]:
    """The files of a stack in slice order, one that holds several slices once."""
    return list(dict.fromkeys(instance.file for instance in stack.instances))


def normal_of(instance: Instance) -> NDArray[np.float64]:
    """Unit normal of a slice in LPS.

    Raises:
        InputError: the file has no orientation, or one whose directions are not at right angles.
    """
    if instance.orientation is None:
        raise InputError(
            f"{instance.location}: has no ImageOrientationPatient, so it cannot be placed in space."
        )
    row, column = np.array(instance.orientation[:3]), np.array(instance.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose(lengths, 1.0, atol=0.01) or abs(float(row @ column)) > 0.01:
        raise InputError(
            f"{instance.location}: its ImageOrientationPatient is not a pair of unit vectors at "
            "right angles; the file is damaged."
        )
    normal = np.cross(row, column)
    return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def along(instance: Instance, normal: NDArray[np.float64]) -> float:
    """Position of a slice along `normal` in mm.

    Raises:
        InputError: the file has no position.
    """
    if instance.position is None:
        raise InputError(
            f"{instance.location}: has no ImagePositionPatient, so it cannot be placed in space."
        )
    return float(np.array(instance.position) @ normal)


def stack_slices(instances: Sequence[Instance], name: str) -> Stack:
    """Sort the slices of one volume along their normal and derive its grid.

    Args:
        instances: the slices, in any order.
        name: what they are, for messages ("series 3, phase 1").

    Raises:
        InputError: no slices, a header without geometry, two slices at one position, or a slice
            missing; the message says which.
        GeometryError: slices that differ in orientation, spacing or size, uneven slice distances,
            or slices shifted sideways (gantry tilt).
    """
    if not instances:
        raise InputError(f"{name}: has no slices.")
    first = instances[0]
    for instance in instances:
        _check_alike(first, instance, name)
    normal = normal_of(first)
    ordered = sorted(instances, key=lambda instance: along(instance, normal))
    positions = np.array([instance.position for instance in ordered], dtype=np.float64)
    _check_gaps(ordered, positions @ normal, name)
    return Stack(name, tuple(ordered), _grid(ordered, positions, normal, name))


def _check_alike(first: Instance, other: Instance, name: str) -> None:
    if other.pixel_spacing is None or other.rows is None or other.columns is None:
        raise InputError(f"{other.location}: has no pixel spacing or size; the file is damaged.")
    if min(other.rows, other.columns, *other.pixel_spacing) <= 0:
        raise InputError(f"{other.location}: its pixel spacing or size is not positive.")
    if other.frames != 1:
        raise InputError(
            f"{other.location}: holds {other.frames} frames (multi-frame DICOM of a kind that is "
            "not read); convert it to one slice a file or to NIfTI."
        )
    pairs = f"{label(first)} and {label(other)}"
    if (first.rows, first.columns) != (other.rows, other.columns):
        raise GeometryError(f"{name}: {pairs} differ in size.")
    one, two = first.pixel_spacing or (), other.pixel_spacing
    # Equal tuples first: most slices of a stack agree to the last digit.
    if one != two and not np.allclose(one, two, rtol=_SAME_SPACING):
        raise GeometryError(f"{name}: {pairs} differ in pixel spacing ({one} and {two} mm).")
    if other is not first and first.orientation == other.orientation:
        return
    normal_of(other)
    if not np.allclose(first.orientation or (), other.orientation or (), atol=_SAME_DIRECTION):
        raise GeometryError(f"{name}: {pairs} differ in orientation.")


def _check_gaps(ordered: Sequence[Instance], along_mm: NDArray[np.float64], name: str) -> None:
    gaps = np.diff(along_mm)
    if not len(gaps):
        return
    for index in np.flatnonzero(gaps < _SAME_POSITION_MM).tolist():
        raise InputError(
            f"{name}: {label(ordered[index])} and {label(ordered[index + 1])} lie at the same "
            f"position ({along_mm[index]:.1f} mm); remove the duplicate or say how many phases "
            "there are."
        )
    step = float(np.median(gaps))
    uneven = np.flatnonzero(np.abs(gaps - step) > _EVEN * step).tolist()
    for index in uneven:
        lost = round(gaps[index] / step) - 1
        if lost >= 1 and abs(gaps[index] - (lost + 1) * step) <= _EVEN * step:
            slices = "a slice is" if lost == 1 else f"{lost} slices are"
            raise InputError(
                f"{name}: {slices} missing between {label(ordered[index])} at "
                f"{along_mm[index]:.1f} mm and {label(ordered[index + 1])} at "
                f"{along_mm[index + 1]:.1f} mm along the slice normal; copy the exam again."
            )
    for index in uneven:
        raise GeometryError(
            f"{name}: slices are unevenly spaced: {gaps[index]:.2f} mm between "
            f"{label(ordered[index])} and {label(ordered[index + 1])}, {step:.2f} mm elsewhere; "
            "resample the exam to even slices first."
        )


def _grid(
    ordered: Sequence[Instance],
    positions: NDArray[np.float64],
    normal: NDArray[np.float64],
    name: str,
) -> Grid:
    first = ordered[0]
    rows, columns = first.rows or 0, first.columns or 0
    between_rows, between_columns = first.pixel_spacing or (0.0, 0.0)
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    if sideways.max() > _DRIFT * min(between_rows, between_columns):
        raise GeometryError(
            f"{name}: slices are shifted sideways by up to {sideways.max():.1f} mm against each "
            "other (gantry tilt); resample the exam to upright slices first."
        )
    if len(ordered) > 1:
        step = offsets[-1] / (len(ordered) - 1)
    else:
        step = normal * _single_slice_mm(first, name)
    orientation = np.array(first.orientation)
    lps = np.stack([orientation[:3] * between_columns, orientation[3:] * between_rows, step], 1)
    affine = np.eye(4)
    affine[:3, :3] = LPS_TO_RAS @ lps
    affine[:3, 3] = LPS_TO_RAS @ positions[0]
    return Grid((columns, rows, len(ordered)), affine)


def _single_slice_mm(instance: Instance, name: str) -> float:
    thickness = instance.slice_spacing or instance.slice_thickness
    if not thickness or thickness <= 0:
        raise InputError(f"{name}: its only slice {label(instance)} has no thickness.")
    return thickness


def label(instance: Instance) -> str:
    """Name of a slice for messages: its InstanceNumber, or its file."""
    if instance.instance_number is None:
        return f"file {instance.location}"
    return f"instance {instance.instance_number}"
