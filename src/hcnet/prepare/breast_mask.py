"""A classical breast mask: from the pre-contrast image alone, without weights or training.

The steps, all on a grid of about 3 mm:

1. body: smoothed intensity above the level of air, its outline above a share of what is bright
   nearby (`body.py`). Air is the sharp mode below an Otsu threshold, so dark (suppressed) fat,
   bright fat and a strong coil bias all pass;
2. front: the most anterior body voxel of each (x, z) column (`front.py`). What lies behind it is
   not asked for its brightness, so an implant or dark fat leaves no hole;
3. chest line: for each sagittal slice the line that is stretched taut behind the front, from the
   skin above the breast to the skin below it (its greatest convex minorant), smoothed across
   slices (`chest_line.py`). The breast is what lies before it, and a fixed depth behind it;
4. both breasts: where the field of view is wide, the skin over the sternum bounds the chest line as
   well; slices in which nothing stands out (sternum, flanks, a missing breast) and what comes
   forward again lateral to a breast (arms) are left out.

The taut line is the idea behind the breast masks of the curated I-SPY1 pictures (data: Newitt and
Hylton, TCIA 2016, https://doi.org/10.7937/K9/TCIA.2016.HdHpgJLK). The mask is a region of interest
that shall hold every tumour, not a tissue mask: it has skin and the front of the pectoral muscle.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.errors import GeometryError, InputError
from hcnet.prepare.body import find_body, parts
from hcnet.prepare.chest_line import NOTHING_STANDS_OUT, chest_line
from hcnet.prepare.front import closed_front, front_surface
from hcnet.volumes.volume import Shape, Slices, Volume

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

WORKING_MM = 3.0
"""Voxels are averaged to about this size before anything is decided."""
OPENING_MM = 6.0
"""Radius below which what sticks out is no breast: ghosts, the edge of the coil."""
SMALLEST_ML = 10.0
"""No connected part of the mask is smaller; a breast cut by a thin stack holds little more."""
SMALLEST_PART = 0.15
"""Nor is it smaller than this fraction of the largest part."""


def breast_mask(volume: Volume) -> Mask:
    """Find the breast, or both breasts, in a pre-contrast T1-weighted volume.

    Args:
        volume: canonical orientation (y grows towards anterior), any spacing, breasts hanging free.

    Returns:
        (X, Y, Z) boolean mask. It is not empty, lies behind the front of the body (with dents up
        to `front.CLOSING_MM` closed), and each 26-connected part has at least `SMALLEST_ML` and
        `SMALLEST_PART` of the largest, all up to half a working voxel (`WORKING_MM`).

    Raises:
        GeometryError: the volume is not in canonical orientation.
        InputError: nothing stands out from the background, or from the chest.
    """
    if volume.grid.axis_codes != "RAS":
        raise GeometryError(
            f"the breast mask needs axes R, A, S and this volume has {volume.grid.axis_codes}: "
            "bring it to canonical orientation first."
        )
    factors = _factors(volume.spacing)
    image = _block_mean(volume.data, factors)
    x, y, z = (mm * n for mm, n in zip(volume.spacing, factors, strict=True))
    spacing = (x, y, z)
    body = find_body(image, spacing)
    front = closed_front(front_surface(body, y), (x, z))
    line = chest_line(front, (x, z))
    depth = (np.arange(body.shape[1]) * y)[None, :, None]
    # A hanging breast has nothing but breast behind its front, an implant without signal as well.
    # NaN, where a column is left out, compares as False.
    mask = (depth <= front[:, None, :]) & (depth > line[:, None, :])
    smallest = SMALLEST_ML / (x * y * z / 1000.0)
    mask = parts(_opened(mask, spacing), 26, fraction=SMALLEST_PART, smallest=smallest)
    if not mask.any():
        raise InputError(NOTHING_STANDS_OUT)
    return _refined(mask, volume.shape, factors)


def _factors(spacing: Spacing) -> Shape:
    x, y, z = (max(1, round(WORKING_MM / mm)) for mm in spacing)
    return x, y, z


def _block_mean(data: NDArray[Any], factors: Shape) -> NDArray[np.float32]:
    """Average over blocks; the far edges are repeated to fill the last block."""
    padding = [(0, -n % factor) for n, factor in zip(data.shape, factors, strict=True)]
    mean = np.pad(data, padding, mode="edge") if np.any(padding) else data
    for axis, factor in enumerate(factors):
        # A block's slices one after the other: an axis of two or three is slow to reduce.
        first, *others = (
            mean[(slice(None),) * axis + (slice(start, None, factor),)] for start in range(factor)
        )
        total = first.astype(np.float32)
        for other in others:
            total += other
        mean = total / np.float32(factor)
    return np.ascontiguousarray(mean)


def _opened(mask: Mask, spacing: Spacing) -> Mask:
    """Cut off what is thin, but no nipple; at the edges the breast is taken to go on."""
    padded, ball, inside = _with_ball(mask, OPENING_MM, spacing)
    opened = ndimage.binary_opening(padded, ball)[inside]
    # The ball rounds edges; the next voxel is given back.
    kept: Mask = ndimage.binary_dilation(opened) & mask
    return kept


def _with_ball(mask: Mask, radius_mm: float, spacing: Spacing) -> tuple[Mask, Mask, Slices]:
    """The mask with its edges repeated, a ball on its grid, and where the mask lies in there."""
    reach = [int(radius_mm / mm) for mm in spacing]
    axes = [np.arange(-n, n + 1) * mm for n, mm in zip(reach, spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    padded = np.pad(mask, [(n, n) for n in reach], mode="edge")
    i, j, k = (slice(n, n + size) for n, size in zip(reach, mask.shape, strict=True))
    return padded, x**2 + y**2 + z**2 <= radius_mm**2, (i, j, k)


def _refined(mask: Mask, shape: Shape, factors: Shape) -> Mask:
    """Bring the working mask to the voxels of the image, with a smooth outline."""
    refined = np.zeros(shape, bool)
    # Only around the mask: most of the time goes into the fine grid.
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    coarse = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in box)
    soft = ndimage.gaussian_filter(mask[coarse].astype(np.float32), 0.7, mode="nearest")
    for axis, factor in enumerate(factors):
        soft = _stretched(soft, factor, axis)
    fine = soft > 0.5
    starts = [s.start * factor for s, factor in zip(coarse, factors, strict=True)]
    i, j, k = (
        slice(a, min(a + n, size)) for a, n, size in zip(starts, fine.shape, shape, strict=True)
    )
    refined[i, j, k] = fine[: i.stop - i.start, : j.stop - j.start, : k.stop - k.start]
    return refined


def _stretched(array: NDArray[np.float32], factor: int, axis: int) -> NDArray[np.float32]:
    """Linear interpolation to voxels that are smaller by a whole factor, edges kept."""
    if factor == 1:
        return array
    n = array.shape[axis]
    at = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
    low = at.astype(np.intp)
    weight = np.expand_dims((at - low).astype(np.float32), [a for a in range(3) if a != axis])
    below = array.take(low, axis)
    stretched: NDArray[np.float32] = below + weight * (
        array.take(np.minimum(low + 1, n - 1), axis) - below
    )
    return stretched
