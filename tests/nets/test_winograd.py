"""Winograd's convolutions against torch's own, which go by the definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.nets import winograd
from hcnet.nets.folding import fold_norms
from hcnet.nets.winograd import WinogradConv3d, convolve, weight_gradient


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
    expected = torch.nn.grad.conv3d_weight(image, weight.shape, gradient, padding=1)
    torch.testing.assert_close(to_weight, expected)


def test_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_pays", lambda *_: True)
    conv = WinogradConv3d(2, 3).double()
    image = _pair(2, 3, (5, 3, 4), batch=2)[0].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda leaf, *_: conv(leaf), (image, *conv.parameters()), fast_mode=True
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_float32_stays_within_a_few_digits(layout: torch.memory_format) -> None:
    """Large enough that the layer goes this way by itself."""
    torch.manual_seed(0)
    conv = WinogradConv3d(32, 16)
    plain = nn.Conv3d(32, 16, 3, padding=1)
    plain.load_state_dict(conv.state_dict())
    image = torch.randn(2, 32, 18, 32, 40).contiguous(memory_format=layout)
    assert winograd._pays(image, conv.weight)
    results = []
    for layer in (conv, plain):
        leaf = image.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        output = layer(leaf)
        weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
        results.append([output, *torch.autograd.grad(output, [leaf, *layer.parameters()], weights)])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
    assert results[0][0].is_contiguous(memory_format=torch.channels_last_3d)


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
def test_where_it_does_not_pay_the_layer_goes_torchs_way(
    channels: int, outputs: int, shape: tuple[int, ...], batch: int
) -> None:
    image = torch.empty(batch, channels, *shape)
    assert not winograd._pays(image, torch.empty(outputs, channels, 3, 3, 3))


def test_other_numbers_go_torchs_way() -> None:
    weight = torch.empty(64, 64, 3, 3, 3)
    assert winograd._pays(torch.empty(1, 64, 16, 32, 32), weight)
    assert not winograd._pays(torch.empty(1, 64, 16, 32, 32, device="meta"), weight)
    assert not winograd._pays(torch.empty(1, 64, 16, 32, 32, dtype=torch.float64), weight)


def test_autocast_holds() -> None:
    conv, image = WinogradConv3d(32, 32), torch.randn(1, 32, 16, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = conv(image)
    assert reduced.dtype == torch.bfloat16
    torch.testing.assert_close(reduced.float(), conv(image), atol=0.05, rtol=0.05)


def test_a_prediction_may_overwrite_its_input() -> None:
    torch.manual_seed(0)
    conv = WinogradConv3d(16, 16, inplace=True)
    image = torch.randn(1, 16, 24, 64, 64).contiguous(memory_format=torch.channels_last_3d)
    kept = image.clone()
    expected = conv(image)
    assert torch.equal(image, kept)
    with torch.inference_mode():
        found = conv(image)
    assert found.data_ptr() == image.data_ptr()
    assert torch.equal(found, expected)


def test_parameters_are_those_of_torchs_layer() -> None:
    torch.manual_seed(3)
    ours = WinogradConv3d(4, 5)
    torch.manual_seed(3)
    theirs = nn.Conv3d(4, 5, 3, padding=1)
    assert [name for name, _ in ours.named_parameters()] == ["weight", "bias"]
    for mine, torchs in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, torchs)
    assert WinogradConv3d(4, 5, bias=False).bias is None


def test_a_folded_norm_becomes_its_bias() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(WinogradConv3d(16, 16, bias=False), nn.BatchNorm3d(16))
    block(torch.randn(2, 16, 8, 8, 8))
    image = torch.randn(1, 16, 24, 64, 64)
    before = block.eval()(image)
    folded = fold_norms(block)
    assert isinstance(folded[0], WinogradConv3d)
    torch.testing.assert_close(folded(image), before, atol=1e-5, rtol=1e-5)
