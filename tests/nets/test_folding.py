"""Folding changes no output, only the work."""

import pytest
import torch
from torch import nn

from hcnet.nets.folding import fold_norms
from network_cases import SMALL, network_inputs, small_network


@pytest.mark.parametrize("name", list(SMALL))
def test_folded_networks_give_the_same_logits(name):
    network = small_network(name)
    inputs = network_inputs(name, (32, 32, 32))
    with torch.no_grad():
        for _ in range(3):  # running statistics that are not those of a new network
            network(*inputs)
        network.eval()
        before = network(*inputs)
        after = fold_norms(network)(*inputs)
    assert after.shape == before.shape
    scale = before.abs().max()
    assert (after - before).abs().max() <= 1e-4 * scale


def test_every_norm_after_a_convolution_is_gone():
    network = small_network("resunet").eval()
    assert any(isinstance(part, nn.BatchNorm3d) for part in network.modules())
    fold_norms(network)
    assert not any(isinstance(part, nn.BatchNorm3d) for part in network.modules())


def test_a_norm_after_anything_else_stays():
    network = nn.Sequential(nn.ReLU(), nn.BatchNorm3d(2), nn.Conv3d(2, 2, 1)).eval()
    fold_norms(network)
    assert isinstance(network[1], nn.BatchNorm3d)
