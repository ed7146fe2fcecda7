"""Padding to a halvable size, and the guard against wrong bfloat16 kernels."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hcnet.nets.blocks import apply_safely, crop_like, join, pad_for_encoder, padded_shape

SIZES = st.tuples(*(st.integers(1, 100),) * 3)


@given(SIZES)
def test_padded_shape_holds_the_shape_and_halves_four_times(shape: tuple[int, int, int]) -> None:
    padded = padded_shape(shape)
    assert all(new >= old and new % 16 == 0 for new, old in zip(padded, shape, strict=True))
    deep = [size // 16 for size in padded]
    assert deep[0] * deep[1] * deep[2] >= 8
    assert padded_shape(padded) == padded


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16, 16, 16), (32, 32, 32)),
        ((24, 64, 64), (32, 64, 64)),
        ((16, 80, 80), (16, 80, 80)),
        ((1, 17, 33), (32, 32, 48)),
    ],
)
def test_padded_shape_known(shape: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    assert padded_shape(shape) == expected


def test_padding_repeats_the_edge_and_crops_back() -> None:
    image = torch.arange(5 * 6 * 7.0).reshape(1, 1, 5, 6, 7)
    padded = pad_for_encoder(image)
    assert torch.equal(crop_like(padded, image), image)
    assert padded[0, 0, -1, -1, -1] == image[0, 0, -1, -1, -1]
    assert padded[0, 0, 2, -1, 3] == image[0, 0, 2, -1, 3]


def test_padding_keeps_the_layout() -> None:
    image = torch.zeros(2, 3, 20, 20, 20).contiguous(memory_format=torch.channels_last_3d)
    assert pad_for_encoder(image).is_contiguous(memory_format=torch.channels_last_3d)


def test_thin_maps_leave_bfloat16() -> None:
    block = torch.nn.Conv3d(2, 2, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        thin = apply_safely(block, torch.zeros(1, 2, 2, 5, 5, dtype=torch.bfloat16))
        thick = apply_safely(block, torch.zeros(1, 2, 3, 5, 5))
    assert thin.dtype == torch.float32
    assert thick.dtype == torch.bfloat16


def test_double_precision_stays_double() -> None:
    block = torch.nn.Conv3d(1, 1, 1).double()
    assert apply_safely(block, torch.zeros(1, 1, 2, 2, 2).double()).dtype == torch.float64


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_join_is_a_concatenation_with_dense_gradients(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    parts = [
        torch.randn(2, channels, 3, 4, 5).contiguous(memory_format=layout).requires_grad_()
        for channels in (2, 5)
    ]
    joined = join(*parts)
    assert torch.equal(joined, torch.cat(parts, dim=1))
    weights = torch.randn_like(joined)
    ours = torch.autograd.grad(joined, parts, weights)
    theirs = torch.autograd.grad(torch.cat(parts, dim=1), parts, weights)
    for mine, yours in zip(ours, theirs, strict=True):
        assert torch.equal(mine, yours)
        assert mine.is_contiguous(memory_format=layout)


def test_join_gives_each_part_a_gradient_of_its_own_type() -> None:
    parts = [torch.ones(1, 2, 3, 3, 3, dtype=kind) for kind in (torch.bfloat16, torch.float32)]
    leaves = [part.requires_grad_() for part in parts]
    joined = join(*leaves)
    assert joined.dtype == torch.float32
    assert [g.dtype for g in torch.autograd.grad(joined.sum(), leaves)] == [
        torch.bfloat16,
        torch.float32,
    ]
