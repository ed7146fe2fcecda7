"""KIFB: the Kinetic Information Fusion Block (paper section 2.3, Fig. 1d)."""

import torch
from torch import Tensor, nn

from hcnet.nets.blocks import conv_norm_act


class KineticInformationFusionBlock(nn.Module):
    """Fuse structural features with a heterogeneity map into logits.

    The kinetic stream embeds the map, convolves it and ends in a sigmoid, so that it is bounded
    whatever the map. Both streams are concatenated, convolved by several 3x3x3 layers, batch
    normalised and read out by a 1x1x1 head. The paper's final sigmoid belongs to loss and
    inference.

    The embedding is a matrix applied at each voxel, a 1x1x1 convolution without bias: a one-hot
    label picks the vector of its class, class probabilities mix the vectors.

    Args:
        features: channels of the structural stream.
        classes: channels of the map, K + 1 with the outside of the breast.
        out_channels: channels of the logits.
        embedding: length of the vector of a class.
        convolutions: 3x3x3 layers after the fusion, at least one.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        out_channels: int,
        embedding: int = 16,
        convolutions: int = 2,
    ) -> None:
        super().__init__()
        self.embedding = nn.Conv3d(classes, embedding, 1, bias=False)
        self.kinetic = nn.Sequential(
            conv_norm_act(embedding, features), conv_norm_act(features, features), nn.Sigmoid()
        )
        layers: list[nn.Module] = []
        for index in range(convolutions):
            before = 2 * features if index == 0 else features
            last = index == convolutions - 1
            layers.append(nn.Conv3d(before, features, 3, padding=1, bias=not last))
            if last:
                layers.append(nn.BatchNorm3d(features))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.fusion = nn.Sequential(*layers)
        self.head = nn.Conv3d(features, out_channels, 1)

    def kinetic_stream(self, kinetic_map: Tensor) -> Tensor:
        """The map as features between 0 and 1: (B, classes, x, y, z) to (B, features, x, y, z)."""
        stream: Tensor = self.kinetic(self.embedding(kinetic_map))
        return stream

    def forward(self, structure: Tensor, kinetic_map: Tensor) -> Tensor:
        """Logits of the fused streams.

        Args:
            structure: structural features (B, features, x, y, z).
            kinetic_map: class probabilities or one-hot labels (B, classes, x, y, z).

        Returns:
            (B, out_channels, x, y, z).
        """
        both = torch.cat([structure, self.kinetic_stream(kinetic_map)], dim=1)
        logits: Tensor = self.head(self.fusion(both))
        return logits
