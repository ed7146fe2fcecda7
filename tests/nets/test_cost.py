import pytest
import torch
from torch import nn

from hcnet.errors import ConfigError
from hcnet.nets.cost import Cost, cost_of, network_cost
from hcnet.nets.depthwise import DepthwiseConv3d
from hcnet.nets.resunet import ResUNetBody
from hcnet.nets.zhang import Options, Transformer


def test_a_convolution_costs_two_operations_for_each_multiplication() -> None:
    cost = cost_of(lambda: nn.Conv3d(3, 5, (1, 2, 3)), (2, 3, 6, 7, 8))
    assert cost == Cost(5 * 3 * 6 + 5, 2 * 2 * (3 * 5 * 6) * (6 * 6 * 6))


def test_stride_and_transposition() -> None:
    down = cost_of(lambda: nn.Conv3d(3, 5, 2, stride=2), (1, 3, 8, 8, 8))
    assert down.flops == 2 * (3 * 5 * 8) * 4**3
    up = cost_of(lambda: nn.ConvTranspose3d(3, 5, 2, stride=2), (1, 3, 4, 4, 4))
    assert up.flops == 2 * (3 * 5 * 8) * 4**3  # each input voxel meets the whole kernel


def test_groups_divide_the_cost() -> None:
    cost = cost_of(lambda: nn.Conv3d(8, 12, 3, padding=1, groups=4), (1, 8, 5, 5, 5))
    assert cost.flops == 2 * (8 * 12 * 27 // 4) * 5**3


def test_the_depthwise_convolution_with_its_own_backward_is_counted() -> None:
    cost = cost_of(lambda: DepthwiseConv3d(8, 7), (2, 8, 10, 9, 8))
    assert cost == Cost(8 * 7**3 + 8, 2 * 2 * 8 * 7**3 * (10 * 9 * 8))


def test_a_residual_block_of_resunet() -> None:
    cost = cost_of(lambda: ResUNetBody(2, 16).encoder[1], (1, 16, 8, 8, 8))
    assert cost.flops == 2 * 27 * (16 * 32 + 32 * 32 + 16 * 32) * 8**3


def test_a_whole_resunet() -> None:
    def block(before: int, after: int, convolutions: int = 2) -> int:
        return 27 * after * (convolutions * before + after)

    f, voxels = 4, 32**3
    encoder = sum(
        block(before, after) * voxels // 8**level
        for level, (before, after) in enumerate(
            [(2, f), (f, 2 * f), (2 * f, 4 * f), (4 * f, 8 * f), (8 * f, 16 * f)]
        )
    )
    decoder = sum(
        # upsampling is at the coarse level, the block at the fine one
        27 * (2 * after) ** 2 * voxels // 8 ** (level + 1)
        + block(3 * after, after, 2 if level else 1) * voxels // 8**level
        for level, after in enumerate([f, 2 * f, 4 * f, 8 * f])
    )
    cost = network_cost("resunet", 2, (32, 32, 32), options={"width": f})
    assert cost.flops == 2 * (encoder + decoder + 27 * f * voxels)


def test_attention_and_linear_layers_are_counted() -> None:
    options = Options(dim=24, layers=3, heads=4, mlp=40)
    sequences, length = 5, 7
    cost = cost_of(lambda: Transformer(options), (sequences, length, 24))
    linear = length * (4 * 24 * 24 + 2 * 24 * 40)
    attention = 2 * length * length * 24
    assert cost.flops == 2 * 3 * sequences * (linear + attention)


@pytest.mark.parametrize(("name", "channels"), [("uxnet", 2), ("kisnet", 12), ("zhang", 6)])
def test_networks_with_and_without_a_guide(name: str, channels: int) -> None:
    cost = network_cost(name, channels, (32, 32, 32))
    assert cost.parameters > 1e7
    assert cost.flops > 1e9


def test_input_and_output_channels_and_options_count() -> None:
    cost = network_cost("resunet", 1, (32, 32, 32))
    assert network_cost("resunet", 2, (32, 32, 32)).flops > cost.flops
    assert network_cost("resunet", 1, (32, 32, 32), out_channels=5).flops > cost.flops
    assert network_cost("resunet", 1, (32, 32, 32), options={"width": 8}).flops < cost.flops


def test_padding_counts() -> None:
    padded = network_cost("resunet", 1, (32, 32, 32)).flops
    saved = 2 * 27 * 16 * (32**3 - 20 * 17 * 32)  # the head alone sees the image without padding
    assert network_cost("resunet", 1, (20, 17, 32)).flops == padded - saved


def test_default_device_is_as_before() -> None:
    network_cost("resunet", 1, (32, 32, 32))
    assert torch.empty(1).device.type == "cpu"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="no network unet"):
        network_cost("unet", 1, (32, 32, 32))
    with pytest.raises(ConfigError, match="leave none for the heterogeneity map"):
        network_cost("kisnet", 1, (32, 32, 32))
