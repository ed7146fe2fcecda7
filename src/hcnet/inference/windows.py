"""Whole volumes from overlapping windows."""

from collections.abc import Callable
from math import ceil, prod

import torch
from lightning_fabric import Fabric
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from hcnet.progress import SILENT, Progress

Patch = tuple[int, int, int]


@torch.inference_mode()
def predict(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    patch: Patch,
    overlap: float,
    fabric: Fabric,
    progress: Progress = SILENT,
    name: str = "windows",
) -> Tensor:
    """Predict a volume window by window, blended by a Gaussian.

    Args:
        model: (B, C, x, y, z) to probabilities (B, K, x, y, z).
        inputs: (C, X, Y, Z) float32. Where it is smaller than a window its border is repeated,
            as in training.
        patch: window size in voxels, that of training.
        overlap: share of a window that it shares with the next.
        fabric: device and precision.
        progress: listener; hears of every window.
        name: what it is told of.

    Returns:
        (K, X, Y, Z) float32 on the CPU.
    """
    volume = inputs[None].contiguous(memory_format=torch.channels_last_3d)
    count = window_count(inputs.shape[1:], patch, overlap)
    ticks = iter(progress.track(range(count), name, count))

    def probabilities_of(window: Tensor) -> Tensor:
        next(ticks)
        return model(window).float()

    with fabric.autocast():
        probabilities = sliding_window_inference(
            volume,
            roi_size=patch,
            sw_batch_size=1,
            predictor=probabilities_of,
            overlap=overlap,
            mode="gaussian",
            padding_mode="replicate",
            sw_device=fabric.device,
            device="cpu",
        )
    next(ticks, None)  # ends the listener's turn
    return probabilities[0]


def window_count(shape: tuple[int, ...], patch: Patch, overlap: float) -> int:
    """Number of windows that a volume (X, Y, Z) takes."""
    steps = [max(int(side * (1 - overlap)), 1) for side in patch]
    return prod(
        1 + ceil(max(length - side, 0) / (step if length > side else side))
        for length, side, step in zip(shape, patch, steps, strict=True)
    )


def map_model(hipm: nn.Module) -> Callable[[Tensor], Tensor]:
    """HIPM as a function from image windows to class probabilities (softmax)."""
    return lambda window: torch.softmax(hipm(window).float(), dim=1)


def tumour_model(network: nn.Module, image_channels: int = 1) -> Callable[[Tensor], Tensor]:
    """A segmentation network as a function from windows to tumour probability (sigmoid).

    Args:
        network: its first logit is the tumour's.
        image_channels: of a window; what follows, if anything, is the network's guide, e.g. the
            heterogeneity map.
    """

    def probability(window: Tensor) -> Tensor:
        image, guide = window[:, :image_channels], window[:, image_channels:]
        logits = network(image, guide) if guide.shape[1] else network(image)
        return torch.sigmoid(logits[:, :1].float())

    return probability
