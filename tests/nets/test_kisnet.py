"""KIS-Net's kinetic stream: the map reaches the output, and only through its embedding."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hcnet.errors import ConfigError
from hcnet.nets.kifb import KineticInformationFusionBlock
from hcnet.nets.kisnet import KISNet
from hcnet.nets.registry import build_network

CLASSES = 4
SHAPE = (20, 18, 16)


@pytest.fixture
def network() -> KISNet:
    torch.manual_seed(0)
    return KISNet(1, CLASSES, 1, width=4, embedding=3)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 1, *SHAPE, generator=torch.Generator().manual_seed(1))


def _labels(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(CLASSES, (2, *SHAPE), generator=generator)


def _one_hot(labels: torch.Tensor) -> torch.Tensor:
    return F.one_hot(labels, CLASSES).permute(0, 4, 1, 2, 3).float()


def test_another_map_gives_other_logits(network: KISNet, image: torch.Tensor) -> None:
    network.eval()
    with torch.no_grad():
        first, second = (network(image, _one_hot(_labels(seed))) for seed in (1, 2))
    assert (first - second).abs().max() > 1e-3


def test_gradients_reach_the_embedding_and_the_map(network: KISNet, image: torch.Tensor) -> None:
    kinetic_map = _one_hot(_labels(1)).requires_grad_()
    generator = torch.Generator().manual_seed(3)
    (network(image, kinetic_map) * torch.randn(2, 1, *SHAPE, generator=generator)).sum().backward()
    assert (network.fusion.embedding.weight.grad.abs().sum(dim=(0, 2, 3, 4)) > 0).all()
    assert kinetic_map.grad.abs().max() > 0


def test_constant_map_leaves_a_function_of_the_image(network: KISNet, image: torch.Tensor) -> None:
    constant = torch.zeros(2, CLASSES, *SHAPE)
    constant[:, 2] = 1
    network.eval()
    with torch.no_grad():
        stream = network.fusion.kinetic_stream(constant)
        logits = network(image, constant)
        swapped = network(image.flip(0), constant)
    inside = stream[..., 2:-2, 2:-2, 2:-2]  # two convolutions see the border two voxels deep
    assert (inside - inside[:, :, :1, :1, :1]).abs().max() < 1e-6
    torch.testing.assert_close(swapped, logits.flip(0), atol=1e-5, rtol=1e-5)
    assert (logits[0] - logits[1]).abs().max() > 1e-3


def test_one_hot_labels_pick_the_vector_of_their_class() -> None:
    block = KineticInformationFusionBlock(4, CLASSES, 1, embedding=5)
    labels = _labels(4)
    vectors = block.embedding.weight[:, :, 0, 0, 0].T  # (classes, embedding)
    expected = F.embedding(labels, vectors).permute(0, 4, 1, 2, 3)
    torch.testing.assert_close(block.embedding(_one_hot(labels)), expected)


def test_kinetic_stream_is_bounded() -> None:
    block = KineticInformationFusionBlock(4, CLASSES, 1)
    stream = block.kinetic_stream(1000 * _one_hot(_labels(5)))
    assert stream.min() >= 0
    assert stream.max() <= 1


@pytest.mark.parametrize("convolutions", [1, 2, 3])
def test_fusion_layers_follow_the_option(convolutions: int) -> None:
    block = KineticInformationFusionBlock(4, CLASSES, 1, convolutions=convolutions)
    assert sum(isinstance(layer, nn.Conv3d) for layer in block.fusion) == convolutions
    assert sum(isinstance(layer, nn.BatchNorm3d) for layer in block.fusion) == 1


def test_channels_of_image_and_map_are_counted_together() -> None:
    network = build_network("kisnet", 12, 1, {"width": 4})
    assert network.fusion.embedding.in_channels == 11
    with pytest.raises(ConfigError, match="leave none for the heterogeneity map"):
        build_network("kisnet", 2, 1, {"image_channels": 2})
