"""What must hold of an image and its masks before anything is computed."""

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError, InputError
from hcnet.volumes.volume import Volume

FEWEST_VOXELS = 3
"""A network and a mask need neighbours along each axis."""


def check_image(image: Volume, location: str) -> None:
    """Refuse an image that is too thin, has values that are no numbers, or shows nothing.

    Raises:
        InputError: fewer than `FEWEST_VOXELS` along an axis, NaN or infinite values, or the same
            value everywhere.
    """
    if min(image.shape) < FEWEST_VOXELS:
        raise InputError(
            f"{location}: has shape {image.shape}; a volume needs at least {FEWEST_VOXELS} voxels "
            "along each axis, so give the whole stack of slices."
        )
    if image.data.dtype.kind == "f":
        broken = int(image.data.size - np.count_nonzero(np.isfinite(image.data)))
        if broken:
            raise InputError(
                f"{location}: {broken} voxels are NaN or infinite; "
                "export the image again or set them to 0."
            )
    if image.data.min() == image.data.max():
        raise InputError(
            f"{location}: every voxel has the value {image.data.flat[0]}; it shows nothing."
        )


def checked_mask(
    mask: Volume, image: Volume, mask_location: str, image_location: str
) -> NDArray[np.bool_]:
    """The mask as booleans, if it belongs to the image.

    Args:
        mask: values 0 and 1, or 0 and 255.
        image: the image it was drawn on.
        mask_location: for messages.
        image_location: for messages.

    Raises:
        GeometryError: the mask lies on another grid.
        InputError: it has other values.
    """
    difference = image.grid.difference(mask.grid)
    if difference:
        raise GeometryError(
            f"{mask_location}: lies on another grid than {image_location} ({difference}); "
            "resample the mask to the image first."
        )
    values = np.unique(mask.data)
    known = any(np.isin(values, allowed).all() for allowed in ((0, 1), (0, 255)))
    if not known:
        shown = ", ".join(f"{value:g}" for value in values[:4].astype(float))
        raise InputError(
            f"{mask_location}: a mask has the values 0 and 1 (or 255) only, and this one has "
            f"{shown}{' ...' if values.size > 4 else ''}; choose one label of it."
        )
    inside: NDArray[np.bool_] = mask.data > 0
    return inside


def check_same_frame(phase: Volume, pre: Volume, phase_location: str, pre_location: str) -> None:
    """Refuse a phase that cannot be brought onto the grid of the pre-contrast image.

    The same grid is fine, and so is one of the same shape that is shifted or turned but still shows
    most of the same region: it is resampled by its own affine.

    Raises:
        GeometryError: another shape, or less than half of the region in common.
    """
    if phase.shape != pre.shape:
        raise GeometryError(
            f"{phase_location}: has shape {phase.shape} and {pre_location} has {pre.shape}; "
            "the phases of a case must be one series."
        )
    if phase.grid.difference(pre.grid) is None:
        return
    steps = [np.linspace(0, n - 1, 9) for n in pre.shape]
    points = np.stack([*np.meshgrid(*steps, indexing="ij"), np.ones((9, 9, 9))]).reshape(4, -1)
    there = (np.linalg.inv(phase.affine) @ pre.affine @ points)[:3]
    limits = np.array(phase.shape)[:, None] - 0.5
    shared = float(((there >= -0.5) & (there <= limits)).all(axis=0).mean())
    if shared < 0.5:
        raise GeometryError(
            f"{phase_location}: shows only {100 * shared:.0f} % of the region of {pre_location}; "
            "the phases of a case must be one series."
        )
