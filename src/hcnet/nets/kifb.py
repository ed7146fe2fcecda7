"""KIFB: the Kinetic Information Fusion Block (paper section 2.3, Fig. 1d)."""

from torch import Tensor, nn

from hcnet.nets.blocks import conv_norm_act, head, join
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.pointwise import PointwiseConv3d


class KineticInformationFusionBlock(nn.Module):
    """Fuse structural features with a heterogeneity map into logits.

    The kinetic stream embeds the map, convolves it and ends in a sigmoid, so that it is bounded
    whatever the map. Both streams are concatenated and convolved by several 3x3x3 layers; the last
    of them is batch normalised and is the output, as the head of ResUNet is. The paper's final
    sigmoid belongs to loss and inference.

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
        self.embedding = PointwiseConv3d(classes, embedding, bias=False)
        self.kinetic = nn.Sequential(
            conv_norm_act(embedding, features), conv_norm_act(features, features), nn.Sigmoid()
        )
        widths = [2 * features] + [features] * (convolutions - 1)
        layers: list[nn.Module] = []
        for width in widths[:-1]:  # the paper names a single norm here, the last layer's
            layers += [Conv3x3x3(width, features), nn.LeakyReLU(0.2, inplace=True)]
        self.fusion = nn.Sequential(*layers, *head(widths[-1], out_channels))

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
        both = join(structure, self.kinetic_stream(kinetic_map))
        logits: Tensor = self.fusion(both)
        return logits
