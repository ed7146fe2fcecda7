"""Whole volumes from overlapping windows."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

Patch = tuple[int, int, int]


@torch.inference_mode()
def predict(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    patch: Patch,
    overlap: float,
    fabric: Fabric,
) -> Tensor:
    """Predict a volume window by window, blended by a Gaussian.

    Args:
        model: (B, C, x, y, z) to probabilities (B, K, x, y, z).
        inputs: (C, X, Y, Z) float32. Where it is smaller than a window its border is repeated,
            as in training.
        patch: window size in voxels, that of training.
        overlap: share of a window that it shares with the next.
        fabric: device and precision.

    Returns:
        (K, X, Y, Z) float32 on the CPU.
    """
    volume = inputs[None].contiguous(memory_format=torch.channels_last_3d)
    with fabric.autocast():
        probabilities = sliding_window_inference(
            volume,
            roi_size=patch,
            sw_batch_size=1,
            predictor=lambda window: model(window).float(),
            overlap=overlap,
            mode="gaussian",
            padding_mode="replicate",
            sw_device=fabric.device,
            device="cpu",
        )
    return probabilities[0]


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
