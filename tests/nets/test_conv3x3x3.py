"""The layer of all networks against torch's, whichever way it goes."""

import pytest
import torch
from torch import Tensor, nn

from hcnet.nets import single_channel, winograd
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.folding import fold_norms


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(
    ("channels", "outputs", "way"),
    [(32, 16, "winograd"), (1, 16, "single"), (16, 1, "single"), (1, 4, "torch"), (3, 16, "torch")],
)
def test_float32_stays_within_a_few_digits(
    channels: int, outputs: int, way: str, layout: torch.memory_format
) -> None:
    """Large enough that the layer goes these ways by itself."""
    torch.manual_seed(0)
    conv = Conv3x3x3(channels, outputs)
    plain = nn.Conv3d(channels, outputs, 3, padding=1)
    plain.load_state_dict(conv.state_dict())
    image = torch.randn(2, channels, 21, 40, 48).contiguous(memory_format=layout)
    assert winograd.pays(image, conv.weight) == (way == "winograd")
    alone = [
        single_channel.pays(image, *pair) for pair in ((channels, outputs), (outputs, channels))
    ]
    assert any(alone) == (way == "single")
    results = [_output_and_gradients(layer, image) for layer in (conv, plain)]
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
    if way == "winograd":
        assert results[0][0].is_contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        torch.testing.assert_close(conv(image), results[0][0])


def _output_and_gradients(layer: nn.Conv3d, image: Tensor) -> list[Tensor]:
    leaf = image.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    output = layer(leaf)
    weights = torch.rand(output.shape, generator=torch.Generator().manual_seed(1))
    return [output, *torch.autograd.grad(output, [leaf, *layer.parameters()], weights)]


@pytest.mark.parametrize(
    ("way", "channels", "outputs"),
    [(winograd, 2, 3), (single_channel, 1, 3), (single_channel, 2, 1)],
)
def test_gradients(
    way: object, channels: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way, "pays", lambda _, *others: way is winograd or others[0] == 1)
    conv = Conv3x3x3(channels, outputs).double()
    image = torch.randn(2, channels, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda leaf, *_: conv(leaf), (image, *conv.parameters()), fast_mode=True
    )


def test_autocast_holds() -> None:
    conv, image = Conv3x3x3(32, 32), torch.randn(1, 32, 16, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = conv(image)
    assert reduced.dtype == torch.bfloat16
    torch.testing.assert_close(reduced.float(), conv(image), atol=0.05, rtol=0.05)


def test_a_prediction_may_overwrite_its_input() -> None:
    torch.manual_seed(0)
    conv = Conv3x3x3(16, 16, inplace=True)
    image = torch.randn(1, 16, 24, 64, 64).contiguous(memory_format=torch.channels_last_3d)
    kept = image.clone()
    expected = conv(image)
    assert torch.equal(image, kept)
    with torch.inference_mode():
        found = conv(image)
    assert found.data_ptr() == image.data_ptr()
    assert torch.equal(found, expected)


def test_the_planes_between_and_some_channels() -> None:
    """As in the whole, by Winograd's convolutions and, of thin parts, by torch's."""
    torch.manual_seed(0)
    conv, image = Conv3x3x3(32, 16, bias=False), torch.randn(1, 32, 24, 64, 64)
    assert winograd.pays(image[:, 16:], conv.weight[:, 16:])
    whole = conv(image)
    found = conv.between(image[:, :16], slice(0, 16)) + conv.between(image[:, 16:], slice(16, None))
    assert not found.requires_grad
    torch.testing.assert_close(found, whole[:, :, 1:-1], atol=1e-5, rtol=1e-5)
    thin = image[:, :, 3:6]
    assert not winograd.pays(thin, conv.weight)
    torch.testing.assert_close(conv.between(thin), whole[:, :, 4:5], atol=1e-5, rtol=1e-5)


def test_parameters_are_those_of_torchs_layer() -> None:
    torch.manual_seed(3)
    ours = Conv3x3x3(4, 5)
    torch.manual_seed(3)
    theirs = nn.Conv3d(4, 5, 3, padding=1)
    assert [name for name, _ in ours.named_parameters()] == ["weight", "bias"]
    for mine, torchs in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, torchs)
    assert Conv3x3x3(4, 5, bias=False).bias is None


def test_a_folded_norm_becomes_its_bias() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(Conv3x3x3(16, 16, bias=False), nn.BatchNorm3d(16))
    block(torch.randn(2, 16, 8, 8, 8))
    image = torch.randn(1, 16, 24, 64, 64)
    before = block.eval()(image)
    folded = fold_norms(block)
    assert isinstance(folded[0], Conv3x3x3)
    torch.testing.assert_close(folded(image), before, atol=1e-5, rtol=1e-5)
