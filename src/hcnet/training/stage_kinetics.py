"""Stage 1: learn what kinds of time-intensity curves there are (paper 2.1).

Only training cases are learned from, and only inside the breast; no tumour mask takes part.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hcnet.kinetics.clustering import Clusterer, Clustering, build_model
from hcnet.kinetics.curves import allot_points, iter_curves, sample_curves
from hcnet.kinetics.moments import Moments
from hcnet.kinetics.quality import Composition, Quality, Spread, kmeans_reference
from hcnet.kinetics.settings import KineticsConfig
from hcnet.kinetics.tic import choose_time_grid, kinetic_clock, scale_curves
from hcnet.kinetics.vqvae import Quantised, clustering_losses, tend_codebook
from hcnet.prepare.cache import CachedCase
from hcnet.prepare.prepare import PreparedCase
from hcnet.progress import SILENT, Progress
from hcnet.runtime import make_fabric
from hcnet.training.loop import fit

KMEANS_POINTS = 100_000
"""Most curves that k-means, the yardstick beside the VQ-VAE, is fitted on."""


@dataclass(frozen=True, eq=False)
class CurveSource:
    """Where the curves of one case come from.

    Attributes:
        name: the case.
        phases: (P, X, Y, Z) raw intensities, e.g. a memory map.
        breast: (X, Y, Z) mask.
        clock: (P,) seconds on the kinetic clock.
        tumour: (X, Y, Z) mask, to describe the result with; None where there is none.
    """

    name: str
    phases: NDArray[Any]
    breast: NDArray[Any]
    clock: NDArray[np.float64]
    tumour: NDArray[Any] | None

    @classmethod
    def of(cls, case: CachedCase | PreparedCase) -> "CurveSource":
        """The curves of a prepared case."""
        breast = case.breast if isinstance(case, CachedCase) else case.image.breast
        clock = kinetic_clock(case.times_s, case.times_from, case.phases.shape[0])
        return cls(case.name, case.phases, breast, clock, case.tumour)


class ClusteringTask:
    """A `loop.Task`: the VQ-VAE on a sample of curves that is held in memory.

    Args:
        curves: (N, T) normalised curves.
        config: settings of stage 1.
        seed: of weights, order and codebook.
    """

    name = "TIC clustering"
    clip_gradient = 100.0

    def __init__(self, curves: Tensor, config: KineticsConfig, seed: int) -> None:
        self.model: nn.Module = build_model(config, curves.shape[1], seed)
        self.epochs = config.epochs
        self.steps_per_epoch = -(-len(curves) // config.batch_size)
        self._weight_decay = config.weight_decay
        self._curves = curves
        self._config = config
        self._seed = seed

    def lr(self, epoch: float) -> float:
        """Halved every so many epochs (paper 3.1)."""
        return self._config.lr * 0.5 ** (int(epoch) // self._config.lr_halve_every)

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.model.parameters(), weight_decay=self._weight_decay)

    def batches(self, first_step: int) -> Iterator[Tensor]:
        """Every curve once an epoch, in an order that depends on the epoch alone."""
        size = self._config.batch_size
        for epoch in range(first_step // self.steps_per_epoch, self.epochs):
            rng = np.random.default_rng([self._seed, 5, epoch])
            order = torch.from_numpy(rng.permutation(len(self._curves)))
            skip = max(0, first_step - epoch * self.steps_per_epoch)
            for batch in order.split(size)[skip:]:
                yield self._curves[batch]

    def losses(self, model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        """Eq. (1)."""
        # Fabric's wrapper hands back a plain tuple.
        output = Quantised(*model(batch))
        return clustering_losses(batch, output, self._config.beta, self._config.loss)

    def end_of_epoch(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """Start, settle and revive codes."""
        del model  # the wrapper shares its parameters with the model itself
        return tend_codebook(self.model, self._curves, self._config, epoch, self._seed)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class ClusteringReport:
    """What the quality of a clustering is.

    Attributes:
        tic: metrics in TIC space.
        latent: metrics in latent space; None for a clustering that has none.
        kmeans: metrics of k-means on a sample of the same curves, in TIC space.
        composition: codes of tumour and non-tumour voxels of all cases that have a mask.
    """

    tic: Quality
    latent: Quality | None
    kmeans: Quality
    composition: Composition

    def as_json(self) -> dict[str, Any]:
        """All numbers as JSON values."""
        tvr = self.composition.tvr()
        return {
            "tic": self.tic.as_dict(),
            "latent": None if self.latent is None else self.latent.as_dict(),
            "kmeans": self.kmeans.as_dict(),
            "tvr": None if tvr is None else {"tumour": tvr[0], "rest": tvr[1]},
            "counts": self.composition.counts.tolist(),
            "ratios": {
                "rest": self.composition.ratios[:, 0].tolist(),
                "tumour": self.composition.ratios[:, 1].tolist(),
            },
        }


def fit_clustering(
    sources: Sequence[CurveSource],
    config: KineticsConfig,
    seed: int,
    folder: Path,
    progress: Progress = SILENT,
) -> Clustering:
    """Fit the VQ-VAE on a sample of the curves of all sources and sort its codes.

    Args:
        sources: training cases.
        config: settings of stage 1.
        seed: of sample, weights and codebook.
        folder: gets log and checkpoint.
        progress: listener.

    Raises:
        InputError: a source has a single phase, an empty breast mask or unusable intensities.
    """
    grid = choose_time_grid([source.clock for source in sources], config.points)
    raw = training_sample(sources, grid, config.max_points, seed)
    return fit_sample(raw, grid, config, seed, folder, progress)


def fit_sample(
    raw: NDArray[np.float32],
    grid: NDArray[np.float64],
    config: KineticsConfig,
    seed: int,
    folder: Path,
    progress: Progress = SILENT,
) -> Clustering:
    """Fit the VQ-VAE on a sample of curves that is there already; see `fit_clustering`.

    Args:
        raw: (N, T) curves, resampled but not normalised.
        grid: (T,) seconds.
        config: settings of stage 1.
        seed: of weights and codebook.
        folder: gets log and checkpoint.
        progress: listener.

    Raises:
        InputError: no curve.
    """
    scaled = torch.from_numpy(scale_curves(raw, config.scale))
    task = ClusteringTask(scaled, config, seed)
    # Distances between nearby latents need more digits than bf16 has.
    model = fit(task, make_fabric("32-true"), folder, progress)
    return Clustering.fit_order(model, raw, config, grid)  # type: ignore[arg-type]


def training_sample(
    sources: Sequence[CurveSource], grid: NDArray[np.float64], max_points: int, seed: int
) -> NDArray[np.float32]:
    """At most `max_points` resampled curves (N, T), evenly over the cases."""
    counts = [int(np.count_nonzero(source.breast)) for source in sources]
    parts = [
        sample_curves(
            s.phases, s.breast, s.clock, grid, allotted, np.random.default_rng([seed, 6, number])
        )
        for number, (s, allotted) in enumerate(
            zip(sources, allot_points(counts, max_points), strict=True)
        )
    ]
    return np.concatenate(parts)


def judge_clustering(
    clustering: Clusterer,
    sources: Sequence[CurveSource],
    config: KineticsConfig,
    seed: int,
    progress: Progress = SILENT,
) -> ClusteringReport:
    """Measure a clustering on all breast voxels of the sources, in two passes of chunks.

    Args:
        clustering: the VQ-VAE's, or an alternative, which has no latent space.
        sources: cases.
        config: K of the k-means beside it.
        seed: of that k-means and its sample.
        progress: listener.

    Raises:
        InputError: as `curves.iter_curves`.
    """
    codebook = clustering.codebook

    def chunks(text: str) -> Iterator[tuple[CurveSource, NDArray[Any], NDArray[Any]]]:
        for source in progress.track(sources, text):
            for voxels, curves in iter_curves(
                source.phases, source.breast, source.clock, codebook.grid_s
            ):
                yield source, voxels, scale_curves(curves, codebook.scale)

    spaces: list[tuple[Callable[[NDArray[Any]], NDArray[Any]], NDArray[Any]]] = [
        (lambda curves: curves, clustering.decoded)
    ]
    if isinstance(clustering, Clustering):
        spaces.append((clustering.latents, clustering.vectors))
    moments = [Moments(*prototypes.shape) for _, prototypes in spaces]
    composition = Composition(codebook.k)
    for source, voxels, curves in chunks("measuring clusters, 1 of 2"):
        codes = clustering.assign(curves)
        for (points_of, _), gathered in zip(spaces, moments, strict=True):
            gathered.add(points_of(curves), codes)
        if source.tumour is not None:
            composition.add(codes, np.asarray(source.tumour).reshape(-1)[voxels])
    spreads = [
        Spread(gathered, prototypes)
        for gathered, (_, prototypes) in zip(moments, spaces, strict=True)
    ]
    for _, _, curves in chunks("measuring clusters, 2 of 2"):
        codes = clustering.assign(curves)
        for (points_of, _), spread in zip(spaces, spreads, strict=True):
            spread.add(points_of(curves), codes)
    sample = training_sample(sources, codebook.grid_s, KMEANS_POINTS, seed)
    _, kmeans = kmeans_reference(scale_curves(sample, codebook.scale), config.k, seed)
    tic, *latent = (spread.quality() for spread in spreads)
    return ClusteringReport(tic, latent[0] if latent else None, kmeans, composition)
