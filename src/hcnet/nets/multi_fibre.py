"""The multi-fibre unit of DMFNet (Chen et al., MICCAI 2019), which ALMN's encoder has, too."""

from typing import Literal

import torch
from torch import Tensor, nn

from hcnet.nets.blocks import apply_safely

Axis = Literal["x", "y", "z"]
Kernel = tuple[int, int, int]

_IN_PLANE: dict[Axis, Kernel] = {"x": (1, 3, 3), "y": (3, 1, 3), "z": (3, 3, 1)}


class MultiFibreUnit(nn.Module):
    """Multi-fibre unit; with several dilations the dilated one (DMF).

    Two pointwise convolutions carry information across the fibres. Then a 3x3x3 and an in-plane
    3x3 convolution work on each fibre, a group of channels, by itself. Several dilations are that
    many 3x3x3 convolutions, each weighted by a learned number (one at the start), and summed.
    Batch norm and ReLU stand before every convolution. The input is added at the end.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        groups: fibres; they divide both numbers of channels.
        dilations: of the 3x3x3 convolutions.
        stride: 2 halves the map.
        slice_axis: the axis that the in-plane convolution leaves alone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        dilations: tuple[int, ...] = (1,),
        stride: int = 1,
        slice_axis: Axis = "z",
    ) -> None:
        super().__init__()
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else _norm_relu_conv(in_channels, out_channels, (stride, stride, stride), stride=stride)
        )
        self.fibres = _Fibres(in_channels, out_channels, groups, dilations, stride, slice_axis)

    def forward(self, features: Tensor) -> Tensor:
        """(B, out_channels, x, y, z) of (B, in_channels, x, y, z), halved where the stride is 2."""
        return apply_safely(self.fibres, features, apply_safely(self.shortcut, features))


class _Fibres(nn.Module):
    """The path of a unit beside its shortcut, which it adds.

    It takes the shortcut's output since that has the size of the map that this path works at, and
    `apply_safely` must know it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        dilations: tuple[int, ...],
        stride: int,
        slice_axis: Axis,
    ) -> None:
        super().__init__()
        between = min(in_channels, out_channels)
        self.route = nn.Sequential(
            _norm_relu_conv(in_channels, in_channels // 4, (1, 1, 1)),
            _norm_relu_conv(in_channels // 4, between, (1, 1, 1)),
        )
        self.dilated = nn.ModuleList(
            _norm_relu_conv(between, out_channels, (3, 3, 3), groups, stride, dilation)
            for dilation in dilations
        )
        self.weights = nn.Parameter(torch.ones(len(dilations))) if len(dilations) > 1 else None
        self.plane = _norm_relu_conv(out_channels, out_channels, _IN_PLANE[slice_axis], groups)

    def forward(self, features: Tensor, shortcut: Tensor) -> Tensor:
        routed = self.route(features)
        if self.weights is None:
            mixed = self.dilated[0](routed)
        else:
            branches = zip(self.weights, self.dilated, strict=True)
            mixed = sum(weight * branch(routed) for weight, branch in branches)
        total: Tensor = shortcut + self.plane(mixed)
        return total


def _norm_relu_conv(
    in_channels: int,
    out_channels: int,
    kernel: Kernel,
    groups: int = 1,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Batch norm, ReLU, convolution; the map keeps its size, or is halved by a stride of 2."""
    x, y, z = kernel
    return nn.Sequential(
        nn.BatchNorm3d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv3d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=((x - 1) // 2 * dilation, (y - 1) // 2 * dilation, (z - 1) // 2 * dilation),
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
    )
