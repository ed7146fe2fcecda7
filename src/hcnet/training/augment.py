"""Augmentation of training patches: draw what changes, then do only that.

Spatial changes act on every array of a patch alike; intensity changes on the image only. The patch
is read once, from a view of its memory map, and written once, to its place in a batch; what a draw
left alone costs nothing. Each change is the same function of what was drawn as MONAI's transform of
that name (RandFlip, RandRotate, RandScaleIntensity, RandShiftIntensity, RandAdjustContrast,
RandBiasField, RandGaussianNoise), which the tests hold it against.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hcnet.settings import AugmentSettings

IMAGE = "image"
LABELS = frozenset({"tumour", "labels"})

GAIN, OFFSET = 0.2, 0.2
GAMMA = (0.7, 1.4)
NOISE = 0.1
BIAS = 0.15
TERMS = np.array([(i, j, k) for i in range(3) for j in range(3 - i) for k in range(3 - i - j)])
"""Degrees along x, y and z of the Legendre products that a bias field is made of."""

_SMALLEST_RANGE = 1e-7


@dataclass(frozen=True)
class Changes:
    """What was drawn for one patch; the defaults change nothing.

    Attributes:
        flip: left-right (x) and head-foot (z).
        angles: of the rotation about x, y and z, radians.
        gain: factor of the image.
        offset: added to the image after that.
        gamma: exponent of the image scaled to 0..1.
        bias: (10,) coefficients of `TERMS`: the logarithm of the bias field.
        noise: standard deviation of Gaussian noise.
        noise_seed: of that noise.
    """

    flip: tuple[bool, bool] = (False, False)
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gain: float = 1.0
    offset: float = 0.0
    gamma: float = 1.0
    bias: NDArray[np.float64] | None = None
    noise: float = 0.0
    noise_seed: int = 0


class Augment:
    """Random changes of patches.

    Args:
        settings: probabilities and ranges.
        spacing_mm: of the prepared grid. A rotation about an axis mixes the other two, so it is
            done only where those two have the same spacing.
    """

    def __init__(self, settings: AugmentSettings, spacing_mm: tuple[float, ...]) -> None:
        self.settings = settings
        angle = float(np.deg2rad(settings.rotate_degrees))
        self._largest = [angle if _alike(spacing_mm, axis) else 0.0 for axis in range(3)]

    def draw(self, rng: np.random.Generator) -> Changes:
        """Draw the changes of one patch."""
        settings = self.settings

        def happens(probability: float) -> bool:
            return bool(rng.random() < probability)

        # Left-right and head-foot mirror images are plausible breasts; front-back ones are not.
        flip = (happens(settings.flip), happens(settings.flip))
        turns = happens(settings.rotate)
        x, y, z = (rng.uniform(-a, a) if turns else 0.0 for a in self._largest)
        return Changes(
            flip,
            (x, y, z),
            gain=1 + rng.uniform(-GAIN, GAIN) if happens(settings.intensity) else 1.0,
            offset=rng.uniform(-OFFSET, OFFSET) if happens(settings.intensity) else 0.0,
            gamma=rng.uniform(*GAMMA) if happens(settings.gamma) else 1.0,
            bias=rng.uniform(0, BIAS, len(TERMS)) if happens(settings.bias_field) else None,
            noise=rng.uniform(0, NOISE) if happens(settings.noise) else 0.0,
            noise_seed=int(rng.integers(2**63)),
        )


def apply(changes: Changes, patch: Mapping[str, Tensor], out: Mapping[str, Tensor]) -> None:
    """Write a changed patch.

    Args:
        changes: what to do.
        patch: (C, x, y, z) tensors of any type, views of memory maps among them; only read.
        out: where each goes: its size; float32, or the type of a label array.
    """
    if any(changes.angles):
        _rotate(changes, patch, out)
    else:
        axes = [1 + axis for axis, flips in zip((0, 2), changes.flip, strict=True) if flips]
        for key, array in patch.items():
            out[key].copy_(_flipped(array, axes))
    if IMAGE in out:
        _change_intensity(changes, out[IMAGE])


def _flipped(array: Tensor, axes: list[int]) -> Tensor:
    if array.dtype == torch.float16 and axes:  # as bytes: torch mirrors integers 1.7 times faster
        return array.view(torch.int16).flip(axes).view(torch.float16)
    return array.flip(axes) if axes else array


def _rotate(changes: Changes, patch: Mapping[str, Tensor], out: Mapping[str, Tensor]) -> None:
    """Mirror and rotate about the patch's centre; beyond its border the nearest voxel is repeated.

    Soft arrays are interpolated in one call, labels take the nearest voxel.
    """
    x, y, z = changes.angles
    mirror = np.diag([-1.0 if changes.flip[0] else 1.0, 1.0, -1.0 if changes.flip[1] else 1.0])
    matrix = mirror @ _about(0, x) @ _about(1, y) @ _about(2, z)
    sample = _in_planes if np.count_nonzero(changes.angles) == 1 else _in_space
    soft = [key for key in patch if key not in LABELS]
    hard = [key for key in patch if key in LABELS]
    for keys, mode in ((soft, "bilinear"), (hard, "nearest")):
        if keys:
            stack = torch.cat([patch[key].float() for key in keys])
            turned = sample(stack, matrix, mode).split([len(patch[key]) for key in keys])
            for key, part in zip(keys, turned, strict=True):
                out[key].copy_(part)


def _in_space(stack: Tensor, matrix: NDArray[np.float64], mode: str) -> Tensor:
    """Sample (C, x, y, z) where `matrix` sends each voxel, counted from the centre."""
    grid = F.affine_grid(_theta(matrix, stack.shape[1:]), [1, 1, *stack.shape[1:]], False)
    return F.grid_sample(stack[None], grid, mode, "border", False)[0]


def _in_planes(stack: Tensor, matrix: NDArray[np.float64], mode: str) -> Tensor:
    """`_in_space` for a rotation about one axis: plane by plane, with half of the work."""
    axis = int(np.argmax(np.abs(np.diag(matrix))))
    others = [other for other in range(3) if other != axis]
    planes = stack.movedim(1 + axis, 1)
    if matrix[axis, axis] < 0:
        planes = planes.flip(1)
    images = planes.flatten(0, 1)[:, None]
    shape = images.shape[2:]
    grid = F.affine_grid(_theta(matrix[np.ix_(others, others)], shape), [1, 1, *shape], False)
    turned = F.grid_sample(images, grid.expand(len(images), -1, -1, -1), mode, "border", False)
    return turned.view(planes.shape).movedim(1, 1 + axis)


def _theta(matrix: NDArray[np.float64], shape: torch.Size) -> Tensor:
    """A matrix as `affine_grid` wants it: axes in reverse order, each from -1 to 1."""
    size = np.array(shape, float)
    scaled = (matrix * size[None, :] / size[:, None])[::-1, ::-1]
    return torch.from_numpy(np.pad(scaled, ((0, 0), (0, 1)))).float()[None]


def _about(axis: int, angle: float) -> NDArray[np.float64]:
    """Rotation matrix about an axis."""
    first, second = (i for i in range(3) if i != axis)
    matrix = np.eye(3)
    sine = np.sin(angle) * (-1 if axis == 1 else 1)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def _change_intensity(changes: Changes, image: Tensor) -> None:
    """Change a float32 image (C, x, y, z) in place."""
    if changes.gain != 1:
        image.mul_(changes.gain)
    if changes.offset:
        image.add_(changes.offset)
    if changes.gamma != 1:
        lowest, highest = (float(value) for value in image.aminmax())
        span = highest - lowest
        image.sub_(lowest).div_(span + _SMALLEST_RANGE)
        image.log_().mul_(changes.gamma).exp_()  # a third of the time of pow
        image.mul_(span).add_(lowest)
    if changes.bias is not None:
        image.mul_(_log_field(changes.bias, image.shape[1:]).exp_())
    if changes.noise:
        generator = torch.Generator().manual_seed(changes.noise_seed)
        image.add_(torch.empty_like(image).normal_(generator=generator), alpha=changes.noise)


def _log_field(coefficients: NDArray[np.float64], shape: torch.Size) -> Tensor:
    """Sum of products of Legendre polynomials over -1..1 along each axis, (x, y, z) float32."""
    x, y, z = (np.polynomial.legendre.legvander(np.linspace(-1, 1, size), 2) for size in shape)
    cube = np.zeros((3, 3, 3))
    cube[tuple(TERMS.T)] = coefficients
    plane = np.einsum("ijk,xi,yj->xyk", cube, x, y).astype(np.float32)
    # No matrix product: those of torch round differently with the number of threads.
    return torch.from_numpy(np.einsum("xyk,zk->xyz", plane, z.astype(np.float32)))


def _alike(spacing_mm: tuple[float, ...], axis: int) -> bool:
    first, second = (s for i, s in enumerate(spacing_mm) if i != axis)
    return abs(first - second) <= 0.05 * max(first, second)
