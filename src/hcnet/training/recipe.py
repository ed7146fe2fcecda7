"""Training a network by its recipe: leg after leg, on the protocol's patches and budget."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from hcnet.config import Config
from hcnet.inference.device import Device
from hcnet.nets.recipe import Loss, Optimiser, Recipe
from hcnet.progress import SILENT, Progress
from hcnet.settings import StageSettings
from hcnet.training.loop import fit
from hcnet.training.optimisers import Adam, AdamW
from hcnet.training.patch_task import MakeOptimiser, PatchTask
from hcnet.training.patches import PatchSource
from hcnet.training.stage_kis import tumour_loss


def train_by_recipe(
    name: str,
    build: Callable[[], nn.Module],
    recipe: Recipe,
    sources: Sequence[PatchSource],
    spacing_mm: tuple[float, ...],
    folder: Path,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
    *,
    settings: StageSettings | None = None,
    loss: Loss | None = None,
) -> nn.Module:
    """Train a network by its recipe, or load it where it is trained already.

    Budget and patches are those of the settings: all legs together take its number of updates and
    see the patches that a training in one leg would see, in the same order.

    Args:
        name: shown in progress and messages.
        build: makes the network; called after the seed is set.
        recipe: of the network.
        sources: training cases: `image`, `breast`, `tumour`, and the guide of networks with one.
        spacing_mm: of the prepared grid.
        folder: of this training; gets a folder for each leg.
        config: settings.
        device: where and in what numbers to compute.
        progress: listener.
        settings: of the stage; None is `config.kis`.
        loss: of all legs, in place of the recipe's; None leaves them.
    """
    torch.manual_seed(config.seed)
    model = build()
    stage = settings or config.kis
    started = 0
    for leg, epochs in zip(recipe.legs, epochs_of(recipe, stage.epochs), strict=True):
        for label, parameter in model.named_parameters():
            parameter.requires_grad = leg.learns(label)
        task = PatchTask(
            name if len(recipe.legs) == 1 else f"{name}, {leg.name}",
            model,
            sources,
            stage.model_copy(update={"epochs": epochs}),
            augment=config.augment,
            spacing_mm=spacing_mm,
            loss=loss or leg.loss or partial(tumour_loss, config=config),
            validate=None,
            seed=config.seed,
            workers=config.loader_workers,
            rate=partial(recipe.rate, leg),
            optimiser=make_optimiser(recipe.optimiser, recipe.weight_decay),
            first_batch=started,
        )
        started += epochs * task.steps_per_epoch
        torch.manual_seed(config.seed)  # a leg that follows a loaded one must not tell
        model = fit(task, device, folder / leg.name, progress)
    return model


def epochs_of(recipe: Recipe, epochs: int) -> list[int]:
    """Epochs of each leg: its share, rounded, at least one; they add up to `epochs`.

    Raises:
        ValueError: fewer epochs than legs.
    """
    count = len(recipe.legs)
    if epochs < count:
        raise ValueError(f"{epochs} epochs do not suffice for {count} legs")
    ends, done = [0], 0.0
    for place, leg in enumerate(recipe.legs, start=1):
        done += leg.share
        ends.append(min(max(round(done * epochs), ends[-1] + 1), epochs - count + place))
    return [after - before for before, after in pairwise(ends)]


def make_optimiser(name: Optimiser, weight_decay: float) -> MakeOptimiser:
    """An optimiser by name; the training loop sets its rate."""
    makers: dict[str, MakeOptimiser] = {
        "adam": partial(Adam, weight_decay=weight_decay),
        "amsgrad": partial(Adam, weight_decay=weight_decay, amsgrad=True),
        "adamw": partial(AdamW, weight_decay=weight_decay),
    }
    return makers[name]
