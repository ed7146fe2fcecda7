"""PatchTask: what stages 2 and 3 and the baseline have in common, a network trained on patches."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hcnet.nets.blocks import channels_last
from hcnet.nets.recipe import Loss
from hcnet.settings import AugmentSettings, StageSettings
from hcnet.training.augment import Augment
from hcnet.training.loop import cosine
from hcnet.training.optimisers import Adam
from hcnet.training.patches import Patches, PatchSource, patch_batches

Validation = Callable[[nn.Module], dict[str, float]]
Rate = Callable[[float], float]
MakeOptimiser = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


class PatchTask:
    """A `loop.Task` whose batches are patches of the prepared cases.

    Args:
        name: shown in progress and messages.
        model: the network.
        sources: training cases.
        settings: of the stage.
        augment: augmentation settings.
        spacing_mm: of the prepared grid.
        loss: terms from the model and a batch of (B, C, x, y, z) tensors.
        validate: numbers from the model on held-out cases; called every `validate_every` epochs,
            unless None.
        seed: of patches and augmentation.
        workers: threads that cut patches ahead of time; 0: none.
        rate: learning rate when a share of the training is done; None is the settings' schedule.
        optimiser: of the parameters that learn; None is Adam.
        first_batch: number of the first batch, where a training goes on with the patches that an
            earlier one has not seen.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        sources: Sequence[PatchSource],
        settings: StageSettings,
        *,
        augment: AugmentSettings,
        spacing_mm: tuple[float, ...],
        loss: Loss,
        validate: Validation | None,
        seed: int,
        workers: int,
        rate: Rate | None = None,
        optimiser: MakeOptimiser | None = None,
        first_batch: int = 0,
    ) -> None:
        self.name = name
        self.model = channels_last(model)
        self.settings = settings
        self.epochs = settings.epochs
        self.clip_gradient = settings.clip_gradient
        per_pass = len(sources) * settings.patches_per_case
        self.steps_per_epoch = settings.steps_per_epoch or -(-per_pass // settings.batch_size)
        self._patches = Patches(
            sources,
            settings.patch,
            settings.lesion_share,
            Augment(augment, spacing_mm),
            seed,
        )
        self._loss = loss
        self._validate = validate
        self._workers = workers
        self._rate = rate
        self._optimiser = optimiser
        self._first_batch = first_batch

    def lr(self, epoch: float) -> float:
        """The rate given, else constant, or half a cosine over the whole training."""
        if self._rate is not None:
            return self._rate(epoch / self.epochs)
        if self.settings.schedule == "constant":
            return self.settings.lr
        return cosine(self.settings.lr, epoch, self.epochs)

    def optimiser(self) -> torch.optim.Optimizer:
        """The optimiser given, else Adam in one kernel."""
        learning = [p for p in self.model.parameters() if p.requires_grad]
        if self._optimiser is not None:
            return self._optimiser(learning)
        return Adam(learning, weight_decay=self.settings.weight_decay, fused=True)

    def batches(self, first_step: int) -> Iterator[dict[str, Tensor]]:
        """Batches from `first_step` on, laid out channels last."""
        first = self._first_batch + first_step
        last = self._first_batch + self.epochs * self.steps_per_epoch
        size = self.settings.batch_size
        for batch in patch_batches(self._patches, size, first, last, self._workers):
            batch["image"] = batch["image"].contiguous(memory_format=torch.channels_last_3d)
            yield batch

    def losses(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The stage's own loss."""
        return self._loss(model, batch)

    def end_of_epoch(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """Validate where it is due."""
        every = self.settings.validate_every
        due = every and (epoch + 1) % every == 0 and epoch + 1 < self.epochs
        if self._validate is None or not due:
            return {}  # the last epoch's validation is the stage's own, with all its numbers
        return {f"validation/{k}": v for k, v in self._validate(model.eval()).items()}


def class_frequencies(label_maps: Sequence[Any], classes: int) -> Tensor:
    """Share of each class over all voxels of all training maps, (classes,) float32."""
    counts = np.zeros(classes, np.int64)
    for labels in label_maps:
        counts += np.bincount(np.asarray(labels).ravel(), minlength=classes)[:classes]
    return torch.from_numpy((counts / counts.sum()).astype(np.float32))
