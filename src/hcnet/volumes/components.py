"""Connected components of masks, with their size in ml and their place in mm."""

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from hcnet.volumes.volume import Grid


@dataclass(frozen=True)
class Component:
    """One connected part of a mask.

    Attributes:
        volume_ml: its volume.
        centroid_mm: its centre of mass in RAS+ mm.
    """

    volume_ml: float
    centroid_mm: tuple[float, float, float]


def components(mask: NDArray[Any], grid: Grid) -> list[Component]:
    """The 26-connected components of a mask, largest first."""
    labels = cc3d.connected_components(np.ascontiguousarray(mask, dtype=np.uint8), connectivity=26)
    statistics = cc3d.statistics(labels)
    found = []
    for count, centroid in zip(
        statistics["voxel_counts"][1:], statistics["centroids"][1:], strict=True
    ):
        x, y, z = (grid.affine @ [*centroid, 1.0])[:3]
        found.append(Component(float(count) * grid.voxel_ml, (float(x), float(y), float(z))))
    return sorted(found, key=lambda component: -component.volume_ml)


def remove_small(mask: NDArray[Any], grid: Grid, smallest_ml: float) -> NDArray[np.bool_]:
    """Leave out components below `smallest_ml`."""
    if smallest_ml <= 0 or not mask.any():
        return np.asarray(mask, dtype=bool)
    labels = cc3d.connected_components(np.ascontiguousarray(mask, dtype=np.uint8), connectivity=26)
    keep = cc3d.statistics(labels)["voxel_counts"] * grid.voxel_ml >= smallest_ml
    keep[0] = False
    return np.asarray(keep[labels], dtype=bool)
