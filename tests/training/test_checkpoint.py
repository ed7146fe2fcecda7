"""Checkpoints hold everything that resuming needs."""

import pytest
import torch
from torch import nn

from hcnet.errors import InputError
from hcnet.training.checkpoint import load_checkpoint, load_model, save_checkpoint, save_model


def trained(steps, model=None, optimiser=None):
    if model is None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    for step in range(steps):
        optimiser.zero_grad()
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        model(x).square().mean().backward()
        optimiser.step()
    return model, optimiser


def test_round_trip_continues_alike(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    model, optimiser = trained(5)
    save_checkpoint(path, model, optimiser, 5)
    other, other_optimiser = trained(0)
    assert load_checkpoint(path, other, other_optimiser) == 5
    trained(3, model, optimiser)
    trained(3, other, other_optimiser)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_weights_alone(tmp_path):
    model, _ = trained(2)
    save_model(tmp_path / "model.safetensors", model)
    other, _ = trained(0)
    load_model(tmp_path / "model.safetensors", other)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.mark.parametrize("keep", [0, 7, 200])
def test_damaged_files_are_refused(tmp_path, keep):
    path = tmp_path / "checkpoint.safetensors"
    model, optimiser = trained(2)
    save_checkpoint(path, model, optimiser, 2)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(path, model, optimiser)


def test_a_weights_file_is_not_a_checkpoint(tmp_path):
    model, optimiser = trained(1)
    save_model(tmp_path / "model.safetensors", model)
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "model.safetensors", model, optimiser)
