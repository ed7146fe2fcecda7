"""Stage 2: learn to predict the heterogeneity map from the pre-contrast image (paper 2.2).

Stage 3 learns from *predicted* maps. HIPM's maps of its own training cases are better than any it
will make later, so those maps are made by cross-fitting: each training case gets its map from an
HIPM that has not seen that patient. One more HIPM, trained on all training cases, is the one that
is kept; it makes the maps of validation cases and of every later exam. With a single fold it makes
all maps, also those of the cases that it has learned from.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hcnet.arrays import map_array, write_array
from hcnet.cohorts.case import Case
from hcnet.config import Config
from hcnet.evaluation.map_metrics import MapTable, evaluate_maps
from hcnet.inference.device import Device
from hcnet.inference.segment import predict_maps
from hcnet.nets.losses import heterogeneity_loss, inverse_frequency_weights
from hcnet.nets.registry import build_network
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.training.folder import RunFolder
from hcnet.training.loop import fit
from hcnet.training.patch_task import PatchTask, class_frequencies
from hcnet.training.patches import PatchSource
from hcnet.training.split import folds_of


def train_hipm(
    cases: Sequence[CachedCase],
    held_out: Sequence[CachedCase],
    name: str,
    folder: RunFolder,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
) -> nn.Module:
    """Train one HIPM, or load it where it is trained already.

    Args:
        cases: training cases, with stage-1 labels in `folder`.
        held_out: cases for validation while training.
        name: of its folder under `hipm/`: `fold0`, ..., `final`.
        folder: the run.
        config: settings.
        device: where and in what numbers to compute.
        progress: listener.

    Returns:
        the network: (B, 1, x, y, z) to logits of K+1 classes.
    """
    classes = config.kinetics.k + 1
    labels = [map_array(folder.labels(case.name)) for case in cases]
    weights = inverse_frequency_weights(class_frequencies(labels, classes))

    def loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return heterogeneity_loss(model(batch["image"]), batch["labels"], weights.to(device.device))

    def validate(model: nn.Module) -> dict[str, float]:
        scores = score_maps(model, held_out, folder, config, device).pooled
        return {"mean_accuracy": scores.mean_accuracy, "mean_iou": scores.mean_iou}

    torch.manual_seed(config.seed)
    task = PatchTask(
        f"HIPM {name}",
        build_network(config.hipm.network.name, 1, classes, config.hipm.network.options),
        [
            PatchSource(
                case.name,
                {
                    "image": case.files["image"],
                    "breast": case.files["breast"],
                    "labels": folder.labels(case.name),
                },
                case.files.get("tumour"),
            )
            for case in cases
        ],
        config.hipm,
        augment=config.augment,
        spacing_mm=cases[0].grid.spacing,
        loss=loss,
        validate=validate,
        seed=config.seed,
        workers=config.loader_workers,
    )
    return fit(task, device, folder.hipm / name, progress)


def train_and_map(
    train: Sequence[Case],
    learn: Sequence[CachedCase],
    held_out: Sequence[CachedCase],
    folder: RunFolder,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
) -> nn.Module:
    """All of stage 2: maps of all cases, and the HIPM that is kept.

    Args:
        train: cases that are dealt into folds; only they and held-out cases get a map.
        learn: the same, prepared, and any others that every HIPM learns from.
        held_out: cases for validation.
        folder: the run.
        config: settings.
        device: where and in what numbers to compute.
        progress: listener.
    """
    hipm = train_hipm(learn, held_out, "final", folder, config, device, progress)
    write_maps(hipm, held_out, folder, config, device, progress)
    for number, fold in enumerate(folds_of(train, config.hipm.folds, config.seed)):
        inside = {case.name for case in fold}
        here = [case for case in learn if case.name in inside]
        partial = hipm
        if config.hipm.folds > 1:
            rest = [case for case in learn if case.name not in inside]
            partial = train_hipm(rest, here, f"fold{number}", folder, config, device, progress)
        write_maps(partial, here, folder, config, device, progress)
    return hipm


def write_maps(
    model: nn.Module,
    cases: Sequence[CachedCase],
    folder: RunFolder,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
) -> None:
    """Predict and store the class probabilities of `cases`, leaving those that are there."""
    for case in progress.track(cases, "predicting maps"):
        if not folder.maps(case.name).exists():
            write_array(folder.maps(case.name), predicted(model, case, config, device).numpy())


def predicted(model: nn.Module, case: CachedCase, config: Config, device: Device) -> Tensor:
    """Class probabilities (K+1, X, Y, Z), float16 as they are stored for stage 3."""
    image = torch.from_numpy(np.array(case.image))[None]
    return predict_maps(model, image, config.hipm.patch, config.inference, device).half()


def score_maps(
    model: nn.Module,
    cases: Sequence[CachedCase],
    folder: RunFolder,
    config: Config,
    device: Device,
) -> MapTable:
    """Mean Accuracy and Mean IoU (paper Fig. 3), inside the breast, on the prepared grid."""

    def pairs() -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
        for case in cases:
            truth = map_array(folder.labels(case.name))
            yield case.name, truth, map_labels(predicted(model, case, config, device).numpy())

    return evaluate_maps(pairs(), config.kinetics.k)


def map_labels(probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    """Most probable class (X, Y, Z), 1..K, of (K+1, X, Y, Z); where the breast is, is known."""
    return (probabilities[1:].argmax(0) + 1).astype(np.uint8)
