"""The trainings of one seed and split: each arm, and the maps that several of them share.

Maps of the first seed may serve the others, so that these cost a fraction.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcnet.arrays import write_array
from hcnet.config import Config
from hcnet.inference.device import Device
from hcnet.nets.registry import count_parameters
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.arms import MAPS, Arm
from hcnet.studies.ablation.guides import write_guides
from hcnet.studies.ablation.images import image_files, pseudo_masks
from hcnet.studies.ablation.plan import Plan
from hcnet.studies.ablation.records import (
    ArmRecord,
    Cost,
    read_record,
)
from hcnet.studies.ablation.segmenters import ArmFiles, train_arm, tumour_probability
from hcnet.studies.map_stages import PredictedMaps, label_cases, predict_maps
from hcnet.studies.material import Material
from hcnet.studies.score import score_network
from hcnet.training.folder import RunFolder
from hcnet.training.logbook import final_loss, trained_seconds

SEGMENTER = "network"
PROBABILITIES = "probabilities"


class SeedTrainings:
    """All trainings of one seed and split; maps that several arms use are made once, if needed.

    Each arm's folder keeps the tumour probabilities of the held-out cases.

    Args:
        material: the cases.
        plan: how much of everything.
        out: folder of the ablation, for files that all seeds share.
        root: folder of this seed and split.
        config: settings, with this seed.
        device: where and in what numbers to compute.
        progress: listener.
        fold: number of the split.
        first: the trainings of the first seed on this split, whose maps serve this one, too; None
            makes its own.
    """

    def __init__(
        self,
        material: Material,
        plan: Plan,
        out: Path,
        root: Path,
        config: Config,
        device: Device,
        progress: Progress = SILENT,
        fold: int = 0,
        first: "SeedTrainings | None" = None,
    ) -> None:
        self.material = material
        self.fold = fold
        self.plan = plan
        self.out = out
        self.root = root
        self.first = first
        self.maps_root = root if first is None else first.root
        self.config = config
        self.device = device
        self.progress = progress
        self._labelled: dict[str, Config] = {}
        self._predicted: dict[str, PredictedMaps] = {}

    def record(self, arm: Arm) -> ArmRecord:
        """Train and score an arm, or read what is there."""
        folder = self.root / arm.name
        done = read_record(folder)
        if done is not None:
            return done
        config = self.config if arm.maps is None else self._labels(arm.maps)
        maps = self._maps(arm.maps) if arm.maps is not None and arm.needs_hipm else None
        files = self._files(arm, config)
        network = folder / SEGMENTER
        model = train_arm(arm, self.material, files, network, config, self.device, self.progress)

        def probability(case: CachedCase) -> NDArray[np.float16]:
            found = tumour_probability(model, arm, case, files, config, self.device)
            kept = found.numpy().astype(np.float16)
            write_array(folder / PROBABILITIES / f"{case.name}.npy", kept)
            return kept  # what is scored is what is kept

        text = f"scoring {arm.name}"
        rows = score_network(probability, self.material, config, text, self.progress)
        before = self._trained_before(arm)
        record = ArmRecord(
            arm.name,
            config.seed,
            tuple(rows),
            Cost(
                count_parameters(model) + (0 if maps is None else maps.parameters),
                self.plan.updates * (1 + (0 if maps is None else len(config.hipm.trainings))),
                trained_seconds([network, *before]),
                final_loss(network),
            ),
            fold=self.fold,
            threshold=config.inference.threshold,
            maps_seed=self.first.config.seed if self.first and arm.maps is not None else None,
        )
        if maps is not None and arm.guide == "predicted":
            scores = maps.scores.pooled
            record = replace(record, map_accuracy=scores.mean_accuracy, map_iou=scores.mean_iou)
        record.write(folder)
        shutil.rmtree(folder / "guides", ignore_errors=True)  # large, and quick to make again
        return record

    def _files(self, arm: Arm, config: Config) -> ArmFiles:
        material, out, progress = self.material, self.out, self.progress
        seen = [*material.own, *(material.extra if arm.pseudo else ())]
        files = ArmFiles(image_files(arm.image, seen, out / "images", progress))
        if arm.pseudo:
            files = replace(files, pseudo=pseudo_masks(material, out / "pseudo", progress))
        if arm.guide is not None:
            maps = RunFolder(self.maps_root / (arm.maps or arm.name))
            folder = self.root / arm.name / "guides"
            guides = write_guides(
                arm, material, maps, config.kinetics.k, folder, config.seed, progress
            )
            files = replace(files, guides=guides)
        elif arm.maps is not None:
            labels = RunFolder(self.maps_root / arm.maps).labels
            files = replace(files, labels={case.name: labels(case.name) for case in material.own})
        return files

    def _labels(self, name: str) -> Config:
        if self.first is not None:
            k = self.first._labels(name).kinetics.k
            kinetics = self.config.kinetics.model_copy(update={"k": k})
            return self.config.model_copy(update={"kinetics": kinetics})
        if name not in self._labelled:
            folder = RunFolder(self.maps_root / name)
            self._labelled[name] = label_cases(
                MAPS[name], self.material, folder, self.config, self.progress
            )
        return self._labelled[name]

    def _maps(self, name: str) -> PredictedMaps:
        if self.first is not None:
            return self.first._maps(name)
        if name not in self._predicted:
            folder = RunFolder(self.maps_root / name)
            self._predicted[name] = predict_maps(
                MAPS[name], self.material, folder, self._labels(name), self.device, self.progress
            )
        return self._predicted[name]

    def _trained_before(self, arm: Arm) -> list[Path]:
        """Folders of the trainings that an arm's maps took."""
        if arm.maps is None:
            return []
        folder = RunFolder(self.maps_root / arm.maps)
        names = self.config.hipm.trainings if arm.needs_hipm else ()
        return [folder.kinetics, *(folder.hipm / name for name in names)]
