"""3x3x3 convolutions of a single channel as matrix products over voxels and their neighbours.

The 27 neighbours of each voxel are laid side by side, a few planes at a time, and multiplied with
the kernel. A network's first layer is such a convolution, of the image, and so are the gradients of
a mask's last one. On a CPU torch and oneDNN are slow there, and leave another layout (1 to 16
channels of 96^3 in float32 on two AVX2 cores: 174 ms and 173 for the weight gradient, the products
50 and 20; of two such maps 41 and 38 instead of 12 and 11 at 64^3).
"""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

_NEIGHBOURS = 27
_FEWEST_OTHERS = 16
_FEWEST_VOXELS = 32**3
"""Below either, torch's way is the faster one."""

_BUFFER = 8 * 2**20
"""Bytes of neighbours that are held at once: a part of what a processor's last cache holds."""


def pays(features: Tensor, channels: int, others: int) -> bool:
    """Whether this way is the faster one.

    Args:
        features: (B, C, x, y, z): size, number format and device.
        channels: of the map whose neighbours would be laid out.
        others: channels of the map on the other side of the convolution.
    """
    return (
        features.device.type == "cpu"
        and features.dtype == torch.float32
        and channels == 1
        and others >= _FEWEST_OTHERS
        and features[0, 0].numel() >= _FEWEST_VOXELS
    )


def convolve(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.conv3d(features, weight, bias, padding=1)`.

    Args:
        features: (B, 1, x, y, z).
        weight: (O, 1, 3, 3, 3).
        bias: (O,).

    Returns:
        (B, O, x, y, z), channels last.
    """
    found = features.new_empty(len(features), *features.shape[2:], len(weight))
    for item, planes, neighbours in _neighbours(features):
        rows = found[item, planes].flatten(0, 2)
        torch.mm(neighbours.T, weight.flatten(1).T, out=rows)
        if bias is not None:
            rows += bias
    return found.permute(0, 4, 1, 2, 3)


def weight_gradient(features: Tensor, gradient: Tensor) -> Tensor:
    """Gradient to the weights of `convolve`.

    Args:
        features: its input, (B, 1, x, y, z).
        gradient: to its output, (B, O, x, y, z).

    Returns:
        (O, 1, 3, 3, 3).
    """
    given = gradient.permute(0, 2, 3, 4, 1).contiguous()
    found = features.new_zeros(_NEIGHBOURS, given.shape[-1])
    for item, planes, neighbours in _neighbours(features):
        found.addmm_(neighbours, given[item, planes].flatten(0, 2))
    return found.T.reshape(-1, 1, 3, 3, 3)


def _neighbours(features: Tensor) -> Iterator[tuple[int, slice, Tensor]]:
    """The neighbours of all voxels of some planes, zeros beyond the map, in the same memory again.

    Yields:
        item of the batch, its planes, their neighbours (27, voxels).
    """
    length, *plane = features.shape[2:]
    voxels = plane[0] * plane[1]
    most = min(length, max(1, _BUFFER // (_NEIGHBOURS * voxels * features.element_size())))
    buffer = features.new_empty(_NEIGHBOURS * most * voxels)
    for item, (image,) in enumerate(features):
        padded = F.pad(image, (1, 1, 1, 1, 1, 1))
        for start in range(0, length, most):
            count = min(most, length - start)
            steps = buffer[: _NEIGHBOURS * count * voxels].view(3, 3, 3, count, *plane)
            for x, y, z in product(range(3), repeat=3):
                steps[x, y, z] = padded[
                    start + x : start + x + count, y : y + plane[0], z : z + plane[1]
                ]
            yield item, slice(start, start + count), steps.view(_NEIGHBOURS, -1)
