import pytest
import torch
from torch import Tensor, nn

from hcnet.errors import ConfigError
from hcnet.nets.registry import build_network, count_parameters, network_recipe
from hcnet.nets.zhang import SKIP_PHASE, Options, SpatialTemporalNet, Transformer, fill_missing

SMALL = {"width": 2, "dim": 8, "layers": 1, "heads": 2, "mlp": 16}
SHAPE = (32, 16, 32)


def _network(phases: int, **options: object) -> SpatialTemporalNet:
    torch.manual_seed(0)
    network = build_network("zhang", phases, 1, {**SMALL, **options})
    assert isinstance(network, SpatialTemporalNet)
    for embedding in (network.places, network.times):
        nn.init.normal_(embedding)  # they start at zero, which tells nothing apart
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = 1.0
    image = _series(phases)
    with torch.no_grad():
        network.train()(image, _present(image))  # gives the batch norms the scale of the maps
    return network.eval()


def _series(phases: int, shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> Tensor:
    return torch.rand(2, phases, *shape, generator=torch.Generator().manual_seed(seed))


def _present(image: Tensor, *missing: int) -> Tensor:
    present = torch.ones_like(image)
    present[:, list(missing)] = 0
    return present


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = build_network("zhang", 6, 1)
    assert count_parameters(network) / 1e6 == pytest.approx(175.6, abs=0.05)


@pytest.mark.parametrize("phases", range(1, 8))
def test_any_number_of_phases(phases: int) -> None:
    network, image = _network(phases), _series(phases)
    with torch.no_grad():
        assert network(image, _present(image)).shape == (2, 1, *SHAPE)


def test_a_patch_of_any_size_and_several_classes() -> None:
    network = build_network("zhang", 3, 4, SMALL).eval()
    for shape in [(17, 5, 33), (96, 32, 16)]:
        image = _series(3, shape)
        with torch.no_grad():
            assert network(image, _present(image)).shape == (2, 4, *shape)


@pytest.mark.parametrize("missing", [[2], [1], [0], [3], [1, 2], [1, 2, 3]])
def test_what_a_missing_phase_holds_does_not_matter(missing: list[int]) -> None:
    network, image = _network(4), _series(4)
    present = _present(image, *missing)
    changed = image.clone()
    changed[:, missing] = torch.nan
    with torch.no_grad():
        assert torch.equal(network(image, present), network(changed, present))


@pytest.mark.parametrize("phase", range(4))
def test_what_a_phase_holds_and_whether_it_is_there_matter(phase: int) -> None:
    network, image = _network(4), _series(4)
    changed = image.clone()
    changed[:, phase] = image[:, phase].flip(2)
    with torch.no_grad():
        first = network(image, _present(image))
        assert not torch.allclose(first, network(changed, _present(image)))
        assert not torch.allclose(first, network(image, _present(image, phase)))


def test_a_missing_phase_is_more_than_a_copy_of_the_first_one() -> None:
    network, image = _network(4), _series(4)
    image[:, 3] = image[:, 1]
    with torch.no_grad():
        assert not torch.allclose(
            network(image, _present(image)), network(image, _present(image, 3))
        )


def test_no_gradient_reaches_a_missing_phase() -> None:
    network, image = _network(4), _series(4).requires_grad_()
    network(image, _present(image.detach(), 2)).square().sum().backward()
    assert image.grad is not None
    reached = image.grad.abs().amax(dim=(0, 2, 3, 4)) > 0
    assert reached.tolist() == [True, True, False, True]


def test_each_exam_of_a_batch_has_its_own_missing_phases() -> None:
    network, image = _network(4), _series(4)
    present = _present(image)
    present[0, 2] = present[1, 1] = 0
    with torch.no_grad():
        together = network(image, present)
        alone = torch.cat([network(image[i, None], present[i, None]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_a_missing_phase_is_replaced_by_the_first_post_contrast_phase_there_is() -> None:
    series = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(4, 4, 2, 2, 2)
    has = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]).bool()
    filled = fill_missing(series, has)[:, :, 1, 1, 1]
    assert filled.tolist() == [[0, 1, 1, 1], [0, 2, 2, 2], [3, 3, 3, 3], [0, 0, 0, 0]]


@pytest.mark.parametrize(("phases", "skip"), [(1, 0), (2, 1), (3, 2), (6, 2)])
def test_skips_come_from_the_second_post_contrast_phase(phases: int, skip: int) -> None:
    network, image = _network(phases), _series(phases).requires_grad_()
    nn.init.zeros_(network.entry[1].weight)  # shuts the deep path, leaving the skips
    network(image, _present(image.detach())).square().sum().backward()
    assert image.grad is not None
    reached = (image.grad.abs().amax(dim=(0, 2, 3, 4)) > 0).nonzero().flatten().tolist()
    assert reached == sorted({0, skip})  # the difference to the pre-contrast phase needs it too
    assert SKIP_PHASE == 2


def test_order_of_phases_is_known_only_by_their_times() -> None:
    tokens = torch.rand(3, 5, 8, generator=torch.Generator().manual_seed(1))
    transformer = Transformer(Options(**SMALL)).eval()
    times = torch.rand(1, 5, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(transformer(tokens.flip(1)), transformer(tokens).flip(1))
        assert not torch.allclose(
            transformer(tokens.flip(1) + times), transformer(tokens + times).flip(1), atol=1e-2
        )


def test_a_transformer_mixes_the_tokens_of_a_sequence_and_no_others() -> None:
    tokens = torch.rand(3, 5, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    mixed = Transformer(Options(**SMALL)).eval()(tokens)
    (gradient,) = torch.autograd.grad(mixed[1, 2, 0], tokens)
    reached = gradient.abs().sum(2) > 0
    assert reached.sum(dim=1).tolist() == [0, 5, 0]


def test_attention_is_the_weighted_mean_by_similarity() -> None:
    torch.manual_seed(0)
    layer = Transformer(Options(**SMALL, dropout=0.0)).layers[0]
    tokens = torch.rand(1, 4, 8)
    with torch.no_grad():
        layer.mlp[-2].weight.zero_()
        layer.mlp[-2].bias.zero_()
        q, k, v = layer.query_key_value(layer.attention_norm(tokens))[0].split(8, dim=1)
        heads = [slice(0, 4), slice(4, 8)]
        means = [((q[:, h] @ k[:, h].T) / 2).softmax(1) @ v[:, h] for h in heads]
        expected = tokens[0] + layer.out[0](torch.cat(means, dim=1))
        torch.testing.assert_close(layer(tokens)[0], expected)


def test_dropout_acts_in_training_only() -> None:
    network, image = _network(2, dropout=0.5), _series(2)
    with torch.no_grad():
        first, again = (network(image, _present(image)) for _ in range(2))
        assert torch.equal(first, again)
        network.train()
        first, again = (network(image, _present(image)) for _ in range(2))
        assert not torch.equal(first, again)


def test_its_recipe_lowers_its_loss() -> None:
    image = _series(3, (32, 32, 32))
    tumour = torch.zeros(2, 1, 32, 32, 32, dtype=torch.uint8)
    tumour[..., 8:20, 8:20, 8:20] = 1
    image[:, 1:] += tumour
    batch = {"image": image, "phases": _present(image, 2), "tumour": tumour}
    recipe = network_recipe("zhang")
    (leg,) = recipe.legs
    assert leg.loss is not None
    assert (recipe.optimiser, recipe.rate(leg, 0.0), recipe.rate(leg, 0.1)) == (
        "adam",
        0.005,
        0.0025,
    )
    torch.manual_seed(0)
    network = build_network("zhang", 3, 1, SMALL).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        terms = leg.loss(network, batch)
        terms["loss"].backward()
        optimiser.step()
        losses.append(float(terms["loss"].detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert losses[-1] == pytest.approx(float((terms["dice"] + terms["bce"]).detach()))

    empty = leg.loss(network, batch | {"tumour": torch.zeros_like(tumour)})["loss"]
    empty.backward()
    assert empty.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match="dim = 10 cannot be shared by heads = 4"):
        build_network("zhang", 6, 1, {"dim": 10, "heads": 4})
    with pytest.raises(ConfigError, match="zhang: option layers"):
        build_network("zhang", 6, 1, {"layers": 0})
    network, image = _network(3), _series(1)
    with pytest.raises(ValueError, match="takes 3 phases, not 1 with 1 flags"):
        network(image, _present(image))
