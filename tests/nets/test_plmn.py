"""PLMN: its size, its windows, and what its recipe teaches."""

import pytest
import torch
from torch import Tensor

from hcnet.errors import ConfigError
from hcnet.nets.plmn import CLASSES, PLMN, RECIPE, Heads, WindowTransformer
from hcnet.nets.registry import build_network, count_parameters, network_options

SMALL = {
    "width": 4,
    "dim": 8,
    "heads": 2,
    "blocks": 1,
    "window": 2,
    "embedding": 4,
    "prototypes": 2,
}
LEG = RECIPE.legs[0]


@pytest.fixture
def network() -> PLMN:
    torch.manual_seed(0)
    network = build_network("plmn", 1, 1, SMALL | {"momentum": 0.9})
    assert isinstance(network, PLMN)
    return network.to(memory_format=torch.channels_last_3d)


@pytest.fixture
def batch() -> dict[str, Tensor]:
    image = torch.rand(2, 1, 24, 24, 24, generator=torch.Generator().manual_seed(1))
    tumour = torch.zeros(2, 1, 24, 24, 24, dtype=torch.uint8)
    tumour[:, :, 6:16, 8:18, 4:14] = 1
    return {"image": 0.5 * image + tumour, "tumour": tumour}


def _transformer(window: int) -> WindowTransformer:
    torch.manual_seed(0)
    transformer = WindowTransformer(3, 8, heads=2, blocks=2, window=window)
    for block in transformer.blocks:
        torch.nn.init.normal_(block.position)  # a place in the window matters
    return transformer.eval()


def _map(*shape: int) -> Tensor:
    return torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(2))


def test_the_published_size_has_the_authors_parameters() -> None:
    # Their 11.23 M are for two channels and count what is not here: biases before norms (1344),
    # prototypes (2 x 10 x 32), and a layer norm over the two classes.
    theirs = count_parameters(build_network("plmn", 2, 1)) + 1344 + 640 + 4
    assert theirs / 1e6 == pytest.approx(11.23, abs=0.005)


def test_windows_do_not_see_each_other() -> None:
    transformer = _transformer(window=4)
    features = _map(8, 4, 8)
    changed = features.clone()
    changed[:, :, 5, 2, 1] += 1
    with torch.no_grad():
        difference = (transformer(changed) - transformer(features)).abs().amax(dim=(0, 1))
    assert (difference[4:, :, :4] > 1e-6).all()  # all of its own window
    difference[4:, :, :4] = 0
    assert difference.max() == 0


def test_padding_of_an_incomplete_window_is_not_seen() -> None:
    transformer = _transformer(window=4)
    features = _map(7, 4, 9)
    with torch.no_grad():
        whole = transformer(features)
        alone = transformer(features[:, :, 4:, :, 8:])
    torch.testing.assert_close(whole[:, :, 4:, :, 8:], alone, atol=1e-5, rtol=1e-5)


def test_windows_return_to_their_places() -> None:
    transformer = _transformer(window=2)
    features = _map(4, 6, 2)
    with torch.no_grad():
        whole = transformer(features)
        for x in (0, 2):
            for y in (0, 2, 4):
                part = transformer(features[:, :, x : x + 2, y : y + 2])
                found = whole[:, :, x : x + 2, y : y + 2]
                torch.testing.assert_close(found, part, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(24, 24, 24), (17, 5, 33)])
def test_heads_have_the_size_of_the_image(network: PLMN, shape: tuple[int, int, int]) -> None:
    network.eval()
    image = torch.rand(2, 1, *shape)
    with torch.no_grad():
        heads = network(image, heads=True)
        assert torch.equal(heads.fused, network(image))
    channels = Heads(fused=1, decoder=1, prototype=1, embeddings=4, similarities=4)
    for found, expected in zip(heads, channels, strict=True):
        assert found.shape == (2, expected, *shape)
    torch.testing.assert_close(heads.embeddings.norm(dim=1), torch.ones(2, *shape))
    torch.testing.assert_close(heads.similarities, network.prototypes(heads.embeddings))


def test_the_prototypes_matter_to_the_output(network: PLMN, batch: dict[str, Tensor]) -> None:
    network.eval()
    with torch.no_grad():
        before = network(batch["image"])
        network.prototypes.vectors = -network.prototypes.vectors
        after = network(batch["image"])
    assert (before - after).abs().max() > 1e-3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_reaches_every_parameter(
    network: PLMN, batch: dict[str, Tensor], precision: str
) -> None:
    assert LEG.trains == ()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        losses = LEG.loss(network.train(), batch)
    losses["loss"].backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.abs().max() > 0, label


def test_terms_add_up_to_the_loss(network: PLMN, batch: dict[str, Tensor]) -> None:
    losses = LEG.loss(network, batch)
    heads = losses["fused"] + losses["decoder"] + losses["prototype"]
    classes = losses["ce"] + 0.01 * losses["ppc"] + 0.001 * losses["ppd"]
    torch.testing.assert_close(losses["loss"], heads + 0.3 * classes)


def test_the_recipe_teaches_one_case(network: PLMN, batch: dict[str, Tensor]) -> None:
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=RECIPE.rate(LEG, 0))
    history = []
    for _ in range(30):
        optimiser.zero_grad()
        losses = LEG.loss(network, batch)
        losses["loss"].backward()
        optimiser.step()
        history.append({name: float(value.detach()) for name, value in losses.items()})
    assert history[-1].keys() == {"loss", "fused", "decoder", "prototype", "ce", "ppc", "ppd"}
    for name in history[0]:
        assert history[-1][name] < history[0][name], name
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    with torch.no_grad():
        classes = network.prototypes.class_similarities(
            network(batch["image"], heads=True).similarities
        )
    found = classes.argmax(dim=1, keepdim=True)
    overlap = (found * batch["tumour"]).sum() * 2 / (found.sum() + batch["tumour"].sum())
    assert classes.shape[1] == CLASSES
    assert overlap > 0.7  # the prototypes alone tell the tumour


def test_prototypes_move_in_training_only(network: PLMN, batch: dict[str, Tensor]) -> None:
    start = network.prototypes.vectors.clone()
    LEG.loss(network.eval(), batch)
    assert torch.equal(network.prototypes.vectors, start)
    network.train()(batch["image"])
    assert torch.equal(network.prototypes.vectors, start)
    LEG.loss(network, batch)
    assert not torch.equal(network.prototypes.vectors, start)


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_alone_is_no_trouble(network: PLMN, batch: dict[str, Tensor], value: int) -> None:
    start = network.prototypes.vectors.clone()
    losses = LEG.loss(network.train(), batch | {"tumour": torch.full_like(batch["tumour"], value)})
    losses["loss"].backward()
    assert all(term.isfinite() for term in losses.values())
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    assert network.prototypes.vectors.isfinite().all()
    assert torch.equal(network.prototypes.vectors[1 - value], start[1 - value])


def test_flops_can_be_counted_on_the_meta_device() -> None:
    with torch.device("meta"), torch.no_grad():
        network = build_network("plmn", 2, 1).eval()
        assert network(torch.empty(1, 2, 40, 72, 64)).shape == (1, 1, 40, 72, 64)


def test_more_than_one_channel_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 channel and not 4"):
        build_network("plmn", 1, 4)


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"option heads: .*3 heads do not divide dim = 256"):
        network_options("plmn", {"heads": 3})
