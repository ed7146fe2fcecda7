"""Recipes: rates, shares, and what learns."""

import pytest

from hcnet.nets.recipe import Leg, Recipe
from hcnet.nets.registry import network_names, network_recipe


def test_the_rate_halves_at_every_share():
    recipe = Recipe(lr=0.8, halve_every=1 / 3)
    leg = recipe.legs[0]
    assert [recipe.rate(leg, done) for done in (0, 0.3, 1 / 3, 0.6, 2 / 3, 0.99)] == [
        0.8, 0.8, 0.4, 0.4, 0.2, 0.2,
    ]  # fmt: skip


def test_a_rate_that_does_not_halve():
    recipe = Recipe(lr=0.8, halve_every=None)
    assert recipe.rate(recipe.legs[0], 0.9) == 0.8


def test_shares_that_do_not_add_up():
    with pytest.raises(ValueError, match="do not add up to one"):
        Recipe((Leg("a", 0.5), Leg("b", 0.4)))


def test_what_a_leg_trains():
    assert Leg().learns("anything")
    leg = Leg(trains=("fusion.", "head."))
    assert leg.learns("head.weight")
    assert not leg.learns("branch.fusion.weight")


@pytest.mark.parametrize("name", network_names())
def test_every_network_has_a_recipe_whose_legs_have_their_own_folders(name):
    recipe = network_recipe(name)
    names = [leg.name for leg in recipe.legs]
    assert len(set(names)) == len(names)
    assert all(each.isidentifier() for each in names)
    assert 0 < recipe.lr < 1
