"""Patches: what a network sees in training, cut from memory-mapped arrays.

Patch number n depends on the seed and n alone: training that was stopped and resumed sees the very
patches it would have seen, and it does not matter how many threads cut them, in what batches.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcnet.arrays import map_array
from hcnet.training.augment import Augment, Changes, apply

Patch = tuple[int, int, int]

OPEN_SOURCES = 32
"""Cases whose files stay open. A mapped file takes a file descriptor, of which there are few."""


@dataclass(frozen=True)
class PatchSource:
    """One case to cut patches from: .npy files on one grid.

    Attributes:
        name: the case.
        arrays: file of each array, (X, Y, Z) or (C, X, Y, Z): `image`, `breast`, and what the
            stage needs of `tumour`, `labels`, `maps`. `breast` tells where patches may be and is
            not cut itself.
        lesion: file of the tumour mask that lesion patches are centred on, if there is one.
    """

    name: str
    arrays: Mapping[str, Path]
    lesion: Path | None = None


class Patches:
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
        self._lesions: dict[int, NDArray[Any]] = {}
        self._opened = lru_cache(OPEN_SOURCES)(self._open)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Patch `number`: float32 image, uint8 labels, float32 maps, each (C, x, y, z)."""
        return {key: array[0] for key, array in self.batch(range(number, number + 1)).items()}

    def batch(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """Patches by their numbers, as `__getitem__` gives them, each (B, C, x, y, z)."""
        batch: dict[str, Tensor] = {}
        for place, number in enumerate(numbers):
            cut, changes = self._draw(number)
            for key, array in cut.items():
                if key not in batch:
                    kind = torch.float32 if array.is_floating_point() else array.dtype
                    batch[key] = torch.empty((len(numbers), *array.shape), dtype=kind)
            apply(changes, cut, {key: array[place] for key, array in batch.items()})
        return batch

    def _draw(self, number: int) -> tuple[dict[str, Tensor], Changes]:
        """Views of the patch's arrays, (C, x, y, z) of the type that is stored, and its changes."""
        turn, place = divmod(number, len(self.sources))
        order = np.random.default_rng([self.seed, 3, turn]).permutation(len(self.sources))
        index = int(order[place])
        rng = np.random.default_rng([self.seed, 4, number])
        arrays = self._opened(index)
        centre = self._centre(index, arrays["breast"], rng)
        changes = Changes() if self.augment is None else self.augment.draw(rng)
        cut = {
            key: torch.from_numpy(cut_patch(array, centre, self.patch))
            for key, array in arrays.items()
            if key != "breast"
        }
        return cut, changes

    def _open(self, index: int) -> dict[str, NDArray[Any]]:
        # Copy on write, as torch warns of arrays that cannot be written; nobody writes.
        files = self.sources[index].arrays
        return {key: map_array(path, "c") for key, path in files.items()}

    def _centre(
        self, index: int, breast: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        if self.sources[index].lesion is not None and rng.random() < self.lesion_share:
            voxels = self._lesion_voxels(index)
            if voxels.size:
                voxel = voxels[rng.integers(voxels.size)]
                return np.array(np.unravel_index(voxel, breast.shape))
        for _ in range(1000):  # a breast fills a good share of its own crop
            place = rng.integers(0, breast.shape)
            if breast[tuple(place)]:
                return place
        return np.array(np.unravel_index(rng.choice(np.flatnonzero(breast)), breast.shape))

    def _lesion_voxels(self, index: int) -> NDArray[Any]:
        """Flat indices of a case's lesion; found once, as it takes longer than a patch."""
        if index not in self._lesions:
            path = self.sources[index].lesion
            assert path is not None  # noqa: S101 - asked only where there is one
            voxels = np.flatnonzero(map_array(path))
            fits = not voxels.size or voxels[-1] <= np.iinfo(np.int32).max
            self._lesions[index] = voxels.astype(np.int32) if fits else voxels
        return self._lesions[index]


def cut_patch(array: NDArray[Any], centre: NDArray[np.int64], patch: Patch) -> NDArray[Any]:
    """Cut a patch around `centre`, moved inside where it fits, padded by repetition where not.

    Args:
        array: (X, Y, Z) or (C, X, Y, Z).
        centre: voxel index.
        patch: size.

    Returns:
        (C, *patch) of the same type: a view where the patch fits into the array, else a copy.
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
    piece = np.asarray(array)[..., x, y, z]
    if piece.ndim == 3:
        piece = piece[None]
    return np.pad(piece, pads, mode="edge") if any(sum(p) for p in pads) else piece


def patch_batches(
    patches: Patches, batch_size: int, first_step: int, last_step: int, workers: int
) -> Iterator[dict[str, Tensor]]:
    """The batches of steps `first_step` to `last_step` - 1, each (B, C, x, y, z).

    Args:
        patches: the series.
        batch_size: patches of a step.
        first_step: number of the first batch.
        last_step: number after that of the last.
        workers: threads that cut batches ahead of time; 0 cuts them when they are asked for.
    """
    numbers = (
        range(step * batch_size, (step + 1) * batch_size) for step in range(first_step, last_step)
    )
    if not workers:
        yield from map(patches.batch, numbers)
        return
    # One thread of torch's own for each: more would take turns with those of the training step.
    pool = ThreadPoolExecutor(workers, "patches", initializer=torch.set_num_threads, initargs=(1,))
    ahead: deque[Future[dict[str, Tensor]]] = deque()
    try:
        for batch in numbers:
            ahead.append(pool.submit(patches.batch, batch))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        # Torch takes the number that was set last, by whatever thread, for threads yet to come.
        torch.set_num_threads(torch.get_num_threads())
