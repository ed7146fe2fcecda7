"""How mixed a tumour is: numbers of a heterogeneity map inside a tumour mask.

Volumes are in ml and lengths in mm, so that anisotropic voxels count for what they are; the axes of
the grid are taken to be perpendicular. What has no defined value is None, never an invented number.
Formulas, sources and choices: docs/heterogeneity.md.
"""

from dataclasses import asdict, dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.errors import GeometryError, InputError
from hcnet.volumes.components import remove_small
from hcnet.volumes.mask_shape import depth_mm, diameter
from hcnet.volumes.volume import Grid, Slices

RIM_MM = 3.0
"""Greatest depth of the rim; less in small foci, see `RIM_SHARE`."""

RIM_SHARE = 1 / 3
"""The rim reaches at most this share of the way to the deepest voxel of its focus."""

# Rounding of distances in single precision: 3 x 0.35 mm is not quite 1.05 mm.
_SLACK = 1 + 1e-5


@dataclass(frozen=True)
class ClassPart:
    """One class inside the tumour.

    Attributes:
        label: 1 to K.
        volume_ml: its volume in the tumour.
        share: of the tumour's classed volume; None where that is 0.
        rim_share: of the rim's classed volume; None where that is 0.
        core_share: the same for the core.
        regions: its 26-connected regions of two voxels or more.
        largest_region_ml: the largest of them; 0 without any.
    """

    label: int
    volume_ml: float
    share: float | None
    rim_share: float | None
    core_share: float | None
    regions: int
    largest_region_ml: float


@dataclass(frozen=True)
class Heterogeneity:
    """Size and mixture of a tumour.

    An empty mask has volume, lengths and foci 0, and every other number None. A voxel of the tumour
    whose label is 0 counts for size and foci, and for no class.

    Attributes:
        volume_ml: of the tumour.
        unclassed_ml: of it, without a class.
        diameter_mm: largest diameter of a single focus: between the two voxel corners of it that
            lie farthest apart.
        extent_mm: the same over all foci together.
        foci: number of 26-connected components.
        smallest_focus_ml: volume of the smallest focus.
        entropy_bits: Shannon entropy of the classes' shares, 0 to log2 K.
        entropy: the same as a share of log2 K, 0 to 1; None also where K is 1.
        ith: index of intratumoural heterogeneity, 0 (one class in one piece) to 1; None below two
            classed voxels.
        clustering: join-count index of the classes: 1 where neighbours are always of one class, 0
            as if classes were dealt out at random, negative where they alternate; None where there
            is only one class or no pair of neighbours.
        rim_ml: volume of the rim: voxels whose centre lies at most 3 mm, and at most a third of the
            greatest depth of its focus, below the surface. A focus too thin for both is all rim.
        core_ml: volume of the rest.
        classes: K of them, by label.
    """

    volume_ml: float
    unclassed_ml: float
    diameter_mm: float
    extent_mm: float
    foci: int
    smallest_focus_ml: float | None
    entropy_bits: float | None
    entropy: float | None
    ith: float | None
    clustering: float | None
    rim_ml: float
    core_ml: float
    classes: tuple[ClassPart, ...]

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {**asdict(self), "classes": [asdict(part) for part in self.classes]}


def heterogeneity(
    tumour: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    grid: Grid,
    k: int,
    *,
    least_focus_ml: float = 0.0,
) -> Heterogeneity:
    """Measure a heterogeneity map inside a tumour mask.

    Args:
        tumour: (X, Y, Z) mask; voxels that are not 0 are tumour.
        labels: (X, Y, Z) class of each voxel, 1 to K; 0 is none.
        grid: where both lie.
        k: number of classes K.
        least_focus_ml: components of the mask below this are left out of everything.

    Raises:
        GeometryError: shapes differ.
        InputError: the labels are no whole numbers from 0 to K, or K is below 1.
    """
    _check(tumour, labels, grid, k)
    mask = remove_small(np.asarray(tumour) != 0, grid, least_focus_ml)
    if not mask.any():
        return _nothing(k)
    x, y, z = ndimage.find_objects(mask.astype(np.uint8))[0]
    box: Slices = (x, y, z)
    mask, grid = mask[box], grid.crop(box)
    inside = np.where(mask, labels[box], 0).astype(np.uint32)
    foci = cc3d.connected_components(np.ascontiguousarray(mask, dtype=np.uint8), connectivity=26)
    sizes = np.bincount(foci.ravel())[1:]
    rim = rim_of(foci, grid.spacing)
    counts, rim_counts = (
        np.bincount(part, minlength=k + 1) for part in (inside[mask], inside[rim])
    )
    regions, largest = class_regions(inside, k)
    ml, entropy = grid.voxel_ml, shannon_bits(counts[1:])
    shares, in_rim, in_core = (
        _shares(part[1:]) for part in (counts, rim_counts, counts - rim_counts)
    )
    return Heterogeneity(
        volume_ml=float(sizes.sum() * ml),
        unclassed_ml=float(counts[0] * ml),
        diameter_mm=max(
            diameter(foci[where] == focus, grid)
            for focus, where in enumerate(ndimage.find_objects(foci), start=1)
        ),
        extent_mm=diameter(mask, grid),
        foci=len(sizes),
        smallest_focus_ml=float(sizes.min() * ml),
        entropy_bits=entropy,
        entropy=None if entropy is None or k == 1 else entropy / float(np.log2(k)),
        ith=ith_index(counts[1:], regions, largest),
        clustering=join_index(inside, grid.spacing),
        rim_ml=float(rim_counts.sum() * ml),
        core_ml=float((counts - rim_counts).sum() * ml),
        classes=tuple(
            ClassPart(
                label=code + 1,
                volume_ml=float(counts[code + 1] * ml),
                share=shares[code],
                rim_share=in_rim[code],
                core_share=in_core[code],
                regions=int(regions[code]),
                largest_region_ml=float(largest[code] * ml),
            )
            for code in range(k)
        ),
    )


def shannon_bits(counts: NDArray[np.integer[Any]]) -> float | None:
    """Entropy of counts in bits; None without any."""
    if not counts.sum():
        return None
    shares = counts[counts > 0] / counts.sum()
    # The sum of one share of 1 is -0.0.
    return abs(float((shares * np.log2(shares)).sum()))


def class_regions(
    labels: NDArray[np.integer[Any]], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The 26-connected regions of each class; single voxels are left out, as in ITHscore.

    Args:
        labels: (X, Y, Z) class of each voxel, 1 to K; 0 outside.
        k: number of classes K.

    Returns:
        (K,) number of regions, and (K,) voxels of the largest, 0 without any.
    """
    regions = cc3d.connected_components(np.ascontiguousarray(labels), connectivity=26)
    sizes = np.bincount(regions.ravel())
    owner = np.zeros(len(sizes), dtype=np.int64)
    owner[regions.ravel()] = labels.ravel()
    kept = (sizes > 1) & (owner > 0)
    largest = np.zeros(k + 1, dtype=np.int64)
    np.maximum.at(largest, owner[kept], sizes[kept])
    return np.bincount(owner[kept], minlength=k + 1)[1:], largest[1:]


def ith_index(
    counts: NDArray[np.integer[Any]],
    regions: NDArray[np.integer[Any]],
    largest: NDArray[np.integer[Any]],
) -> float | None:
    """Li et al.'s index: 1 - sum over classes of (largest region / number of regions) / total.

    Args:
        counts: (K,) voxels of each class.
        regions: (K,) its regions, see `class_regions`.
        largest: (K,) voxels of the largest.

    Returns:
        0 to 1, or None below two voxels.
    """
    total = int(counts.sum())
    if total < 2:
        return None
    return 1.0 - float((largest / np.maximum(regions, 1)).sum()) / total


def join_index(
    labels: NDArray[np.integer[Any]], spacing: tuple[float, float, float]
) -> float | None:
    """Join-count index: (observed - expected) / (1 - expected) share of joins within a class.

    A join is a pair of face neighbours that both have a class. It weighs 1 / distance, which goes
    with the area of the face, so that the few joins across thick slices do not count like the many
    within them. Expected is the share if the same labels were dealt out at random.

    Args:
        labels: (X, Y, Z) class of each voxel, 1 or more; 0 outside.
        spacing: voxel size along each axis in mm.

    Returns:
        up to 1, or None with a single class or without joins.
    """
    joins, within = 0.0, 0.0
    for axis, distance in enumerate(spacing):
        ahead = np.moveaxis(labels, axis, 0)
        first, second = ahead[:-1], ahead[1:]
        both = (first > 0) & (second > 0)
        joins += np.count_nonzero(both) / distance
        within += np.count_nonzero(both & (first == second)) / distance
    counts = np.bincount(labels[labels > 0]).astype(np.float64)
    total = counts.sum()
    if not joins or counts.max() == total:
        return None
    expected = float((counts * (counts - 1)).sum() / (total * (total - 1)))
    return float((within / joins - expected) / (1.0 - expected))


def rim_of(
    foci: NDArray[np.integer[Any]], spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """The rim of each focus (`Heterogeneity.rim_ml`).

    Args:
        foci: (X, Y, Z) number of the focus that a voxel belongs to, 0 outside; foci do not touch.
        spacing: voxel size along each axis in mm.
    """
    rim = np.zeros(foci.shape, dtype=bool)
    for number, where in enumerate(ndimage.find_objects(foci), start=1):
        focus = foci[where] == number
        depth = depth_mm(focus, spacing)
        shallow = focus & (depth <= min(RIM_MM, RIM_SHARE * float(depth.max())) * _SLACK)
        # In a focus of one or two voxels across, all are as deep: there is no core to tell apart.
        rim[where] |= shallow if shallow.any() else focus
    return rim


def _nothing(k: int) -> Heterogeneity:
    return Heterogeneity(
        volume_ml=0.0,
        unclassed_ml=0.0,
        diameter_mm=0.0,
        extent_mm=0.0,
        foci=0,
        smallest_focus_ml=None,
        entropy_bits=None,
        entropy=None,
        ith=None,
        clustering=None,
        rim_ml=0.0,
        core_ml=0.0,
        classes=tuple(ClassPart(code + 1, 0.0, None, None, None, 0, 0.0) for code in range(k)),
    )


def _shares(counts: NDArray[np.integer[Any]]) -> list[float | None]:
    total = int(counts.sum())
    return [float(count) / total if total else None for count in counts]


def _check(tumour: NDArray[Any], labels: NDArray[Any], grid: Grid, k: int) -> None:
    if not tumour.shape == labels.shape == grid.shape:
        raise GeometryError(
            f"a tumour mask of shape {tumour.shape} and a map of shape {labels.shape} on a grid of "
            f"shape {grid.shape}; they must be the same."
        )
    if k < 1:
        raise InputError(f"a map needs at least one class, not {k}.")
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"the labels of a map are whole numbers, not {labels.dtype}.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > k:
        raise InputError(f"the map holds labels {low} to {high}; they must be 0 to {k}.")
