"""Training by recipe: legs share the budget and the patches, and train what they should."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from hcnet.arrays import write_array
from hcnet.inference.device import Device
from hcnet.nets.recipe import Leg, Recipe
from hcnet.training.logbook import read_log
from hcnet.training.patches import PatchSource
from hcnet.training.recipe import epochs_of, make_optimiser, train_by_recipe
from tiny import tiny_config

SHAPE = (16, 16, 16)


class Two(nn.Module):
    """Two parts that are trained one after the other; the first has a batch norm."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2))
        self.second = nn.Conv3d(2, 1, 1)

    def forward(self, image):
        return self.second(self.first(image))


@pytest.fixture
def sources(tmp_path):
    found = []
    for number in range(3):
        rng = np.random.default_rng(number)
        arrays = {
            "image": rng.normal(size=SHAPE).astype(np.float32),
            "breast": np.ones(SHAPE, np.uint8),
            "tumour": (rng.random(SHAPE) > 0.7).astype(np.uint8),
        }
        files = {key: tmp_path / f"{number}-{key}.npy" for key in arrays}
        for key, array in arrays.items():
            write_array(files[key], array)
        found.append(PatchSource(str(number), files, files["tumour"]))
    return found


def _train(recipe, sources, folder, seen=None):
    def loss(model, batch):
        if seen is not None:
            seen.append(batch["image"].clone())
        return {"loss": (model(batch["image"]) - batch["tumour"]).square().mean()}

    config = tiny_config("kis.epochs=4", "kis.steps_per_epoch=3")
    device = Device(torch.device("cpu"), "32-true")
    return train_by_recipe(
        "two", Two, recipe, sources, (4.0, 4.0, 4.0), folder, config, device, loss=loss
    )


def test_a_leg_trains_its_part_and_leaves_the_other_with_its_norms(sources, tmp_path):
    recipe = Recipe((Leg("one", 0.5, trains=("first.",)), Leg("two", 0.5, trains=("second.",))))
    trained = _train(recipe, sources, tmp_path / "run").state_dict()
    torch.manual_seed(tiny_config().seed)
    fresh = Two().state_dict()
    between = load_file(tmp_path / "run" / "one" / "model.safetensors")
    for name in fresh:
        moved_first = not torch.equal(fresh[name], between[name])
        moved_second = not torch.equal(between[name], trained[name].cpu())
        part = name.split(".")[0]
        assert moved_first == (part == "first"), name
        assert moved_second == (part == "second"), name


def test_legs_see_the_patches_that_one_leg_would(sources, tmp_path):
    one, two = [], []
    _train(Recipe((Leg(),)), sources, tmp_path / "a", one)
    _train(Recipe((Leg("x", 0.25), Leg("y", 0.75))), sources, tmp_path / "b", two)
    assert len(one) == len(two) == 12
    for first, second in zip(one, two, strict=True):
        assert torch.equal(first, second)


def test_a_finished_leg_is_not_trained_again(sources, tmp_path):
    recipe = Recipe((Leg("one", 0.5, trains=("first.",)), Leg("two", 0.5, trains=("second.",))))
    before = _train(recipe, sources, tmp_path / "run").state_dict()
    (tmp_path / "run" / "two" / "model.safetensors").unlink()
    seen = []
    after = _train(recipe, sources, tmp_path / "run", seen).state_dict()
    assert len(seen) == 6
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def test_the_rate_halves_in_each_leg_anew(sources, tmp_path):
    recipe = Recipe((Leg("one", 0.5), Leg("two", 0.5, lr=0.1)), lr=0.4, halve_every=0.5)
    _train(recipe, sources, tmp_path / "run")
    rates = [[line["lr"] for line in read_log(tmp_path / "run" / leg)] for leg in ("one", "two")]
    assert rates == [[0.4, 0.2], [0.1, 0.05]]


@given(
    st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    st.integers(4, 500),
)
def test_epochs_of_legs_add_up_and_none_is_empty(weights, epochs):
    shares = [weight / sum(weights) for weight in weights]
    recipe = Recipe(tuple(Leg(str(i), share) for i, share in enumerate(shares)))
    found = epochs_of(recipe, epochs)
    assert sum(found) == epochs
    assert min(found) >= 1
    for share, count in zip(shares, found, strict=True):
        assert abs(count - share * epochs) < len(shares) + 1


def test_too_few_epochs_for_the_legs():
    with pytest.raises(ValueError, match="1 epochs do not suffice for 2 legs"):
        epochs_of(Recipe((Leg("a", 0.5), Leg("b", 0.5))), 1)


def test_optimisers():
    parameters = [nn.Parameter(torch.zeros(1))]
    assert make_optimiser("amsgrad", 0.1)(parameters).defaults["amsgrad"]
    assert not make_optimiser("adam", 0.1)(parameters).defaults["amsgrad"]
    decoupled = make_optimiser("adamw", 0.1)(parameters)
    assert isinstance(decoupled, torch.optim.AdamW)
    assert decoupled.defaults["weight_decay"] == 0.1
