"""The residual blocks of UNETR's decoder (Hatamizadeh et al., WACV 2022, arXiv:2103.10504).

The functions, names of parameters and order of drawing them are those of MONAI's `UnetrBasicBlock`
and `UnetrUpBlock` with residual blocks and default norms, which the tests hold these against. Here
a prediction holds as few maps at a time as it can: at the full resolution each one counts.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.nets.blocks import apply_safely, join
from hcnet.nets.instance_norm import InstanceNorm
from hcnet.nets.pointwise import PointwiseConv3d
from hcnet.nets.winograd import WinogradConv3d

SLOPE = 0.01
"""Of the leaky ReLUs."""

_SLAB = 8
"""Planes that a prediction doubles at once."""


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with instance norms, the input beside them, leaky ReLU.

    Where the number of channels changes, the input passes a 1x1x1 convolution and a norm.

    Args:
        before: channels of the input.
        after: channels of the output.
        inplace: a prediction may overwrite the input.
    """

    def __init__(self, before: int, after: int, *, inplace: bool = False) -> None:
        super().__init__()
        self.conv1 = named(WinogradConv3d(before, after, bias=False))
        self.conv2 = named(WinogradConv3d(after, after, bias=False, inplace=True))
        self.norm = InstanceNorm(after, inplace=True)
        self.conv3 = None
        if before != after:
            self.conv3 = named(PointwiseConv3d(before, after, bias=False, inplace=inplace))

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, x, y, z) to (B, after, x, y, z)."""
        found = F.leaky_relu_(self.norm(self.conv1(features)), SLOPE)
        found = self.norm(self.conv2(found))
        # Last, when the input is no longer needed.
        found += features if self.conv3 is None else self.norm(self.conv3(features))
        return F.leaky_relu_(found, SLOPE)


class UnetrBlock(nn.Module):
    """A `ResidualBlock` on a skip connection: (B, before, x, y, z) to (B, after, x, y, z)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.layer = ResidualBlock(before, after)

    def forward(self, features: Tensor) -> Tensor:
        """Apply the block."""
        found: Tensor = self.layer(features)
        return found


class UnetrUp(nn.Module):
    """A step up the decoder: `joined`, then `conv_block`, a `ResidualBlock`.

    The caller goes from one to the other, so that nothing but the joined map is kept.

    Args:
        deeper: channels of the map that is doubled.
        shallower: channels of the skip connection and of the result.
    """

    def __init__(self, deeper: int, shallower: int) -> None:
        super().__init__()
        self.transp_conv = named(nn.ConvTranspose3d(deeper, shallower, 2, stride=2, bias=False))
        self.conv_block = ResidualBlock(2 * shallower, shallower, inplace=True)

    def joined(self, features: Tensor, skip: Tensor) -> Tensor:
        """Double a map (B, deeper, x, y, z) and put the skip connection's channels behind it."""
        if torch.is_grad_enabled() or features.device.type not in {"cpu", "meta"}:
            return join(apply_safely(self.transp_conv, features), skip)
        shape = (len(skip), 2 * skip.shape[1], *skip.shape[2:])
        found = torch.empty(
            shape, dtype=skip.dtype, device=skip.device, memory_format=torch.channels_last_3d
        )
        doubled, skipped = found.chunk(2, dim=1)
        for given, taken in zip(
            features.split(_SLAB, dim=2), doubled.split(2 * _SLAB, dim=2), strict=True
        ):
            taken.copy_(apply_safely(self.transp_conv, given))
        skipped.copy_(skip)
        return found


def named(convolution: nn.Module) -> nn.Sequential:
    """The convolution, its parameters called as in MONAI: `conv1.conv.weight`."""
    return nn.Sequential(OrderedDict(conv=convolution))
