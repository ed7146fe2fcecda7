"""Affinity refinement (Zhou et al., Pattern Recognition 2022 [24]): like neighbours share a mask.

A voxel's affinity to each of its 26 neighbours falls with the difference of their features,
measured in local standard deviations; a mask then takes over, again and again, what its like
neighbours have. All of it is computed in float32.
"""

from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

NEIGHBOURS = tuple(offset for offset in product((0, 1, 2), repeat=3) if offset != (1, 1, 1))
"""Where the 26 neighbours of a voxel begin in a volume that is padded by one voxel."""

TEMPERATURE = 0.1
"""Local standard deviations at which the weight of a neighbour has fallen by a factor e."""

SMALLEST_DEVIATION = 1e-8


def neighbour_affinity(features: Tensor) -> Tensor:
    """How much each voxel takes from each of its 26 neighbours.

    softmax over j of the channels' mean of -|x_i - x_j| / (0.1 sigma_i), sigma_i the standard
    deviation of the 27 voxels around i. Volumes are continued by repeating their edge voxels.

    Only one neighbour's differences are in memory at a time; a backward pass computes them anew.

    Args:
        features: (B, C, x, y, z), an image or learned features.

    Returns:
        (B, 26, x, y, z), in the order of `NEIGHBOURS`; the 26 add up to one.
    """
    features = features.float()
    padded = _pad(features)
    deviation = _checkpointed(_deviation, features, padded)
    distances = [
        _checkpointed(_distance, features, neighbour, deviation)
        for neighbour in _neighbours(padded)
    ]
    return torch.cat(distances, dim=1).neg().softmax(dim=1)


def refine(probabilities: Tensor, affinity: Tensor, iterations: int) -> Tensor:
    """Let probabilities spread: p_i becomes max(p_i, sum over j of affinity_ij p_j), repeatedly.

    Args:
        probabilities: (B, C, x, y, z), between 0 and 1.
        affinity: (B, 26, x, y, z), see `neighbour_affinity`.
        iterations: how often; as many voxels wide can a probability travel.

    Returns:
        (B, C, x, y, z), between 0 and 1 and nowhere below `probabilities`.
    """
    probabilities = probabilities.float()
    weights = affinity.split(1, dim=1)
    for _ in range(iterations):
        spread = torch.zeros_like(probabilities)
        for weight, neighbour in zip(weights, _neighbours(_pad(probabilities)), strict=True):
            spread = torch.addcmul(spread, weight, neighbour)
        probabilities = torch.maximum(probabilities, spread)
    return clamp_straight(probabilities, 0.0, 1.0)  # the weights' sum rounds


def clamp_straight(values: Tensor, low: float, high: float) -> Tensor:
    """Clamp with the gradient of the identity: a value beyond the range can learn to come back."""
    return values + (values.clamp(low, high) - values).detach()


def _pad(volume: Tensor) -> Tensor:
    return F.pad(volume, (1, 1, 1, 1, 1, 1), mode="replicate")


def _neighbours(padded: Tensor) -> Iterator[Tensor]:
    """The volume as its 26 neighbours see it: views, in the order of `NEIGHBOURS`."""
    x, y, z = (size - 2 for size in padded.shape[2:])
    for i, j, k in NEIGHBOURS:
        yield padded[:, :, i : i + x, j : j + y, k : k + z]


def _deviation(features: Tensor, padded: Tensor) -> Tensor:
    """Standard deviation of the 27 voxels around each.

    Of their differences to the middle one, which is the same, loses no digits far from zero, and is
    exactly zero where all are alike.
    """
    total = torch.zeros_like(features)
    squares = torch.zeros_like(features)
    for neighbour in _neighbours(padded):
        difference = neighbour - features
        total = total + difference
        squares = squares + difference.square()
    count = len(NEIGHBOURS) + 1
    variance = (squares - total.square() / count) / (count - 1)
    return variance.clamp_min(SMALLEST_DEVIATION**2).sqrt()


def _distance(features: Tensor, neighbour: Tensor, deviation: Tensor) -> Tensor:
    """(B, 1, x, y, z): difference in temperatures, the mean of the channels."""
    return ((features - neighbour).abs() / (TEMPERATURE * deviation)).mean(dim=1, keepdim=True)


def _checkpointed(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    result: Tensor = checkpoint(function, *tensors, use_reentrant=False, preserve_rng_state=False)
    return result
