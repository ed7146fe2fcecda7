"""VNet (Milletari et al., 3DV 2016, arXiv:1606.04797), in two sizes.

`original` is MONAI's: 5x5x5 convolutions, residual at every level, concatenated skips, 45.59 M
parameters. It differs from the publication by its batch norms and by ELU in place of PReLU. MONAI
adds dropout, which neither the publication nor the group's public code has; it is left out.

`light` is what the group trains under this name: 3x3x3 convolutions with batch norm and ReLU,
without residuals, skips added; 9.45 M parameters.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from monai.networks.blocks.convolutions import Convolution
from monai.networks.nets.vnet import DownTransition, OutputTransition, UpTransition
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from hcnet.nets.blocks import HALVINGS, apply_safely, crop_like, pad_for_encoder
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.losses import dice_loss
from hcnet.nets.recipe import Batch, Leg, Recipe

_ELU = ("elu", {"inplace": True})


class Options(BaseModel):
    """Options of `vnet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: Annotated[
        Literal["original", "light"],
        Field(description="5x5x5 convolutions and residuals, or the group's 3x3x3 without"),
    ] = "original"
    width: Annotated[int, Field(gt=0, description="channels at full resolution")] = 16


class VNet(nn.Module):
    """MONAI's VNet of any width and for any number of channels; the output are logits.

    Args:
        in_channels: channels of the image.
        out_channels: 1 for a mask, K + 1 for heterogeneity classes.
        width: channels at full resolution; 16 is MONAI's network. Doubled at each of four
            downsamplings.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 16) -> None:
        super().__init__()
        self.first = _Input(in_channels, width)
        self.down = nn.ModuleList(
            _Down(3, width * 2**level, convolutions, _ELU)
            for level, convolutions in enumerate([1, 2, 3, 2])
        )
        # A decoder level keeps the channels of its upsampling and of its skip, half of each.
        widths = [width * factor for factor in (16, 16, 8, 4, 2)]
        self.up = nn.ModuleList(
            _Up(3, before, after, convolutions, _ELU, dropout_prob=(None, 0.0))
            for (before, after), convolutions in zip(pairwise(widths), [2, 2, 1, 1], strict=True)
        )
        self.last = OutputTransition(3, 2 * width, out_channels, _ELU)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z) of an image (B, in_channels, x, y, z) of any size."""
        features = self.first(pad_for_encoder(image))
        skips = []
        for down in self.down:
            skips.append(features)
            half = features[:, :, ::2, ::2, ::2]
            features = apply_safely(down, features, half[:, :, ::2, ::2, ::2])
        for up, skip in zip(self.up, reversed(skips), strict=True):
            features = apply_safely(up, features, skip, skip[:, :, ::2, ::2, ::2])
        return crop_like(self.last(features), image)


class LightVNet(nn.Module):
    """The group's VNet; the output are logits.

    Args:
        in_channels: channels of the image.
        out_channels: 1 for a mask, K + 1 for heterogeneity classes.
        width: channels at full resolution; doubled at each of four downsamplings.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(HALVINGS + 1)]
        depths = [1, 2, 3, 3, 3]
        self.encoder = nn.ModuleList(
            _plain_block(before, after, depth)
            for before, after, depth in zip([in_channels, *widths[1:]], widths, depths, strict=True)
        )
        self.down = nn.ModuleList(
            _norm_relu(nn.Conv3d(before, after, 2, stride=2, bias=False))
            for before, after in pairwise(widths)
        )
        self.up = nn.ModuleList(
            _norm_relu(nn.ConvTranspose3d(before, after, 2, stride=2, bias=False))
            for before, after in pairwise(reversed(widths))
        )
        self.decoder = nn.ModuleList(
            _plain_block(after, after, depth)
            for after, depth in zip(widths[-2::-1], depths[-2::-1], strict=True)
        )
        self.head = nn.Conv3d(width, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z) of an image (B, in_channels, x, y, z) of any size."""
        features = apply_safely(self.encoder[0], pad_for_encoder(image))
        skips = []
        for down, block in zip(self.down, self.encoder[1:], strict=True):
            skips.append(features)
            features = apply_safely(block, apply_safely(down, features))
        for up, block in zip(self.up, self.decoder, strict=True):
            features = apply_safely(block, apply_safely(up, features) + skips.pop())
        return crop_like(self.head(features), image)


def build(in_channels: int, out_channels: int, options: Options) -> VNet | LightVNet:
    """Build a `VNet` or a `LightVNet`."""
    network = VNet if options.variant == "original" else LightVNet
    return network(in_channels, out_channels, options.width)


def mask_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The publication's loss: Dice with squared terms in its denominator, and nothing else.

    Args:
        network: with one output channel.
        batch: `image` (B, C, x, y, z) and `tumour` (B, 1, x, y, z).

    Returns:
        scalar `loss`.

    Raises:
        ValueError: the network has several output channels.
    """
    logits = network(batch["image"]).float()
    return {"loss": dice_loss(logits.sigmoid(), batch["tumour"], squared=True).mean()}


RECIPE = Recipe(
    legs=(Leg(loss=mask_loss),),
    note="Loss of the publication, on the sigmoid of one class where it has the softmax of two; "
    "the group's public code adds cross-entropy (BCE + 5 Dice). Optimiser, rate and its halving "
    "are the group's; the publication has momentum 0.99 and a rate of 1e-4.",
)


class _Input(nn.Module):
    """MONAI's input transition, but for any number of channels.

    The image is added to the first convolution's output, its channels repeated in turn until there
    are `width`; MONAI asks that they come out even.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv_block = Convolution(
            3, in_channels, width, kernel_size=5, act=None, norm="batch", bias=False
        )
        self.act = nn.ELU(inplace=True)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.conv_block(image)
        turn = torch.arange(features.shape[1], device=image.device) % image.shape[1]
        activated: Tensor = self.act(features + image[:, turn])
        return activated


class _Down(DownTransition):
    """MONAI's, with an argument more that is only there for `apply_safely` to see its size.

    oneDNN's bfloat16 is wrong for 3x3x3 kernels over two voxels, and for these 5x5x5 over four. So
    `apply_safely` is shown half the map that the 5x5x5 convolutions work at.
    """

    def forward(self, features: Tensor, size: Tensor) -> Tensor:  # noqa: ARG002
        halved: Tensor = super().forward(features)
        return halved


class _Up(UpTransition):
    """MONAI's, with an argument more as in `_Down`."""

    def forward(self, features: Tensor, skip: Tensor, size: Tensor) -> Tensor:  # noqa: ARG002
        doubled: Tensor = super().forward(features, skip)
        return doubled


def _plain_block(in_channels: int, out_channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            _norm_relu(Conv3x3x3(before, out_channels, bias=False))
            for before in [in_channels, *[out_channels] * (depth - 1)]
        )
    )


def _norm_relu(convolution: nn.Conv3d | nn.ConvTranspose3d) -> nn.Sequential:
    """With batch norm and ReLU; the norm would subtract a bias of the convolution again."""
    return nn.Sequential(
        convolution, nn.BatchNorm3d(convolution.out_channels), nn.ReLU(inplace=True)
    )
