"""Optimisers are torch's, and start without its compiler."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

from hcnet.training.optimisers import Adam, AdamW


def descended(make: Callable[..., torch.optim.Optimizer]) -> tuple[nn.Module, dict]:
    torch.manual_seed(0)
    network = nn.Linear(5, 3)
    optimiser = make(network.parameters(), lr=0.1, weight_decay=0.01)
    for step in range(5):
        optimiser.zero_grad()
        network(torch.full((2, 5), 1.0 + step)).square().sum().backward()
        optimiser.step()
    return network, optimiser.state_dict()


@pytest.mark.parametrize(("ours", "theirs"), [(Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)])
def test_they_do_what_torchs_do(
    ours: type[torch.optim.Optimizer], theirs: type[torch.optim.Optimizer]
) -> None:
    (network, state), (expected, known) = descended(ours), descended(theirs)
    assert torch.equal(network.weight, expected.weight)
    torch.testing.assert_close(state["state"], known["state"], rtol=0, atol=0)
    assert state["param_groups"] == known["param_groups"]
    other = theirs(network.parameters())
    other.load_state_dict(state)
    back = ours(network.parameters())
    back.load_state_dict(other.state_dict())
    torch.testing.assert_close(back.state_dict()["state"], known["state"], rtol=0, atol=0)


def test_training_does_not_import_the_compiler(tmp_path) -> None:
    """Two seconds and 70 MB at the start of every training, for nothing."""
    words = """
import sys
from pathlib import Path
import torch
from hcnet.inference.device import make_device
from hcnet.training.checkpoint import load_checkpoint, save_checkpoint
from hcnet.training.descent import Descent
from hcnet.training.optimisers import Adam
network = torch.nn.Conv3d(1, 2, 3)
optimiser = Adam(network.parameters(), fused=True)
descent = Descent(network, optimiser, make_device("32-true"))
assert descent.step(descent.model(torch.ones(1, 1, 4, 4, 4)).sum(), 1.0)
file = Path(sys.argv[1])
save_checkpoint(file, network, optimiser, 1)
assert load_checkpoint(file, network, optimiser) == 1
print("torch._dynamo" in sys.modules)
"""
    command = [sys.executable, "-c", words, str(tmp_path / "checkpoint")]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    assert told.stdout == "False\n"
