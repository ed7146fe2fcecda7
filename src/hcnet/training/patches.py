"""Patches: what a network sees in training, cut from memory-mapped arrays.

Patch number n depends on the seed and n alone: training that was stopped and resumed sees the very
patches it would have seen, and worker processes need no shared state.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hcnet.training.augment import Augment

Patch = tuple[int, int, int]


@dataclass(frozen=True)
class PatchSource:
    """One case to cut patches from: .npy files on one grid.

    Attributes:
        name: the case.
        arrays: file of each array, (X, Y, Z) or (C, X, Y, Z): `image`, `breast`, and what the
            stage needs of `tumour`, `labels`, `maps`.
        lesion: file of the tumour mask that lesion patches are centred on, if there is one.
    """

    name: str
    arrays: Mapping[str, Path]
    lesion: Path | None = None


class Patches(Dataset[dict[str, Tensor]]):
    """An endless numbered series of patches.

    Each pass over the cases visits every case once, in a new order. A patch is centred on a random
    lesion voxel with probability `lesion_share` (where the case has a lesion), else on a random
    breast voxel. Beyond the volume's border the nearest voxel is repeated, as in prediction.

    Args:
        sources: the training cases.
        patch: size in voxels of the prepared grid.
        lesion_share: probability of a lesion patch.
        augment: random changes, or None.
        seed: of centres, order and changes.
    """

    def __init__(
        self,
        sources: Sequence[PatchSource],
        patch: Patch,
        lesion_share: float,
        augment: Augment | None,
        seed: int,
    ) -> None:
        self.sources = sources
        self.patch = patch
        self.lesion_share = lesion_share
        self.augment = augment
        self.seed = seed

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Patch `number`: float32 image, uint8 labels, float32 maps, each (C, x, y, z)."""
        turn, place = divmod(number, len(self.sources))
        order = np.random.default_rng([self.seed, 3, turn]).permutation(len(self.sources))
        source = self.sources[order[place]]
        rng = np.random.default_rng([self.seed, 4, number])
        arrays = {key: np.load(path, mmap_mode="r") for key, path in source.arrays.items()}
        centre = self._centre(source, arrays["breast"], rng)
        cut = {key: torch.from_numpy(cut_patch(a, centre, self.patch)) for key, a in arrays.items()}
        cut = {key: t.float() if t.is_floating_point() else t for key, t in cut.items()}
        if self.augment is not None:
            cut = self.augment(cut, seed=int(rng.integers(2**31)))
        return cut

    def _centre(
        self, source: PatchSource, breast: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        if source.lesion is not None and rng.random() < self.lesion_share:
            lesion = np.load(source.lesion, mmap_mode="r")
            voxels = np.flatnonzero(lesion)
            if voxels.size:
                return np.array(np.unravel_index(rng.choice(voxels), lesion.shape))
        for _ in range(1000):  # a breast fills a good share of its own crop
            voxel = rng.integers(0, breast.shape)
            if breast[tuple(voxel)]:
                return voxel
        return np.array(np.unravel_index(rng.choice(np.flatnonzero(breast)), breast.shape))


def cut_patch(array: NDArray[Any], centre: NDArray[np.int64], patch: Patch) -> NDArray[Any]:
    """Cut a patch around `centre`, moved inside where it fits, padded by repetition where not.

    Args:
        array: (X, Y, Z) or (C, X, Y, Z).
        centre: voxel index.
        patch: size.

    Returns:
        (C, *patch) copy of the same type.
    """
    spatial = array.shape[-3:]
    first, last, pads = [], [], [(0, 0)]
    for c, p, n in zip(centre, patch, spatial, strict=True):
        start = int(np.clip(c - p // 2, 0, max(n - p, 0)))
        first.append(start)
        last.append(min(start + p, n))
        short = max(p - n, 0)
        pads.append((short // 2, short - short // 2))
    x, y, z = (slice(a, b) for a, b in zip(first, last, strict=True))
    piece = np.array(array[..., x, y, z])
    piece = piece.reshape(-1, *piece.shape[-3:])
    return np.pad(piece, pads, mode="edge") if any(sum(p) for p in pads) else piece


def patch_batches(
    patches: Patches, batch_size: int, first_step: int, last_step: int, workers: int
) -> Iterator[dict[str, Tensor]]:
    """The batches of steps `first_step` to `last_step` - 1, each (B, C, x, y, z)."""
    loader = DataLoader(
        patches,
        batch_size=batch_size,
        sampler=range(first_step * batch_size, last_step * batch_size),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    yield from loader
