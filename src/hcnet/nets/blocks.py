"""Blocks that two or more networks share."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hcnet.nets.conv3x3x3 import Conv3x3x3

HALVINGS = 4
"""Every encoder here halves its input four times, so that its deepest map is 1/16 of the input."""

FEWEST_DEEP_VOXELS = 8
"""Smallest deepest map that is normalised: over one voxel, instance norm returns zeros (its mean is
the voxel itself) and batch norm of one patch is undefined."""

RARE = 0.08
"""Probability of a tumour voxel from which a mask's head starts: about its share of a patch."""

THIN = 2
"""Longest axis, in voxels, of the maps that `apply_safely` keeps out of bfloat16."""


def channels_last(network: nn.Module) -> nn.Module:
    """Lay out a network's weights channels last, the layout in which convolutions are fastest."""
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # stubs


def padded_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Smallest shape that holds `shape` and can be halved four times.

    Each axis is a multiple of 16. If the deepest map had fewer than eight voxels, its shortest axis
    grows until it has (16 x 16 x 16 becomes 32 x 32 x 32; 16 x 80 x 80 stays).

    Args:
        shape: spatial size (x, y, z) in voxels.
    """
    deep = [-(-size // 2**HALVINGS) for size in shape]
    while deep[0] * deep[1] * deep[2] < FEWEST_DEEP_VOXELS:
        deep[deep.index(min(deep))] += 1
    return (deep[0] * 2**HALVINGS, deep[1] * 2**HALVINGS, deep[2] * 2**HALVINGS)


def pad_for_encoder(image: Tensor) -> Tensor:
    """Pad at the far end of each axis to `padded_shape`, repeating the edge voxels.

    Repeating continues the image whatever its intensity scale; zeros would draw a false edge
    wherever zero is not the background. Undo it with `crop_like`.

    Args:
        image: (B, C, x, y, z).
    """
    shape = (image.shape[2], image.shape[3], image.shape[4])
    x, y, z = (new - old for new, old in zip(padded_shape(shape), shape, strict=True))
    if x == y == z == 0:
        return image
    padded = F.pad(image, (0, z, 0, y, 0, x), mode="replicate")
    channels_last = image.is_contiguous(memory_format=torch.channels_last_3d)
    return padded.contiguous(memory_format=torch.channels_last_3d) if channels_last else padded


def crop_like(features: Tensor, image: Tensor) -> Tensor:
    """The part of `features` that lies on `image`, the input of `pad_for_encoder`."""
    x, y, z = image.shape[2:]
    return features[:, :, :x, :y, :z]


def apply_safely(block: nn.Module, *features: Tensor) -> Tensor:
    """`block(*features)`, without autocast on a CPU where an axis is at most two voxels long.

    There oneDNN's bfloat16 convolutions are wrong. Seen with torch 2.13 on AVX512-BF16: the weight
    gradient of a k x k x k convolution over a map with an axis of at most k - 1 voxels comes from
    memory that was never written (1e18, NaN). Known on AMX: a strided convolution to a last axis
    of one voxel (pytorch issue 169688). Such maps are small, so float32 costs little. Kernels here
    are 3 long; for longer ones, hand over a map that is as much smaller (see `hcnet.nets.vnet`).

    Args:
        block: a network or a part of it.
        features: its inputs (B, C, x, y, z); the last has the size that the block works at.
    """
    thin = features[-1].device.type == "cpu" and min(features[-1].shape[2:]) <= THIN
    if not (thin and torch.is_autocast_enabled("cpu")):
        return block(*features)
    with torch.autocast("cpu", enabled=False):
        return block(*(each.float() for each in features))


def join(*features: Tensor) -> Tensor:
    """Concatenate channels, `torch.cat(features, dim=1)`, with dense gradients.

    Torch's own gradients are slices with gaps between the voxels, for which the backward pass of a
    batch norm is several times slower.

    Args:
        features: (B, C, x, y, z) each.
    """
    joined: Tensor = _Join.apply(*features)
    return joined


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *features: Tensor) -> Tensor:
        ctx.parts = [(each.shape[1], each.dtype) for each in features]
        return torch.cat(features, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        last = gradient.is_contiguous(memory_format=torch.channels_last_3d)
        layout = torch.channels_last_3d if last else torch.contiguous_format
        slices = gradient.split([channels for channels, _ in ctx.parts], dim=1)
        return tuple(
            each.to(dtype).contiguous(memory_format=layout)
            for each, (_, dtype) in zip(slices, ctx.parts, strict=True)
        )


def conv_norm_act(in_channels: int, out_channels: int, slope: float = 0.2) -> nn.Sequential:
    """3x3x3 convolution, batch norm, leaky ReLU; a slope of 0 is the plain ReLU.

    The convolution has no bias: the norm would subtract it again.
    """
    return nn.Sequential(*conv_norm(in_channels, out_channels), nn.LeakyReLU(slope, inplace=True))


def conv_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3x3 convolution and batch norm, as the group's networks also end before their sigmoid."""
    return nn.Sequential(
        Conv3x3x3(in_channels, out_channels, bias=False),
        nn.BatchNorm3d(out_channels),
    )


def head(in_channels: int, out_channels: int) -> nn.Sequential:
    """`conv_norm` as the last layer of a network; that of a mask (one channel) starts at `RARE`.

    The mean logit of a batch-normalised head is its bias, which Adam moves by at most the learning
    rate an update. From 0, a mean probability of a half, a short training does not get it down to
    where tumour is rare, and marks too much. Source of starting at the prior: Lin et al., ICCV
    2017 (RetinaNet), section 3.3.
    """
    norm = nn.BatchNorm3d(out_channels)
    if out_channels == 1:
        start_rare(norm)
    return nn.Sequential(Conv3x3x3(in_channels, out_channels, bias=False), norm)


def start_rare(norm: nn.BatchNorm3d) -> None:
    """Set the bias of a mask's last batch norm to the logit of `RARE`; see `head`."""
    nn.init.constant_(norm.bias, math.log(RARE / (1 - RARE)))


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """`conv_norm_act` and `conv_norm`: two convolutions, the second without activation."""
    return nn.Sequential(
        *conv_norm_act(in_channels, out_channels), *conv_norm(out_channels, out_channels)
    )


def doubling(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3x3 transposed convolution that doubles the map, batch norm, leaky ReLU (slope 0.2)."""
    return nn.Sequential(
        nn.ConvTranspose3d(
            in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=False
        ),
        nn.BatchNorm3d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )
