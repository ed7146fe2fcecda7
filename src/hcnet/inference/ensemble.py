"""Many predictions of one image: by the members of an ensemble, and of mirror images.

One prediction is held at a time, beside the means.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcnet.errors import ConfigError
from hcnet.inference.bundle import Bundle
from hcnet.progress import Progress

T = TypeVar("T")
Flip = tuple[int, ...]

NO_FLIPS: tuple[Flip, ...] = ((),)
FLIPS: tuple[Flip, ...] = ((), (0,), (2,), (0, 2))
"""Axes (R, A, S) of the mirror images that training's augmentation makes as well: left-right and
head-foot; a breast does not look like its front-back mirror image."""


def chosen_members(bundle: Bundle, members: int | None) -> int:
    """How many members predict: the first ones asked for, or all.

    Raises:
        ConfigError: the bundle has fewer, or less than one is asked for.
    """
    if members is None:
        return bundle.members
    if members < 1:
        raise ConfigError("at least one member has to predict.")
    if members > bundle.members:
        has = "1 member" if bundle.members == 1 else f"{bundle.members} members"
        raise ConfigError(f"{bundle.path}: has {has} and {members} were asked for; ask for fewer.")
    return members


class RunningMean:
    """Mean of tensors of one shape that come one after the other.

    One tensor's mean is that tensor, to the last bit.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean: Tensor | None = None

    @torch.inference_mode()
    def add(self, values: Tensor) -> None:
        """Take in one more; the first is taken over and changed by those that follow."""
        self._count += 1
        if self._mean is None:
            self._mean = values
        else:
            self._mean.lerp_(values, 1 / self._count)

    @property
    def mean(self) -> Tensor:
        """Of all so far; there is at least one."""
        if self._mean is None:
            raise ValueError("nothing was added yet")
        return self._mean


def entropy_bits(probability: NDArray[Any]) -> NDArray[np.float32]:
    """Entropy of tumour or not (bits) of each probability: 0 where sure, 1 at one half."""
    p = np.clip(probability, 0, 1, dtype=np.float32)
    q = 1 - p
    # 0 log 0 is 0; the smallest float32 in its place gives that.
    tiny = np.finfo(np.float32).tiny
    bits: NDArray[np.float32] = -p * np.log2(np.maximum(p, tiny)) - q * np.log2(np.maximum(q, tiny))
    return bits


class OneBar:
    """A listener that lays the windows of several predictions under one bar with one ETA.

    Args:
        progress: the listener that shows it.
        name: what it is told.
        windows: of all predictions together.
    """

    def __init__(self, progress: Progress, name: str, windows: int) -> None:
        self._progress = progress
        self._ticks = iter(progress.track(range(windows), name, windows))

    def track(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Yield `items`, each a step of the bar."""
        del description, total
        for item in items:
            next(self._ticks, None)
            yield item

    def message(self, text: str) -> None:
        """Show one line."""
        self._progress.message(text)

    def end(self) -> None:
        """End the listener's turn."""
        for _ in self._ticks:
            pass
