"""Whole volumes from overlapping windows."""

from collections.abc import Callable, Sequence
from itertools import product
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.inference.device import Device
from hcnet.progress import SILENT, Progress

Patch = tuple[int, int, int]

SIGMA = 0.125
"""Standard deviation of the Gaussian that blends windows, as a share of the window's side."""

LEAST_WEIGHT = 1e-3
"""Of a voxel in a window's corner, where the one in its middle has about 1."""


@torch.inference_mode()
def predict(
    model: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    patch: Patch,
    overlap: float,
    device: Device,
    progress: Progress = SILENT,
    name: str = "windows",
) -> Tensor:
    """Predict a volume window by window, blended by a Gaussian.

    The function of MONAI's `sliding_window_inference` (`mode="gaussian"`,
    `padding_mode="replicate"`), to rounding. Nothing but the result is held for the whole volume:
    inputs are cut where they lie.

    Args:
        model: windows (1, C, x, y, z), one of each input, to probabilities (1, K, x, y, z).
        inputs: (C, X, Y, Z) each, on one grid. Where that is smaller than a window, borders are
            repeated, as in training.
        patch: window size in voxels, that of training.
        overlap: share of a window that it shares with the next.
        device: where and in what numbers to compute.
        progress: listener; hears of every window.
        name: what it is told of.

    Returns:
        (K, X, Y, Z) float32 on the CPU.
    """
    shape = inputs[0].shape[1:]
    inputs = [_padded(each, patch) for each in inputs]
    size = inputs[0].shape[1:]
    places = [
        tuple(slice(at, at + side) for at, side in zip(corner, patch, strict=True))
        for corner in product(*_starts(size, patch, overlap))
    ]
    weight = _gaussian(patch)
    total: Tensor | None = None
    with device.autocast():
        for place in progress.track(places, name, len(places)):
            found = model(*(_window(each[:, *place], device) for each in inputs))[0].float().cpu()
            if total is None:
                total = torch.zeros(len(found), *size)
            total[:, *place].addcmul_(found, weight)
            del found  # before the next window needs the room
    assert total is not None  # there is at least one window  # noqa: S101
    weights = torch.zeros(size)
    for place in places:
        weights[place] += weight
    total /= weights
    before = [(padded - own) // 2 for padded, own in zip(size, shape, strict=True)]
    return total[:, *(slice(at, at + own) for at, own in zip(before, shape, strict=True))]


def window_count(shape: tuple[int, ...], patch: Patch, overlap: float) -> int:
    """Number of windows that a volume (X, Y, Z) takes."""
    return prod(len(starts) for starts in _starts(shape, patch, overlap))


def map_model(hipm: nn.Module) -> Callable[[Tensor], Tensor]:
    """HIPM as a function from image windows to class probabilities (softmax)."""
    return lambda window: torch.softmax(hipm(window).float(), dim=1)


def tumour_model(network: nn.Module) -> Callable[..., Tensor]:
    """A segmentation network as a function from windows to tumour probability (sigmoid).

    Args:
        network: its first logit is the tumour's. It takes the image and, where it is guided, its
            guide, e.g. the heterogeneity map.
    """
    return lambda *windows: torch.sigmoid(network(*windows)[:, :1].float())


def _starts(shape: Sequence[int], patch: Patch, overlap: float) -> list[list[int]]:
    """Along each axis, where windows begin; the last one ends with the volume."""
    found = []
    for length, side in zip(shape, patch, strict=True):
        step = max(int(side * (1 - overlap)), 1) if length > side else side
        count = 1 + ceil(max(length - side, 0) / step)
        found.append([min(number * step, max(length - side, 0)) for number in range(count)])
    return found


def _padded(volume: Tensor, patch: Patch) -> Tensor:
    """A volume (C, X, Y, Z) that a window fits into, its borders repeated on either side."""
    missing = [max(side - own, 0) for own, side in zip(volume.shape[1:], patch, strict=True)]
    if not any(missing):
        return volume
    halves = [part for gap in reversed(missing) for part in (gap // 2, gap - gap // 2)]
    return F.pad(volume[None], halves, mode="replicate")[0]


def _window(part: Tensor, device: Device) -> Tensor:
    """A part (C, x, y, z) of a volume as a network takes it."""
    return part[None].to(device.device).contiguous(memory_format=torch.channels_last_3d)


def _gaussian(patch: Patch) -> Tensor:
    """(x, y, z) weights of a window's voxels, 1 in its middle."""
    x, y, z = (
        torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (SIGMA * side)) ** 2)
        for side in patch
    )
    return (x[:, None, None] * y[:, None] * z).clamp_min_(LEAST_WEIGHT)
