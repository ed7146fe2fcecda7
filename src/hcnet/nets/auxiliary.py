"""AuxiliaryNet: one ResUNet body with a tumour head and, beside it, a head for the map."""

import torch
from torch import Tensor, nn

from hcnet.nets.blocks import apply_safely, head
from hcnet.nets.resunet import ResUNetBody


class AuxiliaryNet(nn.Module):
    """Two heads of `ResUNet` on one body: the map is a second task, not a second network.

    Args:
        in_channels: channels of the image.
        classes: of the heterogeneity map, K + 1 with the outside of the breast.
        width: channels at full resolution.
    """

    def __init__(self, in_channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        self.body = ResUNetBody(in_channels, width)
        self.tumour = head(width, 1)
        self.map = head(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of both heads, the tumour's first.

        Args:
            image: (B, in_channels, x, y, z) of any size.

        Returns:
            (B, 1 + classes, x, y, z).
        """
        features = self.body(image)
        return torch.cat(
            [apply_safely(self.tumour, features), apply_safely(self.map, features)], dim=1
        )
