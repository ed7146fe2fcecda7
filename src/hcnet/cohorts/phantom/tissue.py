"""The tissues of the phantom, and how much of each a voxel holds."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Real = NDArray[np.floating[Any]]


class Tissue(IntEnum):
    """Labels as written to the truth; AIR also stands for lung, which gives no signal."""

    AIR = 0
    SKIN = 1
    FAT = 2
    GLAND = 3
    MUSCLE = 4
    TUMOUR_RIM = 5
    TUMOUR_CORE = 6
    NECROSIS = 7
    FIBROADENOMA = 8
    CYST = 9
    NODULE = 10
    VESSEL = 11
    LIGAMENT = 12
    DUCT = 13


TUMOUR = (Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE, Tissue.NECROSIS)
DECOYS = (Tissue.FIBROADENOMA, Tissue.CYST, Tissue.NODULE)

# Fraction of each voxel, (X, Y, Z) each; what is missing to 1 is air.
Fractions = dict[Tissue, Float]


def soft_step(signed_mm: Real, width_mm: float) -> Float:
    """How much of a voxel lies inside a surface: 0 to 1 over one voxel's width.

    Args:
        signed_mm: signed distance of the voxel's centre, positive inside.
        width_mm: width of the voxel across the surface.
    """
    inside = np.clip(0.5 + signed_mm / width_mm, 0, 1)
    return np.asarray(inside, dtype=np.float32)


def total(fractions: Fractions, tissues: Iterable[Tissue]) -> Float:
    """Fraction of each voxel that these tissues make up together, (X, Y, Z)."""
    parts = [fractions[tissue] for tissue in tissues if tissue in fractions]
    if not parts:
        return np.zeros(next(iter(fractions.values())).shape, np.float32)
    return np.asarray(np.sum(parts, axis=0), dtype=np.float32)


def replace(fractions: Fractions, tissue: Tissue, share: Float, over: Iterable[Tissue]) -> None:
    """Let `tissue` take `share` of what the tissues `over` fill of each voxel (in place)."""
    gained = np.zeros_like(share)
    for other in over:
        if other in fractions:
            gained += share * fractions[other]
            fractions[other] *= 1 - share
    fractions[tissue] = fractions[tissue] + gained if tissue in fractions else gained


def voxel_width(spacing: tuple[float, float, float]) -> float:
    """One width for a surface of any direction: the voxel's root-mean-square size, mm."""
    return float(np.sqrt(np.mean(np.square(spacing))))


def labels_of(fractions: Fractions) -> NDArray[np.uint8]:
    """The tissue that most of each voxel is, as `Tissue` values."""
    best = 1 - total(fractions, fractions)
    labels = np.zeros(best.shape, np.uint8)
    for tissue, fraction in fractions.items():
        larger = fraction > best
        labels[larger] = tissue
        best = np.where(larger, fraction, best)
    return labels
