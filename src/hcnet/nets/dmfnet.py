"""DMFNet (Chen et al., MICCAI 2019, arXiv:1904.03355): grouped convolutions at three dilations.

At the published size (4 image channels, 4 classes) it has 3.88 M parameters, as the authors report.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.nets.blocks import crop_like, pad_for_encoder
from hcnet.nets.multi_fibre import Axis, MultiFibreUnit
from hcnet.nets.recipe import Batch, Leg, Recipe


class Options(BaseModel):
    """Options of `dmfnet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[
        int, Field(ge=4, description="channels at half resolution; deeper ones are multiples of it")
    ] = 32
    groups: Annotated[
        int,
        Field(gt=0, validate_default=True, description="fibres of a unit; they divide the width"),
    ] = 16
    slice_axis: Annotated[
        Axis, Field(description="across the slices; the last convolution of a unit leaves it alone")
    ] = "z"

    @field_validator("groups")
    @classmethod
    def _divide_the_width(cls, groups: int, info: ValidationInfo) -> int:
        width = info.data.get("width", groups)  # absent if it is itself at fault
        if width % groups:
            raise ValueError(f"a width of {width} channels cannot be cut into {groups} groups")
        return groups


class DMFNet(nn.Module):
    """DMFNet; the output are logits.

    Args:
        in_channels: channels of the image.
        out_channels: 1 for a mask, K + 1 for heterogeneity classes.
        width: channels at half resolution (n); the stages have 4, 8 and 12 times as many.
        groups: fibres of a unit; they divide the width.
        slice_axis: see `MultiFibreUnit`. The publication's (3, 3, 1) kernels are in-plane for axial
            slices, which lie along z; sagittal ones lie along x.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 32,
        groups: int = 16,
        slice_axis: Axis = "z",
    ) -> None:
        super().__init__()

        def unit(
            before: int, after: int, dilations: tuple[int, ...] = (1,), stride: int = 1
        ) -> MultiFibreUnit:
            return MultiFibreUnit(
                before * width, after * width, groups, dilations, stride, slice_axis
            )

        dmf = (1, 2, 3)
        self.stem = nn.Conv3d(in_channels, width, 3, stride=2, padding=1, bias=False)
        self.encoder = nn.ModuleList(
            [
                nn.Sequential(unit(1, 4, dmf, 2), unit(4, 4, dmf), unit(4, 4, dmf)),
                nn.Sequential(unit(4, 8, dmf, 2), unit(8, 8, dmf), unit(8, 8, dmf)),
                nn.Sequential(unit(8, 12, stride=2), unit(12, 12), unit(12, 8)),
            ]
        )
        self.decoder = nn.ModuleList([unit(8 + 8, 8), unit(8 + 4, 4), unit(4 + 1, 1)])
        self.head = nn.Conv3d(width, out_channels, 1, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)  # as in the authors' public code

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z) of an image (B, in_channels, x, y, z) of any size."""
        features = self.stem(pad_for_encoder(image))
        skips = []
        for stage in self.encoder:
            skips.append(features)
            features = stage(features)
        for unit in self.decoder:
            features = unit(torch.cat([skips.pop(), _upsampled(features)], dim=1))
        # The published order is upsampling, then head; a pointwise convolution without bias gives
        # the same either way, and few channels are cheaper to upsample.
        return crop_like(_upsampled(self.head(features)), image)


def build(in_channels: int, out_channels: int, options: Options) -> DMFNet:
    """Build a `DMFNet`."""
    return DMFNet(in_channels, out_channels, options.width, options.groups, options.slice_axis)


def generalised_dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Generalised Dice loss (Sudre et al., DLMIA 2017) of a mask over all voxels of the batch.

    Foreground and background are two classes, weighted by the inverse square of their volume. A
    class without voxels, whose weight would be infinite, weighs as much as the other.

    Args:
        probabilities: of the foreground, (B, 1, x, y, z).
        truth: same shape, 0 or 1.

    Returns:
        a scalar between 0 and 1.

    Raises:
        ValueError: the shapes differ.
    """
    if probabilities.shape != truth.shape:
        raise ValueError(f"shapes differ: {tuple(probabilities.shape)}, {tuple(truth.shape)}")
    truth = truth.to(probabilities.dtype)
    predicted = torch.stack([1 - probabilities, probabilities])
    actual = torch.stack([1 - truth, truth])
    voxels = (1, 2, 3, 4, 5)
    volumes = actual.sum(voxels)
    volumes = torch.where(volumes > 0, volumes, volumes.max())
    weights = (volumes.min() / volumes).square()  # only their ratio counts; this one is finite
    overlap = (weights * (predicted * actual).sum(voxels)).sum()
    return 1 - 2 * overlap / (weights * (predicted + actual).sum(voxels)).sum()


def mask_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Generalised Dice loss of the network's mask.

    Args:
        network: with one output channel.
        batch: `image` (B, C, x, y, z) and `tumour` (B, 1, x, y, z).

    Returns:
        scalar `loss`.

    Raises:
        ValueError: the network has several output channels.
    """
    logits = network(batch["image"]).float()
    return {"loss": generalised_dice_loss(logits.sigmoid(), batch["tumour"])}


RECIPE = Recipe(
    legs=(Leg(loss=mask_loss),),
    optimiser="amsgrad",
    lr=1e-3,
    note="Loss, optimiser, rate and weight decay are the authors'. Background is a class of the "
    "loss, as in Sudre et al.; the authors' public code leaves it out, which with one foreground "
    "class would be the plain Dice. The rate is halved as for the group's networks.",
)


def _upsampled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="trilinear", align_corners=False)
