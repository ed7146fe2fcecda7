"""The training loop, one for all stages.

A stage is a `Task`: a model, its batches and its losses. The loop owns what they have in common:
device and precision, learning rate, gradient clipping, log, checkpoints and
resuming. Step n sees the same batch, learning rate and random numbers (of dropout) whether or not
the run was stopped before it, so a resumed run ends where an undisturbed one does.
"""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hcnet.errors import TrainingError
from hcnet.inference.device import Device
from hcnet.progress import SILENT, Progress
from hcnet.training.checkpoint import load_checkpoint, load_model, save_checkpoint, save_model
from hcnet.training.descent import Descent
from hcnet.training.logbook import Logbook

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.safetensors"
MODEL = "model.safetensors"
SECONDS_BETWEEN_CHECKPOINTS = 30.0
_SEED_STEP, _SEEDS = 1_000_003, 2**63


class Task(Protocol):
    """What one stage brings to the loop."""

    name: str
    model: nn.Module
    epochs: int
    steps_per_epoch: int
    clip_gradient: float

    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser of the parameters that learn."""
        ...

    def lr(self, epoch: float) -> float:
        """Learning rate at a point of training, in epochs."""
        ...

    def batches(self, first_step: int) -> Iterator[Any]:
        """Batches from `first_step` to the end of training; a function of the step alone."""
        ...

    def losses(self, model: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Scalar terms; the one named `loss` is descended."""
        ...

    def end_of_epoch(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """What the stage does between epochs, e.g. validate; its numbers go into the log."""
        ...


def fit(task: Task, device: Device, folder: Path, progress: Progress = SILENT) -> nn.Module:
    """Train `task.model`; take up from the folder's checkpoint, or load what is trained already.

    Args:
        task: model, batches, losses.
        device: where and in what numbers to compute.
        folder: gets `log.jsonl`, `tensorboard/`, a checkpoint while training, and at the end
            `model.safetensors`. The weights are those of the last step: none is picked by its
            validation score, so that score stays honest.
        progress: listener.

    Torch's seed, as it is at the call, decides the random numbers of every step.

    Returns:
        the trained model, on the device, in evaluation mode.

    Raises:
        InputError: the checkpoint or weights belong to another network.
        TrainingError: the loss is no longer finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finished = folder / MODEL
    if finished.exists():
        load_model(finished, task.model)
        return task.model.to(device.device).eval()
    task.model.to(device.device)  # where the state of its optimiser then goes, too
    optimiser = task.optimiser()
    checkpoint = folder / CHECKPOINT
    done = load_checkpoint(checkpoint, task.model, optimiser) if checkpoint.exists() else 0
    if done:
        logger.info("%s: resumed at step %d", task.name, done)
    descent = Descent(task.model, optimiser, device)

    seed = torch.initial_seed()
    total = task.epochs * task.steps_per_epoch
    batches = task.batches(done)
    logbook = Logbook(folder, epoch=done // task.steps_per_epoch)
    sums: defaultdict[str, float] = defaultdict(float)
    saved = started = time.monotonic()

    _training_mode(task.model)
    for step in progress.track(range(done, total), task.name, total - done):
        for group in optimiser.param_groups:
            group["lr"] = task.lr(step / task.steps_per_epoch)
        _seed((seed * _SEED_STEP + step) % _SEEDS)
        losses = task.losses(descent.model, device.put(next(batches)))
        if not torch.isfinite(losses["loss"]):
            raise TrainingError(
                f"{task.name}: the loss is not finite at step {step}; try a lower learning rate."
            )
        if not descent.step(losses["loss"], task.clip_gradient):
            raise TrainingError(
                f"{task.name}: the gradient is not finite at step {step}; try a lower learning "
                "rate."
            )
        for name, value in losses.items():
            sums[name] += float(value.detach())
        if (step + 1) % task.steps_per_epoch:
            continue

        epoch = step // task.steps_per_epoch
        values = {name: value / task.steps_per_epoch for name, value in sums.items()}
        values |= task.end_of_epoch(descent.model, epoch)
        values |= {"lr": optimiser.param_groups[0]["lr"], "seconds": time.monotonic() - started}
        logbook.write(epoch, values)
        sums.clear()
        _training_mode(task.model)
        if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS and step + 1 < total:
            save_checkpoint(checkpoint, task.model, optimiser, step + 1)
            saved = time.monotonic()

    logbook.close()
    save_model(finished, task.model)
    checkpoint.unlink(missing_ok=True)
    return task.model.eval()


def _seed(seed: int) -> None:
    """`torch.manual_seed` for what is in use: that one writes down the stack, ms every step."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


def _training_mode(model: nn.Module) -> None:
    """Training mode for what learns; frozen parts keep their running statistics."""
    model.train()
    for part in model.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def cosine(lr: float, epoch: float, epochs: int) -> float:
    """Half a cosine from `lr` to 1 % of it."""
    return lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(epoch / epochs, 1.0))))
