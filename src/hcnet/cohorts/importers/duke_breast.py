"""Breast masks of Duke-Breast-Cancer-MRI: 3D Slicer's segmentations (`.seg.nrrd`)."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its customary name)
from nibabel import orientations
from numpy.typing import NDArray

from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.stacks import LPS_TO_RAS
from hcnet.volumes.volume import Grid, Volume

_ALIGNED = 0.02
"""Of a voxel, for a step of one voxel of the mask along an axis of the image."""

_OFF = 0.25
"""Of a voxel, how far the voxels of the mask may lie from those of the image."""

_LARGEST = 2
"""An axis of the mask may have so many times the voxels of the image's longest."""

_MOST_LAYERS = 16

_NAME = re.compile(r"Segment(\d+)_Name")


def read_breast(path: Path, grid: Grid) -> tuple[Volume, str]:
    """The breast segment as a mask on the image's grid, and how it was found.

    Slicer gives each segment a name, a label value and a layer, and may store only the part of the
    image in which there is something; so the mask is placed by its millimetres.

    Args:
        path: a `.seg.nrrd` file.
        grid: of the image.

    Raises:
        InputError: the file cannot be read, has no breast segment, or that is empty.
        GeometryError: its voxels are not the image's.
    """
    image = _read(path, grid)
    # SimpleITK's arrays run (z, y, x), with the layers, where there are several, behind.
    array = sitk.GetArrayFromImage(image)
    layers = array[..., None] if array.ndim == 3 else array
    segment, layer, label, why = _breast_segment(path, image)
    if not 0 <= layer < layers.shape[3]:
        raise InputError(f"{path}: segment {segment} is in layer {layer}, which is not there.")
    chosen = layers[..., layer]
    mask = (chosen > 0 if label is None else chosen == label).astype(np.uint8).transpose(2, 1, 0)
    if not mask.any():
        raise InputError(f"{path}: its breast segment is empty.")
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = LPS_TO_RAS @ (directions * np.array(image.GetSpacing()))
    affine[:3, 3] = LPS_TO_RAS @ np.array(image.GetOrigin())
    return Volume(_placed(path, mask, affine, grid), grid.affine), why


def _read(path: Path, grid: Grid) -> Any:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        if len(size) != 3:
            raise InputError(f"{path}: has {len(size)} axes in space instead of 3.")
        # Read no more than a mask of this image can be, whatever the header promises.
        if any(n > _LARGEST * max(grid.shape) for n in size):
            raise GeometryError(f"{path}: is far larger than the image ({size}).")
        if reader.GetNumberOfComponents() > _MOST_LAYERS:
            raise InputError(f"{path}: has more than {_MOST_LAYERS} layers.")
        return reader.Execute()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(f"{path}: cannot be read as NRRD ({reason}).") from error


def _breast_segment(path: Path, image: Any) -> tuple[str, int, int | None, str]:
    """Name, layer, label value (None: whatever is not 0) and the reason."""
    names = {
        match[1]: image.GetMetaData(key)
        for key in image.GetMetaDataKeys()
        if (match := _NAME.fullmatch(key))
    }
    if not names:
        if image.GetNumberOfComponentsPerPixel() > 1:
            raise InputError(f"{path}: has several layers and names no segment.")
        return "", 0, None, "all that is not 0, as it names no segment"
    fitting = [number for number, name in names.items() if "breast" in name.lower()]
    if not fitting and len(names) == 1:
        fitting = list(names)
    if len(fitting) != 1:
        listed = ", ".join(sorted(names.values()))
        raise InputError(f"{path}: does not say which segment is the breast ({listed}).")
    number = fitting[0]
    layer = _whole(path, image, f"Segment{number}_Layer") or 0
    label = _whole(path, image, f"Segment{number}_LabelValue")
    value = "not 0" if label is None else str(label)
    return names[number], layer, label, f"segment {names[number]} (layer {layer}, label {value})"


def _whole(path: Path, image: Any, key: str) -> int | None:
    if not image.HasMetaDataKey(key):
        return None
    text = image.GetMetaData(key).strip()
    if not re.fullmatch(r"\d{1,6}", text):
        raise InputError(f"{path}: its {key} is {text[:20]!r}, no number.")
    return int(text)


def _placed(
    path: Path, mask: NDArray[np.uint8], affine: NDArray[np.float64], grid: Grid
) -> NDArray[np.uint8]:
    """Lay a mask onto the image voxel by voxel; axes may be permuted or flipped."""
    to_image = np.linalg.inv(grid.affine) @ Grid(mask.shape, affine).affine
    steps = np.rint(to_image[:3, :3])
    is_permutation = np.array_equal(np.abs(steps) @ np.ones(3), np.ones(3)) and np.array_equal(
        np.abs(steps).T @ np.ones(3), np.ones(3)
    )
    if not is_permutation or np.abs(to_image[:3, :3] - steps).max() > _ALIGNED:
        raise GeometryError(
            f"{path}: its voxels do not run along the image's (another spacing or orientation)."
        )
    # The mask's corner with the lowest image index; the axes turned so that they run as the image's
    turned = orientations.apply_orientation(mask, orientations.io_orientation(to_image))
    ends = np.array([np.zeros(3), np.array(mask.shape) - 1]) @ to_image[:3, :3].T + to_image[:3, 3]
    corner = ends.min(axis=0)
    start = np.rint(corner).astype(int)
    if np.abs(corner - start).max() > _OFF:
        raise GeometryError(f"{path}: its voxels lie between the image's.")
    filled = [
        np.flatnonzero(turned.any(axis=tuple(other for other in range(3) if other != axis)))
        for axis in range(3)
    ]
    there = tuple(slice(int(f[0]), int(f[-1]) + 1) for f in filled)
    here = tuple(slice(t.start + s, t.stop + s) for t, s in zip(there, start, strict=True))
    if any(h.start < 0 or h.stop > n for h, n in zip(here, grid.shape, strict=True)):
        raise GeometryError(f"{path}: reaches outside the image; does it belong to another exam?")
    placed = np.zeros(grid.shape, np.uint8)
    placed[here] = turned[there]
    return placed
