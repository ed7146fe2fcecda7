"""What every network of the registry must do."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hcnet.nets.losses import dice_loss, segmentation_loss
from hcnet.nets.registry import build_network, count_parameters, network_names
from network_cases import SMALL, network_inputs, small_network

LOSS_ALONE = ("decoder_head.", "prototype_head.")
"""Heads of PLMN that its loss trains and its output does not need."""
BY_NAME = pytest.mark.parametrize("name", list(SMALL))


def test_every_network_is_tested() -> None:
    assert sorted(SMALL) == network_names()


def _learning(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    named = network.named_parameters()
    return [(label, p) for label, p in named if not label.startswith(LOSS_ALONE)]


@pytest.mark.parametrize(
    ("name", "in_channels", "out_channels", "options", "million"),
    [
        # Counted on models built from the public code of the group and of the UX-Net authors.
        ("resunet", 1, 1, {}, 11.16),
        ("resunet", 1, 1, {"width": 8}, 2.79),
        ("uxnet", 1, 14, {}, 53.01),
        ("uxnet", 1, 14, {"dims": [16, 32, 64, 128], "hidden": 128}, 4.07),
    ],
)
def test_parameter_counts(
    name: str, in_channels: int, out_channels: int, options: dict[str, object], million: float
) -> None:
    network = build_network(name, in_channels, out_channels, options)
    assert count_parameters(network) / 1e6 == pytest.approx(million, rel=0.002)


@BY_NAME
@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 5, 33), (16, 48, 40)])
def test_any_size_one_item_in_training(name: str, shape: tuple[int, int, int]) -> None:
    logits = small_network(name).train()(*network_inputs(name, shape, batch=1))
    assert logits.shape == (1, 1, *shape)
    assert logits.isfinite().all()


@BY_NAME
def test_output_is_logits(name: str) -> None:
    logits = small_network(name)(*network_inputs(name, (24, 20, 20)))
    assert logits.min() < 0  # a sigmoid or softmax has no negative values


@BY_NAME
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 48, 48)])
def test_gradients_reach_every_parameter(
    name: str, precision: str, shape: tuple[int, int, int]
) -> None:
    network = small_network(name).train().to(memory_format=torch.channels_last_3d)
    inputs = network_inputs(name, shape)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        logits = network(*inputs)
    generator = torch.Generator().manual_seed(3)
    (logits.float() * torch.randn(logits.shape, generator=generator)).mean().backward()
    for label, parameter in _learning(network):
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.abs().max() > 0, label


# At fresh weights, rounding alone turns the gradients of ALMN and DMFNet round; their own tests set
# bfloat16 against that.
@pytest.mark.parametrize("name", [name for name in SMALL if name not in {"almn", "dmfnet"}])
@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 48, 48)])
def test_bfloat16_gradients_point_where_float32_ones_do(
    name: str, shape: tuple[int, int, int]
) -> None:
    # Thin maps deep in the network are where oneDNN's bfloat16 convolutions are wrong.
    network = small_network(name).train().to(memory_format=torch.channels_last_3d)
    for label, parameter in network.named_parameters():
        if label.endswith("scale"):
            nn.init.constant_(parameter, 0.5)  # lets the large-kernel branch be seen
    inputs = network_inputs(name, shape)
    gradients = []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = network(*inputs)
        (logits.float() * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
        # One weight to a channel before a norm has no gradient but rounding: the norm undoes it.
        weights = [
            parameter
            for label, parameter in _learning(network)
            if label.endswith("weight") and parameter.ndim == 5 and parameter[0].numel() > 1
        ]
        gradients.append([weight.grad.clone() for weight in weights])
    norm = torch.stack([g.norm() for g in gradients[0]]).max()
    for exact, reduced in zip(*gradients, strict=True):
        assert (reduced - exact).norm() < 0.3 * exact.norm() + 0.01 * norm


@BY_NAME
def test_learns_one_case(name: str) -> None:
    network = small_network(name).train().to(memory_format=torch.channels_last_3d)
    side = 16 if name in {"almn", "mhl", "zhang"} else 24  # these are slow for their size
    inputs = network_inputs(name, (side, side, side), batch=1)
    truth = torch.zeros(1, 1, side, side, side)
    truth[..., 6:16, 8:18, 4:14] = 1
    inputs[0].mul_(0.5).add_(truth[:, :1])  # brighter there
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    errors = []
    for _ in range(25):
        optimiser.zero_grad()
        logits = network(*inputs)
        segmentation_loss(logits, truth)["loss"].backward()
        optimiser.step()
        errors.append(float(dice_loss((logits.detach() > 0).float(), truth)))
    assert errors[0] > 0.6
    assert min(errors[-5:]) < 0.3


@BY_NAME
def test_weights_survive_safetensors(name: str, tmp_path: Path) -> None:
    network = small_network(name)
    inputs = network_inputs(name, (20, 20, 20))
    network.train()(*inputs)  # moves the running statistics away from their start
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, tmp_path / "w")
    other = small_network(name, seed=9)
    other.load_state_dict(load_file(tmp_path / "w"))
    with torch.no_grad():
        assert torch.equal(other.eval()(*inputs), network.eval()(*inputs))


@BY_NAME
def test_layout_does_not_matter(name: str) -> None:
    network = small_network(name).eval()
    inputs = network_inputs(name, (20, 32, 24))
    with torch.no_grad():
        first = network(*inputs)
        network.to(memory_format=torch.channels_last_3d)
        last = network(*(t.contiguous(memory_format=torch.channels_last_3d) for t in inputs))
    torch.testing.assert_close(first, last, atol=1e-4, rtol=1e-4)


@BY_NAME
def test_items_of_a_batch_are_independent_in_evaluation(name: str) -> None:
    network = small_network(name).eval()
    inputs = network_inputs(name, (32, 32, 32))
    with torch.no_grad():
        together = network(*inputs)
        alone = torch.cat([network(*(t[i : i + 1] for t in inputs)) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
