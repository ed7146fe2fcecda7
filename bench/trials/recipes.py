"""The recipes of `run.py`: each trains one network on a fold's cases and returns it.

Every network returns logits with the tumour's channel first, and sees the patches that arm B0 saw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.arrays import write_array
from hcnet.cohorts.case import Case
from hcnet.config import Config
from hcnet.inference.device import Device
from hcnet.kinetics.clustering import Clustering
from hcnet.nets.auxiliary import AuxiliaryNet
from hcnet.nets.blocks import RARE
from hcnet.nets.cascade import Cascade
from hcnet.nets.losses import heterogeneity_loss, inverse_frequency_weights, segmentation_loss
from hcnet.nets.registry import build_network
from hcnet.nets.resunet import ResUNet
from hcnet.prepare.cache import CachedCase
from hcnet.training.checkpoint import load_model
from hcnet.training.folder import RunFolder
from hcnet.training.loop import MODEL
from hcnet.training.patch_task import class_frequencies
from hcnet.training.patches import PatchSource
from hcnet.training.split import folds_of
from hcnet.training.stage_hipm import predicted
from hcnet.training.stage_kinetics import CurveSource
from hcnet.training.stage_kis import build_stage3, train_segmenter

ENHANCEMENT = (-0.5, 3.0)  # relative; what lies outside is noise of dark voxels
BLOCK, HIDDEN = (4, 8, 8), 0.6  # of masked reconstruction: size of a block, share that is hidden
DEEP_SHARES = (1.0, 0.5, 0.25)  # weights of the outputs at 1/1, 1/2, 1/4
INNER_FOLDS = 5  # members of an ensemble of folds
GENTLE_EPOCHS, GENTLE_LR = 6, 0.0005  # a third of the training, a quarter of its rate


@dataclass(frozen=True)
class Fold:
    """What a recipe learns from.

    Attributes:
        train_cases: to learn from.
        learn: the same, prepared, in the same order.
        folder: of the trial and fold.
        method: the trained arm P of the same fold.
        phantom: prepared phantom cases; empty unless the recipe asks for them.
        config: settings of the cross-validation.
        device: where and in what numbers to compute.
    """

    train_cases: list[Case]
    learn: list[CachedCase]
    folder: Path
    method: Path
    phantom: list[CachedCase]
    config: Config
    device: Device

    def plain(self) -> ResUNet:
        """An untrained network of arm B0."""
        return ResUNet(1, 1, self.config.kis.network.options["width"])

    def train(self, build, loss=None, *, cases=None, folder=None, config=None, **more):
        """Stage 3's recipe; `more` are files of arrays beside image and mask, by case."""
        cases = cases or self.learn
        sources = [
            PatchSource(
                case.name,
                {key: case.files[key] for key in ("image", "breast", "tumour")}
                | {key: files[case.name] for key, files in more.items()},
                case.files["tumour"],
            )
            for case in cases
        ]
        config, folder = config or self.config, folder or self.folder
        spacing = cases[0].grid.spacing
        return train_segmenter(
            folder.name, build, sources, spacing, folder, config, self.device, loss=loss
        )

    def without(self, count: int):
        """Of each of `count` inner folds by patient: the cases outside, and those inside."""
        for inside in folds_of(self.train_cases, count, self.config.seed):
            names = {case.name for case in inside}
            yield (
                [case for case in self.learn if case.name not in names],
                [case for case in self.learn if case.name in names],
            )

    def tumour_terms(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Eq. (5) as the settings have it."""
        kis = self.config.kis
        terms = segmentation_loss(logits, truth, lambda_=kis.lambda_, lambda_on=kis.lambda_on)
        return terms["loss"]


Recipe = Callable[[Fold], nn.Module]


def focal_tversky(fold: Fold) -> nn.Module:
    """(1 - Tversky index)^0.75 for Dice, missed voxels weighing 0.7 and false ones 0.3
    (Abraham and Khan 2019)."""

    def loss(model, batch):
        logits, truth = model(batch["image"]).float(), batch["tumour"].float()
        p = logits.sigmoid()
        hit, missed, false = (p * truth).sum(), ((1 - p) * truth).sum(), (p * (1 - truth)).sum()
        index = (hit + 1) / (hit + 0.7 * missed + 0.3 * false + 1)
        entropy = F.binary_cross_entropy_with_logits(logits, truth)
        return {"loss": fold.config.kis.lambda_ * (1 - index) ** 0.75 + entropy}

    return fold.train(fold.plain, loss)


def regression(fold: Fold) -> nn.Module:
    """Second head: relative enhancement of each voxel, by smooth L1 in the breast."""
    files = {case.name: fold.folder / "enhancement" / f"{case.name}.npy" for case in fold.learn}
    for case in fold.learn:
        before, after = np.array(case.phases[0], np.float32), np.array(case.phases[1], np.float32)
        inside = np.asarray(case.breast) > 0
        floor = np.percentile(before[inside], 5)
        enhancement = np.clip((after - before) / np.maximum(before, floor), *ENHANCEMENT)
        write_array(files[case.name], np.where(inside, enhancement, 0).astype(np.float32)[None])

    def loss(model, batch):
        logits = model(batch["image"])
        cost = F.smooth_l1_loss(logits[:, 1:], batch["enhancement"], reduction="none", beta=0.2)
        inside = (batch["enhancement"] != 0).float()
        task = (cost * inside).sum() / inside.sum().clamp_min(1)
        return {"loss": fold.tumour_terms(logits[:, :1], batch["tumour"]) + task}

    width = fold.config.kis.network.options["width"]
    return fold.train(partial(AuxiliaryNet, 1, 1, width), loss, enhancement=files)


def deep_supervision(fold: Fold) -> nn.Module:
    """The same loss also at 1/2 and 1/4 of the resolution, weighing a half and a quarter."""

    def loss(model, batch):
        outputs, truth = model(batch["image"]), batch["tumour"]
        costs = [fold.tumour_terms(outputs[:, i : i + 1], truth) for i in range(outputs.shape[1])]
        return {"loss": sum(w * cost for w, cost in zip(DEEP_SHARES, costs, strict=True))}

    return fold.train(lambda: _Deep(fold.plain()), loss)


def flat_kernels(fold: Fold) -> nn.Module:
    """Kernels of 1 x 3 x 3 at the two finest levels: nothing is mixed across slices there."""

    def build():
        net = fold.plain()
        fine = (*net.body.encoder[:2], *net.body.decoder[-2:], net.head)
        for level in fine:
            for part in [part for part in level.modules() if isinstance(part, nn.Sequential)]:
                for name, layer in part.named_children():
                    if isinstance(layer, nn.Conv3d):
                        flat = nn.Conv3d(
                            layer.in_channels,
                            layer.out_channels,
                            (1, 3, 3),
                            padding=(0, 1, 1),
                            bias=False,
                        )
                        setattr(part, name, flat)
        return net

    return fold.train(build)


def masked_pretraining(fold: Fold) -> nn.Module:
    """First, for as many updates, fill in hidden blocks of the fold's own training images."""

    def loss(model, batch):
        image = batch["image"]
        shape = [size // block for size, block in zip(image.shape[2:], BLOCK, strict=True)]
        hidden = (torch.rand(image.shape[0], 1, *shape) < HIDDEN).to(image)
        hidden = F.interpolate(hidden, size=image.shape[2:])
        found = model(image * (1 - hidden))
        cost = F.smooth_l1_loss(found, image, reduction="none")
        return {"loss": (cost * hidden).sum() / hidden.sum().clamp_min(1)}

    # Anywhere in the breast: where the lesion lies must not tell what is learned here.
    anywhere = _with_kis(fold.config, lesion_share=0.0)
    before = fold.train(fold.plain, loss, folder=fold.folder / "before", config=anywhere)
    return fold.train(partial(_taken_over, before, fold))


def phantom_pretraining(fold: Fold) -> nn.Module:
    """First, for as many updates, segment the phantom; one such training serves all folds."""
    shared = fold.folder.parent / "before"
    before = fold.train(fold.plain, folder=shared, cases=fold.phantom)
    return fold.train(partial(_taken_over, before, fold))


def half_the_patients(fold: Fold) -> nn.Module:
    """Every other patient of the training, as many updates: does it lack patients?"""
    return fold.train(fold.plain, cases=fold.learn[::2])


def ensemble_of_folds(fold: Fold) -> nn.Module:
    """The mean of five networks, each trained on four fifths of the fold's training patients."""
    members = [
        fold.train(fold.plain, cases=rest, folder=fold.folder / f"inner{number}")
        for number, (rest, _) in enumerate(fold.without(INNER_FOLDS))
    ]
    return _Mean(members)


def phantom_hipm(fold: Fold) -> nn.Module:
    """HIPM begun on phantoms, whose curves get the classes of the fold's stage 1; the rest as P."""
    config, stages = fold.config, RunFolder(fold.method)
    clustering = Clustering.load(stages.kinetics)
    labels = {case.name: stages.labels(case.name) for case in fold.learn}
    for case in fold.phantom:
        labels[case.name] = fold.folder / "labels" / f"{case.name}.npy"
        source = CurveSource.of(case)
        write_array(
            labels[case.name], clustering.map_case(source.phases, source.breast, source.clock)
        )
    # Stage 2's patches; all else is alike for both stages in the preset.
    stage2 = _with_kis(config, lesion_share=config.hipm.lesion_share)

    def mapper(name, build, cases):
        files = {case.name: labels[case.name] for case in cases}
        loss = _map_loss(files, config)

        def of_batch(model, batch):
            return {"loss": loss(model(batch["image"]), batch["labels"])}

        folder = fold.folder / name
        return fold.train(build, of_batch, cases=cases, folder=folder, config=stage2, labels=files)

    before = mapper("before", partial(_hipm, config), fold.phantom)

    def begun():
        net = _hipm(config)
        net.load_state_dict(before.state_dict())
        return net

    final = mapper("final", begun, fold.learn)
    maps = {case.name: fold.folder / "maps" / f"{case.name}.npy" for case in fold.learn}
    for number, (rest, inside) in enumerate(fold.without(config.hipm.folds)):
        model = mapper(f"inner{number}", begun, rest)
        for case in inside:
            write_array(maps[case.name], predicted(model, case, config, fold.device).numpy())
    kis = fold.train(lambda: build_stage3(config.kis.network, config, with_maps=True), maps=maps)
    return Cascade(final, kis)


def joint(fold: Fold) -> nn.Module:
    """HIPM and KIS-Net of arm P, trained further end to end by both losses."""
    config, stages = fold.config, RunFolder(fold.method)
    labels = {case.name: stages.labels(case.name) for case in fold.learn}
    map_loss = _map_loss(labels, config)

    def build():
        hipm = _hipm(config)
        load_model(stages.hipm / "final" / MODEL, hipm)
        kis = build_stage3(config.kis.network, config, with_maps=True)
        load_model(fold.method / "network" / MODEL, kis)
        return _Joint(hipm, kis)

    def loss(model, batch):
        logits = model(batch["image"])
        kinds = map_loss(logits[:, 1:], batch["labels"])
        return {"loss": fold.tumour_terms(logits[:, :1], batch["tumour"]) + kinds, "map": kinds}

    gentle = _with_kis(config, epochs=GENTLE_EPOCHS, lr=GENTLE_LR)
    return fold.train(build, loss, config=gentle, labels=labels)


class _Joint(Cascade):
    """A cascade that also tells its map's logits, behind the tumour's."""

    def forward(self, image: Tensor) -> Tensor:
        logits = self.mapper(image)
        tumour = self.segmenter(image, torch.softmax(logits.float(), dim=1))
        return torch.cat([tumour, logits], dim=1)


class _Mean(nn.Module):
    """The mean probability of some networks, as a logit."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Tensor:
        return torch.logit(sum(net(image).sigmoid() for net in self.members) / len(self.members))


class _Deep(nn.Module):
    """A ResUNet that also tells what its decoder's levels 1/2 and 1/4 see, at full size."""

    def __init__(self, net: ResUNet) -> None:
        super().__init__()
        self.net = net
        width = net.head[0].in_channels
        self.coarse = nn.ModuleList(nn.Conv3d(width * f, 1, 1) for f in (2, 4))
        for layer in self.coarse:
            nn.init.constant_(layer.bias, float(torch.logit(torch.tensor(RARE))))

    def forward(self, image: Tensor) -> Tensor:
        seen: list[Tensor] = []
        levels = self.net.body.decoder[-2], self.net.body.decoder[-3]
        hooks = [level.register_forward_hook(lambda *a: seen.append(a[-1])) for level in levels]
        outputs = [self.net(image)]
        for hook in hooks:
            hook.remove()
        size = image.shape[2:]
        # The decoder goes from coarse to fine.
        for layer, features in zip(self.coarse, reversed(seen), strict=True):
            outputs.append(F.interpolate(layer(features), size=size, mode="trilinear"))
        return torch.cat(outputs, dim=1)


def _hipm(config: Config) -> nn.Module:
    """An untrained network of stage 2."""
    network = config.hipm.network
    return build_network(network.name, 1, config.kinetics.k + 1, network.options)


def _map_loss(labels: dict[str, Path], config: Config) -> Callable[[Tensor, Tensor], Tensor]:
    """Stage 2's loss of logits and labels, classes weighted by their rarity in these files."""
    loaded = [np.load(file, mmap_mode="r") for file in labels.values()]
    weights = inverse_frequency_weights(class_frequencies(loaded, config.kinetics.k + 1))
    return lambda logits, truth: heterogeneity_loss(logits, truth, weights)["loss"]


def _taken_over(before: nn.Module, fold: Fold) -> nn.Module:
    """A new network of arm B0 with the body of a trained one."""
    net = fold.plain()
    net.body.load_state_dict(before.body.state_dict())
    return net


def _with_kis(config: Config, **changes) -> Config:
    return config.model_copy(update={"kis": config.kis.model_copy(update=changes)})


RECIPES: dict[str, Recipe] = {
    "focal-tversky": focal_tversky,
    "regression": regression,
    "deep-supervision": deep_supervision,
    "flat-kernels": flat_kernels,
    "masked-pretraining": masked_pretraining,
    "phantom-pretraining": phantom_pretraining,
    "phantom-hipm": phantom_hipm,
    "joint": joint,
    "ensemble-of-folds": ensemble_of_folds,
    "half-the-patients": half_the_patients,
}
