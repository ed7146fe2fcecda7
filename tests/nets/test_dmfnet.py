"""DMFNet: fibres, dilations and their weights, the in-plane kernel, and the generalised Dice."""

import pytest
import torch
from monai.losses import GeneralizedDiceLoss
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hcnet.errors import ConfigError
from hcnet.nets.dmfnet import (
    RECIPE,
    DMFNet,
    generalised_dice_loss,
    mask_loss,
)
from hcnet.nets.multi_fibre import MultiFibreUnit
from hcnet.nets.registry import build_network, count_parameters


def _random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def _network(out_channels: int = 1) -> DMFNet:
    torch.manual_seed(0)
    return DMFNet(1, out_channels, width=8, groups=4)


def _reach(block: nn.Module, channels: int, touched: int) -> Tensor:
    """Where the output changes with the middle voxel of the first channels, (C, x, y, z)."""
    still = _random(1, channels, 15, 15, 15) - 0.5
    moved = still.clone()
    moved[:, :touched, 7, 7, 7] += 5
    with torch.no_grad():
        return ((block(moved) - block(still)).abs() > 1e-6)[0]


def _extent(reached: Tensor) -> tuple[int, ...]:
    """Length of each axis between the first and the last reached voxel."""
    where = reached.any(0).nonzero()
    return tuple((where.amax(0) - where.amin(0) + 1).tolist())


def test_at_the_published_size_it_costs_what_its_authors_report() -> None:
    with torch.device("meta"):
        network = build_network("dmfnet", 4, 4).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 4, 128, 128, 128))
    assert count_parameters(network) / 1e6 == pytest.approx(3.88, abs=0.005)
    # 27.04 G multiplications. Theirs count the norms too, and a head at full resolution.
    assert counter.get_total_flops() / 2e9 == pytest.approx(27.04, rel=0.04)


@pytest.mark.parametrize("only", [0, 1, 2])
def test_a_weight_of_one_among_zeros_leaves_one_dilation(only: int) -> None:
    torch.manual_seed(0)
    unit = MultiFibreUnit(8, 16, 4, dilations=(1, 2, 3)).eval()
    single = MultiFibreUnit(8, 16, 4, dilations=(only + 1,)).eval()
    with torch.no_grad():
        unit.fibres.weights.copy_(torch.eye(3)[only])
    state = unit.state_dict()
    chosen = {
        name: state[name.replace("dilated.0", f"dilated.{only}")] for name in single.state_dict()
    }
    single.load_state_dict(chosen)
    features = _random(2, 8, 6, 7, 8)
    with torch.no_grad():
        torch.testing.assert_close(unit(features), single(features))


def test_dilations_are_weighted_by_one_at_the_start_and_summed() -> None:
    torch.manual_seed(0)
    fibres = MultiFibreUnit(8, 8, 4, dilations=(1, 2, 3)).eval().fibres
    features = _random(1, 8, 6, 6, 6)
    with torch.no_grad():
        routed = fibres.route(features)
        total = features + fibres.plane(sum(branch(routed) for branch in fibres.dilated))
        torch.testing.assert_close(fibres(features, features), total)
        fibres.weights.copy_(torch.tensor([0.5, 2.0, -1.0]))
        one, two, three = (branch(routed) for branch in fibres.dilated)
        total = features + fibres.plane(0.5 * one + 2 * two - three)
        torch.testing.assert_close(fibres(features, features), total)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_dilated_kernel_reaches_as_many_voxels(dilation: int) -> None:
    torch.manual_seed(0)
    unit = MultiFibreUnit(32, 32, 4, dilations=(dilation,)).eval()
    assert _extent(_reach(unit.fibres.dilated[0], 32, 32)) == (1 + 2 * dilation,) * 3
    # The in-plane convolution adds one voxel at either side, not across the slices.
    assert _extent(_reach(unit, 32, 32)) == (3 + 2 * dilation, 3 + 2 * dilation, 1 + 2 * dilation)


@pytest.mark.parametrize(("axis", "extent"), [("x", (1, 3, 3)), ("y", (3, 1, 3)), ("z", (3, 3, 1))])
def test_the_in_plane_kernel_spares_the_slice_axis(axis: str, extent: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = build_network("dmfnet", 1, 1, {"width": 8, "groups": 4, "slice_axis": axis}).eval()
    for module in network.modules():
        if isinstance(module, MultiFibreUnit):
            assert module.fibres.plane[-1].kernel_size == extent
    unit = MultiFibreUnit(8, 8, 4, slice_axis=axis).eval()
    assert _extent(_reach(unit.fibres.plane, 8, 8)) == extent


def test_fibres_do_not_mix_before_the_next_unit() -> None:
    torch.manual_seed(0)
    fibres = MultiFibreUnit(8, 16, 4, dilations=(1, 2, 3)).eval().fibres
    in_group = torch.arange(16) < 4  # of two channels in, four out
    for branch in fibres.dilated:
        assert torch.equal(_reach(branch, 8, 2).flatten(1).any(1), in_group)
        assert torch.equal(
            _reach(nn.Sequential(branch, fibres.plane), 8, 2).flatten(1).any(1), in_group
        )
    assert _reach(fibres.route, 8, 2).flatten(1).any(1).sum() > 2  # here they do: more than a group


@pytest.mark.parametrize(("before", "after", "stride"), [(8, 8, 1), (8, 16, 1), (8, 16, 2)])
def test_a_unit_without_fibres_is_its_shortcut(before: int, after: int, stride: int) -> None:
    torch.manual_seed(0)
    unit = MultiFibreUnit(before, after, 4, stride=stride).eval()
    nn.init.zeros_(unit.fibres.plane[-1].weight)
    features = _random(1, before, 8, 6, 4)
    with torch.no_grad():
        result = unit(features)
        expected = features if before == after else unit.shortcut(features)
    assert result.shape == (1, after, 8 // stride, 6 // stride, 4 // stride)
    assert torch.equal(result, expected)


def test_the_head_before_the_last_upsampling_is_the_head_after_it() -> None:
    network = _network(3).eval()
    features = _random(1, 8, 4, 5, 6)
    up = nn.Upsample(scale_factor=2, mode="trilinear")
    with torch.no_grad():
        torch.testing.assert_close(up(network.head(features)), network.head(up(features)))


@pytest.mark.parametrize("shape", [(2, 6, 6), (6, 6, 2), (2, 2, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_bfloat16_gradients_of_thin_maps_are_right(shape: tuple[int, ...], stride: int) -> None:
    torch.manual_seed(0)
    unit = MultiFibreUnit(16, 32, 4, (1, 2, 3), stride).to(memory_format=torch.channels_last_3d)
    features = _random(2, 16, *(stride * size for size in shape)) - 0.5
    direction = torch.randn(2, 32, *shape, generator=torch.Generator().manual_seed(3))
    gradients = []
    for enabled in (False, True):
        unit.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            result = unit(features)
        (result.float() * direction).sum().backward()
        gradients.append([p.grad.clone() for p in unit.parameters() if p.ndim == 5])
    norm = torch.stack([g.norm() for g in gradients[0]]).max()
    for exact, reduced in zip(*gradients, strict=True):
        assert (reduced - exact).norm() < 0.1 * exact.norm() + 0.01 * norm


def test_several_classes() -> None:
    assert _network(4)(_random(2, 1, 20, 16, 24)).shape == (2, 4, 20, 16, 24)


def test_every_parameter_learns_and_the_loss_falls() -> None:
    network = _network().train()
    truth = torch.zeros(2, 1, 16, 32, 32)
    truth[:, :, 4:10, 8:20, 6:22] = 1
    batch = {"image": 0.5 * _random(*truth.shape) + truth, "tumour": truth.to(torch.uint8)}
    (leg,) = RECIPE.legs
    optimiser = torch.optim.Adam(network.parameters(), lr=RECIPE.lr, amsgrad=True)
    before = {label: p.detach().clone() for label, p in network.named_parameters()}
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = leg.loss(network, batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    for label, parameter in network.named_parameters():
        assert not torch.equal(parameter, before[label]), label


def test_the_loss_is_monais_generalised_dice_over_both_classes() -> None:
    probabilities = _random(2, 1, 5, 6, 7)
    truth = (probabilities.flip(2) > 0.8).float()
    oracle = GeneralizedDiceLoss(w_type="square", batch=True, smooth_nr=0, smooth_dr=0)
    expected = oracle(
        torch.cat([1 - probabilities, probabilities], 1), torch.cat([1 - truth, truth], 1)
    )
    torch.testing.assert_close(generalised_dice_loss(probabilities, truth), expected)


def test_the_loss_of_an_even_chance_everywhere() -> None:
    truth = torch.zeros(1, 1, 4, 4, 4)
    truth[0, 0, 0] = 1  # 16 of 64 voxels, so background weighs a ninth
    loss = mask_loss(lambda image: 0 * image, {"image": truth, "tumour": truth})["loss"]
    assert loss.item() == pytest.approx(1 - 2 * (8 + 24 / 9) / (32 + 16 + (32 + 48) / 9))


@pytest.mark.parametrize("inside", [0.0, 1.0])
def test_a_mask_without_one_of_the_classes_costs_the_share_of_wrong_voxels(inside: float) -> None:
    truth = torch.full((2, 1, 3, 4, 5), inside)
    probabilities = _random(*truth.shape).requires_grad_()
    loss = generalised_dice_loss(probabilities, truth)
    assert loss.item() == pytest.approx((probabilities - inside).abs().mean().item(), abs=1e-6)
    loss.backward()
    assert probabilities.grad.isfinite().all()
    assert generalised_dice_loss(truth, truth).item() == pytest.approx(0, abs=1e-6)
    assert generalised_dice_loss(1 - truth, truth).item() == pytest.approx(1, abs=1e-6)


def test_an_empty_mask_gives_finite_gradients() -> None:
    network = _network().train()
    image = _random(1, 1, 16, 32, 32)
    mask_loss(network, {"image": image, "tumour": torch.zeros_like(image)})["loss"].backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_the_loss_is_for_a_mask() -> None:
    image = _random(1, 1, 16, 32, 32)
    with pytest.raises(ValueError, match="shapes differ"):
        mask_loss(_network(2), {"image": image, "tumour": image})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 8}, "option groups: .* 8 channels cannot be cut into 16 groups"),
        ({"width": 20, "groups": 8}, "option groups: .* 20 channels cannot be cut into 8 groups"),
        ({"width": 2, "groups": 2}, "option width"),
        ({"groups": 0}, "option groups"),
        ({"slice_axis": "t"}, "option slice_axis"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network("dmfnet", 1, 1, options)
