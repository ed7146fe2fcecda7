"""ALMN: its size, its two branches, what fuses them, and what either leg of its training moves."""

import copy

import pytest
import torch
from torch import Tensor, nn

from hcnet.errors import ConfigError
from hcnet.nets.almn import RECIPE, SelfAttention
from hcnet.nets.multi_fibre import MultiFibreUnit
from hcnet.nets.recipe import Batch, Leg
from hcnet.nets.registry import build_network, count_parameters

SMALL = {"width": 4, "residual_width": 2, "affinity_iterations": 2, "affinity_of": "image"}
FEATURES = {**SMALL, "affinity_of": "features"}


def _network(options: dict[str, object] | None = None) -> nn.Module:
    torch.manual_seed(0)
    return build_network("almn", 1, 1, options or SMALL).train()


def _batch(empty: bool = False) -> Batch:
    tumour = torch.zeros(2, 1, 16, 16, 32, dtype=torch.uint8)
    if not empty:
        tumour[..., 4:12, 5:13, 3:13] = 1
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(tumour.shape, generator=generator)
    return {"image": 0.5 * noise + tumour, "tumour": tumour}


def _freeze(network: nn.Module, leg: Leg) -> None:
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(leg.learns(name))


def test_parameters_are_the_published_ones_without_those_that_do_nothing() -> None:
    with torch.device("meta"):
        network = build_network("almn", 2, 1)
        # The authors' code also holds a second decoder of branch A, which it never calls.
        idle = [MultiFibreUnit(b, a, groups=1) for b, a in ((512, 256), (384, 128), (160, 32))]
    published = count_parameters(network) + sum(count_parameters(unit) for unit in idle)
    assert published / 1e6 == pytest.approx(61.33, rel=0.001)
    assert count_parameters(network) / 1e6 == pytest.approx(57.99, rel=0.001)


def test_second_stage_trains_the_published_number() -> None:
    with torch.device("meta"):
        network = build_network("almn", 2, 1)
    _freeze(network, RECIPE.legs[1])
    assert count_parameters(network) / 1e6 == pytest.approx(0.757, rel=0.002)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 6}, "multiple of 4"),
        ({"affinity_iterations": -1}, "affinity_iterations"),
        ({"affinity_of": "maps"}, "affinity_of"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network("almn", 1, 1, options)


def test_a_second_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 output channel, not 2"):
        build_network("almn", 1, 2)


def test_attention_lets_every_voxel_see_every_other() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8)
    features = torch.randn(1, 8, 6, 6, 6)
    moved = features.clone()
    moved[..., 0, 0, 0] += 1
    with torch.no_grad():
        difference = (attention(moved) - attention(features)).abs().amax(dim=1)
    assert difference[0, 5, 5, 5] > 1e-6  # beyond any convolution of the block


def test_attention_to_constant_features_is_their_value() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8)
    features = torch.randn(1, 8, 1, 1, 1).expand(1, 8, 4, 4, 4)
    with torch.no_grad():
        expected = features + attention.out(attention.value(features))
        torch.testing.assert_close(attention(features), expected)


def test_unit_widens_its_last_convolution_in_plane_only() -> None:
    unit = _network().attention_branch.decoder2
    assert isinstance(unit, MultiFibreUnit)
    convolution = unit.fibres.plane[-1]
    assert convolution.kernel_size == (1, 3, 3)
    assert convolution.groups == 1


def test_heads_see_far_in_plane_and_near_across() -> None:
    head = _network().attention_branch.heads[2].eval()
    features = torch.randn(1, 8, 9, 32, 32, requires_grad=True)
    first = head[0](features)  # the dilated convolution
    first[0, :, 4, 16, 16].sum().backward()
    seen = features.grad.abs().sum(dim=(0, 1)).nonzero()
    assert seen.amin(dim=0).tolist() == [3, 4, 4]
    assert seen.amax(dim=0).tolist() == [5, 28, 28]


def _fused(shares: tuple[float, float], branches: tuple[float, float], iterations: int) -> Tensor:
    """Probabilities where both branches and both shares are made constant."""
    network = _network({**SMALL, "affinity_iterations": iterations}).eval()
    attention, residual = network.attention_branch, network.residual_branch
    for head in attention.heads:
        nn.init.zeros_(head[-1].weight)
        head[-1].bias = nn.Parameter(torch.tensor([branches[0]]))
    for norm, value in [
        (residual.head[1], branches[1]),
        (network.fusion["attention"][-1], shares[0]),
        (network.fusion["residual"][-1], shares[1]),
    ]:
        nn.init.zeros_(norm.weight)
        nn.init.constant_(norm.bias, value)
    with torch.no_grad():
        return network(_batch()["image"]).sigmoid()


def test_shares_weight_the_branches() -> None:
    always, never = 30.0, -30.0
    for shares, expected in [((always, never), 0.8), ((never, always), 0.2), ((0.0, 0.0), 0.5)]:
        fused = _fused(shares, (1.3863, -1.3863), 0)  # 0.8 and 0.2
        torch.testing.assert_close(fused, torch.full_like(fused, expected), atol=1e-4, rtol=0)


def test_sum_of_both_is_cut_at_one_and_stays_finite() -> None:
    fused = _fused((30.0, 30.0), (30.0, 30.0), 2)
    torch.testing.assert_close(fused, torch.full_like(fused, 1 - 1e-4), atol=1e-5, rtol=0)


def test_affinity_raises_the_fused_mask() -> None:
    network, image = _network().eval(), _batch()["image"]
    with torch.no_grad():
        refined = network(image)
        network.iterations = 0
        plain = network(image)
    assert (refined >= plain - 1e-5).all()
    assert (refined - plain).max() > 0.01


def test_image_and_features_give_other_affinities() -> None:
    first, second = _network().eval(), _network(FEATURES).eval()
    with torch.no_grad():
        difference = first(_batch()["image"]) - second(_batch()["image"])
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize(
    ("leg", "options"),
    [(RECIPE.legs[0], SMALL), (RECIPE.legs[1], SMALL), (RECIPE.legs[1], FEATURES)],
    ids=["branches", "fusion-image", "fusion-features"],
)
def test_each_leg_lowers_its_loss_and_moves_only_its_parts(
    leg: Leg, options: dict[str, object]
) -> None:
    network, batch = _network(options), _batch()
    _freeze(network, leg)
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        terms = leg.loss(network, batch)
        terms["loss"].backward()
        optimiser.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.9 * losses[0]
    for name, value in network.named_parameters():
        fusion = name.startswith("fusion.")
        assert (value.grad is not None) == (fusion == (leg.name == "fusion")), name
        assert torch.equal(value, before[name]) == (value.grad is None), name


@pytest.mark.parametrize("leg", RECIPE.legs, ids=lambda leg: leg.name)
def test_patches_without_tumour_are_safe(leg: Leg) -> None:
    network = _network()
    terms = leg.loss(network, _batch(empty=True))
    terms["loss"].backward()
    assert all(term.isfinite() for term in terms.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 48, 48)])
def test_bfloat16_errs_little_more_than_rounding_the_weights_does(
    shape: tuple[int, int, int],
) -> None:
    # On noise, gradients of some 40 layers with batch norms are chaotic, whatever the precision:
    # so bfloat16 is measured against float32 with rounded weights and image. Garbage from memory
    # on thin maps would be many times larger.
    exact = _network().to(memory_format=torch.channels_last_3d)
    rounded = copy.deepcopy(exact)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.bfloat16())
    image = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(2))

    def gradients(network: nn.Module, image: Tensor, reduced: bool) -> list[Tensor]:
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            logits = network(image)
        weight = torch.linspace(-1, 1, logits.numel()).view_as(logits)
        (logits.float() * weight).sum().backward()
        # one weight to a channel before a norm has no gradient but rounding: the norm undoes it
        weights = [p for p in network.parameters() if p.ndim == 5 and p[0].numel() > 1]
        return [weight.grad.clone() for weight in weights]

    truth = gradients(exact, image, reduced=False)
    scale = torch.stack([g.norm() for g in truth]).max()
    by_rounding = gradients(rounded, image.bfloat16().float(), reduced=False)
    by_bfloat16 = gradients(exact, image, reduced=True)
    for right, some, other in zip(truth, by_rounding, by_bfloat16, strict=True):
        assert (other - right).norm() < 3 * (some - right).norm() + 0.01 * scale
