"""What an entry takes on this machine: a few steps of each, in a process of its own.

Peak memory can only be told apart in a process that has done nothing else, so each entry is
measured in a new one. The same numbers are the estimate before a comparison starts.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcnet.config import Config
from hcnet.files import read_json, write_json
from hcnet.settings import NetworkSettings
from hcnet.studies.compare.plan import Task

if TYPE_CHECKING:
    from hcnet.nets.recipe import Loss
    from hcnet.training.descent import Descent

STEPS = 2
"""Timed after one that is not."""


@dataclass(frozen=True)
class Spec:
    """What is measured.

    Attributes:
        network: its name and options.
        task: whose loss is taken.
        channels: of the image.
        guide: key of the second input, or None.
        guide_channels: of the second input.
        classes: of the output.
        config: settings; patch, batch and precision are theirs.
    """

    network: NetworkSettings
    task: Task
    channels: int
    guide: str | None
    guide_channels: int
    classes: int
    config: Config


@dataclass(frozen=True)
class Measured:
    """What an entry takes.

    Attributes:
        flops: of one window forward.
        step_s: seconds of a training step, the mean over the legs by their shares.
        window_s: seconds of one window forward.
        training_mb: peak memory of a process that does nothing but these steps: its resident size
            on a CPU, what was allocated on a GPU.
        device: what computed.
    """

    flops: int
    step_s: float
    window_s: float
    training_mb: int
    device: str


def measured(spec: Spec, file: Path) -> Measured:
    """Measure in a new process, or read what was measured before on such a device.

    Args:
        spec: what.
        file: where the result is kept.
    """
    from hcnet.runtime import device_name

    if file.exists():
        stored: dict[str, Any] = read_json(file)
        if stored["device"] == device_name():
            return Measured(**stored)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn, initializer=_quiet) as pool:
        result = pool.submit(measure, spec).result()
    write_json(file, asdict(result))
    return result


def _quiet() -> None:
    """Warnings only, as in the parent: a library's news would come once for each entry."""
    logging.disable(logging.INFO)


def measure(spec: Spec) -> Measured:
    """Train on noise for a few steps; best called in a new process, see `measured`."""
    import torch

    from hcnet.nets.blocks import channels_last
    from hcnet.nets.cost import network_cost
    from hcnet.nets.registry import build_network, network_recipe
    from hcnet.runtime import device_name, peak_memory_mb
    from hcnet.studies.compare.trainings import one_leg
    from hcnet.training.descent import Descent, training_device
    from hcnet.training.recipe import make_optimiser

    device = training_device(spec.config.precision)
    torch.manual_seed(0)
    stage = spec.config.kis
    total = spec.channels + (spec.guide_channels if spec.guide == "maps" else 0)
    network = channels_last(
        build_network(spec.network.name, total, spec.classes, spec.network.options)
    )
    recipe = network_recipe(spec.network.name)
    legs = recipe.legs if spec.task == "tumour" else one_leg(spec.network.name).legs
    batch = device.put(_noise(spec, stage.batch_size))
    seconds = 0.0
    for leg in legs:
        for label, parameter in network.named_parameters():
            parameter.requires_grad = leg.learns(label)
        optimiser = make_optimiser(recipe.optimiser, 0.0)(
            [p for p in network.parameters() if p.requires_grad]
        )
        descent = Descent(network, optimiser, device)
        step = partial(_step, descent, leg.loss or _loss(spec), batch, stage.clip_gradient)
        seconds += leg.share * _timed(step, device.device.type)
    network.eval()
    window = device.put(_noise(spec, 1))
    inputs = [window["image"], *([window[spec.guide]] if spec.guide else [])]

    def forward() -> None:
        with torch.inference_mode(), device.autocast():
            network(*inputs)

    window_s = _timed(forward, device.device.type)
    on_gpu = device.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() >> 20 if on_gpu else peak_memory_mb()
    cost = network_cost(
        spec.network.name,
        total,
        stage.patch,
        out_channels=spec.classes,
        options=spec.network.options,
    )
    return Measured(cost.flops, seconds, window_s, int(peak or 0), device_name())


def _step(descent: "Descent", loss: "Loss", batch: dict[str, Any], clip_gradient: float) -> None:
    descent.step(loss(descent.model, batch)["loss"], clip_gradient)


def _timed(work: Callable[[], None], device: str) -> float:
    """Seconds of one turn of `work`, the mean of `STEPS` after one that is not timed."""
    import torch

    started = 0.0
    for turn in range(STEPS + 1):
        if turn == 1:
            if device == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / STEPS


def _noise(spec: Spec, items: int) -> dict[str, Any]:
    import torch

    shape, last = spec.config.kis.patch, torch.channels_last_3d
    batch = {
        "image": torch.randn(items, spec.channels, *shape).contiguous(memory_format=last),
        "tumour": (torch.rand(items, 1, *shape) > 0.9).to(torch.uint8),
    }
    if spec.classes > 1:
        batch["labels"] = torch.randint(spec.classes, (items, 1, *shape), dtype=torch.uint8)
    if spec.guide == "maps":
        batch["maps"] = torch.randn(items, spec.guide_channels, *shape).softmax(dim=1)
    elif spec.guide is not None:
        batch[spec.guide] = torch.ones(items, spec.guide_channels, *shape)
    return batch


def _loss(spec: Spec) -> "Loss":
    import torch

    from hcnet.nets.losses import heterogeneity_loss
    from hcnet.training.stage_kis import tumour_loss

    if spec.task == "tumour":
        return lambda model, batch: tumour_loss(model, batch, spec.config)
    weights = torch.ones(spec.classes)
    return lambda model, batch: heterogeneity_loss(
        model(batch["image"]), batch["labels"], weights.to(batch["image"].device)
    )


def windows(shape: Sequence[int], patch: Sequence[int], overlap: float) -> int:
    """Number of windows that cover a volume."""
    count = 1
    for size, window in zip(shape, patch, strict=True):
        step = max(1, int(window * (1 - overlap)))
        count *= 1 + max(0, -(-(size - window) // step))
    return count
