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


class PointwiseConv3d(nn.Conv3d):
    """`nn.Conv3d(in_channels, out_channels, 1, ...)`: its parameters, names and values.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        groups: of channels that do not see each other.
        bias: whether there is one.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, 1, groups=groups, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Mix the channels of each voxel of (B, C, x, y, z)."""
        if features.device.type == "cuda":
            return super().forward(features)
        rows = F.linear(features.permute(0, 2, 3, 4, 1), self._matrix(), self.bias)
        return rows.permute(0, 4, 1, 2, 3)

    def _matrix(self) -> Tensor:
        """(out_channels, in_channels), zero between groups."""
        if self.groups == 1:
            return self.weight.flatten(1)
        blocks = self.weight.reshape(self.groups, -1, self.in_channels // self.groups)
        spread = torch.diag_embed(blocks.permute(1, 2, 0))  # out and in of a group, group, group
        return spread.permute(2, 0, 3, 1).reshape(self.out_channels, self.in_channels)


def with_pointwise(network: nn.Module) -> nn.Module:
    """Put `PointwiseConv3d` in the place of every 1x1x1 convolution, also in blocks of others.

    The parameters themselves stay, so nothing is drawn anew.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv3d) and _is_pointwise(child):
                with torch.device("meta"):
                    ours = PointwiseConv3d(
                        child.in_channels,
                        child.out_channels,
                        groups=child.groups,
                        bias=child.bias is not None,
                    )
                ours.weight, ours.bias = child.weight, child.bias
                setattr(parent, name, ours)
    return network


def _is_pointwise(layer: nn.Conv3d) -> bool:
    alone = layer.kernel_size == layer.stride == layer.dilation == (1, 1, 1)
    return alone and layer.padding == (0, 0, 0)
