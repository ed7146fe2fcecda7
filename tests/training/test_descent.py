"""A network on its way down a loss."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from hcnet.inference.device import Device, make_device
from hcnet.training import descent as module
from hcnet.training.descent import Descent, training_device


class Answer(NamedTuple):
    logits: Tensor
    count: int


class Two(nn.Module):
    """Answers with a named tuple, as some networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, features: Tensor, *, twice: bool = False) -> Answer:
        return Answer(self.layer(features) * (1 + twice), len(features))


def _descent(precision: str, rate: float = 0.1) -> tuple[Two, Descent]:
    torch.manual_seed(0)
    network = Two()
    device = Device(torch.device("cpu"), precision)
    return network, Descent(network, torch.optim.SGD(network.parameters(), rate), device)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_network_computes_in_the_format_and_answers_in_float32(precision: str) -> None:
    network, descent = _descent(precision)
    seen = []
    network.layer.register_forward_hook(lambda *found: seen.append(found[2].dtype))
    answer = descent.model(torch.ones(2, 3))
    assert seen == [torch.float32 if precision == "32-true" else torch.bfloat16]
    assert isinstance(answer, Answer)
    assert (answer.logits.dtype, answer.count) == (torch.float32, 2)
    torch.testing.assert_close(descent.model(torch.ones(2, 3), twice=True)[0], 2 * answer.logits)


def test_a_step_follows_the_gradient_no_further_than_asked() -> None:
    network, descent = _descent("32-true")
    before = network.layer.weight.detach().clone()
    features = torch.tensor([[3.0, 0.0, 4.0]])
    assert descent.step(descent.model(features).logits.sum(), max_norm=1e9)
    # d loss / d weight is the feature itself.
    torch.testing.assert_close(network.layer.weight, before - 0.1 * features)
    assert all(parameter.grad is None for parameter in network.parameters())
    before = [parameter.detach().clone() for parameter in network.parameters()]
    descent.step(descent.model(features).logits.sum(), max_norm=1.0)
    moved = [(now - old).norm() for now, old in zip(network.parameters(), before, strict=True)]
    torch.testing.assert_close(torch.stack(moved).norm(), torch.tensor(0.1), rtol=1e-4, atol=0)


def test_a_gradient_that_is_not_finite_is_told() -> None:
    _, descent = _descent("32-true")
    loss = descent.model(torch.ones(1, 3)).logits.sum()
    assert not descent.step(loss * float("inf"), max_norm=1.0)


def test_a_process_that_trains_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = []
    monkeypatch.setattr(module, "tune_allocator", lambda: tuned.append(True))
    assert training_device("32-true") == make_device("32-true")
    assert tuned == [True]
