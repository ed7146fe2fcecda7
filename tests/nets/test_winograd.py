"""Winograd's convolutions against torch's own, which go by the definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from hcnet.nets import winograd
from hcnet.nets.winograd import convolve, pays, weight_gradient


def _pair(channels: int, outputs: int, shape: tuple[int, ...], batch: int = 1) -> list[Tensor]:
    torch.manual_seed(sum(shape))
    return [
        torch.randn(batch, channels, *shape, dtype=torch.float64),
        torch.randn(outputs, channels, 3, 3, 3, dtype=torch.float64),
        torch.randn(outputs, dtype=torch.float64),
    ]


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(*[st.integers(1, 11)] * 3),
    channels=st.integers(1, 4),
    outputs=st.integers(1, 4),
    batch=st.integers(1, 3),
    tiles=st.integers(1, 4),
)
def test_equals_the_definition(
    shape: tuple[int, ...], channels: int, outputs: int, batch: int, tiles: int
) -> None:
    image, weight, bias = _pair(channels, outputs, shape, batch)
    gradient = torch.randn(batch, outputs, *shape, dtype=torch.float64)
    plane = channels * shape[1] * shape[2] * 8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_BUFFER", tiles * winograd.POINTS * plane)
        found = convolve(image, weight, bias)
        to_itself = convolve(image.clone(), weight, bias, overwrite=True)
        to_weight = weight_gradient(image, gradient)
    torch.testing.assert_close(found, F.conv3d(image, weight, bias, padding=1))
    assert torch.equal(to_itself, found)
    if shape[0] > 2:
        between = convolve(image, weight, bias, between=True)
        torch.testing.assert_close(between, found[:, :, 1:-1])
    expected = torch.nn.grad.conv3d_weight(image, weight.shape, gradient, padding=1)
    torch.testing.assert_close(to_weight, expected)


@pytest.mark.parametrize(
    ("channels", "outputs", "shape", "batch"),
    [
        (1, 16, (96, 96, 96), 1),  # narrow
        (16, 1, (96, 96, 96), 1),
        (64, 64, (2, 80, 80), 2),  # too few planes
        (64, 64, (5, 80, 80), 2),
        (512, 512, (6, 6, 6), 2),  # small planes
        (16, 16, (16, 16, 16), 1),  # little to do
    ],
)
def test_where_it_does_not_pay_it_is_not_taken(
    channels: int, outputs: int, shape: tuple[int, ...], batch: int
) -> None:
    image = torch.empty(batch, channels, *shape)
    assert not pays(image, torch.empty(outputs, channels, 3, 3, 3))


def test_it_is_for_float32_on_a_cpu() -> None:
    weight = torch.empty(64, 64, 3, 3, 3)
    assert pays(torch.empty(1, 64, 16, 32, 32), weight)
    assert not pays(torch.empty(1, 64, 16, 32, 32, device="meta"), weight)
    assert not pays(torch.empty(1, 64, 16, 32, 32, dtype=torch.float64), weight)
