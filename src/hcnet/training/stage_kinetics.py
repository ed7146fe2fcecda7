"""Stage 1: learn what kinds of time-intensity curves there are (paper 2.1).

Only training cases are learned from, and only inside the breast; no tumour mask takes part.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hcnet.ahead import ahead
from hcnet.kinetics.clustering import Clusterer, Clustering, build_model
from hcnet.kinetics.codebook import OUTSIDE
from hcnet.kinetics.curves import allot_points, iter_curves, sample_curves
from hcnet.kinetics.moments import Moments
from hcnet.kinetics.quality import Composition, Quality, Spread, kmeans_reference
from hcnet.kinetics.settings import KineticsConfig
from hcnet.kinetics.store import CurveStore
from hcnet.kinetics.tic import choose_time_grid, kinetic_clock, scale_curves
from hcnet.kinetics.vqvae import clustering_losses, tend_codebook
from hcnet.prepare.cache import CachedCase
from hcnet.prepare.prepare import PreparedCase
from hcnet.progress import SILENT, Progress
from hcnet.training.descent import training_device
from hcnet.training.loop import fit
from hcnet.training.optimisers import Adam

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
        """Adam; fused, since the network is so small that each call of its own shows."""
        return Adam(self.model.parameters(), weight_decay=self._weight_decay, fused=True)

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
        return clustering_losses(batch, model(batch), self._config.beta, self._config.loss)

    def end_of_epoch(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """Start, settle and revive codes."""
        del model  # it shares its parameters with the model itself
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
    model = fit(task, training_device("32-true"), folder, progress)
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


def cluster_cohort(
    sources: Sequence[CurveSource],
    config: KineticsConfig,
    seed: int,
    folder: Path,
    write: Callable[[CurveSource, NDArray[np.uint8]], None],
    *,
    fitted: Clustering | None = None,
    progress: Progress = SILENT,
) -> tuple[Clustering, ClusteringReport]:
    """Stage 1 from end to end, each case's phases read once: fit, label maps, metrics.

    The curves wait in a temporary file in `folder`, 4 (T + d) + 1 bytes a breast voxel; memory does
    not grow with the cases.

    Args:
        sources: cases; those that open their files when asked are opened one after the other.
        config: settings of stage 1.
        seed: of sample, weights and codebook.
        folder: gets log and weights.
        write: gets each case with its map (see `clustering.map_exam`).
        fitted: classes to use as they are, instead of fitting to these cases.
        progress: listener.

    Raises:
        InputError: a source has a single phase, an empty breast mask or unusable intensities.
    """
    grid = (
        choose_time_grid([source.clock for source in sources], config.points)
        if fitted is None
        else fitted.codebook.grid_s
    )
    with CurveStore(grid, folder) as store:
        with closing(ahead(lambda s: (s.phases, s.breast, s.clock), sources)) as exams:
            for exam in progress.track(exams, "reading curves", len(sources)):
                store.add(*exam)
        clustering = fitted
        if clustering is None:
            sample = store.sample(config.max_points, seed)
            clustering = fit_sample(sample, grid, config, seed, folder, progress)
        report = judge_clustering(
            clustering, sources, config, seed, progress, store=store, write=write
        )
    return clustering, report


def judge_clustering(
    clustering: Clusterer,
    sources: Sequence[CurveSource],
    config: KineticsConfig,
    seed: int,
    progress: Progress = SILENT,
    *,
    store: CurveStore | None = None,
    write: Callable[[CurveSource, NDArray[np.uint8]], None] | None = None,
) -> ClusteringReport:
    """Measure a clustering on all breast voxels of the sources, in two passes of chunks.

    Args:
        clustering: the VQ-VAE's, or an alternative, which has no latent space.
        sources: cases.
        config: K of the k-means beside it.
        seed: of that k-means and its sample.
        progress: listener.
        store: the curves of the same sources, read already; without it they are read twice.
        write: gets each case with its map (see `clustering.map_exam`), in a thread of its own.

    Raises:
        InputError: as `curves.iter_curves`.
    """
    codebook = clustering.codebook
    spaces = [clustering.decoded]
    if isinstance(clustering, Clustering):
        spaces.append(clustering.vectors)
    moments = [Moments(*prototypes.shape) for prototypes in spaces]
    composition = Composition(codebook.k)
    found: list[list[int]] = []

    def chunks(case: int) -> Iterator[NDArray[np.float32]]:
        if store is not None:
            curves = store.curves(case)
        else:
            source = sources[case]
            curves = (
                chunk
                for _, chunk in iter_curves(
                    source.phases, source.breast, source.clock, codebook.grid_s
                )
            )
        return (scale_curves(chunk, codebook.scale) for chunk in curves)

    with ThreadPoolExecutor(1) as writer:
        finished: Future[None] | None = None
        for case in progress.track(range(len(sources)), "measuring clusters, 1 of 2", len(sources)):
            coded = []
            for curves in chunks(case):
                points, codes = _points(clustering, curves)
                for gathered, values in zip(moments, points, strict=True):
                    gathered.add(values, codes)
                coded.append(codes)
                if store is not None:
                    kinds: list[NDArray[Any]] = [codes, *points[1:]]
                    found.append([store.spool.put(part.T) for part in kinds])
            if finished is not None:
                finished.result()
            whole = np.concatenate(coded)
            finished = writer.submit(_finish, sources[case], whole, composition, write)
        if finished is not None:
            finished.result()
    spreads = [
        Spread(gathered, prototypes) for gathered, prototypes in zip(moments, spaces, strict=True)
    ]
    kept = iter(found)
    for case in progress.track(range(len(sources)), "measuring clusters, 2 of 2", len(sources)):
        for curves in chunks(case):
            if store is None:
                points, codes = _points(clustering, curves)
            else:
                codes, *latents = (store.spool.get(number).T for number in next(kept))
                points = [curves, *latents]
            for spread, values in zip(spreads, points, strict=True):
                spread.add(values, codes)
    sample = (
        training_sample(sources, codebook.grid_s, KMEANS_POINTS, seed)
        if store is None
        else store.sample(KMEANS_POINTS, seed)
    )
    _, kmeans = kmeans_reference(scale_curves(sample, codebook.scale), config.k, seed)
    tic, *latent = (spread.quality() for spread in spreads)
    return ClusteringReport(tic, latent[0] if latent else None, kmeans, composition)


def _points(
    clustering: Clusterer, curves: NDArray[np.float32]
) -> tuple[list[NDArray[np.float32]], NDArray[np.uint8]]:
    """Scaled curves as points of each space that a clustering has, and their codes."""
    if isinstance(clustering, Clustering):
        latents, codes = clustering.encode(curves)
        return [curves, latents], codes
    return [curves], clustering.assign(curves)


def _finish(
    source: CurveSource,
    codes: NDArray[np.uint8],
    composition: Composition,
    write: Callable[[CurveSource, NDArray[np.uint8]], None] | None,
) -> None:
    """Count a case's tumour and write its map; codes are in C order of its breast voxels."""
    inside = np.asarray(source.breast) != 0
    if source.tumour is not None:
        composition.add(codes, np.asarray(source.tumour)[inside])
    if write is not None:
        labels = np.full(inside.shape, OUTSIDE, dtype=np.uint8)
        labels[inside] = codes + np.uint8(1)
        write(source, labels)
