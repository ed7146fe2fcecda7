"""The network of an arm: building it, training it by the recipe of stage 3, predicting with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hcnet.arrays import map_array, read_array
from hcnet.config import Config
from hcnet.inference.device import Device
from hcnet.inference.segment import as_map_input
from hcnet.inference.windows import predict, tumour_model
from hcnet.nets.auxiliary import AuxiliaryNet
from hcnet.nets.cascade import Cascade
from hcnet.nets.losses import heterogeneity_loss, inverse_frequency_weights, segmentation_loss
from hcnet.nets.recipe import Loss
from hcnet.nets.registry import build_network
from hcnet.nets.resunet import Options as ResUNetOptions
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.arms import Arm
from hcnet.studies.ablation.guides import guide_channels
from hcnet.studies.ablation.images import CHANNELS
from hcnet.studies.material import Material
from hcnet.training.patch_task import class_frequencies
from hcnet.training.patches import PatchSource
from hcnet.training.stage_kis import baseline_network, train_segmenter


@dataclass(frozen=True, eq=False)
class ArmFiles:
    """The files that an arm learns from and predicts from, by case.

    Attributes:
        images: what the network sees.
        guides: what guides it; empty without.
        labels: heterogeneity maps for a second head; empty without.
        pseudo: masks of extra cases that take part; empty without.
    """

    images: Mapping[str, Path]
    guides: Mapping[str, Path] = field(default_factory=dict)
    labels: Mapping[str, Path] = field(default_factory=dict)
    pseudo: Mapping[str, Path] = field(default_factory=dict)


def build_arm(arm: Arm, config: Config) -> nn.Module:
    """The untrained network of an arm; all return logits with the tumour's channel first."""
    classes = config.kinetics.k + 1
    plain = baseline_network(config)
    if arm.network == "resunet":
        return build_network(plain.name, CHANNELS[arm.image], 1, plain.options)
    if arm.network == "auxiliary":
        width = ResUNetOptions.model_validate(plain.options).width
        return AuxiliaryNet(CHANNELS[arm.image], classes, width)
    guide = classes if arm.network == "cascade" else guide_channels(arm, config.kinetics.k)
    options = config.kis.network.options
    segmenter = build_network(config.kis.network.name, CHANNELS[arm.image] + guide, 1, options)
    if arm.network == "kisnet":
        return segmenter
    hipm = config.hipm.network
    return Cascade(build_network(hipm.name, CHANNELS[arm.image], classes, hipm.options), segmenter)


def train_arm(
    arm: Arm,
    material: Material,
    files: ArmFiles,
    folder: Path,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
) -> nn.Module:
    """Train the network of an arm, or load it where it is trained already.

    Args:
        arm: what to train.
        material: its training cases have masks, which may be empty.
        files: what it learns from.
        folder: of this training.
        config: settings, with the number of classes of the arm's maps.
        device: where and in what numbers to compute.
        progress: listener.
    """
    sources = [_source(case, case.files["tumour"], files) for case in material.learn]
    sources += [
        _source(case, files.pseudo[case.name], files)
        for case in material.extra
        if case.name in files.pseudo
    ]
    loss = _auxiliary_loss(sources, config, device) if arm.network == "auxiliary" else None
    return train_segmenter(
        arm.name,
        lambda: build_arm(arm, config),
        sources,
        material.learn[0].grid.spacing,
        folder,
        config,
        device,
        progress,
        loss=loss,
    )


def tumour_probability(
    model: nn.Module, arm: Arm, case: CachedCase, files: ArmFiles, config: Config, device: Device
) -> Tensor:
    """Tumour probability (X, Y, Z) of a prepared case by a trained arm."""
    image = torch.from_numpy(np.array(read_array(files.images[case.name]), np.float32))
    inputs = [image.reshape(CHANNELS[arm.image], *case.grid.shape)]
    if files.guides:
        guide = torch.from_numpy(read_array(files.guides[case.name]))
        inputs.append(as_map_input(guide, config.kis.maps))
    return predict(
        tumour_model(model.to(device.device)),
        inputs,
        config.kis.patch,
        config.inference.overlap,
        device,
    )[0]


def _source(case: CachedCase, tumour: Path, files: ArmFiles) -> PatchSource:
    arrays = {"image": files.images[case.name], "breast": case.files["breast"], "tumour": tumour}
    if files.guides:
        arrays["maps"] = files.guides[case.name]
    if files.labels:
        arrays["labels"] = files.labels[case.name]
    return PatchSource(case.name, arrays, tumour)


def _auxiliary_loss(sources: list[PatchSource], config: Config, device: Device) -> Loss:
    """Losses of stages 3 and 2 added, one for each head."""
    labels = [map_array(source.arrays["labels"]) for source in sources]
    weights = inverse_frequency_weights(class_frequencies(labels, config.kinetics.k + 1))

    def loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        logits = model(batch["image"])
        tumour = segmentation_loss(
            logits[:, :1],
            batch["tumour"],
            lambda_=config.kis.lambda_,
            lambda_on=config.kis.lambda_on,
        )
        kinds = heterogeneity_loss(logits[:, 1:], batch["labels"], weights.to(device.device))
        return {"loss": tumour["loss"] + kinds["loss"], "tumour": tumour["loss"],
                "map": kinds["loss"]}  # fmt: skip

    return loss
