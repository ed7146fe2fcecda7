"""What an image looks like in a few numbers, to tell whether it is like those of the training.

Gain does not matter to any of them; the offset does, since in MRI air is near 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LARGEST = 2_000_000
"""Voxels that are looked at; of a larger image every n-th sagittal plane."""
HISTOGRAM = 32
_SMOOTH = 1.5  # voxels
_SHELLS_MM = ((3.0, 8.0), (8.0, 15.0))

FEATURES = {
    "skewness": "skewness of the intensities in the breast",
    "log_kurtosis": "weight of the tails of the intensities in the breast",
    "q05": "5th percentile of the intensities in the breast",
    "q25": "25th percentile of the intensities in the breast",
    "q50": "median of the intensities in the breast",
    "q75": "75th percentile of the intensities in the breast",
    "q95": "95th percentile of the intensities in the breast",
    "log_tails": "the bright tail beside the dark one in the breast",
    "log_variation": "variation of the intensities in the breast beside their mean",
    "entropy": "entropy of the histogram of the breast",
    "air": "intensity of the air, measured from the breast's",
    "air_share": "intensity of the air as a share of the breast's",
    "log_step_x": "differences between neighbours along right-left",
    "tail_step_x": "sharp edges along right-left",
    "log_step_y": "differences between neighbours along front-back",
    "tail_step_y": "sharp edges along front-back",
    "log_step_z": "differences between neighbours along head-foot",
    "tail_step_z": "sharp edges along head-foot",
    "log_noise": "noise",
    "coarse": "variation of the smoothed image",
    "coarse_top": "brightness of the brightest parts of the smoothed image",
    "coarse_skewness": "skewness of the smoothed image",
    "shell_3_8": "brightness 3 to 8 mm below the surface of the breast mask",
    "shell_8_15": "brightness 8 to 15 mm below the surface of the breast mask",
    "depth": "depth of the breast mask (dm)",
}
"""Names in the order of `image_features`, in words; percentiles in deviations from the mean."""


def image_features(
    image: NDArray[Any], breast: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.float64]:
    """The numbers of `FEATURES`.

    Args:
        image: (X, Y, Z) intensities before normalisation, on the prepared grid, finite.
        breast: (X, Y, Z) bool, not empty.
        spacing_mm: of the prepared grid.

    Returns:
        (F,) float64, finite whatever the image.
    """
    step = -(-image.size // LARGEST)
    planes, here = image[::step].astype(np.float64), breast[::step]
    if not here.any():  # the breast lies in planes between
        planes, here, step = image.astype(np.float64), breast, 1
    values = planes[here]
    low, q05, q25, q50, q75, q95, high = np.percentile(values, [0.5, 5, 25, 50, 75, 95, 99.5])
    clipped = np.clip(values, low, high)
    mean = float(clipped.mean())
    deviation = max(float(clipped.std()), 1e-6 * max(abs(low), abs(high)), 1e-30)
    scaled = (np.clip(planes, low, high) - mean) / deviation
    inside = scaled[here]
    counts = np.histogram(clipped, HISTOGRAM, (low, max(high, low + deviation)))[0]
    shares = counts[counts > 0] / len(clipped)
    outside = planes[~here]
    air = float(np.percentile(outside, 10)) if outside.size else float(low)
    edge = 1e-3 * deviation
    eroded = ndimage.binary_erosion(here, np.ones((1, 3, 3), bool))
    core = eroded if eroded.any() else here
    following = (np.clip(image[1::step], low, high) - mean) / deviation
    pairs = min(len(scaled), len(following))
    x_mm, y_mm, z_mm = spacing_mm
    depth = _depth(here, (x_mm * step, y_mm, z_mm))
    smooth = ndimage.gaussian_filter(scaled, (0, _SMOOTH, _SMOOTH), truncate=3)[core]
    spread = max(float(smooth.std()), 1e-6)
    found = [
        _moment(inside, 3),
        np.log(max(_moment(inside, 4), 1e-6)),
        *((q - mean) / deviation for q in (q05, q25, q50, q75, q95)),
        np.log((high - q50 + edge) / (q50 - low + edge)),
        np.log(deviation / max(abs(mean), edge)),
        -float((shares * np.log2(shares)).sum()),
        (air - mean) / deviation,
        air / max(abs(float(q50)), edge),
        *_steps(following[:pairs] - scaled[:pairs], core[:pairs]),
        *_steps(np.diff(scaled, axis=1), core[:, 1:]),
        *_steps(np.diff(scaled, axis=2), core[:, :, 1:]),
        np.log(_roughness(scaled, core) + 1e-6),
        spread,
        float(np.percentile(smooth, 99)),
        _moment((smooth - smooth.mean()) / spread, 3),
        *(_mean(inside[(depth > near) & (depth <= far)]) for near, far in _SHELLS_MM),
        float(np.percentile(depth, 90)) / 100,
    ]
    return np.array(found, np.float64)


def _moment(values: NDArray[np.float64], order: int) -> float:
    return float((values**order).mean())


def _steps(differences: NDArray[np.float64], core: NDArray[np.bool_]) -> tuple[float, float]:
    """Logarithms of the mean difference, and of the 95th percentile beside it."""
    found = np.abs(differences[core])
    if not found.size:
        return 0.0, 0.0
    mean = float(found.mean()) + 1e-6
    return float(np.log(mean)), float(np.log((np.percentile(found, 95) + 1e-6) / mean))


def _roughness(scaled: NDArray[np.float64], core: NDArray[np.bool_]) -> float:
    """Median of the Laplacian within sagittal planes, which is mostly noise."""
    if min(scaled.shape[1:]) < 3:
        return 0.0
    middle = scaled[:, 1:-1, 1:-1]
    laplacian = 4 * middle - scaled[:, :-2, 1:-1] - scaled[:, 2:, 1:-1]
    laplacian = laplacian - scaled[:, 1:-1, :-2] - scaled[:, 1:-1, 2:]
    found = np.abs(laplacian[core[:, 1:-1, 1:-1]])
    return float(np.median(found)) if found.size else 0.0


def _depth(inside: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Distance (mm) of each voxel of a mask from its surface; where the image ends is none."""
    padded = np.pad(inside, 1, mode="edge")
    depth = ndimage.distance_transform_edt(padded, sampling=spacing_mm)
    found: NDArray[np.float64] = depth[1:-1, 1:-1, 1:-1][inside]
    return found


def _mean(values: NDArray[np.float64]) -> float:
    """0, the mean of the breast, where there are none."""
    return float(values.mean()) if values.size else 0.0
