"""ResUNet: the paper's baseline and the backbone of KIS-Net.

The paper cites Yu et al., AAAI 2017 [19]; the numbers of Table 1 come from the variant that the
group has used since Zhou et al., Pattern Recognition 2022 [24] (four max-poolings, widths f to 16f,
11.16 M parameters at f = 16), and this is that variant.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from hcnet.nets.blocks import (
    HALVINGS,
    apply_safely,
    conv_norm_act,
    crop_like,
    double_conv,
    doubling,
    head,
    join,
    pad_for_encoder,
)


class Options(BaseModel):
    """Options of `resunet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(gt=0, description="channels at full resolution (f)")] = 16


class ResUNetBody(nn.Module):
    """ResUNet without its head.

    Args:
        in_channels: channels of the image.
        width: channels at full resolution; doubled at each of four poolings.
    """

    def __init__(self, in_channels: int, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(HALVINGS + 1)]
        self.encoder = nn.ModuleList(
            _ResidualBlock(before, after)
            for before, after in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool3d(2)
        self.up = nn.ModuleList(doubling(after, after) for after in widths[:0:-1])
        self.decoder = nn.ModuleList(
            # Upsampling keeps the channels, so a decoder block sees 2f of them beside a skip of f.
            _ResidualBlock(3 * after, after) if after != width else double_conv(3 * after, after)
            for after in widths[-2::-1]
        )

    def forward(self, image: Tensor) -> Tensor:
        """Features of the last decoder block.

        Args:
            image: (B, in_channels, x, y, z) of any size; see `hcnet.nets.blocks.pad_for_encoder`.

        Returns:
            (B, width, x, y, z).
        """
        features = apply_safely(self.encoder[0], pad_for_encoder(image))
        skips = []
        for block in self.encoder[1:]:
            skips.append(features)
            features = apply_safely(block, self.pool(features))
        for up, block in zip(self.up, self.decoder, strict=True):
            features = apply_safely(block, join(up(features), skips.pop()))
        return crop_like(features, image)


class ResUNet(nn.Module):
    """ResUNet with its head; the output are logits.

    The group's network ends in a sigmoid. It lives in the loss and in inference here, since
    cross-entropy is only safe in bfloat16 and at large values when it sees logits.

    Args:
        in_channels: channels of the image.
        out_channels: 1 for a mask, K + 1 for heterogeneity classes.
        width: channels at full resolution.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 16) -> None:
        super().__init__()
        self.body = ResUNetBody(in_channels, width)
        self.head = head(width, out_channels)

    def features(self, image: Tensor) -> Tensor:
        """The last decoder feature map, (B, width, x, y, z), of an image (B, C, x, y, z)."""
        features: Tensor = self.body(image)
        return features

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z) of an image (B, in_channels, x, y, z) of any size."""
        return apply_safely(self.head, self.features(image))


def build(in_channels: int, out_channels: int, options: Options) -> ResUNet:
    """Build a `ResUNet`."""
    return ResUNet(in_channels, out_channels, options.width)


class _ResidualBlock(nn.Module):
    """conv-BN-LReLU-conv-BN plus, in parallel, conv-BN-LReLU; all convolutions 3x3x3."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = double_conv(in_channels, out_channels)
        self.shortcut = conv_norm_act(in_channels, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        total: Tensor = self.main(features) + self.shortcut(features)
        return total
