"""What a network will take is known beforehand."""

import pytest
import torch
from torch import nn

from hcnet.inference.memory import free_bytes, peak_bytes
from hcnet.inference.window_size import ROOM, largest_window
from network_cases import SMALL, network_inputs, small_network

VOXELS = 16**3
PATCH = (16, 16, 16)


class TwoSteps(nn.Module):
    """Holds its input (1 channel), then 4 channels, then both of those and 2 more."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(1, 4, 1)
        self.second = nn.Conv3d(4, 2, 1)

    def forward(self, image):
        return self.second(self.first(image))


def test_tensors_count_as_long_as_they_live():
    network = TwoSteps().eval()
    # The first result is an argument of the second layer, and lives until that returns.
    assert peak_bytes(network, [(1, 1, 16, 16, 16)]) == 4 * VOXELS * (1 + 4 + 2)


def test_views_and_in_place_results_count_once():
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Unflatten(1, (1, VOXELS)))
    assert peak_bytes(network.eval(), [(1, 1, 16, 16, 16)]) == 4 * VOXELS


def test_a_freed_result_makes_room():
    chain = nn.Sequential(*(nn.Conv3d(1, 1, 1) for _ in range(10))).eval()
    # The input is the caller's; of the chain no more than two tensors live side by side.
    assert peak_bytes(chain, [(1, 1, 16, 16, 16)]) <= 4 * VOXELS * 3


@pytest.mark.parametrize("name", list(SMALL))
def test_grows_with_the_voxels_and_leaves_the_network_alone(name):
    network = small_network(name).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    small, large = (
        peak_bytes(network, [tuple(part.shape) for part in network_inputs(name, shape, batch=1)])
        for shape in ((32, 32, 32), (64, 64, 32))
    )
    # UX-Net's decoder goes in slabs of so many planes, which weigh less among more of them.
    assert (2.5 if name == "uxnet" else 3.5) < large / small < 4.5
    after = network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def window(volume, budget):
    network = small_network("resunet").eval()
    return largest_window(network, [1], volume, PATCH, budget, torch.device("cpu"))


def test_the_whole_volume_where_it_fits():
    assert window((40, 50, 60), 8 << 30) == (48, 64, 64)


def test_no_window_exceeds_the_budget():
    network = small_network("resunet").eval()
    whole = ROOM * peak_bytes(network, [(1, 1, 128, 128, 64)])
    found = window((128, 128, 64), int(whole / 3))
    assert ROOM * peak_bytes(network, [(1, 1, *found)]) <= whole / 3
    assert all(f >= p for f, p in zip(found, PATCH, strict=True))
    assert found != PATCH


def test_the_patch_is_always_allowed():
    assert window((128, 128, 64), 1) == PATCH


def test_a_volume_thinner_than_the_patch_needs_no_larger_window():
    assert window((16, 16, 16), 1) == PATCH


def test_free_memory_is_told_or_unknown():
    free = free_bytes(torch.device("cpu"))
    assert free is None or free > 1 << 20
