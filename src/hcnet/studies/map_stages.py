"""Stages 1 and 2 in a study: labels from the DCE phases, and their prediction, out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from hcnet.arrays import read_array, write_array
from hcnet.config import Config
from hcnet.evaluation.map_metrics import MapTable, evaluate_maps
from hcnet.files import write_text
from hcnet.inference.device import Device
from hcnet.kinetics.alternatives import Alternative, fit_alternative
from hcnet.kinetics.clustering import CODEBOOK, Clusterer, Clustering, map_exam
from hcnet.kinetics.tic import choose_time_grid
from hcnet.nets.registry import count_parameters
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.material import Material
from hcnet.training.folder import RunFolder
from hcnet.training.stage_hipm import map_labels, train_and_map
from hcnet.training.stage_kinetics import CurveSource, fit_clustering, training_sample

ALTERNATIVE = "alternative.json"
ClustererName = Literal["vqvae", "kmeans", "bins"]


@dataclass(frozen=True)
class Maps:
    """How heterogeneity maps come about: stage 1, and the cases that stages 1 and 2 learn from."""

    clusterer: ClustererName = "vqvae"
    extra: bool = False


@dataclass(frozen=True, eq=False)
class PredictedMaps:
    """What stage 2 came to.

    Attributes:
        scores: of the held-out cases.
        hipm: the network that made their maps.
    """

    scores: MapTable
    hipm: nn.Module

    @property
    def parameters(self) -> int:
        """Of one HIPM."""
        return count_parameters(self.hipm)


def label_cases(
    maps: Maps,
    material: Material,
    folder: RunFolder,
    config: Config,
    progress: Progress = SILENT,
) -> Config:
    """Stage 1: fit the classes on the training cases and label every case.

    What is in the folder already is left as it is.

    Args:
        maps: how the classes come about, and whether extra cases take part.
        material: the cases.
        folder: for `kinetics/`.
        config: settings.
        progress: listener.

    Returns:
        the settings with the number of classes that there are; `bins` may have another than asked.
    """
    learn = [CurveSource.of(case) for case in _learners(maps, material)]
    fitted = _fitted(maps.clusterer, learn, folder, config, progress)
    others = [CurveSource.of(case) for case in material.hold]
    for source in progress.track([*learn, *others], "labelling"):
        path = folder.labels(source.name)
        if not path.exists():
            labels = map_exam(fitted, source.phases, source.breast, source.clock)
            write_array(path, labels)
    kinetics = config.kinetics.model_copy(update={"k": fitted.codebook.k})
    return config.model_copy(update={"kinetics": kinetics})


def predict_maps(
    maps: Maps,
    material: Material,
    folder: RunFolder,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
) -> PredictedMaps:
    """Stage 2: a map of every case of the cohort, by default from an HIPM that has not seen it.

    Folds are of the cohort's training cases; extra cases, where they take part, are in every
    training set.

    Args:
        maps: whether extra cases take part.
        material: the cases.
        folder: with the labels of stage 1; gets `hipm/`.
        config: as `label_cases` returned it.
        device: where and in what numbers to compute.
        progress: listener.
    """
    learn = _learners(maps, material)
    hipm = train_and_map(
        material.split.train, learn, material.hold, folder, config, device, progress
    )
    pairs = (
        (
            case.name,
            read_array(folder.labels(case.name)),
            map_labels(read_array(folder.maps(case.name))),
        )
        for case in material.hold
    )
    return PredictedMaps(evaluate_maps(pairs, config.kinetics.k), hipm)


def _learners(maps: Maps, material: Material) -> list[CachedCase]:
    return [*material.learn, *(material.extra if maps.extra else ())]


def _fitted(
    name: ClustererName,
    sources: Sequence[CurveSource],
    folder: RunFolder,
    config: Config,
    progress: Progress,
) -> Clusterer:
    kinetics, seed = config.kinetics, config.seed
    if name == "vqvae":
        if not (folder.kinetics / CODEBOOK).exists():
            fit_clustering(sources, kinetics, seed, folder.kinetics, progress).save(folder.kinetics)
        return Clustering.load(folder.kinetics)
    stored = folder.kinetics / ALTERNATIVE
    if not stored.exists():
        grid = choose_time_grid([source.clock for source in sources], kinetics.points)
        raw = training_sample(sources, grid, kinetics.max_points, seed)
        write_text(stored, fit_alternative(name, raw, kinetics, grid, seed).to_json())
    return Alternative.from_json(stored.read_text(encoding="utf-8"))
