"""Affinity refinement: masks spread among like voxels and stop at edges."""

import pytest
import torch
from torch import Tensor

from hcnet.nets.affinity import NEIGHBOURS, clamp_straight, neighbour_affinity, refine

SIZE = 12
EDGE = 6  # the first axis is dark below it and bright from it on


def _two_tone(dark: float = 0.2, bright: float = 0.9) -> Tensor:
    image = torch.full((1, 1, SIZE, SIZE, SIZE), dark)
    image[:, :, EDGE:] = bright
    return image


def _seed(x: int, y: int = 6, z: int = 6) -> Tensor:
    mask = torch.zeros(1, 1, SIZE, SIZE, SIZE)
    mask[..., x, y, z] = 1
    return mask


def _noise(channels: int = 1, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.rand(batch, channels, 7, 6, 5, generator=generator)


def test_all_neighbours_of_a_constant_image_are_alike() -> None:
    affinity = neighbour_affinity(torch.full((2, 3, 4, 5, 6), 0.3))
    assert affinity.shape == (2, 26, 4, 5, 6)
    torch.testing.assert_close(affinity, torch.full_like(affinity, 1 / 26))


def test_affinity_of_one_voxel_is_that_of_the_formula() -> None:
    image = _noise(channels=2)
    affinity = neighbour_affinity(image)[0, :, 3, 2, 2]
    block = image[0, :, 2:5, 1:4, 1:4].reshape(2, 27)
    distance = (block - block[:, 13:14]).abs() / (0.1 * block.std(dim=1, keepdim=True))
    without_middle = torch.cat([distance[:, :13], distance[:, 14:]], dim=1)
    torch.testing.assert_close(affinity, (-without_middle.mean(dim=0)).softmax(dim=0))


def test_border_is_continued_by_repetition() -> None:
    image = _noise()
    larger = torch.nn.functional.pad(image, (1, 1, 1, 1, 1, 1), mode="replicate")
    inside = neighbour_affinity(larger)[..., 1:-1, 1:-1, 1:-1]
    torch.testing.assert_close(neighbour_affinity(image), inside)


def test_affinity_does_not_depend_on_scale_or_offset() -> None:
    image = (_noise() * 64).round() / 64  # so that the offset costs no digits
    other = 4 * image + 16
    torch.testing.assert_close(neighbour_affinity(image), neighbour_affinity(other))


def test_one_iteration_is_the_weighted_sum_of_the_neighbours() -> None:
    affinity, mask = neighbour_affinity(_noise()), _noise(batch=1).flip(2)
    total = sum(
        affinity[0, k, 3, 2, 2] * mask[0, 0, 2 + i, 1 + j, 1 + m]
        for k, (i, j, m) in enumerate(NEIGHBOURS)
    )
    expected = torch.maximum(mask[0, 0, 3, 2, 2], torch.as_tensor(total))
    torch.testing.assert_close(refine(mask, affinity, 1)[0, 0, 3, 2, 2], expected)


def test_seed_spreads_in_its_region_and_stops_at_the_edge() -> None:
    affinity = neighbour_affinity(_two_tone())
    once = refine(_seed(EDGE + 2), affinity, 1)
    inner = once[0, 0, EDGE + 1 : EDGE + 4, 5:8, 5:8].clone()
    assert inner[1, 1, 1] == 1
    inner[1, 1, 1] = 1 / 26
    torch.testing.assert_close(inner, torch.full((3, 3, 3), 1 / 26))
    assert (once > 0).sum() == 27

    at_edge = refine(_seed(EDGE), affinity, 1)  # a voxel there has 17 neighbours of its own tone
    torch.testing.assert_close(at_edge[0, 0, EDGE, 6, 7], torch.tensor(1 / 17))

    spread = refine(_seed(EDGE + 2), affinity, 10)
    assert spread[:, :, EDGE:].min() > 1e-6  # everywhere in its region
    assert spread[:, :, :EDGE].max() < 1e-7  # and nowhere else
    assert spread[0, 0, EDGE, 6, 6] > 1e5 * spread[0, 0, EDGE - 1, 6, 6]


def test_two_channels_stop_where_either_has_an_edge() -> None:
    image = torch.cat([_two_tone(), torch.full((1, 1, SIZE, SIZE, SIZE), 0.5)], dim=1)
    spread = refine(_seed(EDGE), neighbour_affinity(image), 10)
    assert spread[:, :, :EDGE].max() < 1e-3
    assert spread[:, :, EDGE:].min() > 1e-6


def test_no_iteration_changes_nothing() -> None:
    mask = _noise(batch=2)
    assert torch.equal(refine(mask, neighbour_affinity(mask), 0), mask)


def test_probabilities_never_fall_and_stay_below_one() -> None:
    mask = _noise(channels=2)
    mask[:, :, :3] = 1  # sums of weights that round to more than one must not show
    refined = refine(mask, neighbour_affinity(_noise(channels=3)), 10)
    assert refined.shape == mask.shape
    assert (refined >= mask).all()
    assert refined.max() == 1


@pytest.mark.parametrize("image", [torch.zeros(1, 2, 3, 1, 4), _two_tone()])
def test_gradients_are_finite_where_a_region_is_constant(image: Tensor) -> None:
    features = image.clone().requires_grad_()
    mask = torch.full_like(image[:, :1], 0.5).requires_grad_()
    refine(mask, neighbour_affinity(features), 2).square().sum().backward()
    assert features.grad.isfinite().all()
    assert mask.grad.isfinite().all()
    assert mask.grad.abs().max() > 0


def test_features_learn_who_is_alike() -> None:
    features = _noise(channels=2).requires_grad_()
    mask = (_noise() > 0.7).float()
    refine(mask, neighbour_affinity(features), 3).sum().backward()
    assert features.grad.abs().max() > 0


def test_affinity_is_computed_in_float32_under_autocast() -> None:
    image = _noise(channels=2)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = refine(_noise(), neighbour_affinity(image), 3)
    assert torch.equal(reduced, refine(_noise(), neighbour_affinity(image), 3))


def test_straight_clamp_cuts_the_value_and_keeps_the_gradient() -> None:
    values = torch.tensor([-0.5, 0.25, 1.7], requires_grad=True)
    cut = clamp_straight(values, 0.0, 1.0)
    assert cut.tolist() == [0.0, 0.25, 1.0]
    cut.sum().backward()
    assert values.grad.tolist() == [1.0, 1.0, 1.0]
