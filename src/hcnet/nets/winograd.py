"""3x3x3 convolutions with half the multiplications: Winograd's F(4, 3) along the first axis.

Four neighbouring planes of the output depend on six of the input. Six fixed sums of those six
planes are convolved in the plane, each with a sum of the kernel's three planes of its own; four
sums of the six results are the output. That is six convolutions in the plane, where the definition
takes twelve. The function is the same, to rounding: about 1e-5 of the largest value in float32.

The gradient to the input is such a convolution itself. That to the weights is the transpose of the
same sums around six weight gradients in the plane, which are matrix products over voxels, one for
each place in the kernel.

Only a CPU needs it: there oneDNN computes 3-D convolutions by the definition, and their weight
gradients at half the rate. cuDNN on a GPU chooses among such algorithms itself.

Source: Lavin and Gray, CVPR 2016, arXiv:1509.09308, section 4; the matrices are those of F(4, 3).
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

PLANES = 4
"""Planes of the output in a tile; it needs one more of the input on either side."""
POINTS = PLANES + 2
"""Sums of planes of a tile, and so convolutions in the plane."""

_TO_POINTS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL_TO_POINTS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_FROM_POINTS = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)

_BUFFER = 16 * 2**20
"""Bytes of sums that are held at once: a part of what a processor's last cache holds."""

_FEWEST_CHANNELS = 16
_SMALLEST_PLANE = 144
_LEAST_WORK = 1e9
"""Floating-point operations by the definition. Below any of the three, sums of planes and of
kernels take longer than is won (measured: up to twice the time)."""

_Tile = tuple[int, int]
"""Item of the batch, and first plane of the output."""


class WinogradConv3d(nn.Conv3d):
    """`nn.Conv3d(in_channels, out_channels, 3, padding=1)`: its parameters, names and values.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        bias: whether there is one.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (B, in_channels, x, y, z); the size stays."""
        if torch.is_autocast_enabled("cpu") or not _pays(features, self.weight):
            return super().forward(features)
        found: Tensor = _Convolution.apply(features, self.weight, self.bias)
        return found


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, weight)
        return convolve(features, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        features, weight = ctx.saved_tensors
        to_features, to_weight, to_bias = ctx.needs_input_grad
        mirrored = weight.flip(2, 3, 4).transpose(0, 1)
        return (
            convolve(gradient, mirrored) if to_features else None,
            weight_gradient(features, gradient) if to_weight else None,
            gradient.sum(dim=(0, 2, 3, 4)) if to_bias else None,
        )


def convolve(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.conv3d(features, weight, bias, padding=1)`.

    Args:
        features: (B, C, x, y, z), on the CPU.
        weight: (O, C, 3, 3, 3).
        bias: (O,).

    Returns:
        (B, O, x, y, z), channels last.
    """
    shape = (len(features), len(weight), *features.shape[2:])
    found = torch.empty(shape, dtype=features.dtype, memory_format=torch.channels_last_3d)
    source, target = _by_planes(features), _by_planes(found)
    to_points, from_points = _matrix(_TO_POINTS, features), _matrix(_FROM_POINTS, features)
    kernels = torch.einsum("pi,ociyz->pocyz", _matrix(_KERNEL_TO_POINTS, weight), weight)
    for tiles in _in_turn(source):
        points = _points(to_points, source, tiles, before=1)
        results = target.new_empty(POINTS, len(tiles), target[0, 0].numel())
        for image, kernel, result in zip(points, kernels, results, strict=True):
            plane = F.conv2d(image.permute(0, 3, 1, 2), _last(kernel), padding=1)
            result.copy_(plane.permute(0, 2, 3, 1).flatten(1))
        for number, (item, start) in enumerate(tiles):
            planes = target[item, start : start + PLANES].flatten(1)
            torch.mm(from_points[: len(planes)], results[:, number], out=planes)
            if bias is not None:
                planes.view(-1, len(bias)).add_(bias)
    return found


def weight_gradient(features: Tensor, gradient: Tensor) -> Tensor:
    """Gradient to the weights of `convolve`.

    Args:
        features: its input, (B, C, x, y, z) on the CPU.
        gradient: to its output, (B, O, x, y, z).

    Returns:
        (O, C, 3, 3, 3).
    """
    source, given = _by_planes(features), _by_planes(gradient)
    to_points, from_points = _matrix(_TO_POINTS, features), _matrix(_FROM_POINTS, features)
    found = source.new_zeros(POINTS, 3, 3, given.shape[-1], source.shape[-1])
    for tiles in _in_turn(source):
        # With zeros around each plane, a step in the plane is a step along the list of its voxels.
        sources = _points(to_points, source, tiles, before=1, border=(1, 1, 1, 1))
        givens = _points(from_points.T, given, tiles, before=0, border=(0, 2, 0, 2))
        line = sources.shape[3]
        for total, before, after in zip(
            found, sources.flatten(1, 3), givens.flatten(1, 3), strict=True
        ):
            for y, z in product(range(3), repeat=2):
                step = y * line + z
                total[y, z].addmm_(after[: len(after) - step].T, before[step:])
    return torch.einsum("pi,pyzoc->ociyz", _matrix(_KERNEL_TO_POINTS, features), found)


def _pays(features: Tensor, weight: Tensor) -> bool:
    """Whether this way is the faster one, for the convolution and both of its gradients."""
    length, plane = features.shape[2], features.shape[3] * features.shape[4]
    planes = POINTS * -(-length // PLANES)  # convolutions in the plane, of 3 for each of `length`
    return (
        features.device.type == "cpu"
        and features.dtype == torch.float32
        and planes <= 2 * length
        and plane >= _SMALLEST_PLANE
        and min(weight.shape[:2]) >= _FEWEST_CHANNELS
        and 2 * weight.numel() * len(features) * length * plane >= _LEAST_WORK
    )


def _by_planes(features: Tensor) -> Tensor:
    """(B, C, x, y, z) as (B, x, y, z, C), each plane in one piece; a view if channels are last."""
    return features.permute(0, 2, 3, 4, 1).contiguous()


def _last(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def _matrix(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype)


def _in_turn(source: Tensor) -> Iterator[list[_Tile]]:
    """The tiles of (B, x, y, z, C), as many together as `_BUFFER` holds."""
    batch, length = source.shape[:2]
    tiles = [(item, start) for item in range(batch) for start in range(0, length, PLANES)]
    together = max(1, _BUFFER // (POINTS * source[0, 0].numel() * source.element_size()))
    for first in range(0, len(tiles), together):
        yield tiles[first : first + together]


def _points(
    matrix: Tensor,
    source: Tensor,
    tiles: list[_Tile],
    *,
    before: int,
    border: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Tensor:
    """Sums of the planes of each tile.

    Args:
        matrix: (POINTS, planes of a tile).
        source: (B, x, y, z, C). Planes beyond it are 0.
        tiles: what to sum.
        before: planes that the tile has in front of its first.
        border: zeros around each plane, in front and behind, along z and along y.

    Returns:
        (POINTS, tiles, y, z, C).
    """
    _, length, y, z, channels = source.shape
    y, z = y + border[2] + border[3], z + border[0] + border[1]
    found = source.new_empty(POINTS, len(tiles), y, z, channels)
    for number, (item, start) in enumerate(tiles):
        first = start - before
        low, high = max(first, 0), min(first + matrix.shape[1], length)
        planes = source[item, low:high]
        if any(border):
            planes = F.pad(planes, (0, 0, *border))
        columns = matrix[:, low - first : high - first]
        torch.mm(columns, planes.flatten(1), out=found[:, number].flatten(1))
    return found
