"""The residual blocks of UNETR's decoder (Hatamizadeh et al., WACV 2022, arXiv:2103.10504).

The functions, names of parameters and order of drawing them are those of MONAI's `UnetrBasicBlock`
and `UnetrUpBlock` with residual blocks and default norms, which the tests hold these against. Here
a prediction holds as few maps at a time as it can: at the full resolution each one counts.
"""

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.nets.blocks import apply_safely, join
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.instance_norm import InstanceNorm
from hcnet.nets.pointwise import PointwiseConv3d

SLOPE = 0.01
"""Of the leaky ReLUs."""

_SLAB = 4
"""Planes of a joined map that a prediction holds at once: those of a tile of Winograd's."""

_LARGE = 32
"""Shortest side, in voxels, of maps that a prediction joins slab by slab; smaller ones are few MB,
and their kernels would be laid out anew for each slab."""


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
        self.conv1 = named(Conv3x3x3(before, after, bias=False))
        self.conv2 = named(Conv3x3x3(after, after, bias=False, inplace=True))
        self.norm = InstanceNorm(after, inplace=True)
        self.conv3 = None
        if before != after:
            self.conv3 = named(PointwiseConv3d(before, after, bias=False, inplace=inplace))

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, x, y, z) to (B, after, x, y, z)."""
        found = self.conv1(features)
        return self.rest(found, features if self.conv3 is None else self.conv3(features))

    def rest(self, found: Tensor, shortcut: Tensor) -> Tensor:
        """From the results of `conv1` and of `conv3`, (B, after, x, y, z) each, to the block's."""
        found = F.leaky_relu_(self.norm(found), SLOPE)
        found = self.norm(self.conv2(found))
        found += shortcut if self.conv3 is None else self.norm(shortcut)
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
    """A step up the decoder: a map is doubled, joined with the skip connection, `ResidualBlock`.

    Args:
        deeper: channels of the map that is doubled.
        shallower: channels of the skip connection and of the result.
    """

    def __init__(self, deeper: int, shallower: int) -> None:
        super().__init__()
        self.transp_conv = named(nn.ConvTranspose3d(deeper, shallower, 2, stride=2, bias=False))
        self.conv_block = ResidualBlock(2 * shallower, shallower, inplace=True)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """(B, deeper, x, y, z) and (B, shallower, 2x, 2y, 2z) to (B, shallower, 2x, 2y, 2z).

        A prediction may overwrite the skip connection.
        """
        large = min(skip.shape[2:]) >= _LARGE and skip.device.type in {"cpu", "meta"}
        if large and not torch.is_grad_enabled():
            return self.conv_block.rest(*self._in_slabs(features, skip))
        joined = join(apply_safely(self.transp_conv, features), skip)
        return apply_safely(self.conv_block, joined)

    def _in_slabs(self, features: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """What `ResidualBlock.rest` takes: the results of its first convolutions.

        Neither the doubled nor the joined map is ever there as a whole, and the second result is
        put into the skip connection's memory.
        """
        convolution = cast("Conv3x3x3", self.conv_block.conv1[0])
        shortcut = cast("PointwiseConv3d", cast("nn.Sequential", self.conv_block.conv3)[0])
        found, length = torch.empty_like(skip), skip.shape[2]
        doubled_part, skip_part = slice(0, skip.shape[1]), slice(skip.shape[1], None)
        # Planes in front of a slab; those of the skip connection are overwritten by then.
        doubled_edge = skip_edge = skip.new_zeros(len(skip), skip.shape[1], 1, *skip.shape[3:])
        for start in range(0, length, _SLAB):
            planes = slice(start, min(start + _SLAB, length))
            last = min(planes.stop + 1, length)
            # One after the other, so that one of them at a time is there with its sums.
            slab = apply_safely(self.transp_conv, features[:, :, start // 2 : -(-last // 2)])
            slab = _with_neighbours(slab[:, :, : last - start], planes, doubled_edge)
            found[:, :, planes] = convolution.between(slab, doubled_part)
            mixed = shortcut.part(slab[:, :, 1:-1], doubled_part)
            doubled_edge = slab[:, :, -2:-1].clone()
            slab = _with_neighbours(skip[:, :, start:last], planes, skip_edge)
            found[:, :, planes] += convolution.between(slab, skip_part)
            mixed += shortcut.part(slab[:, :, 1:-1], skip_part)
            skip_edge = slab[:, :, -2:-1].clone()
            skip[:, :, planes] = mixed
        return found, skip


def _with_neighbours(given: Tensor, planes: slice, before: Tensor) -> Tensor:
    """Some planes of a map between the one before them and the one behind, where there is one.

    Args:
        given: (B, C, x or x + 1, y, z), the planes and, where the map goes on, one more.
        planes: their places.
        before: (B, C, 1, y, z).

    Returns:
        (B, C, x + 2, y, z), zeros beyond the end of the map.
    """
    batch, channels, count, *plane = given.shape
    shape = (batch, channels, planes.stop - planes.start + 2, *plane)
    found = torch.empty(
        shape, dtype=given.dtype, device=given.device, memory_format=torch.channels_last_3d
    )
    found[:, :, :1] = before
    found[:, :, 1 : 1 + count] = given
    found[:, :, 1 + count :] = 0
    return found


def named(convolution: nn.Module) -> nn.Sequential:
    """The convolution, its parameters called as in MONAI: `conv1.conv.weight`."""
    return nn.Sequential(OrderedDict(conv=convolution))
