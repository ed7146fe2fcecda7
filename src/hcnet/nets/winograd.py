"""3x3x3 convolutions with half the multiplications: Winograd's F(4, 3) along the first axis.

Four neighbouring planes of the output depend on six of the input. Six fixed sums of those six
planes are convolved in the plane, each with a sum of the kernel's three planes of its own; four
sums of the six results are the output. That is six convolutions in the plane, where the definition
takes twelve. The function is the same, to rounding: about 1e-5 of the largest value in float32.

The gradient to the input is such a convolution itself. That to the weights is the transpose of the
same sums around six weight gradients in the plane, which are matrix products over voxels.

Only a CPU needs it: there oneDNN computes 3-D convolutions by the definition, and their weight
gradients at half the rate. cuDNN on a GPU chooses among such algorithms itself.

Source: Lavin and Gray, CVPR 2016, arXiv:1509.09308, section 4; the matrices are those of F(4, 3).
"""

import torch
from torch import Tensor
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


def pays(features: Tensor, weight: Tensor) -> bool:
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


def convolve(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    overwrite: bool = False,
    between: bool = False,
) -> Tensor:
    """`F.conv3d(features, weight, bias, padding=1)`.

    Args:
        features: (B, C, x, y, z), on the CPU.
        weight: (O, C, 3, 3, 3).
        bias: (O,).
        overwrite: put the result in the place of the input, if C = O and its channels are last.
        between: the first and the last plane are only neighbours; the result is without them.

    Returns:
        (B, O, x, y, z), channels last.
    """
    source = _by_planes(features)
    length = source.shape[1] - 2 * between
    if overwrite and len(weight) == features.shape[1]:
        found = source.permute(0, 4, 1, 2, 3)
    else:
        shape = (len(features), len(weight), length, *features.shape[3:])
        found = torch.empty(shape, dtype=features.dtype, memory_format=torch.channels_last_3d)
    target = _by_planes(found)
    to_points, from_points = _matrix(_TO_POINTS, features), _matrix(_FROM_POINTS, features)
    kernels = _kernels(weight)
    turns = _turns(source, length)
    points = source.new_empty(POINTS, len(turns[0]), *source.shape[2:])
    results = target.new_empty(POINTS, len(turns[0]), target[0, 0].numel())

    def write(tiles: list[_Tile]) -> None:
        for number, (item, start) in enumerate(tiles):
            planes = target[item, start : start + PLANES].flatten(1)
            torch.mm(from_points[: len(planes)], results[:, number], out=planes)
            if bias is not None:
                planes.view(-1, len(bias)).add_(bias)

    before: list[_Tile] = []
    for tiles in turns:
        _sum_planes(to_points, source, tiles, points, before=0 if between else 1)
        write(before)  # not earlier: its last plane is a part of these sums, and may be overwritten
        for point, kernel in enumerate(kernels):
            images = points[point, : len(tiles)].permute(0, 3, 1, 2)
            convolved = F.conv2d(images, kernel, padding=1)
            results[point, : len(tiles)] = convolved.permute(0, 2, 3, 1).flatten(1)
        before = tiles
    write(before)
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
    outputs, channels = given.shape[-1], source.shape[-1]
    found = source.new_zeros(POINTS, 3, 3 * channels, outputs)
    # With zeros around each plane, a step in the plane is a step along the list of its voxels.
    y, z = source.shape[2] + 2, source.shape[3] + 2
    turns = _turns(source, source.shape[1])
    sources, givens = (
        source.new_empty(POINTS, len(turns[0]), y, z, each.shape[-1]) for each in (source, given)
    )
    source_frame = source.new_zeros(POINTS, y, z, channels)
    given_frame = source.new_zeros(PLANES, y, z, outputs)
    for tiles in turns:
        _sum_planes(to_points, source, tiles, sources, before=1, frame=source_frame, margin=1)
        _sum_planes(from_points.T, given, tiles, givens, before=0, frame=given_frame)
        for point in range(POINTS):
            voxels = sources[point, : len(tiles)].view(-1, channels)
            columns = givens[point, : len(tiles)].view(-1, outputs)
            # Three neighbours along z are one row, and every third row makes a matrix: wider
            # products, nearer to the processor's rate than one for each place in the kernel.
            for first in range(3):
                third = columns[first::3]
                for y_step in range(3):
                    start = y_step * z + first
                    count = (len(voxels) - start) // 3  # what is left out is border of the gradient
                    rows = voxels[start : start + 3 * count].view(count, 3 * channels)
                    found[point, y_step].addmm_(rows.T, third[:count])
    places = found.view(POINTS, 3, 3, channels, outputs)
    return torch.einsum("pi,pyzco->ociyz", _matrix(_KERNEL_TO_POINTS, features), places)


def _by_planes(features: Tensor) -> Tensor:
    """(B, C, x, y, z) as (B, x, y, z, C), each plane in one piece; a view if channels are last."""
    return features.permute(0, 2, 3, 4, 1).contiguous()


def _kernels(weight: Tensor) -> Tensor:
    """Of each point, the kernel in the plane: (POINTS, O, C, 3, 3), channels last."""
    planes = weight.permute(2, 0, 3, 4, 1)
    sums = _matrix(_KERNEL_TO_POINTS, weight) @ planes.flatten(1)
    return sums.view(POINTS, *planes.shape[1:]).permute(0, 1, 4, 2, 3)


def _matrix(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype)


def _turns(source: Tensor, length: int) -> list[list[_Tile]]:
    """The tiles of `length` planes of (B, x, y, z, C), as many together as `_BUFFER` holds."""
    tiles = [(item, start) for item in range(len(source)) for start in range(0, length, PLANES)]
    together = max(1, _BUFFER // (POINTS * source[0, 0].numel() * source.element_size()))
    return [tiles[first : first + together] for first in range(0, len(tiles), together)]


def _sum_planes(
    matrix: Tensor,
    source: Tensor,
    tiles: list[_Tile],
    sums: Tensor,
    *,
    before: int,
    frame: Tensor | None = None,
    margin: int = 0,
) -> None:
    """Write sums of the planes of each tile.

    Args:
        matrix: (POINTS, planes of a tile).
        source: (B, x, y, z, C). Planes beyond it are 0.
        tiles: what to sum.
        sums: (POINTS, tiles, y, z, C), or those of the frame.
        before: planes that the tile has in front of its first.
        frame: (planes of a tile, larger y, larger z, C) of zeros, into which planes are laid first.
        margin: voxels of the frame in front of them, along y and along z.
    """
    length, y, z = source.shape[1:4]
    for number, (item, start) in enumerate(tiles):
        first = start - before
        low, high = max(first, 0), min(first + matrix.shape[1], length)
        planes = source[item, low:high]
        if frame is not None:
            frame[: high - low, margin : margin + y, margin : margin + z] = planes
            planes = frame[: high - low]
        columns = matrix[:, low - first : high - first]
        torch.mm(columns, planes.flatten(1), out=sums[:, number].flatten(1))
