"""Stage 1 alone, on one contrast-enhanced exam: its heterogeneity map and what it consists of."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.case import Case
from hcnet.config import Config
from hcnet.errors import InputError
from hcnet.files import write_aside, write_json
from hcnet.inference.names import MANIFEST, NOTICE, SUMMARY
from hcnet.kinetics.clustering import Clustering
from hcnet.kinetics.figures import curves_figure, heterogeneity_figure, ratios_figure
from hcnet.prepare.prepare import PreparedCase, prepare_case
from hcnet.progress import SILENT, Progress
from hcnet.runtime import environment
from hcnet.training.stage_kinetics import ClusteringReport, CurveSource, cluster_cohort
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume


def cluster_to_folder(
    case: Case,
    config: Config,
    folder: Path,
    *,
    fitted: Clustering | None = None,
    progress: Progress = SILENT,
) -> list[str]:
    """Cluster the curves of one exam and write all results into an empty folder.

    Files: `heterogeneity.nii.gz` on the pre-contrast grid (0 outside the breast, k+1 for code k),
    `breast.nii.gz`, `summary.json`, `manifest.json`, the codebook with its weights, and the
    pictures of the paper's Fig. 2.

    Args:
        case: at least two phases; its tumour mask, where it has one, only describes the result.
        config: settings of preparation and stage 1.
        folder: where to write.
        fitted: classes to use as they are, instead of fitting to this exam.
        progress: listener.

    Returns:
        a few lines to read.

    Raises:
        InputError, GeometryError: the exam has a single phase or cannot be used.
    """
    if len(case.phases) < 2:
        raise InputError(
            f"{case.pre.location}: has a single phase; time-intensity curves need a pre-contrast "
            "and at least one post-contrast phase."
        )
    progress.message(f"preparing {case.name}: {len(case.phases)} phases")
    prepared = prepare_case(case, config.prepare)
    source = CurveSource.of(prepared)
    maps: list[NDArray[np.uint8]] = []
    clustering, report = cluster_cohort(
        [source],
        config.kinetics,
        config.seed,
        folder / "fit" if fitted is None else folder,
        lambda _, labels: maps.append(labels),
        fitted=fitted,
        progress=progress,
    )
    labels = maps[0]
    write_nifti(prepared.image.to_native(labels, "nearest"), folder / "heterogeneity.nii.gz")
    breast = prepared.image.breast.astype(np.uint8)
    write_nifti(prepared.image.to_native(breast, "nearest"), folder / "breast.nii.gz")
    clustering.save(folder)
    _write_pictures(prepared, labels, clustering, report, folder)
    summary = _summary(prepared, labels, clustering, report)
    write_json(folder / SUMMARY, summary)
    write_json(
        folder / MANIFEST,
        {
            "notice": NOTICE,
            "input": [{"location": p.location, "sha256": p.digest()} for p in case.phases],
            "times_s": case.times_s,
            "times_from": case.times_from,
            "settings": config.model_dump(mode="json", by_alias=True),
            "environment": environment(),
        },
    )
    return _lines(summary)


def _summary(
    prepared: PreparedCase, labels: Any, clustering: Clustering, report: ClusteringReport
) -> dict[str, Any]:
    voxel_ml = prepared.image.grid.voxel_ml
    counts = report.composition.counts
    return {
        "case": prepared.name,
        "breast_ml": float((labels > 0).sum() * voxel_ml),
        "time_grid_s": clustering.codebook.grid_s.tolist(),
        "classes": [
            {
                "label": code + 1,
                "breast_share": float(np.mean(labels[labels > 0] == code + 1)),
                "tumour_share": None if not counts[:, 1].any() else float(ratios[1]),
                "rest_share": None if not counts[:, 1].any() else float(ratios[0]),
                "relative_enhancement": clustering.codebook.enhancement[code].tolist(),
            }
            for code, ratios in enumerate(report.composition.ratios)
        ],
        "quality": report.as_json(),
        "notice": NOTICE,
    }


def _write_pictures(
    prepared: PreparedCase,
    labels: Any,
    clustering: Clustering,
    report: ClusteringReport,
    folder: Path,
) -> None:
    figures = {
        "map": heterogeneity_figure(
            Volume(prepared.image.image, prepared.image.grid.affine),
            labels,
            clustering.codebook.k,
            prepared.tumour,
        ),
        "curves": curves_figure(clustering.codebook),
    }
    if report.composition.counts[:, 1].any():
        figures["ratios"] = ratios_figure(report.composition)
    for name, figure in figures.items():
        with write_aside(folder / f"{name}.png") as aside:
            figure.savefig(aside, dpi=150)


def _lines(summary: dict[str, Any]) -> list[str]:
    tic, kmeans = summary["quality"]["tic"], summary["quality"]["kmeans"]
    lines = [
        f"{summary['case']}: {tic['points']} curves, {tic['used']} classes in use, "
        f"SSE {tic['sse']:.4f} (k-means {kmeans['sse']:.4f}), CPN {tic['cpn']:.4f}, "
        f"perplexity {tic['perplexity']:.1f}"
    ]
    for row in summary["classes"]:
        inside = ""
        if row["tumour_share"] is not None:
            inside = f", {row['tumour_share']:6.1%} of tumour, {row['rest_share']:6.1%} of the rest"
        enhancement = ", ".join(f"{100 * e:.0f}" for e in row["relative_enhancement"])
        lines.append(
            f"class {row['label']:2d}: {row['breast_share']:6.1%} of breast{inside}; "
            f"enhancement {enhancement} %"
        )
    return lines
