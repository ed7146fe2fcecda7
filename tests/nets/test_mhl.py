"""MHL: its size, the Dice-sensitivity loss, and a fine stage that sees and mends the coarse one."""

import pytest
import torch
from torch import Tensor, nn

from hcnet.errors import ConfigError
from hcnet.nets.mhl import RECIPE, Stages, dice_sensitivity_loss, fine_loss
from hcnet.nets.recipe import Batch, Leg
from hcnet.nets.registry import build_network, count_parameters

CERTAIN = 40.0


def _logits(mask: Tensor) -> Tensor:
    return (2 * mask - 1) * CERTAIN


def _cube(start: int, stop: int) -> Tensor:
    mask = torch.zeros(1, 1, 16, 16, 16)
    mask[..., start:stop, 4:12, 4:12] = 1
    return mask


def _network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("mhl", 1, 1, {"width": 4}).train()


def _batch(empty: bool = False) -> Batch:
    tumour = torch.zeros(2, 1, 16, 16, 16, dtype=torch.uint8)
    if not empty:
        tumour[..., 4:12, 5:13, 3:10] = 1
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(2, 1, 16, 16, 16, generator=generator)
    return {"image": 0.5 * noise + tumour, "tumour": tumour}


@pytest.mark.parametrize("in_channels", [1, 2])
def test_each_stage_has_the_published_size(in_channels: int) -> None:
    # 1.64 M is one FCN (the group's code compares with a single one); MHL is two of them.
    network = build_network("mhl", in_channels, 1)
    stages = [count_parameters(stage) for stage in network.children()]
    assert [count / 1e6 for count in stages] == pytest.approx([1.64, 1.64], rel=0.005)
    assert count_parameters(network) == sum(stages)


def test_a_second_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 output channel, not 3"):
        build_network("mhl", 1, 3)


def test_perfect_prediction_costs_nothing() -> None:
    truth = _cube(4, 12)
    assert float(dice_sensitivity_loss(_logits(truth), truth)["loss"]) == pytest.approx(0, abs=1e-5)


def test_loss_has_the_value_of_its_formula() -> None:
    truth, found = _cube(4, 12), _cube(4, 8)  # half of 512 voxels
    terms = dice_sensitivity_loss(_logits(found), truth)
    assert float(terms["dice"]) == pytest.approx(1 - (2 * 256 + 1) / (256 + 512 + 1), abs=1e-5)
    assert float(terms["sensitivity"]) == pytest.approx(1 - 257 / 513, abs=1e-5)
    assert float(terms["loss"]) == pytest.approx(float(terms["dice"] + terms["sensitivity"]))


def test_misses_cost_more_than_as_many_false_positives() -> None:
    truth = _cube(4, 12)
    missed, extra = _cube(4, 10), _cube(4, 14)
    assert (missed != truth).sum() == (extra != truth).sum()
    costs = [float(dice_sensitivity_loss(_logits(m), truth)["loss"]) for m in (missed, extra)]
    assert costs[0] > costs[1] + 0.2


def test_equal_weights_are_no_weights() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 1, 8, 8, 8, generator=generator)
    truth = (torch.rand(2, 1, 8, 8, 8, generator=generator) > 0.8).to(torch.uint8)
    plain = dice_sensitivity_loss(logits, truth)
    for weight in (1.0, 1.7):
        weighted = dice_sensitivity_loss(logits, truth, torch.full_like(logits, weight))
        assert weighted == {name: pytest.approx(float(term)) for name, term in plain.items()}


class _Said(nn.Module):
    """Answers with given logits of both stages."""

    def __init__(self, coarse: Tensor, fine: Tensor) -> None:
        super().__init__()
        self.stages = Stages(coarse, fine)

    def forward(self, image: Tensor, heads: bool = False) -> Stages:
        return self.stages


def test_voxels_where_the_coarse_stage_errs_weigh_more() -> None:
    truth = _cube(4, 12)
    batch = {"image": truth, "tumour": truth}
    same_miss = _logits(_cube(4, 11))
    costs = [
        float(fine_loss(_Said(_logits(coarse), same_miss), batch)["loss"])
        for coarse in (truth, _cube(4, 11), _cube(5, 12))
    ]
    right, same_error, other_error = costs
    assert right == pytest.approx(float(dice_sensitivity_loss(same_miss, truth)["loss"]))
    assert same_error > 1.5 * right
    assert other_error < right


def test_shapes_that_differ_are_refused() -> None:
    truth = _cube(4, 12)
    with pytest.raises(ValueError, match="shapes differ"):
        dice_sensitivity_loss(truth[:, :, 1:], truth)
    with pytest.raises(ValueError, match="shapes differ"):
        dice_sensitivity_loss(truth, truth, truth[:, :, 1:])


def test_fine_stage_sees_the_coarse_probability() -> None:
    network, image = _network().eval(), _batch()["image"]
    with torch.no_grad():
        before = network(image, heads=True)
        network.coarse.head[1].bias += 3.0
        after = network(image, heads=True)
    torch.testing.assert_close(after.coarse, before.coarse + 3)
    assert (after.fine - before.fine).abs().max() > 1e-3


def test_stages_are_the_same_however_they_are_asked_for() -> None:
    network, image = _network().eval(), _batch()["image"]
    with torch.no_grad():
        stages = network(image, heads=True)
        assert torch.equal(network(image), stages.fine)
        assert torch.equal(network(image, coarse_only=True), stages.coarse)


@pytest.mark.parametrize("leg", RECIPE.legs, ids=lambda leg: leg.name)
def test_each_leg_lowers_its_loss_and_moves_only_its_stage(leg: Leg) -> None:
    network, batch = _network(), _batch()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(leg.learns(name))
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        terms = leg.loss(network, batch)
        terms["loss"].backward()
        optimiser.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.8 * losses[0]
    for name, value in network.named_parameters():
        assert torch.equal(value, before[name]) != name.startswith(leg.name), name


@pytest.mark.parametrize("leg", RECIPE.legs, ids=lambda leg: leg.name)
def test_patches_without_tumour_are_safe(leg: Leg) -> None:
    network = _network()
    terms = leg.loss(network, _batch(empty=True))
    terms["loss"].backward()
    assert all(term.isfinite() for term in terms.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
