"""The trainings of a comparison: an entry, a seed and a fold make one, and leave one record."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hcnet.arrays import map_array, read_array, write_array
from hcnet.config import Config
from hcnet.evaluation.map_metrics import confusion_matrix
from hcnet.inference.device import Device
from hcnet.inference.segment import as_map_input, predict_maps
from hcnet.inference.windows import predict, tumour_model
from hcnet.nets.losses import heterogeneity_loss, inverse_frequency_weights
from hcnet.nets.recipe import Leg, Recipe
from hcnet.nets.registry import NETWORKS, build_network, count_parameters, network_recipe
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies import map_stages
from hcnet.studies.compare.entries import OURS, Entry
from hcnet.studies.compare.inputs import InputFiles, input_files
from hcnet.studies.compare.plan import network_settings
from hcnet.studies.compare.records import MapRecord, MapRow, Took, TumourRecord
from hcnet.studies.map_stages import Maps, label_cases
from hcnet.studies.material import Material
from hcnet.studies.score import score_network
from hcnet.training.folder import RunFolder
from hcnet.training.logbook import final_loss, trained_seconds
from hcnet.training.patch_task import class_frequencies
from hcnet.training.patches import PatchSource
from hcnet.training.recipe import train_by_recipe
from hcnet.training.stage_hipm import map_labels, predicted

MASKS = "masks"
MAPS = "maps"
METHOD = "method"


@dataclass(frozen=True, eq=False)
class Place:
    """Where and on what one training is done.

    Attributes:
        material: the cases of the fold.
        fold: its number.
        shared: folder of inputs that all trainings share.
        root: folder of this seed and fold.
        config: settings, with this seed.
        device: where and in what numbers to compute.
    """

    material: Material
    fold: int
    shared: Path
    root: Path
    config: Config
    device: Device


def segment_tumours(entry: Entry, place: Place, progress: Progress = SILENT) -> TumourRecord:
    """Train and score one row of Table 1; what was done before an interruption is taken up."""
    material, device = place.material, place.device
    folder, method = place.root / entry.name, RunFolder(place.root / METHOD)
    config, hipm, before, updates = place.config, None, [], 1
    if entry == OURS:
        maps = Maps(extra=bool(material.extra))
        config = label_cases(maps, material, method, place.config, progress)
        hipm = map_stages.predict_maps(maps, material, method, config, device, progress).hipm
        before = [method.kinetics, *(method.hipm / name for name in config.hipm.trainings)]
        updates += len(config.hipm.trainings)
    files = _input_files(entry, place, method, config, progress)
    settings = network_settings(entry.network, config)
    recipe = network_recipe(entry.network)
    model = train_by_recipe(
        entry.title,
        lambda: build_network(settings.name, total_channels(files), 1, settings.options),
        recipe,
        [_source(case, files, tumour=case.files["tumour"]) for case in material.learn],
        material.learn[0].grid.spacing,
        folder,
        config,
        device,
        progress,
    )
    seconds: list[float] = []

    def probability(case: CachedCase) -> NDArray[Any]:
        started = time.perf_counter()
        guide = None if hipm is None else predicted(hipm, case, config, device)
        found = tumour_probability(model, case, files, config, device, guide).numpy()
        seconds.append(time.perf_counter() - started)
        return found

    rows = score_network(
        probability, material, config, f"scoring {entry.title}", progress, masks=folder / MASKS
    )
    legs = [folder / leg.name for leg in recipe.legs]
    return TumourRecord(
        entry.name,
        config.seed,
        place.fold,
        tuple(rows),
        Took(
            count_all(model) + (0 if hipm is None else count_parameters(hipm)),
            updates * config.kis.epochs * (config.kis.steps_per_epoch or 0),
            trained_seconds([*legs, *before]),
            tuple(seconds),
            final_loss(legs[-1]),
        ),
    )


def predict_kinds(entry: Entry, place: Place, progress: Progress = SILENT) -> MapRecord:
    """Train and score one network of Fig. 3; the labels of stage 1 lie in the method's folder."""
    material, device = place.material, place.device
    folder, method = place.root / entry.name, RunFolder(place.root / METHOD)
    config = label_cases(Maps(), material, method, place.config, progress)
    classes = config.kinetics.k + 1
    labels = [map_array(method.labels(case.name)) for case in material.learn]
    weights = inverse_frequency_weights(class_frequencies(labels, classes))
    recipe, settings = one_leg(entry.network), network_settings(entry.network, config)
    files = _input_files(entry, place, method, config, progress)

    def loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return heterogeneity_loss(model(batch["image"]), batch["labels"], weights.to(device.device))

    model = train_by_recipe(
        entry.title,
        lambda: build_network(settings.name, files.channels, classes, settings.options),
        recipe,
        [_source(case, files, labels=method.labels(case.name)) for case in material.learn],
        material.learn[0].grid.spacing,
        folder,
        config,
        device,
        progress,
        settings=config.hipm,
        loss=loss,
    )
    rows, seconds = [], []
    for case in progress.track(material.hold, f"scoring {entry.title}"):
        started = time.perf_counter()
        inputs = _image(case, files)
        found = predict_maps(model, inputs, config.kis.patch, config.inference, device)
        seconds.append(time.perf_counter() - started)
        kinds = map_labels(found.numpy())
        write_array(folder / MAPS / f"{case.name}.npy", kinds)
        truth = read_array(method.labels(case.name))
        rows.append(MapRow(case.name, confusion_matrix(truth, kinds, config.kinetics.k)))
    leg = folder / recipe.legs[0].name
    return MapRecord(
        entry.name,
        config.seed,
        place.fold,
        tuple(rows),
        Took(
            count_all(model),
            config.kis.epochs * (config.kis.steps_per_epoch or 0),
            trained_seconds([leg]),
            tuple(seconds),
            final_loss(leg),
        ),
    )


def tumour_probability(
    model: nn.Module,
    case: CachedCase,
    files: InputFiles,
    config: Config,
    device: Device,
    maps: Tensor | None = None,
) -> Tensor:
    """Tumour probability (X, Y, Z) of a prepared case.

    Args:
        model: takes the image and, with guides, the guide.
        case: the case.
        files: what the network sees.
        config: settings.
        device: where and in what numbers to compute.
        maps: class probabilities in place of those in `files`.
    """
    inputs = [_image(case, files)]
    if files.guide == "maps":
        found = torch.from_numpy(read_array(files.guides[case.name])) if maps is None else maps
        inputs.append(as_map_input(found, config.kis.maps))
    elif files.guide is not None:
        flags = torch.from_numpy(read_array(files.guides[case.name]))
        inputs.append(flags.expand(-1, *case.grid.shape))
    return predict(
        tumour_model(model.to(device.device)),
        inputs,
        config.kis.patch,
        config.inference.overlap,
        device,
    )[0]


def total_channels(files: InputFiles) -> int:
    """What `build_network` counts as input: the image, and the map where there is one."""
    return files.channels + (files.guide_channels if files.guide == "maps" else 0)


def one_leg(network: str) -> Recipe:
    """A network's optimiser and rate for a task that is learned in one leg."""
    recipe = network_recipe(network)
    return Recipe((Leg(),), recipe.optimiser, recipe.lr, recipe.halve_every, recipe.weight_decay)


def count_all(model: nn.Module) -> int:
    """Number of values that can be trained, those frozen in the last leg too."""
    return sum(parameter.numel() for parameter in model.parameters())


def _input_files(
    entry: Entry, place: Place, method: RunFolder, config: Config, progress: Progress
) -> InputFiles:
    material, guide = place.material, NETWORKS[entry.network].guide
    files = input_files(entry.inputs, material.own, place.shared, progress, flags=guide == "phases")
    if guide != "maps":
        return files
    guides = {case.name: method.maps(case.name) for case in material.own}
    return InputFiles(files.channels, files.images, guides, "maps", config.kinetics.k + 1)


def _image(case: CachedCase, files: InputFiles) -> Tensor:
    image = torch.from_numpy(np.array(read_array(files.images[case.name]), np.float32))
    return image.reshape(files.channels, *case.grid.shape)


def _source(case: CachedCase, files: InputFiles, **targets: Path) -> PatchSource:
    arrays = {"image": files.images[case.name], "breast": case.files["breast"], **targets}
    if files.guide is not None:
        arrays[files.guide] = files.guides[case.name]
    return PatchSource(case.name, arrays, case.files.get("tumour"))
