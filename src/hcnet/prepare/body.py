"""The body in a T1-weighted volume: what is brighter than air, without ghosts and wrapped tissue.

Only its front matters to the breast mask: holes (dark fat, implants) need no care here.
"""

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from hcnet.errors import InputError

Mask = NDArray[np.bool_]
Image = NDArray[np.float32]
Spacing = tuple[float, float, float]

SMOOTHING_MM = 3.0
"""Standard deviation of the Gaussian that tells skin from noise."""
OUTLINE_MM = 1.2
"""Standard deviation of the Gaussian before the outline is drawn."""
FAINTEST = 1e-3
"""Below this fraction of the bright end a voxel holds no noise: it was set to zero."""
LOG_STEP = 0.04
"""Width of a histogram bin of log intensity: 4 %."""
AIR_FACTOR = 1.5
"""Body is brighter than air by at least this factor (smoothed air is even to some 20 %)."""
DARKEST_TISSUE = 0.015
"""Body is brighter than this fraction of the bright end, for images whose air is exactly zero."""
NEARBY_MM = 15.0
"""How far around a voxel its outline is judged by what is bright there."""
OUTLINE_SHARE = 0.15
"""The outline is brighter than this share of the brightest nearby; the blur of skin and most
ghosts are not."""
NOISE_DEVIATIONS = 2.0
"""The outline is brighter than the median of air by this many deviations of air."""
SMALLEST_BODY_PART = 0.1
"""Parts of the smooth body smaller than this fraction of the largest are noise or ghosts."""
SPECK_ML = 1.0
"""Parts of the sharp body that are smaller are noise."""
GHOST_SHARE = 0.15
"""A part whose bright end is below this share of the brightest part's is a ghost."""
WRAP_MM = 45.0
"""A part at the front edge of the picture that reaches less far back is wrapped tissue."""


def find_body(image: Image, spacing: Spacing) -> Mask:
    """What is brighter than air, with a sharp outline and perhaps with holes.

    Args:
        image: (X, Y, Z) intensities, y growing towards anterior, voxels of some mm.
        spacing: voxel size in mm.

    Returns:
        (X, Y, Z) mask.

    Raises:
        InputError: the image is empty or constant.
    """
    smooth = _gaussian(image, SMOOTHING_MM, spacing)
    bright = float(np.percentile(smooth, 99))
    if bright <= 0 or smooth.min() == smooth.max():
        raise InputError(
            "no breast found, since the image is empty: check the file or give a breast mask."
        )
    threshold = max(AIR_FACTOR * _air_level(smooth, bright), DARKEST_TISSUE * bright)
    coarse = parts(smooth > threshold, 6, fraction=SMALLEST_BODY_PART)
    coarse = _without_wrapped(coarse, spacing[1])
    # The strong smoothing finds the body but blurs it into the air, so the outline is taken sharp.
    sharp = _gaussian(image, OUTLINE_MM, spacing)
    reach = [2 * round(NEARBY_MM / mm) + 1 for mm in spacing]
    nearby = ndimage.maximum_filter(smooth, reach)
    above_noise = max(threshold, _noise_level(sharp[smooth <= threshold]))
    body = coarse & (sharp > np.maximum(above_noise, OUTLINE_SHARE * nearby))
    voxel_ml = float(np.prod(spacing)) / 1000.0
    return _without_ghosts(parts(body, 6, smallest=SPECK_ML / voxel_ml), smooth)


def _gaussian(image: Image, mm: float, spacing: Spacing) -> Image:
    smooth: Image = ndimage.gaussian_filter(image, [mm / size for size in spacing])
    return smooth


def _air_level(smooth: Image, bright: float) -> float:
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


def _noise_level(air: NDArray[Any]) -> float:
    """What air hardly reaches; from its median and upper deviation, which ghosts do not move."""
    if not air.size:
        return 0.0
    median, high = np.percentile(air, [50.0, 84.1])
    return float(median + NOISE_DEVIATIONS * (high - median))


def _without_wrapped(body: Mask, y_mm: float) -> Mask:
    """Leave out shallow parts at the front edge, unless nothing else is there."""
    labels = cc3d.connected_components(body, connectivity=6)
    front = body.shape[1]
    boxes = ndimage.find_objects(labels)
    wrapped = [
        number
        for number, (_, y, _) in enumerate(boxes, start=1)
        if y.stop == front and (front - y.start) * y_mm < WRAP_MM
    ]
    return body if len(wrapped) == len(boxes) else body & ~np.isin(labels, wrapped)


def _without_ghosts(body: Mask, smooth: Image) -> Mask:
    """Leave out parts that are faint throughout."""
    labels = cc3d.connected_components(body, connectivity=6)
    bright = [
        float(np.percentile(smooth[box][labels[box] == number], 95))
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
    ]
    level = GHOST_SHARE * max(bright, default=0.0)
    kept: Mask = np.array([False, *(b >= level for b in bright)])[labels]
    return kept


def parts(mask: Mask, connectivity: int, *, fraction: float = 0.0, smallest: float = 1.0) -> Mask:
    """The connected parts of a mask that are not too small.

    Args:
        mask: (X, Y, Z).
        connectivity: 6 or 26.
        fraction: of the largest part, which others have to reach.
        smallest: number of voxels that each has to have.
    """
    labels = cc3d.connected_components(mask, connectivity=connectivity)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = sizes >= max(fraction * sizes.max(), smallest)
    kept: Mask = keep[labels]
    return kept
