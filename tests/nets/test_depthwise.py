"""The hand-written backward of the depthwise convolution against torch's."""

import pytest
import torch
from torch.nn import functional as F

from hcnet.nets.depthwise import DepthwiseConv3d


def _gradients(
    convolve, image: torch.Tensor, conv: torch.nn.Conv3d, gradient: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    leaf = image.clone().requires_grad_()
    output = convolve(leaf)
    return (output.detach(), *torch.autograd.grad(output, [leaf, *conv.parameters()], gradient))


def _setting(shape: tuple[int, ...], kernel: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    conv = DepthwiseConv3d(shape[1], kernel).to(dtype)
    image = torch.randn(shape, generator=generator, dtype=dtype)
    return conv, image, torch.randn(shape, generator=generator, dtype=dtype)


def test_gradcheck() -> None:
    conv, image, _ = _setting((2, 2, 4, 3, 5), 3, torch.float64)
    weight, bias = (p.detach().requires_grad_() for p in conv.parameters())

    def function(image: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(conv, {"weight": weight, "bias": bias}, (image,))

    assert torch.autograd.gradcheck(function, (image.requires_grad_(), weight, bias))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("shape", [(2, 3, 8, 9, 10), (1, 4, 2, 3, 4), (3, 16, 7, 1, 12)])
def test_equals_torch(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    conv, image, gradient = _setting(shape, 7)
    image, gradient = (t.contiguous(memory_format=layout) for t in (image, gradient))

    def reference(leaf: torch.Tensor) -> torch.Tensor:
        return F.conv3d(leaf, conv.weight, conv.bias, padding=3, groups=shape[1])

    ours = _gradients(conv, image, conv, gradient)
    theirs = _gradients(reference, image, conv, gradient)
    for mine, yours in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, yours, atol=1e-4, rtol=1e-4)
    assert ours[1].is_contiguous(memory_format=layout)


@pytest.mark.parametrize("shape", [(2, 16, 8, 8, 8), (2, 16, 2, 4, 4), (1, 8, 4, 8, 8)])
def test_bfloat16_autocast_is_close_to_float32(shape: tuple[int, ...]) -> None:
    # The thin shapes are those where oneDNN's own bfloat16 weight gradient is wrong.
    conv, image, gradient = _setting(shape, 7)
    image = image.contiguous(memory_format=torch.channels_last_3d)
    exact = _gradients(conv, image, conv, gradient)

    def reduced(leaf: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            output = conv(leaf)
        assert output.dtype == torch.bfloat16
        return output.float()

    for mine, yours in zip(_gradients(reduced, image, conv, gradient), exact, strict=True):
        assert mine.dtype == torch.float32
        assert (mine - yours).abs().max() < 0.02 * yours.abs().max()


def test_frozen_weights_need_no_gradient() -> None:
    conv, image, gradient = _setting((1, 2, 4, 4, 4), 3)
    expected = _gradients(conv, image, conv, gradient)[1]
    conv.requires_grad_(requires_grad=False)
    leaf = image.clone().requires_grad_()
    conv(leaf).backward(gradient)
    assert torch.equal(leaf.grad, expected)
    assert conv.weight.grad is None
