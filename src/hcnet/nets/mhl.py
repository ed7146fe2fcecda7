"""MHL, mask-guided hierarchical learning (Zhang et al., IEEE TMI 2018 [20]).

A coarse fully convolutional network (FCN) finds the tumour, a fine one of the same build sees the
image and the coarse probability and segments again. Each has the 1.64 M parameters that are known
of MHL. The authors' third FCN, for the breast, is not here: predictions are limited to the breast
mask of the exam anyway.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from hcnet.errors import ConfigError
from hcnet.nets.blocks import apply_safely, conv_norm_act, crop_like, pad_for_encoder, start_rare
from hcnet.nets.losses import SMOOTH
from hcnet.nets.recipe import Batch, Leg, Recipe


class Options(BaseModel):
    """Options of `mhl`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(gt=0, description="channels of an FCN at full resolution")] = 32


class Stages(NamedTuple):
    """Logits of both stages, each (B, 1, x, y, z)."""

    coarse: Tensor
    fine: Tensor


class FCN(nn.Module):
    """One stage: 2 x width and 2 x 2 width channels, two poolings, 4 and 2 width at 1/4; back.

    Args:
        in_channels: channels of the input.
        width: channels at full resolution.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        w, w2, w4 = width, 2 * width, 4 * width
        self.encoder1 = _two_convolutions(in_channels, w, w)
        self.encoder2 = _two_convolutions(w, w2, w2)
        self.bottom = _two_convolutions(w2, w4, w2)
        self.pool = nn.MaxPool3d(2)
        self.up2 = _up(w2)
        self.decoder2 = _two_convolutions(w2 + w2, w4, w2)
        self.up1 = _up(w2)
        self.decoder1 = _two_convolutions(w2 + w, w2, w2)
        norm = nn.BatchNorm3d(1)
        start_rare(norm)
        self.head = nn.Sequential(nn.Conv3d(w2, 1, 1, bias=False), norm)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, 1, x, y, z) of an image (B, in_channels, x, y, z) of any size."""
        full = self.encoder1(pad_for_encoder(image))
        half = self.encoder2(self.pool(full))
        deep = self.bottom(self.pool(half))
        half = self.decoder2(torch.cat([self.up2(deep), half], dim=1))
        full = self.decoder1(torch.cat([self.up1(half), full], dim=1))
        return apply_safely(self.head, crop_like(full, image))


class MHL(nn.Module):
    """Coarse and fine FCN; the output are the logits of the fine one.

    Args:
        in_channels: channels of the image.
        width: channels of an FCN at full resolution.
    """

    def __init__(self, in_channels: int, width: int = 32) -> None:
        super().__init__()
        self.coarse = FCN(in_channels, width)
        self.fine = FCN(in_channels + 1, width)

    def forward(
        self, image: Tensor, heads: bool = False, coarse_only: bool = False
    ) -> Tensor | Stages:
        """Logits (B, 1, x, y, z) of an image (B, in_channels, x, y, z) of any size.

        Args:
            image: see above.
            heads: return the logits of both stages.
            coarse_only: return those of the coarse stage, without running the fine one.
        """
        coarse: Tensor = self.coarse(image)
        if coarse_only:
            return coarse
        probability = coarse.float().sigmoid()
        fine: Tensor = self.fine(torch.cat([image, probability.to(image.dtype)], dim=1))
        return Stages(coarse, fine) if heads else fine


def build(in_channels: int, out_channels: int, options: Options) -> MHL:
    """Build an `MHL`.

    Raises:
        ConfigError: it is asked for more than a mask.
    """
    if out_channels != 1:
        raise ConfigError(
            f"mhl segments one class, so it has 1 output channel, not {out_channels}."
        )
    return MHL(in_channels, options.width)


def dice_sensitivity_loss(
    logits: Tensor, truth: Tensor, weights: Tensor | None = None
) -> dict[str, Tensor]:
    """2 - Dice - sensitivity: a missed voxel costs in both terms, a false positive in one.

    Dice has squared terms in its denominator. Sums run over the whole batch, in float32, with a
    smooth term of one voxel; see `hcnet.nets.losses`.

    Args:
        logits: (B, 1, x, y, z).
        truth: same shape, 0 or 1.
        weights: of the voxels, same shape, not negative; only their ratios matter. None: all alike.

    Returns:
        scalars `loss`, `dice` (1 - Dice) and `sensitivity` (1 - sensitivity).

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != logits.shape or (weights is not None and weights.shape != logits.shape):
        raise ValueError(f"shapes differ: {tuple(logits.shape)}, {tuple(truth.shape)}, or weights")
    p = logits.float().sigmoid()
    y = truth.to(p.dtype)
    w = torch.ones_like(p) if weights is None else weights.float() / weights.float().mean()
    overlap = (w * p * y).sum()
    positives = (w * y.square()).sum()
    dice = (2 * overlap + SMOOTH) / ((w * p.square()).sum() + positives + SMOOTH)
    sensitivity = (overlap + SMOOTH) / (positives + SMOOTH)
    return {
        "loss": 2 - dice - sensitivity,
        "dice": 1 - dice,
        "sensitivity": 1 - sensitivity,
    }


def coarse_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Loss of the first leg, on the coarse stage."""
    return dice_sensitivity_loss(network(batch["image"], coarse_only=True), batch["tumour"])


def fine_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Loss of the second leg: voxels weigh more, up to double, where the coarse stage errs."""
    stages: Stages = network(batch["image"], heads=True)
    weights = 1 + (stages.coarse.detach().float().sigmoid() - batch["tumour"].float()).abs()
    return dice_sensitivity_loss(stages.fine, batch["tumour"], weights)


RECIPE = Recipe(
    legs=(
        Leg("coarse", 0.5, coarse_loss, trains=("coarse.",)),
        Leg("fine", 0.5, fine_loss, trains=("fine.",)),
    ),
    note="The loss is the authors'. Own: their reinforcement sampling, which draws more patches "
    "where the coarse stage errs, is here a weight of 1 + |p - y| of each voxel in the fine "
    "stage's loss, since the patches are the protocol's; the smooth term; equal shares. Rate and "
    "decay are those of the group of ref. [24], which trains one such FCN with BCE + 5 Dice.",
)


def _two_convolutions(before: int, middle: int, after: int) -> nn.Sequential:
    return nn.Sequential(conv_norm_act(before, middle, 0.0), conv_norm_act(middle, after, 0.0))


def _up(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose3d(channels, channels, 2, stride=2), nn.ReLU(inplace=True))
