"""Per-volume intensity normalisation of the pre-contrast image."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

CLIP_PERCENTILES = (0.5, 99.5)
"""Intensities within the breast are clipped here before z-scoring: vessels, coil edge, spikes."""


def minmax(image: NDArray[Any]) -> NDArray[np.float32]:
    """Stretch the volume to 0..1.

    Min-max per volume is what the paper's group uses in its published code; the paper itself names
    no normalisation of the image. (That code also lifts intensities below 1 to 1, which changes
    nothing in scanner units and would empty an image that is scaled to 0..1; it is left out.)

    Args:
        image: finite values of any shape.

    Returns:
        the same shape; zeros where the image is constant.
    """
    values = image.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(image.shape, np.float32)
    stretched: NDArray[np.float32] = (values - np.float32(low)) / np.float32(high - low)
    return stretched


def zscore(image: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean 0 and standard deviation 1 inside a mask, after clipping at `CLIP_PERCENTILES` there.

    Invariant to gain and offset of the image, so to scanner units.

    Args:
        image: finite values of any shape.
        inside: mask of the same shape, not empty; statistics are taken here.

    Returns:
        the same shape, clipped and scaled everywhere, also outside the mask; zeros where the image
        is constant inside.
    """
    values = image[inside].astype(np.float64)
    low, high = np.percentile(values, CLIP_PERCENTILES)
    clipped = np.clip(values, low, high)
    mean, deviation = clipped.mean(), clipped.std()
    # Rounding leaves a constant image with a deviation of about its last digit.
    if deviation <= 1e-6 * max(abs(low), abs(high)):
        return np.zeros(image.shape, np.float32)
    scaled = np.empty(image.shape, np.float32)
    # Plane by plane: in double precision a whole image would leave the processor's cache.
    for target, plane in zip(scaled, image, strict=True):
        target[...] = (np.clip(plane, low, high) - mean) / deviation
    return scaled


def normalise(
    image: NDArray[Any], inside: NDArray[np.bool_], method: Literal["zscore", "minmax"]
) -> NDArray[np.float32]:
    """Normalise by the method of `PrepareConfig.normalise`."""
    return zscore(image, inside) if method == "zscore" else minmax(image)
