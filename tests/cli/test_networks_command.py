import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.networks import networks, parse_patch, recipe_in_words
from hcnet.errors import ConfigError
from hcnet.nets.cost import network_cost
from hcnet.nets.recipe import Leg, Recipe
from hcnet.nets.registry import NETWORKS

app = typer.Typer()
app.command()(networks)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_table_names_size_cost_training_and_source() -> None:
    text = " ".join(run("resunet", "zhang").split())
    for expected in (
        "ResUNet",
        "11.16 M",
        "174.3",
        "175.60 M",
        "Patterns 2023 [7]",
        "96 x 96 x 96",
    ):
        assert expected in text
    assert "UX-Net" not in text


def test_json_for_machines() -> None:
    facts = json.loads(run("kisnet", "zhang", "--json", "--patch", "32, 48,64"))
    assert facts["patch"] == [32, 48, 64]
    kisnet, zhang = facts["networks"]
    cost = network_cost("kisnet", 12, (32, 48, 64))
    assert (kisnet["parameters"], kisnet["flops"]) == (cost.parameters, cost.flops)
    assert (kisnet["guide"], kisnet["in_channels"]) == ("maps", 12)
    assert (zhang["guide"], zhang["in_channels"]) == ("phases", 6)
    assert zhang["recipe"]["optimiser"] == "adam"
    assert zhang["recipe"]["legs"] == [{"name": "network", "share": 1.0, "lr": 0.005}]


def test_all_networks_are_shown_unless_some_are_named() -> None:
    facts = json.loads(run("--json", "--patch", "32,32,32"))
    assert [row["name"] for row in facts["networks"]] == list(NETWORKS)
    assert all(row["parameters"] > 1e6 and row["flops"] > 1e8 for row in facts["networks"])


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(), "Adam 0.005, halved every 1/6"),
        (Recipe(optimiser="adamw", lr=0.1, halve_every=None), "AdamW 0.1"),
        (
            Recipe(legs=(Leg("coarse", 0.4), Leg("fine", 0.6, lr=1e-4)), lr=1e-3),
            "coarse, fine: Adam 0.001, 0.0001, halved every 1/6",
        ),
    ],
)
def test_a_recipe_in_words(recipe: Recipe, words: str) -> None:
    assert recipe_in_words(recipe) == words


@pytest.mark.parametrize("patch", ["96", "96,96", "96,96,0", "a,b,c", "-1,2,3", "1.5,2,3", ""])
def test_a_patch_that_makes_no_sense(patch: str) -> None:
    with pytest.raises(ConfigError, match="three numbers of voxels"):
        parse_patch(patch)


def test_an_unknown_network() -> None:
    with pytest.raises(ConfigError, match="no network unet; there are"):
        run("unet")


def test_torch_is_imported_only_when_the_verb_runs() -> None:
    code = "import sys, hcnet.cli.networks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
