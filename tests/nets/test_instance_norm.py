"""InstanceNorm against torch's own and against MONAI's default."""

import pytest
import torch
from monai.networks.layers.utils import get_norm_layer
from torch.nn import functional as F

from hcnet.nets.instance_norm import InstanceNorm


@pytest.mark.parametrize("batch", [1, 3])
def test_equals_monais_default_with_gradient(batch: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image = 5 + 3 * torch.randn(batch, 4, 5, 6, 7, generator=generator)
    gradient = torch.randn(image.shape, generator=generator)
    results = []
    for norm in (InstanceNorm(4), get_norm_layer("instance", spatial_dims=3, channels=4)):
        leaf = image.clone().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
        normalised = norm(leaf)
        normalised.backward(gradient)
        results.append((normalised, leaf.grad))
    torch.testing.assert_close(results[0][0], results[1][0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], atol=1e-5, rtol=1e-5)


def test_keeps_channels_last_and_has_no_state() -> None:
    image = torch.randn(2, 4, 5, 6, 7).contiguous(memory_format=torch.channels_last_3d)
    norm = InstanceNorm(4)
    assert norm(image).is_contiguous(memory_format=torch.channels_last_3d)
    assert norm.state_dict() == {}


def test_same_in_training_and_evaluation() -> None:
    image = torch.randn(2, 3, 4, 4, 4)
    assert torch.equal(InstanceNorm(3).train()(image), InstanceNorm(3).eval()(image))


def test_group_norm_is_the_same_function() -> None:
    image = torch.randn(2, 3, 4, 5, 6)
    torch.testing.assert_close(InstanceNorm(3)(image), F.group_norm(image, 3), atol=1e-5, rtol=1e-5)


def test_one_voxel_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        InstanceNorm(3)(torch.zeros(1, 3, 1, 1, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.channels_last_3d, torch.contiguous_format])
def test_in_place_is_the_same_to_the_last_bit(
    dtype: torch.dtype, layout: torch.memory_format
) -> None:
    image = (5 + 3 * torch.randn(2, 17, 5, 6, 7)).to(dtype).contiguous(memory_format=layout)
    expected = InstanceNorm(17)(image)
    with torch.inference_mode():
        found = InstanceNorm(17, inplace=True)(image)
    assert found.data_ptr() == image.data_ptr()
    assert torch.equal(found, expected)


def test_in_place_spares_what_a_gradient_needs() -> None:
    leaf = torch.randn(1, 3, 4, 4, 4, requires_grad=True)
    kept = leaf.detach().clone()
    InstanceNorm(3, inplace=True)(leaf).square().sum().backward()
    assert torch.equal(leaf, kept)
    assert leaf.grad is not None


def test_one_voxel_has_no_variance() -> None:
    with pytest.raises(ValueError, match="one voxel"), torch.inference_mode():
        InstanceNorm(3, inplace=True)(torch.ones(2, 3, 1, 1, 1))
