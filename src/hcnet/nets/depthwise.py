"""Depthwise 3-D convolution whose backward pass is made of forward convolutions.

On a CPU, oneDNN's forward of a large depthwise convolution is fast, but its two backward kernels
take 15 to 30 times as long, and in bfloat16 its weight gradient in channels-last layout is wrong
where an axis of the map is shorter than about the kernel (seen with torch 2.13: values of 1e18).
Both gradients of a stride-one convolution are convolutions themselves:

- to the data: the gradient convolved with the kernel flipped along all axes;
- to the weights: the image convolved with the gradient as the kernel, one for each channel and
  item of the batch.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class DepthwiseConv3d(nn.Conv3d):
    """Depthwise convolution of odd kernel, stride one, keeping the size.

    Parameters, their names and the values are those of `nn.Conv3d(C, C, kernel, padding=kernel //
    2, groups=C)`. Only on a CPU the hand-written backward is used; a GPU keeps its own.

    Args:
        channels: of input and output.
        kernel: odd edge length in voxels.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel // 2, groups=channels)

    def forward(self, image: Tensor) -> Tensor:
        """Convolve (B, C, x, y, z); the layout (channels last or first) stays."""
        if image.device.type != "cpu":
            return super().forward(image)
        # A function of our own is invisible to autocast, so what it does for nn.Conv3d is here.
        dtype = image.dtype
        if torch.is_autocast_enabled("cpu") and dtype != torch.float64:
            dtype = torch.get_autocast_dtype("cpu")
        bias = None if self.bias is None else self.bias.to(dtype)
        convolved: Tensor = _Depthwise.apply(image.to(dtype), self.weight.to(dtype), bias)
        return convolved


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(image, weight)
        return _convolve(image, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        image, weight = ctx.saved_tensors
        to_image, to_weight, to_bias = ctx.needs_input_grad
        with torch.autocast("cpu", enabled=False):
            return (
                _convolve(gradient, weight.flip(2, 3, 4), None) if to_image else None,
                _weight_gradient(image, gradient, weight) if to_weight else None,
                gradient.sum(dim=(0, 2, 3, 4)) if to_bias else None,
            )


def _convolve(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv3d(image, weight, bias, padding=weight.shape[-1] // 2, groups=weight.shape[0])


def _weight_gradient(image: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    # One group for each channel of each item: summing over the batch inside the convolution (B
    # inputs to a group) leaves oneDNN's depthwise kernels and is 9 to 16 times slower.
    groups = image.shape[0] * image.shape[1]
    each = F.conv3d(
        image.reshape(1, groups, *image.shape[2:]),
        gradient.reshape(groups, 1, *gradient.shape[2:]),
        padding=weight.shape[-1] // 2,
        groups=groups,
    )
    summed = each.view(image.shape[0], *weight.shape).sum(dim=0, dtype=_accumulator(each))
    return summed.to(weight.dtype)


def _accumulator(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
