"""The 3x3x3 convolution of all networks: torch's layer, computed the fastest way there is.

On a GPU, in bfloat16 and for small maps that is torch's own. In float32 on a CPU, large maps go by
`hcnet.nets.winograd`, and those of a single channel by `hcnet.nets.single_channel`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hcnet.nets import single_channel, winograd


class Conv3x3x3(nn.Conv3d):
    """`nn.Conv3d(in_channels, out_channels, 3, padding=1)`: its parameters, names and values.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        bias: whether there is one.
        inplace: overwrite the input where no gradient is wanted, the channels are as many and the
            way allows it.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, bias: bool = True, inplace: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)
        self.inplace = inplace

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (B, in_channels, x, y, z); the size stays."""
        if torch.is_autocast_enabled("cpu") or not _another_way_pays(features, self.weight):
            return super().forward(features)
        if not torch.is_grad_enabled():
            return _convolve(features, self.weight, self.bias, overwrite=self.inplace)
        found: Tensor = _Convolution.apply(features, self.weight, self.bias)
        return found

    @torch.inference_mode()
    def between(self, features: Tensor, channels: slice = slice(None)) -> Tensor:
        """Convolve the planes between the outer two of (B, C, x + 2, y, z): x planes, no bias.

        A prediction goes through a large map in such parts, each with its neighbours.

        Args:
            features: some channels of the input; the results of all parts add up.
            channels: which.
        """
        weight = self.weight[:, channels]
        if torch.is_autocast_enabled("cpu") or not winograd.pays(features, weight):
            return F.conv3d(features, weight, padding=(0, 1, 1))
        return winograd.convolve(features, weight, between=True)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, weight)
        return _convolve(features, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        features, weight = ctx.saved_tensors
        to_features, to_weight, to_bias = ctx.needs_input_grad
        # The gradient to the input is a convolution, too, by the mirrored kernel.
        mirrored = weight.flip(2, 3, 4).transpose(0, 1)
        return (
            _convolve(gradient, mirrored) if to_features else None,
            _weight_gradient(features, gradient, weight) if to_weight else None,
            gradient.sum(dim=(0, 2, 3, 4)) if to_bias else None,
        )


def _another_way_pays(features: Tensor, weight: Tensor) -> bool:
    """Whether torch's is not the fastest way, forward or back."""
    outputs, channels = weight.shape[:2]
    return (
        winograd.pays(features, weight)
        or single_channel.pays(features, channels, outputs)
        or single_channel.pays(features, outputs, channels)
    )


def _convolve(
    features: Tensor, weight: Tensor, bias: Tensor | None = None, *, overwrite: bool = False
) -> Tensor:
    """`F.conv3d(features, weight, bias, padding=1)`."""
    outputs, channels = weight.shape[:2]
    if winograd.pays(features, weight):
        return winograd.convolve(features, weight, bias, overwrite=overwrite)
    if single_channel.pays(features, channels, outputs):
        return single_channel.convolve(features, weight, bias)
    return F.conv3d(features, weight, bias, padding=1)


def _weight_gradient(features: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Gradient to (O, C, 3, 3, 3), from the input (B, C, x, y, z) and that to (B, O, x, y, z)."""
    if winograd.pays(features, weight):
        return winograd.weight_gradient(features, gradient)
    if weight.shape[1] == 1:
        return single_channel.weight_gradient(features, gradient)
    # Of one output: the two change places, and what was a step forward is one back.
    return single_channel.weight_gradient(gradient, features).flip(2, 3, 4).transpose(0, 1)
