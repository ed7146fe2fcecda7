"""VNet: MONAI's network for any number of channels, its light variant, and its loss."""

import pytest
import torch
from monai.networks import nets
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.errors import ConfigError
from hcnet.nets.registry import build_network, count_parameters
from hcnet.nets.vnet import RECIPE, LightVNet, VNet, mask_loss

VARIANTS = pytest.mark.parametrize("variant", ["original", "light"])


def _random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def _network(variant: str, in_channels: int = 1, out_channels: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return build_network("vnet", in_channels, out_channels, {"variant": variant, "width": 3})


@pytest.mark.parametrize(
    ("in_channels", "options", "million"),
    [(1, {}, 45.59), (2, {}, 45.60), (1, {"variant": "light"}, 9.45)],
)
def test_parameter_counts(in_channels: int, options: dict[str, object], million: float) -> None:
    with torch.device("meta"):
        network = build_network("vnet", in_channels, 1, options)
    assert count_parameters(network) / 1e6 == pytest.approx(million, abs=0.005)


def test_at_the_published_width_it_is_monais_network() -> None:
    torch.manual_seed(0)
    oracle, network = nets.VNet(3, 2, 3).eval(), VNet(2, 3).eval()
    theirs, ours = oracle.state_dict(), network.state_dict()
    assert [v.shape for v in theirs.values()] == [v.shape for v in ours.values()]
    network.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    image = _random(1, 2, 32, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(image), oracle(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("channels", [2, 5])
def test_the_image_is_added_to_the_first_convolution_its_channels_in_turn(channels: int) -> None:
    first = VNet(channels, 1, width=3).first
    for label, parameter in first.named_parameters():
        if "adn" in label:  # the norm silences the convolution
            nn.init.zeros_(parameter)
    image = _random(2, channels, 4, 4, 4) - 0.5
    expected = F.elu(image[:, [0, 1, 0] if channels == 2 else [0, 1, 2]])
    torch.testing.assert_close(first(image), expected)


def test_no_dropout() -> None:
    network = _network("original").train()
    image = _random(1, 1, 16, 32, 32)
    assert torch.equal(network(image), network(image))


def test_skips_of_the_light_variant_are_added() -> None:
    network = LightVNet(1, 1, width=3).eval()
    nn.init.zeros_(network.up[-1][1].weight)  # nothing comes from below
    image = _random(1, 1, 32, 32, 32)
    with torch.no_grad():
        alone = network.head(network.decoder[-1](network.encoder[0](image)))
        torch.testing.assert_close(network(image), alone)


@VARIANTS
def test_any_number_of_channels_and_classes(variant: str) -> None:
    for channels in (3, 5):
        network = _network(variant, channels, 4)
        logits = network(_random(1, channels, 17, 5, 33))
        assert logits.shape == (1, 4, 17, 5, 33)
        logits.square().mean().backward()
        first = next(p for p in network.parameters() if p.ndim == 5)
        assert (first.grad.abs().amax((0, 2, 3, 4)) > 0).all()  # of every image channel


@VARIANTS
def test_no_kernel_nearly_as_long_as_its_map_runs_in_bfloat16(variant: str) -> None:
    # oneDNN's weight gradients are wrong for 3x3x3 over two voxels and for 5x5x5 over four.
    network = _network(variant)
    sizes = []

    def look(convolution: nn.Conv3d, inputs: tuple[Tensor]) -> None:
        if convolution.stride == (1, 1, 1) and torch.is_autocast_enabled("cpu"):
            sizes.append(min(inputs[0].shape[2:]) - max(convolution.kernel_size))

    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_pre_hook(look)
    for shape in [(32, 32, 32), (16, 48, 48), (64, 16, 32)]:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            network(_random(2, 1, *shape))
    assert sizes
    assert min(sizes) >= 0


@pytest.mark.parametrize(("variant", "steps"), [("original", 12), ("light", 50)])
def test_every_parameter_learns_and_the_loss_falls(variant: str, steps: int) -> None:
    network = _network(variant).train()
    truth = torch.zeros(1, 1, 16, 32, 32)
    truth[:, :, 4:10, 8:20, 6:22] = 1
    batch = {"image": 0.5 * _random(*truth.shape) + truth, "tumour": truth.to(torch.uint8)}
    (leg,) = RECIPE.legs
    optimiser = torch.optim.Adam(network.parameters(), lr=RECIPE.lr)
    before = {label: p.detach().clone() for label, p in network.named_parameters()}
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = leg.loss(network, batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    for label, parameter in network.named_parameters():
        assert not torch.equal(parameter, before[label]), label


def test_the_loss_of_an_even_chance_everywhere() -> None:
    truth = torch.zeros(2, 1, 4, 4, 4)
    truth[0, 0, :2] = 1  # 32 of 128 voxels
    loss = mask_loss(lambda image: 0 * image, {"image": truth, "tumour": truth})["loss"]
    assert loss.item() == pytest.approx(1 - (2 * 0.5 * 32 + 1) / (0.25 * 128 + 32 + 1))


def test_an_empty_mask_gives_finite_gradients() -> None:
    network = _network("original").train()
    image = _random(1, 1, 16, 32, 32)
    loss = mask_loss(network, {"image": image, "tumour": torch.zeros_like(image)})["loss"]
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_the_loss_is_for_a_mask() -> None:
    image = _random(1, 1, 16, 32, 32)
    with pytest.raises(ValueError, match="shapes differ"):
        mask_loss(_network("light", out_channels=2), {"image": image, "tumour": image})


@pytest.mark.parametrize("options", [{"variant": "heavy"}, {"width": 0}, {"depth": 3}])
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"option {next(iter(options))}"):
        build_network("vnet", 1, 1, options)
