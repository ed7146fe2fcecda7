"""Cascade: a map network and KIS-Net as one network, for the control without a map loss."""

import torch
from torch import Tensor, nn


class Cascade(nn.Module):
    """The class map of one network guides the other; both learn from the loss of the last.

    The networks are those of stages 2 and 3, so the cascade has their parameters and the same way
    from image to tumour. Only nothing tells the first what its classes should be.

    Args:
        mapper: (B, 1, x, y, z) to logits (B, classes, x, y, z).
        segmenter: image and class probabilities to logits, as KIS-Net.
    """

    def __init__(self, mapper: nn.Module, segmenter: nn.Module) -> None:
        super().__init__()
        self.mapper = mapper
        self.segmenter = segmenter

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, x, y, z) of an image (B, 1, x, y, z) of any size."""
        # softmax in float32, as where stage 2 hands its probabilities to stage 3
        maps = torch.softmax(self.mapper(image).float(), dim=1)
        logits: Tensor = self.segmenter(image, maps)
        return logits
