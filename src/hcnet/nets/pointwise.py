"""1x1x1 convolution as a matrix product over voxels.

It is the same function. On a CPU oneDNN's kernels for it are slow in channels-last layout, where
voxels are rows already: 96 to 48 channels of 64^3 in float32 take 163 ms forward and 231 back on
an AVX512 thread, the product 25 and 45. Of grouped ones the backward pass is worst (48 groups of 4
channels, 48^3, bfloat16: 502 ms). There the matrix is filled up with zeros, which is more
arithmetic and still less time (17 ms).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ROWS = 1 << 16
"""Voxels that are overwritten at once."""


class PointwiseConv3d(nn.Conv3d):
    """`nn.Conv3d(in_channels, out_channels, 1, ...)`: its parameters, names and values.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        groups: of channels that do not see each other.
        bias: whether there is one.
        inplace: put the result into the input's memory where no gradient is wanted, channels are
            last and become no more. A prediction then holds one map less.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        groups: int = 1,
        bias: bool = True,
        inplace: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, 1, groups=groups, bias=bias)
        self.inplace = inplace

    def forward(self, features: Tensor) -> Tensor:
        """Mix the channels of each voxel of (B, C, x, y, z)."""
        if features.device.type == "cuda":
            return super().forward(features)
        voxels = features.permute(0, 2, 3, 4, 1)
        fits = self.out_channels <= self.in_channels and voxels.is_contiguous()
        if self.inplace and fits and not torch.is_grad_enabled():
            mixed = self._overwritten(voxels)
        else:
            mixed = F.linear(voxels, self._matrix(), self.bias)
        return mixed.permute(0, 4, 1, 2, 3)

    def part(self, features: Tensor, channels: slice) -> Tensor:
        """The share of some channels (B, C, x, y, z) of the input in the result, without bias."""
        mixed = F.linear(features.permute(0, 2, 3, 4, 1), self._matrix()[:, channels])
        return mixed.permute(0, 4, 1, 2, 3)

    def _overwritten(self, voxels: Tensor) -> Tensor:
        """(B, x, y, z, C) to (B, x, y, z, out_channels), a part at a time from the front.

        What is written never runs into what was not read yet, as it is no longer.
        """
        rows = voxels.flatten(0, 3)
        found = rows.view(-1)[: len(rows) * self.out_channels].view(len(rows), self.out_channels)
        matrix = self._matrix()
        for given, taken in zip(rows.split(_ROWS), found.split(_ROWS), strict=True):
            taken.copy_(F.linear(given, matrix, self.bias))
        return found.view(*voxels.shape[:4], self.out_channels)

    def _matrix(self) -> Tensor:
        """(out_channels, in_channels), zero between groups."""
        if self.groups == 1:
            return self.weight.flatten(1)
        blocks = self.weight.reshape(self.groups, -1, self.in_channels // self.groups)
        spread = torch.diag_embed(blocks.permute(1, 2, 0))  # out and in of a group, group, group
        return spread.permute(2, 0, 3, 1).reshape(self.out_channels, self.in_channels)
