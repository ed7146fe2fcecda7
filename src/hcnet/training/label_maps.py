"""Stage 1 of a run: fit on the training cases, write every case's heterogeneity map, judge it."""

from collections.abc import Sequence

from hcnet.arrays import write_array
from hcnet.config import Config
from hcnet.files import write_json
from hcnet.kinetics.clustering import CODEBOOK, Clustering
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.training.folder import RunFolder
from hcnet.training.stage_kinetics import CurveSource, fit_clustering, judge_clustering


def run_kinetics(
    train: Sequence[CachedCase],
    held_out: Sequence[CachedCase],
    folder: RunFolder,
    config: Config,
    progress: Progress = SILENT,
) -> Clustering:
    """Fit the clustering on `train`, label all cases, and write the metrics of both splits.

    What is in the folder already is left as it is.
    """
    sources = [CurveSource.of(case) for case in train]
    if (folder.kinetics / CODEBOOK).exists():
        clustering = Clustering.load(folder.kinetics)
    else:
        clustering = fit_clustering(
            sources, config.kinetics, config.seed, folder.kinetics, progress
        )
        clustering.save(folder.kinetics)
    others = [CurveSource.of(case) for case in held_out]
    for source in progress.track([*sources, *others], "labelling"):
        path = folder.labels(source.name)
        if not path.exists():
            labels = clustering.map_case(source.phases, source.breast, source.clock)
            write_array(path, labels)
    if not folder.clustering_metrics.exists():
        metrics = {
            split: judge_clustering(
                clustering, group, config.kinetics, config.seed, progress
            ).as_json()
            for split, group in (("train", sources), ("validation", others))
        }
        write_json(folder.clustering_metrics, metrics)
    return clustering
