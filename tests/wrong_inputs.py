"""Images that are no breast MRI before contrast: what an input check has to notice."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.volumes.volume import Volume


def _axes(size_mm: tuple[float, ...], spacing: float) -> tuple[list[NDArray[np.float64]], Volume]:
    """Coordinates (mm) about the middle of the field of view, and an empty volume there."""
    shape = [round(size / spacing) for size in size_mm]
    grid = [(np.arange(n) - (n - 1) / 2) * spacing for n in shape]
    x, y, z = np.meshgrid(*grid, indexing="ij", sparse=True)
    affine = np.diag([spacing] * 3 + [1.0])
    return [x, y, z], Volume(np.zeros(shape, np.float32), affine)


def chest_ct(seed: int = 0, spacing: float = 3.0) -> tuple[Volume, Volume]:
    """A chest in CT (Hounsfield units) and a mask of its breasts, as no rule for MRI finds them."""
    rng = np.random.default_rng(seed)
    (x, y, z), volume = _axes((400, 340, 240), spacing)
    width, depth = rng.uniform(155, 180), rng.uniform(100, 115)
    body = (x / width) ** 2 + ((y + 20) / depth) ** 2 < 1 + 0 * z
    breasts = np.zeros(volume.shape, bool)
    for side in (-1, 1):
        breasts |= ((x - side * 75) / 55) ** 2 + ((y - 70) / 75) ** 2 + (z / 75) ** 2 < 1
    body |= breasts
    inner = (x / (width - 25)) ** 2 + ((y + 20) / (depth - 25)) ** 2 < 1 + 0 * z
    image = np.full(volume.shape, -1000.0)
    image[body] = -100
    image[inner] = 50
    gland = ndimage.gaussian_filter(rng.normal(size=volume.shape), 9 / spacing)
    image[breasts & (gland > 0.5 * gland.std())] = 30
    for side in (-1, 1):
        lung = ((x - side * 65) / 50) ** 2 + ((y + 20) / 65) ** 2 < 1 + 0 * z
        image[lung] = -820
    ribs = inner & ~ndimage.binary_erosion(inner, iterations=2) & (np.sin(z / 8) > 0.5)
    image[ribs] = 500
    image += rng.normal(0, 15, volume.shape)
    breasts &= y > 60
    return volume.with_data(image.astype(np.int16)), volume.with_data(breasts.astype(np.uint8))


def brain_mri(seed: int = 0, spacing: float = 2.5) -> Volume:
    """A T1-weighted head: scalp, skull, grey and white matter, ventricles."""
    rng = np.random.default_rng(seed)
    (x, y, z), volume = _axes((220, 240, 220), spacing)
    size = np.array([75, 95, 85]) * rng.uniform(0.92, 1.05)

    def within(shrink: float) -> NDArray[np.bool_]:
        a, b, c = size - shrink
        inside: NDArray[np.bool_] = (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1
        return inside

    folds = ndimage.gaussian_filter(rng.normal(size=volume.shape), 6 / spacing)
    image = np.full(volume.shape, 10.0)
    image[within(0)] = 700  # scalp
    image[within(6)] = 60  # skull
    image[within(13)] = 90  # fluid
    image[within(16)] = 330
    image[within(22) & (folds > -0.3 * folds.std())] = 480
    ventricles = (np.abs(x) < 14) & ((y / 40) ** 2 + (z / 14) ** 2 < 1)
    image[ventricles] = 90
    image = ndimage.gaussian_filter(image, 0.5)
    image = np.hypot(image + rng.normal(0, 12, volume.shape), rng.normal(0, 12, volume.shape))
    return volume.with_data(image.astype(np.float32))
