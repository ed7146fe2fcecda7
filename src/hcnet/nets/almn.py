"""ALMN (Zhou et al., Pattern Recognition 2022 [24]): two branches, fused by attention and affinity.

The attention branch is a multi-fibre encoder (as in DMFNet) with multi-head attention on its two
deepest maps and three dilated heads; the residual branch is ResUNet. They are trained first. Then,
with both frozen, a fusion learns how much of either branch's probability each voxel takes, and the
sum spreads to like neighbours (`hcnet.nets.affinity`).

The authors' code holds 61.33 M parameters, of which the fusion has 0.757 M. 3.33 M of them are a
second decoder of the attention branch that it never calls, and some thousand are biases that the
norm behind them cancels; the network here is the remaining 57.99 M.

In-plane means along the second and third axis; the first is the thin one of the patches (48 x 128 x
128 there and here).
"""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.errors import ConfigError
from hcnet.nets.affinity import clamp_straight, neighbour_affinity, refine
from hcnet.nets.blocks import (
    apply_safely,
    conv_norm,
    conv_norm_act,
    crop_like,
    double_conv,
    pad_for_encoder,
)
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.losses import segmentation_loss
from hcnet.nets.multi_fibre import MultiFibreUnit
from hcnet.nets.recipe import Batch, Leg, Recipe
from hcnet.nets.resunet import ResUNet

RATES = (1, 6, 12)
"""In-plane dilations of the attention branch's heads."""

HEADS = 4
"""Of either attention: 64 channels each at 1/16, 128 at 1/8 of the resolution."""

CERTAIN = 1e-4
"""Fused probabilities are kept this far from zero and one, so that their logits are finite and one
confident error does not own the gradient (that of a logit is one over it)."""

Width = Annotated[int, Field(gt=0, multiple_of=4)]


class Options(BaseModel):
    """Options of `almn`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[
        Width, Field(description="channels of the attention branch at 1/2 of the resolution")
    ] = 32
    residual_width: Annotated[
        int, Field(gt=0, description="channels of the residual branch at full resolution")
    ] = 16
    affinity_iterations: Annotated[
        int, Field(ge=0, description="how often the fused mask spreads to like neighbours")
    ] = 10
    affinity_of: Annotated[
        Literal["image", "features"],
        Field(description="what makes neighbours alike: the image's channels or fused features"),
    ] = "features"


class Branches(NamedTuple):
    """Logits of both branches, each (B, 1, x, y, z)."""

    attention: Tensor
    residual: Tensor


class ALMN(nn.Module):
    """Affinity learning based multi-branch ensemble network; the output are logits.

    Args:
        in_channels: channels of the image.
        options: see `Options`.
    """

    def __init__(self, in_channels: int, options: Options) -> None:
        super().__init__()
        self.attention_branch = AttentionBranch(in_channels, options.width)
        self.residual_branch = ResUNet(in_channels, 1, options.residual_width)
        self.fusion = _fusion(2 * options.width, options.residual_width)
        self.iterations = options.affinity_iterations
        self.affinity_of = options.affinity_of

    def forward(self, image: Tensor, heads: bool = False) -> Tensor | Branches:
        """Logits (B, 1, x, y, z) of an image (B, in_channels, x, y, z) of any size.

        Args:
            image: see above.
            heads: return the logits of both branches and leave the fusion out.
        """
        dilated, attention = self.attention_branch(image)
        decoded = self.residual_branch.features(image)
        residual = apply_safely(self.residual_branch.head, decoded)
        if heads:
            return Branches(attention, residual)
        common = apply_safely(self.fusion["common"], torch.cat([dilated, decoded], dim=1))
        fused = torch.zeros_like(residual, dtype=torch.float32)
        for logits, name in ((attention, "attention"), (residual, "residual")):
            share = apply_safely(self.fusion[name], common)
            fused = fused + share.float().sigmoid() * logits.float().sigmoid()
        # The shares need not add up to one; as in the authors' code, the sum is cut at one.
        fused = clamp_straight(fused, 0.0, 1.0)
        if self.iterations:
            like = image if self.affinity_of == "image" else common
            fused = refine(fused, neighbour_affinity(like), self.iterations)
        return clamp_straight(fused, CERTAIN, 1 - CERTAIN).logit()


def build(in_channels: int, out_channels: int, options: Options) -> ALMN:
    """Build an `ALMN`.

    Raises:
        ConfigError: it is asked for more than a mask.
    """
    if out_channels != 1:
        raise ConfigError(
            f"almn segments one class, so it has 1 output channel, not {out_channels}."
        )
    return ALMN(in_channels, options)


def branches_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Loss of the first leg: that of `fusion_loss` on either branch, added.

    The branches share nothing, so this trains each as if it were alone.
    """
    branches: Branches = network(batch["image"], heads=True)
    attention, residual = (_mask_loss(logits, batch) for logits in branches)
    return {
        "loss": attention["loss"] + residual["loss"],
        "attention": attention["loss"],
        "residual": residual["loss"],
    }


def fusion_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Loss of the second leg: binary cross-entropy + 5 Dice with squared terms."""
    return _mask_loss(network(batch["image"]), batch)


RECIPE = Recipe(
    legs=(
        Leg("branches", 0.5, branches_loss, trains=("attention_branch.", "residual_branch.")),
        Leg("fusion", 0.5, fusion_loss, trains=("fusion.",)),
    ),
    note="Rate, decay, loss and the two stages are the authors'. Own: the stages' equal shares; "
    "the branches learn side by side; fusion and affinity are one stage, in the authors' code they "
    "are two variants.",
)


def _mask_loss(logits: Tensor, batch: Batch) -> dict[str, Tensor]:
    return segmentation_loss(logits, batch["tumour"], lambda_on="dice", squared=True)


class AttentionBranch(nn.Module):
    """Multi-fibre encoder and decoder with attention at 1/16 and 1/8, and dilated heads at 1/2.

    Args:
        in_channels: channels of the image.
        width: channels at 1/2; 4, 8 and 8 times as many at 1/4, 1/8 and 1/16.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        w, w4, w8, w12 = width, 4 * width, 8 * width, 12 * width
        self.stem = nn.Conv3d(in_channels, w, 3, stride=2, padding=1, bias=False)
        self.stages = nn.ModuleList([_stage(w, w4, w4), _stage(w4, w8, w8), _stage(w8, w12, w8)])
        self.attention16 = SelfAttention(w8)
        self.attention8 = SelfAttention(2 * w8)
        self.decoder8 = _unit(2 * w8, w8)
        self.decoder4 = _unit(w8 + w4, w4)
        self.decoder2 = _unit(w4 + w, w)
        self.side = nn.Sequential(
            nn.ConvTranspose3d(w12, w12, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm3d(w12),
            nn.ReLU(inplace=True),
            _unit(w12, w4),
        )
        self.refinement = nn.Sequential(
            *conv_norm_act(w + w4, w4, 0.0),
            *conv_norm_act(w4, w4, 0.0),
            *conv_norm_act(w4, 2 * w, 0.0),
        )
        self.heads = nn.ModuleList(_dilated_head(w, rate) for rate in RATES)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The refined features (B, 2 width, x, y, z) and the logits (B, 1, x, y, z) of an image."""
        maps = [self.stem(pad_for_encoder(image))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        half, quarter, eighth, deepest = maps
        deepest = apply_safely(self.attention16, deepest)
        features = torch.cat([eighth, _double(deepest)], dim=1)
        features = apply_safely(self.attention8, features)
        features = self.decoder8(features)
        quarter = torch.cat([quarter, _double(features)], dim=1)
        features = torch.cat([half, _double(self.decoder4(quarter))], dim=1)
        features = torch.cat([self.decoder2(features), self.side(quarter)], dim=1)
        refined = self.refinement(features)
        logits = torch.stack([head(refined) for head in self.heads]).mean(dim=0)
        return crop_like(_double(refined), image), crop_like(_double(logits), image)


class SelfAttention(nn.Module):
    """Multi-head attention between all voxels of a map, added to it.

    Args:
        channels: of the map (B, channels, x, y, z), a multiple of `HEADS`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv3d(channels, channels, 1)
        self.key = nn.Conv3d(channels, channels, 1, bias=False)  # softmax would cancel it
        self.value = nn.Conv3d(channels, channels, 1)
        self.out = Conv3x3x3(channels, channels, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """A map of the same shape."""
        query, key, value = (
            layer(features).unflatten(1, (HEADS, -1)).flatten(3).transpose(2, 3)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        total: Tensor = features + self.out(mixed.transpose(2, 3).reshape(features.shape))
        return total


def _unit(before: int, after: int, stride: int = 1) -> MultiFibreUnit:
    """A unit of a single fibre, so that its convolutions are dense, as in the authors' code."""
    return MultiFibreUnit(before, after, groups=1, stride=stride, slice_axis="x")


def _stage(before: int, middle: int, after: int) -> nn.Sequential:
    """Three units, of which the first halves the map."""
    return nn.Sequential(
        _unit(before, middle, stride=2), _unit(middle, middle), _unit(middle, after)
    )


def _dilated_head(width: int, rate: int) -> nn.Sequential:
    """Refined features (2 width) to a logit through a convolution of the given dilation."""
    dilation = (1, rate, rate)
    return nn.Sequential(
        nn.Conv3d(2 * width, 2 * width, 3, padding=dilation, dilation=dilation),
        nn.GroupNorm(width, 2 * width),  # 32 groups at the published width
        *conv_norm_act(2 * width, 2 * width, 0.0),
        *conv_norm_act(2 * width, width, 0.0),
        Conv3x3x3(width, 1, bias=False),
    )


def _fusion(refined: int, decoded: int) -> nn.ModuleDict:
    """From the branches' features, which lie one after the other: what each branch is worth where.

    `common` mixes them; `attention` and `residual` make of that the logit of a branch's share.
    """

    def share(width: int) -> nn.Sequential:
        return nn.Sequential(
            *double_conv(refined + decoded, width),
            *conv_norm_act(width, width),
            *conv_norm(width, 1),
        )

    return nn.ModuleDict(
        {
            "common": double_conv(refined + decoded, refined + decoded),
            "attention": share(refined),
            "residual": share(decoded),
        }
    )


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="trilinear", align_corners=False)
