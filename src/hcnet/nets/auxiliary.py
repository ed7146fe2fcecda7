"""AuxiliaryNet: one ResUNet body with a tumour head and, beside it, a head for the map."""

import torch
from torch import Tensor, nn

from hcnet.nets.blocks import apply_safely
from hcnet.nets.resunet import ResUNetBody


class AuxiliaryNet(nn.Module):
    """Two ResUNet heads on one body: the map is a second task, not a second network.

    Args:
        in_channels: channels of the image.
        classes: of the heterogeneity map, K + 1 with the outside of the breast.
        width: channels at full resolution.
    """

    def __init__(self, in_channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        self.body = ResUNetBody(in_channels, width)
        self.tumour = _head(width, 1)
        self.map = _head(width, classes)

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


def _head(width: int, out_channels: int) -> nn.Sequential:
    """The head of `ResUNet`, so that the tumour's path is that of the plain network."""
    return nn.Sequential(
        nn.Conv3d(width, out_channels, 3, padding=1, bias=False), nn.BatchNorm3d(out_channels)
    )
