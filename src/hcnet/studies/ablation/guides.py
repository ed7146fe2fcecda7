"""Guides: what an arm's KIS-Net gets in place of the predicted map.

Each is a file (C, X, Y, Z) float16 on the prepared grid, so that training patches are cut from it
as from any map. Training and held-out cases are treated alike, each group within itself.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.arrays import read_array, write_array
from hcnet.cohorts.case import NiftiSource
from hcnet.cohorts.phantom.tissue import Tissue
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.arms import Arm
from hcnet.studies.material import Material
from hcnet.studies.truth import tissue_file
from hcnet.training.folder import RunFolder

TISSUES = int(max(Tissue)) + 1
"""Channels of the `tissue` guide."""

_SHUFFLE, _PERMUTE = 11, 12  # streams of random numbers

Shape = tuple[int, ...]


def write_guides(
    arm: Arm,
    material: Material,
    maps: RunFolder,
    k: int,
    folder: Path,
    seed: int,
    progress: Progress = SILENT,
) -> dict[str, Path]:
    """Write the guide of every case of the cohort, leaving those that are there.

    Args:
        arm: an arm with a guide.
        material: the cases.
        maps: where labels and predicted maps lie.
        k: classes of the maps.
        folder: for the guides; `predicted` guides are the maps themselves.
        seed: of shuffling and permuting.
        progress: listener.

    Returns:
        file of each case by name.
    """
    if arm.guide == "predicted":
        return {case.name: maps.maps(case.name) for case in material.own}
    files = {case.name: folder / f"{case.name}.npy" for case in material.own}
    make = _maker(arm, material, maps, k, seed)
    todo = [(i, case) for i, case in enumerate(material.own) if not files[case.name].exists()]
    for number, case in progress.track(todo, f"guides of {arm.name}"):
        write_array(files[case.name], make(number, case))
    return files


def guide_channels(arm: Arm, k: int) -> int:
    """Channels of an arm's guide: classes with the outside of the breast, or tissues; 0 without."""
    if arm.guide is None:
        return 0
    return TISSUES if arm.guide == "tissue" else k + 1


def one_hot(labels: NDArray[Any], classes: int) -> NDArray[np.float16]:
    """Labels (X, Y, Z) as (classes, X, Y, Z) zeros and ones."""
    return np.asarray(labels[None] == np.arange(classes).reshape(-1, 1, 1, 1), np.float16)


def derangement(names: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """Give each name another one, each to one: a random cycle through all.

    Raises:
        ValueError: fewer than two names.
    """
    if len(names) < 2:
        raise ValueError("a single case has no other to take the map of")
    order = [names[i] for i in rng.permutation(len(names))]
    return dict(zip(order, order[1:] + order[:1], strict=True))


def to_shape(maps: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Stretch (C, x, y, z) to (C, *shape) by taking the nearest voxel along each axis."""
    places = [
        np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
        for n, m in zip(shape, maps.shape[1:], strict=True)
    ]
    return maps[(slice(None), *np.ix_(*places))]


def permuted(
    maps: NDArray[Any], inside: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[Any]:
    """Deal the class probabilities of the voxels inside a mask to other voxels inside it."""
    dealt = maps.copy()
    voxels = maps[:, inside]
    dealt[:, inside] = voxels[:, rng.permutation(voxels.shape[1])]
    return dealt


def mean_probabilities(
    cases: Sequence[CachedCase], files: Mapping[str, Path]
) -> NDArray[np.float64]:
    """(C,) mean of the class probabilities inside the breast, each case counting once."""
    means = [
        read_array(files[case.name])[:, np.asarray(case.breast) > 0].astype(np.float64).mean(axis=1)
        for case in cases
    ]
    return np.asarray(np.mean(means, axis=0))


def _maker(
    arm: Arm, material: Material, maps: RunFolder, k: int, seed: int
) -> Callable[[int, CachedCase], NDArray[np.float16]]:
    """How to make the guide of the case with a number."""
    if arm.guide == "true":
        return lambda _, case: one_hot(read_array(maps.labels(case.name)), k + 1)
    if arm.guide == "tissue":
        return lambda _, case: _tissue(material.split.root, case)
    if arm.guide == "permuted":
        return lambda number, case: permuted(
            read_array(maps.maps(case.name)),
            np.asarray(case.breast) > 0,
            np.random.default_rng([seed, _PERMUTE, number]),
        )
    if arm.guide == "shuffled":
        rng = np.random.default_rng([seed, _SHUFFLE])
        donors: dict[str, str] = {}
        for group in (material.learn, material.hold):
            donors |= derangement([case.name for case in group], rng)
        return lambda _, case: to_shape(read_array(maps.maps(donors[case.name])), case.grid.shape)
    mean = mean_probabilities(
        material.learn, {case.name: maps.maps(case.name) for case in material.learn}
    ).astype(np.float16)
    return lambda _, case: np.broadcast_to(mean.reshape(-1, 1, 1, 1), (len(mean), *case.grid.shape))


def _tissue(root: Path, case: CachedCase) -> NDArray[np.float16]:
    labels = NiftiSource(tissue_file(root, case.name)).load()
    return one_hot(case.frame.to_prepared(labels, "nearest"), TISSUES)
