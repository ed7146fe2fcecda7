"""`hcnet networks`: the networks that can be trained, their size, cost and training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hcnet.cli.options import Json, network_completions
from hcnet.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from hcnet.nets.recipe import Recipe

IN_CHANNELS: Mapping[str | None, int] = {None: 2, "phases": 6, "maps": 12}
"""Channels that a network is sized for, by its guide: a post-contrast image and its difference to
the pre-contrast one; six phases; an image and a map of ten codes and the outside of the breast."""

_INPUTS: Mapping[str | None, str] = {
    None: "image (2 channels)",
    "phases": "series (6 phases)",
    "maps": "image (1) and map (11)",
}
_CAPTION = (
    "Parameters and GFLOPs at the published size, for the shown input and one output channel. "
    "GFLOPs: one forward pass of a patch of {patch} voxels, two operations for each multiply-add "
    "of convolutions and matrix products, without norms and activations. Training: learning rates "
    "halve after that share of the updates of a leg."
)
_OPTIMISERS = {"adam": "Adam", "amsgrad": "AMSGrad", "adamw": "AdamW"}


def networks(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NETWORK...",
            help="Networks to show; all if none is named.",
            autocompletion=network_completions,
        ),
    ] = None,
    *,
    patch: Annotated[
        str,
        typer.Option(
            "--patch", metavar="X,Y,Z", help="Voxels of the patch to count operations for."
        ),
    ] = "96,96,96",
    as_json: Json = False,
) -> None:
    """List the networks: parameters, operations, input, training recipe and reference.

    Examples:
        hcnet networks
        hcnet networks kisnet resunet --patch 48,128,128
    """
    from hcnet.cli.console import answer, show
    from hcnet.nets.registry import NETWORKS

    shape = parse_patch(patch)
    facts = [describe_network(name, shape) for name in names or NETWORKS]
    if as_json:
        answer({"patch": shape, "networks": facts})
    else:
        show(_table(facts, " x ".join(map(str, shape))))


def parse_patch(patch: str) -> tuple[int, int, int]:
    """Voxels from three comma-separated numbers.

    Raises:
        ConfigError: not three whole numbers above zero.
    """
    parts = [part.strip() for part in patch.split(",")]
    sizes = [int(part) for part in parts if part.isdecimal() and int(part) > 0]
    if len(parts) != 3 or len(sizes) != 3:
        raise ConfigError(f"--patch {patch}: give three numbers of voxels, such as 96,96,96.")
    return (sizes[0], sizes[1], sizes[2])


def describe_network(name: str, patch: tuple[int, int, int]) -> dict[str, Any]:
    """What is known of a network, as JSON values.

    Raises:
        ConfigError: an unknown network.
    """
    # torch is slow to import and `hcnet --help` does without it
    from hcnet.nets.cost import network_cost
    from hcnet.nets.registry import NETWORKS, network_recipe

    recipe = network_recipe(name)
    entry = NETWORKS[name]
    in_channels = IN_CHANNELS[entry.guide]
    return {
        "name": name,
        "title": entry.title,
        "reference": entry.reference,
        "guide": entry.guide,
        "in_channels": in_channels,
        **asdict(network_cost(name, in_channels, patch)),
        "recipe": {
            "summary": recipe_in_words(recipe),
            "legs": [
                {"name": leg.name, "share": leg.share, "lr": recipe.rate(leg, 0.0)}
                for leg in recipe.legs
            ],
            "optimiser": recipe.optimiser,
            "halve_every": recipe.halve_every,
            "weight_decay": recipe.weight_decay,
            "note": recipe.note,
        },
    }


def recipe_in_words(recipe: "Recipe") -> str:
    """A recipe in a few words: its legs if there are several, optimiser and learning rate."""
    rates = list(dict.fromkeys(recipe.rate(leg, 0.0) for leg in recipe.legs))
    words = f"{_OPTIMISERS[recipe.optimiser]} {', '.join(f'{rate:g}' for rate in rates)}"
    if recipe.halve_every is not None:
        # 1/6 of a leg, not 0.1667 of it
        words += f", halved every {Fraction(recipe.halve_every).limit_denominator(100)}"
    if len(recipe.legs) > 1:
        words = f"{', '.join(leg.name for leg in recipe.legs)}: {words}"
    return words


def _table(facts: Sequence[dict[str, Any]], patch: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="Networks",
        title_justify="left",
        caption=Text(_CAPTION.format(patch=patch)),
        caption_justify="left",
    )
    table.add_column("name")
    table.add_column("network")
    table.add_column("parameters", justify="right")
    table.add_column("GFLOPs", justify="right")
    for column in ("input", "training", "reference"):
        table.add_column(column, overflow="fold")
    for row in facts:
        cells = (
            row["name"],
            row["title"],
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['flops'] / 1e9:.4g}",
            _INPUTS[row["guide"]],
            row["recipe"]["summary"],
            row["reference"],
        )
        # Text, not str: the numbers of references are in brackets, which markup would swallow
        table.add_row(*map(Text, cells))
    return table
