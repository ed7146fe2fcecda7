"""Stage 3: segment the tumour, guided by the predicted map (paper 2.3), and the plain baseline.

KIS-Net and the baseline see the same patches in the same order for the same number of steps; the
only difference is the map.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hcnet.arrays import read_array
from hcnet.config import Config
from hcnet.inference.device import Device
from hcnet.inference.segment import as_map_input, predict_tumour
from hcnet.nets.losses import segmentation_loss
from hcnet.nets.recipe import Loss
from hcnet.nets.registry import build_network
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.settings import NetworkSettings
from hcnet.training.folder import RunFolder
from hcnet.training.loop import fit
from hcnet.training.patch_task import PatchTask, Validation
from hcnet.training.patches import PatchSource


def baseline_network(config: Config) -> NetworkSettings:
    """A plain ResUNet of the width that KIS-Net has inside."""
    width = config.kis.network.options.get("width")
    return NetworkSettings(name="resunet", options={} if width is None else {"width": width})


def train_kis(
    cases: Sequence[CachedCase],
    held_out: Sequence[CachedCase],
    folder: RunFolder,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
    *,
    with_maps: bool = True,
) -> nn.Module:
    """Train KIS-Net on out-of-fold maps, or the ResUNet baseline without them.

    Args:
        cases: training cases that have a tumour mask, with maps in `folder`.
        held_out: cases for validation while training.
        folder: the run.
        config: settings.
        device: where and in what numbers to compute.
        progress: listener.
        with_maps: False trains the baseline.

    Returns:
        the network: (B, 1, x, y, z) and, with maps, (B, K+1, x, y, z) to one logit.
    """

    def validate(model: nn.Module) -> dict[str, float]:
        scores = []
        for case in held_out:
            found = tumour_probability(model, case, folder, config, device, with_maps).numpy()
            mask = (found >= config.inference.threshold) & (np.asarray(case.breast) > 0)
            truth = np.asarray(case.tumour) > 0
            scores.append(2 * (mask & truth).sum() / max(mask.sum() + truth.sum(), 1))
        return {"dsc": float(np.mean(scores))}

    network = config.kis.network if with_maps else baseline_network(config)
    arrays = ("image", "breast", "tumour")
    sources = [
        PatchSource(
            case.name,
            {key: case.files[key] for key in arrays}
            | ({"maps": folder.maps(case.name)} if with_maps else {}),
            case.files["tumour"],
        )
        for case in cases
    ]
    return train_segmenter(
        "KIS-Net" if with_maps else "ResUNet",
        lambda: build_stage3(network, config, with_maps),
        sources,
        cases[0].grid.spacing,
        folder.kis if with_maps else folder.baseline,
        config,
        device,
        progress,
        validate=validate,
    )


def train_segmenter(
    name: str,
    build: Callable[[], nn.Module],
    sources: Sequence[PatchSource],
    spacing_mm: tuple[float, ...],
    folder: Path,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
    *,
    loss: Loss | None = None,
    validate: Validation | None = None,
) -> nn.Module:
    """Train a network by the recipe of stage 3, or load it where it is trained already.

    Whatever the network sees, it sees the same patches in the same order for the same number of
    steps: they depend on the names, the seed and `config.kis` alone.

    Args:
        name: shown in progress and messages.
        build: makes the network; called after the seed is set.
        sources: training cases: `image`, `breast`, `tumour`, and `maps` where the network takes
            them.
        spacing_mm: of the prepared grid.
        folder: of this training.
        config: settings.
        device: where and in what numbers to compute.
        progress: listener.
        loss: terms from the model and a batch; None is `tumour_loss`.
        validate: see `PatchTask`.
    """
    torch.manual_seed(config.seed)
    task = PatchTask(
        name,
        build(),
        sources,
        config.kis,
        augment=config.augment,
        spacing_mm=spacing_mm,
        loss=loss or (lambda model, batch: tumour_loss(model, batch, config)),
        validate=validate,
        seed=config.seed,
        workers=config.loader_workers,
    )
    return fit(task, device, folder, progress)


def tumour_loss(model: nn.Module, batch: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Eq. (5) of a network of the image and, where the batch has them, the maps."""
    guides = [as_map_input(batch["maps"], config.kis.maps)] if "maps" in batch else []
    return segmentation_loss(
        model(batch["image"], *guides),
        batch["tumour"],
        lambda_=config.kis.lambda_,
        lambda_on=config.kis.lambda_on,
    )


def build_stage3(network: NetworkSettings, config: Config, with_maps: bool) -> nn.Module:
    """The network of stage 3: the image's channel and, with maps, one for each class."""
    return build_network(network.name, stage3_channels(config, with_maps), 1, network.options)


def stage3_channels(config: Config, with_maps: bool) -> int:
    """Input channels of stage 3: the image and, with maps, K classes and the outside."""
    return 1 + (config.kinetics.k + 1 if with_maps else 0)


def tumour_probability(
    model: nn.Module,
    case: CachedCase,
    folder: RunFolder,
    config: Config,
    device: Device,
    with_maps: bool,
) -> Tensor:
    """Tumour probability (X, Y, Z) of a prepared case whose maps are in `folder`."""
    image = torch.from_numpy(np.array(case.image))[None]
    maps = torch.from_numpy(read_array(folder.maps(case.name))).float() if with_maps else None
    return predict_tumour(
        model, image, maps, config.kis.maps, config.kis.patch, config.inference, device
    )
