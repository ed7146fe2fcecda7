"""Convolutions of a single channel against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from hcnet.nets import single_channel
from hcnet.nets.single_channel import convolve, pays, weight_gradient


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    outputs=st.integers(1, 4),
    batch=st.integers(1, 3),
    planes=st.integers(0, 4),
)
def test_equals_the_definition(
    shape: tuple[int, int, int], outputs: int, batch: int, planes: int
) -> None:
    """Whatever the buffer holds: less than a plane, some planes or all."""
    torch.manual_seed(sum(shape))
    image = torch.randn(batch, 1, *shape, dtype=torch.float64)
    weight = torch.randn(outputs, 1, 3, 3, 3, dtype=torch.float64)
    bias = torch.randn(outputs, dtype=torch.float64)
    gradient = torch.randn(batch, outputs, *shape, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single_channel, "_BUFFER", 27 * 8 * planes * shape[1] * shape[2])
        found, without = convolve(image, weight, bias), convolve(image, weight)
        to_weight = weight_gradient(image, gradient)
    torch.testing.assert_close(found, F.conv3d(image, weight, bias, padding=1))
    torch.testing.assert_close(without, F.conv3d(image, weight, padding=1))
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    expected = torch.nn.grad.conv3d_weight(image, weight.shape, gradient, padding=1)
    torch.testing.assert_close(to_weight, expected)


def test_where_it_pays() -> None:
    large = torch.empty(1, 1, 32, 32, 32)
    assert pays(large, 1, 16)
    assert not pays(large, 2, 16)
    assert not pays(large, 1, 8)
    assert not pays(torch.empty(8, 1, 16, 16, 16), 1, 16)
    assert not pays(large.double(), 1, 16)
    assert not pays(large.to("meta"), 1, 16)
