"""1x1x1 convolutions as matrix products against torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hcnet.nets import pointwise
from hcnet.nets.pointwise import PointwiseConv3d


def _results(convolve, image: torch.Tensor, conv: nn.Conv3d) -> list[torch.Tensor]:
    leaf = image.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    output = convolve(leaf)
    gradient = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return [output.detach(), *torch.autograd.grad(output, [leaf, *conv.parameters()], gradient)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(
    ("channels", "groups"), [((5, 3), 1), ((4, 16), 4), ((16, 4), 4), ((6, 9), 3)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_equals_torch(
    channels: tuple[int, int], groups: int, bias: bool, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    conv = PointwiseConv3d(*channels, groups=groups, bias=bias).double()
    image = torch.randn(2, channels[0], 3, 4, 5, dtype=torch.float64)
    image = image.contiguous(memory_format=layout)

    def reference(leaf: torch.Tensor) -> torch.Tensor:
        return F.conv3d(leaf, conv.weight, conv.bias, groups=groups)

    for ours, theirs in zip(
        _results(conv, image, conv), _results(reference, image, conv), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_parts_of_some_channels_add_up(groups: int) -> None:
    conv, image = PointwiseConv3d(6, 4, groups=groups, bias=False), torch.randn(1, 6, 3, 4, 5)
    first, rest = slice(0, 2), slice(2, None)
    found = conv.part(image[:, first], first) + conv.part(image[:, rest], rest)
    torch.testing.assert_close(found, conv(image))


@pytest.mark.parametrize("groups", [1, 2])
def test_channels_last_stays_and_autocast_holds(groups: int) -> None:
    conv = PointwiseConv3d(4, 6, groups=groups)
    image = torch.randn(2, 4, 3, 4, 5).contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = conv(image)
    assert reduced.dtype == torch.bfloat16
    assert reduced.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(reduced.float(), conv(image), atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("channels", "overwrites"), [((6, 3), True), ((4, 4), True), ((3, 6), False)]
)
def test_a_prediction_may_overwrite_its_input(
    channels: tuple[int, int], overwrites: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointwise, "_ROWS", 7)
    conv = PointwiseConv3d(*channels, inplace=True)
    image = torch.randn(2, channels[0], 3, 4, 5).contiguous(memory_format=torch.channels_last_3d)
    expected = conv(image)
    with torch.inference_mode():
        found = conv(image)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    assert (found.data_ptr() == image.data_ptr()) == overwrites
