"""A schematic prone torso with two breasts, for the breast mask and what follows it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from hcnet.volumes.volume import Volume


@dataclass(frozen=True)
class Torso:
    """The image, and where breast and lungs are in truth."""

    image: Volume
    breast: np.ndarray
    lung: np.ndarray


def make_torso(
    fat: float,
    *,
    sides: tuple[int, ...] = (-1, 1),
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0),
    noise: float = 0.01,
    bias: float = 1.0,
    x_mm: tuple[float, float] = (-170.0, 170.0),
) -> Torso:
    """Chest: an elliptic cylinder; breasts: half-ellipsoids before it, with gland and skin."""
    low = np.array([x_mm[0], -60.0, -110.0])
    high = np.array([x_mm[1], 170.0, 110.0])
    shape = tuple(int(n) for n in (high - low) / spacing)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = low
    x, y, z = (low[i] + spacing[i] * np.arange(shape[i]) for i in range(3))
    x, y, z = np.meshgrid(x, y, z, indexing="ij")
    chest = (x / 160) ** 2 + (y / 90) ** 2
    image = np.zeros(shape)
    image[chest < 1] = fat
    image[chest < 0.8] = 0.45  # muscle
    lung = (chest < 0.5) & (abs(x) > 20)
    image[lung] = 0.02
    breast = np.zeros(shape, bool)
    for side in sides:
        base = 90 * np.sqrt(1 - (75 / 160) ** 2)
        r = ((x - 75 * side) / 60) ** 2 + ((y - base + 15) / 85) ** 2 + (z / 75) ** 2
        inside = (r < 1) & (chest > 0.85)
        breast |= inside
        image[inside] = fat
        image[inside & (r > 0.92) & (chest > 1)] = 0.6  # skin
        image[inside & (r < 0.35)] = 1.0  # gland
    image *= 1 + bias * np.clip(y / 170, 0, 1)
    rng = np.random.default_rng(3)
    real = image + noise * rng.standard_normal(shape)
    image = np.hypot(real, noise * rng.standard_normal(shape))
    return Torso(Volume(image.astype(np.float32), affine), breast, lung)


@pytest.fixture(scope="session")
def torso() -> Callable[..., Torso]:
    return make_torso
