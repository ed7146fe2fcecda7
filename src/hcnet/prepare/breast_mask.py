"""A classical breast mask: from the pre-contrast image alone, without weights or training.

The steps, all on a grid of about 3 mm:

1. body: smoothed intensity above the level of air. Air is the sharp mode below an Otsu threshold,
   so dark (suppressed) fat, bright fat and a strong coil bias all pass;
2. front: the most anterior body voxel of each (x, z) column;
3. chest line: for each sagittal slice the line that is stretched taut behind the front, from the
   skin above the breast to the skin below it (its greatest convex minorant), smoothed across
   slices. The breast is what lies before it, and a fixed depth behind it;
4. both breasts: where the field of view is wide, the skin over the sternum bounds the chest line as
   well, and slices in which nothing stands out (sternum, flanks) are left out.

The taut line is the idea behind the breast masks of the curated I-SPY1 pictures (data: Newitt and
Hylton, TCIA 2016, https://doi.org/10.7937/K9/TCIA.2016.HdHpgJLK). The mask is a region of interest
that shall hold every tumour, not a tissue mask: it has skin and the front of the pectoral muscle.
"""

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from hcnet.errors import GeometryError, InputError
from hcnet.prepare.chest_line import NOTHING_STANDS_OUT, chest_line, front_surface
from hcnet.volumes.volume import Shape, Slices, Volume

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

WORKING_MM = 3.0
"""Voxels are averaged to about this size before anything is decided."""
SMOOTHING_MM = 3.0
"""Standard deviation of the Gaussian that tells skin from noise."""
OUTLINE_MM = 0.7
"""Standard deviation of the Gaussian before the outline is drawn."""
FAINTEST = 1e-3
"""Below this fraction of the bright end a voxel holds no noise: it was set to zero."""
LOG_STEP = 0.04
"""Width of a histogram bin of log intensity: 4 %."""
AIR_FACTOR = 1.5
"""Body is brighter than air by at least this factor (smoothed air is even to some 20 %)."""
DARKEST_TISSUE = 0.015
"""Body is brighter than this fraction of the bright end, for images whose air is exactly zero."""
SMALLEST_BODY_PART = 0.1
"""Parts of the body smaller than this fraction of the largest are noise or ghosts."""
CLOSING_MM = 9.0
"""Radius of the gaps that are closed: suppressed fat may be as dark as air."""
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
        (X, Y, Z) boolean mask. It is not empty, lies in the body (what is brighter than air, with
        gaps up to `CLOSING_MM` closed), and each 26-connected part has at least `SMALLEST_ML` and
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
    body = _body(image, spacing)
    front = front_surface(body, y)
    line = chest_line(front, (x, z))
    depth = (np.arange(body.shape[1]) * y)[None, :, None]
    # NaN, where a column is left out, compares as False.
    mask = body & (depth > line[:, None, :])
    voxel_ml = x * y * z / 1000.0
    mask = _parts(_opened(mask, spacing), 26, SMALLEST_PART, SMALLEST_ML / voxel_ml)
    if not mask.any():
        raise InputError(NOTHING_STANDS_OUT)
    return _refined(mask, volume.shape, factors)


def _factors(spacing: Spacing) -> Shape:
    x, y, z = (max(1, round(WORKING_MM / mm)) for mm in spacing)
    return x, y, z


def _block_mean(data: NDArray[Any], factors: Shape) -> NDArray[np.float32]:
    """Average over blocks; the far edges are repeated to fill the last block."""
    padding = [(0, -n % factor) for n, factor in zip(data.shape, factors, strict=True)]
    mean = np.pad(data, padding, mode="edge").astype(np.float32, copy=False)
    for axis, factor in enumerate(factors):
        shape = list(mean.shape)
        shape[axis : axis + 1] = [shape[axis] // factor, factor]
        mean = mean.reshape(shape).mean(axis=axis + 1)
    return mean


def _body(image: NDArray[np.float32], spacing: Spacing) -> Mask:
    """What is brighter than air, without specks, gaps closed."""
    smooth = ndimage.gaussian_filter(image, [SMOOTHING_MM / mm for mm in spacing])
    bright = float(np.percentile(smooth, 99))
    if bright <= 0 or smooth.min() == smooth.max():
        raise InputError(
            "no breast found, since the image is empty: check the file or give a breast mask."
        )
    threshold = max(AIR_FACTOR * _air_level(smooth, bright), DARKEST_TISSUE * bright)
    body = _parts(smooth > threshold, 6, SMALLEST_BODY_PART)
    # The strong smoothing finds the body but blurs it into the air, so the outline is taken sharp.
    sharp = ndimage.gaussian_filter(image, [OUTLINE_MM / mm for mm in spacing]) > threshold
    return _closed(_parts(body & sharp, 6, SMALLEST_BODY_PART), spacing)


def _air_level(smooth: NDArray[np.float32], bright: float) -> float:
    """The most frequent level among the dark values; 0 where the scanner has masked the air.

    The edge of the field of view is often zero and blurs into the air. Otsu's threshold is taken of
    square roots, where that edge lies close to the air, and the mode over logarithms, where it
    spreads over many bins.
    """
    root = np.sqrt(np.maximum(smooth, 0.0))
    dark = smooth[root < threshold_otsu(root)]
    noisy = np.log(dark[dark > FAINTEST * bright])
    if noisy.size <= dark.size / 2:
        return 0.0
    edges = np.arange(noisy.min(), noisy.max() + 2 * LOG_STEP, LOG_STEP)
    counts, _ = np.histogram(noisy, edges)
    peak = int(ndimage.gaussian_filter1d(counts.astype(float), 2.0).argmax())
    return float(np.exp(edges[peak] + LOG_STEP / 2))


def _parts(mask: Mask, connectivity: int, fraction: float, smallest: float = 1.0) -> Mask:
    """The connected parts with at least `fraction` of the largest and `smallest` voxels."""
    labels = cc3d.connected_components(mask, connectivity=connectivity)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = sizes >= max(fraction * sizes.max(), smallest)
    kept: Mask = keep[labels]
    return kept


def _closed(mask: Mask, spacing: Spacing) -> Mask:
    """Close gaps and fill holes; at the edges the body is taken to go on."""
    padded, ball, inside = _with_ball(mask, CLOSING_MM, spacing)
    filled: Mask = ndimage.binary_fill_holes(ndimage.binary_closing(padded, ball)[inside])
    return filled


def _opened(mask: Mask, spacing: Spacing) -> Mask:
    """Cut off what is thin; at the edges the breast is taken to go on."""
    padded, ball, inside = _with_ball(mask, OPENING_MM, spacing)
    opened: Mask = ndimage.binary_opening(padded, ball)[inside]
    return opened


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
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 0.7, mode="nearest")
    fine = ndimage.zoom(soft, factors, order=1, mode="nearest", grid_mode=True)
    x, y, z = shape
    refined: Mask = fine[:x, :y, :z] > 0.5
    return refined
