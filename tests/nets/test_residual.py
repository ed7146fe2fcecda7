"""The decoder's blocks against MONAI's, with the same parameters by name."""

import pytest
import torch
from monai.networks.blocks.unetr_block import UnetrBasicBlock, UnetrUpBlock

from hcnet.nets import winograd
from hcnet.nets.residual import UnetrBlock, UnetrUp


def image(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(shape, generator=generator)
    return drawn.contiguous(memory_format=torch.channels_last_3d)


def gradients(module: torch.nn.Module, found: torch.Tensor) -> dict[str, torch.Tensor]:
    module.zero_grad()
    (found * torch.linspace(-1, 1, found.numel()).view(found.shape)).sum().backward()
    return {name: each.grad for name, each in module.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("before", [3, 4])
def test_a_block_is_monais(before: int) -> None:
    torch.manual_seed(1)
    ours = UnetrBlock(before, 4)
    torch.manual_seed(1)
    theirs = UnetrBasicBlock(3, before, 4, 3, 1, "instance", res_block=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for drawn, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(drawn, expected)
    features = image(2, before, 6, 5, 7)
    found, expected = ours(features), theirs(features)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        gradients(ours, found), gradients(theirs, expected), atol=1e-3, rtol=1e-4
    )


def test_a_step_up_is_monais() -> None:
    torch.manual_seed(1)
    ours = UnetrUp(6, 4)
    torch.manual_seed(1)
    theirs = UnetrUpBlock(3, 6, 4, 3, 2, "instance", res_block=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    features, skip = image(1, 6, 3, 4, 2), image(1, 4, 6, 8, 4)
    found, expected = ours(features, skip), theirs(features, skip)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        gradients(ours, found), gradients(theirs, expected), atol=1e-3, rtol=1e-4
    )


@pytest.mark.parametrize("before", [3, 4])
def test_a_prediction_is_the_same_and_leaves_its_input(before: int) -> None:
    block, features = UnetrBlock(before, 4), image(2, before, 6, 5, 7)
    kept = features.clone()
    expected = block(features)
    with torch.inference_mode():
        assert torch.equal(block(features), expected)
    assert torch.equal(features, kept)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("shape", [(18, 16, 17), (17, 16, 16), (15, 16, 16), (16, 16, 1)])
def test_a_step_up_is_the_same_in_a_prediction(
    shape: tuple[int, int, int], autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slabs, the last one shorter, and in one piece; by Winograd's convolutions, too."""
    monkeypatch.setattr(winograd, "_LEAST_WORK", 0)
    step = UnetrUp(6, 16)
    features, skip = image(1, 6, *shape), image(1, 16, *(2 * side for side in shape))
    kept = features.clone()
    with torch.autocast("cpu", enabled=autocast):
        expected = step(features, skip.clone())
        with torch.inference_mode():
            found = step(features, skip.clone())
    tolerance = 0.1 if autocast else 2e-5  # in bfloat16 the sum of both maps is rounded once more
    torch.testing.assert_close(found.float(), expected.float(), atol=tolerance, rtol=tolerance)
    assert torch.equal(features, kept)
