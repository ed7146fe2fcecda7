"""3D UX-Net (Lee et al., ICLR 2023, arXiv:2209.15076): the paper's HIPM (section 2.2).

A large-kernel convolutional encoder with the decoder of UNETR. The full size has 53.0 M parameters,
as the authors report.
"""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.nets.blocks import apply_safely, crop_like, pad_for_encoder
from hcnet.nets.depthwise import DepthwiseConv3d
from hcnet.nets.losses import segmentation_loss
from hcnet.nets.pointwise import PointwiseConv3d
from hcnet.nets.recipe import Batch, Leg, Recipe
from hcnet.nets.residual import UnetrBlock, UnetrUp, named

PositiveInt = Annotated[int, Field(gt=0)]


class Options(BaseModel):
    """Options of `uxnet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dims: Annotated[
        tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt],
        Field(description="channels of the four encoder stages (1/2 to 1/16 of the resolution)"),
    ] = (48, 96, 192, 384)
    hidden: Annotated[PositiveInt, Field(description="channels of the deepest UNETR block")] = 768
    blocks: Annotated[PositiveInt, Field(description="large-kernel blocks a stage")] = 2


def mask_loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Dice + binary cross-entropy."""
    return segmentation_loss(model(batch["image"]), batch["tumour"], lambda_=1.0)


RECIPE = Recipe(
    legs=(Leg(loss=mask_loss),),
    optimiser="adamw",
    lr=0.001,
    halve_every=None,
    note="Dice + cross-entropy and AdamW are the authors'; the rate is the paper's for its HIPM, "
    "as the authors' 0.0001 is for 40 000 updates",
)


class UXNet(nn.Module):
    """3D UX-Net; the output are logits.

    Args:
        in_channels: channels of the image.
        out_channels: classes, K + 1 for heterogeneity maps.
        dims: channels of the four encoder stages.
        hidden: channels of the deepest UNETR block.
        blocks: large-kernel blocks a stage.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dims: tuple[int, int, int, int] = (48, 96, 192, 384),
        hidden: int = 768,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                _Stem(in_channels, dims[0]) if stage == 0 else _Downsampling(dims[stage - 1], dim),
                *(_LargeKernelBlock(dim) for _ in range(blocks)),
            )
            for stage, dim in enumerate(dims)
        )
        self.stage_norms = nn.ModuleList(_ChannelNorm(dim) for dim in dims)
        widths = [*dims, hidden]
        self.skips = nn.ModuleList(
            UnetrBlock(before, after)
            for before, after in [(in_channels, dims[0]), *pairwise(widths)]
        )
        self.ups = nn.ModuleList(
            UnetrUp(deeper, shallower) for shallower, deeper in reversed(list(pairwise(widths)))
        )
        self.last = UnetrBlock(dims[0], dims[0])
        self.head = nn.Sequential(OrderedDict(conv=named(PointwiseConv3d(dims[0], out_channels))))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z) of an image (B, in_channels, x, y, z) of any size."""
        features = pad_for_encoder(image)
        skips = [self.skips[0](features)]
        for stage, norm, skip in zip(self.stages, self.stage_norms, self.skips[1:], strict=True):
            features = apply_safely(stage, features)
            skips.append(apply_safely(skip, norm(features)))
        features = skips.pop()
        for up in cast("Iterable[UnetrUp]", self.ups):
            features = up(features, skips.pop())
        logits: Tensor = self.head(self.last(features))
        return crop_like(logits, image)


def build(in_channels: int, out_channels: int, options: Options) -> UXNet:
    """Build a `UXNet`."""
    return UXNet(in_channels, out_channels, options.dims, options.hidden, options.blocks)


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each voxel of (B, C, x, y, z)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)


class _Stem(nn.Sequential):
    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__(nn.Conv3d(in_channels, dim, 7, stride=2, padding=3), _ChannelNorm(dim))


class _Downsampling(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(_ChannelNorm(before), nn.Conv3d(before, after, 2, stride=2))


class _LargeKernelBlock(nn.Module):
    """Depthwise 7x7x7, then each channel widened fourfold and back by itself, scaled, added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv3d(dim, 7)
        self.norm = _ChannelNorm(dim)
        self.expand = PointwiseConv3d(dim, 4 * dim, groups=dim)
        self.reduce = PointwiseConv3d(4 * dim, dim, groups=dim)
        self.scale = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, features: Tensor) -> Tensor:
        wide = F.gelu(self.expand(self.norm(self.depthwise(features))))
        return features + self.scale.view(-1, 1, 1, 1) * self.reduce(wide)
