"""The report of one training run, gathered from the files in its folder."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hcnet.arrays import map_array, read_array
from hcnet.config import Config
from hcnet.evaluation.evaluate import EvaluationTable, compare
from hcnet.evaluation.tables import from_json
from hcnet.files import read_json
from hcnet.kinetics.clustering import Clustering
from hcnet.kinetics.codebook import Codebook
from hcnet.kinetics.figures import curves_figure, ratios_figure
from hcnet.kinetics.palette import class_colours
from hcnet.kinetics.quality import Composition
from hcnet.prepare.cache import CachedCase, stored_case
from hcnet.report.blocks import cases_table, difference_score, estimate_score, summary_table
from hcnet.report.charts import CurvePanel, curve_panel, paired_dots_figure, training_curves_figure
from hcnet.report.content import Picture, RunReport, Score, Section, Table, TissueClass
from hcnet.report.panels import MapCase, MaskCase, map_panel, segmentation_panel
from hcnet.training.folder import COHORT, RunFolder, read_run_config
from hcnet.training.logbook import read_log
from hcnet.training.stage_hipm import map_labels
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume

PANEL_CASES = 6


def run_page(root: Path) -> RunReport:
    """What is told of the run in `root`.

    Raises:
        InputError: a file is missing or damaged.
    """
    folder, config = RunFolder(root), read_run_config(root)
    manifest, results = read_json(root / "manifest.json"), read_json(folder.results)
    tables = {name: from_json(value) for name, value in results["networks"].items()}
    keys = read_json(root / COHORT)
    held = [stored_case(name, folder.cache / keys[name]) for name in manifest["validation"]]
    codebook = Clustering.load(folder.kinetics).codebook
    metrics = read_json(folder.clustering_metrics)
    return RunReport(
        title=root.resolve().name,
        source=manifest["cohort"]["root"],
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        summary=_summary(tables),
        cohort=_cohort(manifest),
        stage1=_stage1(codebook, metrics, held, folder),
        stage2=_stage2(results, held, folder, config),
        stage3=_stage3(tables, held, folder),
        classes=_classes(codebook, metrics),
        curve_label=f"relative enhancement, 0 to {codebook.grid_s[-1]:.0f} s",
        settings=config.model_dump(mode="json", by_alias=True),
        environment=manifest["environment"],
    )


def _summary(tables: Mapping[str, EvaluationTable]) -> Section:
    scores = [estimate_score(f"DSC, {name}", t.summary["dsc"]) for name, t in tables.items()]
    if len(tables) == 2:
        (one, first), (other, second) = tables.items()
        scores.append(difference_score(f"{one} minus {other}", compare(first, second, "dsc")))
    return Section(scores=tuple(scores), tables=(summary_table(dict(tables), "Held-out patients"),))


def _cohort(manifest: dict[str, Any]) -> Section:
    train, held = manifest["train"], manifest["validation"]
    return Section(
        text=(
            f"{len(train)} cases to learn from, {len(held)} held out, split by patient. "
            f"Tumour masks: {manifest['cohort']['segmentation'] or 'none'}.",
            f"Held out: {', '.join(held)}.",
        )
    )


def _stage1(
    codebook: Codebook, metrics: dict[str, Any], held: list[CachedCase], folder: RunFolder
) -> Section:
    case = _largest_tumour(held)
    labels = read_array(folder.labels(case.name))
    shown = MapCase(case.name, _image(case), _on_grid(case, labels), {}, _tumour(case))
    pictures = [
        Picture(
            "clusters",
            map_panel([shown], codebook.k),
            f"Heterogeneity map of {case.name} (held out), from its contrast-enhanced phases.",
            "A slice of the breast, and the same slice with the class of each voxel in colour.",
        ),
        Picture(
            "curves",
            curves_figure(codebook),
            "Mean curve of each class with its standard deviation, and its share of voxels.",
            "Line charts of the mean time-intensity curve of each class.",
        ),
    ]
    ratios = metrics["validation"]["ratios"]
    if any(ratios["tumour"]):
        pictures.append(
            Picture(
                "ratios",
                ratios_figure(_composition(metrics["validation"])),
                "What tumour and the rest of the breast consist of (held-out patients).",
                "Bar chart of the share of each class in tumour and non-tumour voxels.",
            )
        )
    log = {"VQ-VAE": read_log(folder.kinetics)}
    panels = [
        curve_panel("reconstruction error", "MSE", log, ["reconstruction"], logarithmic=True),
        curve_panel("classes in use", "perplexity", log, ["perplexity"]),
    ]
    if any(panel.lines for panel in panels):
        pictures.append(_curves("training_vqvae", panels, "Training of stage 1."))
    return Section(tables=(_quality_table(metrics),), pictures=tuple(pictures))


def _quality_table(metrics: dict[str, Any]) -> Table:
    rows = []
    for split in ("train", "validation"):
        for space, label in (
            ("tic", "TIC space"),
            ("latent", "latent"),
            ("kmeans", "k-means, TIC"),
        ):
            q = metrics[split][space]
            tvr = metrics[split]["tvr"] if space == "tic" else None
            rows.append(
                (
                    f"{split}, {label}",
                    *(q[key] for key in ("sse", "cpn", "spt", "dbn", "perplexity")),
                    q["used"],
                    f"{tvr['tumour']:.2f} / {tvr['rest']:.2f}" if tvr else None,
                )
            )
    return Table(
        "Clustering",
        ("", "SSE", "CPN", "SPT", "DBN", "Perplexity", "Classes used", "TVR tumour / rest"),
        tuple(rows),
        "k-means is fitted anew to each split's own curves; it is the yardstick for SSE.",
    )


def _stage2(
    results: dict[str, Any], held: list[CachedCase], folder: RunFolder, config: Config
) -> Section:
    maps = results["maps"]
    ious = {row["name"]: row["mean_iou"] for row in maps["cases"]}
    cases = [
        MapCase(
            case.name,
            _image(case),
            _on_grid(case, read_array(folder.labels(case.name))),
            {
                "map predicted": (
                    _on_grid(case, _predicted_labels(case, folder)),
                    f"mean IoU {ious[case.name]:.2f}",
                )
            },
            _tumour(case),
        )
        for case in held[:PANEL_CASES]
    ]
    pooled, chance = maps["pooled"], 1 / config.kinetics.k
    return Section(
        scores=(
            Score("mean accuracy", f"{pooled['mean_accuracy']:.3f}", f"chance {chance:.3f}"),
            Score("mean IoU", f"{pooled['mean_iou']:.3f}", f"{len(ious)} held-out cases, pooled"),
        ),
        tables=(_maps_table(maps),),
        pictures=(
            Picture(
                "maps",
                map_panel(cases, config.kinetics.k),
                "True map (from the contrast-enhanced phases) and the map predicted from the "
                "pre-contrast image alone, held-out patients.",
                "Rows of patients: image, true map, predicted map.",
            ),
            *_loss_pictures(folder, "hipm", config),
        ),
    )


def _stage3(
    tables: Mapping[str, EvaluationTable], held: list[CachedCase], folder: RunFolder
) -> Section:
    scored = {name: {row.name: row.dsc for row in t.cases} for name, t in tables.items()}
    names = list(next(iter(scored.values())))
    cases = [
        MaskCase(
            case.name,
            _image(case),
            _on_grid(case, case.tumour),
            {name: (_mask(case, folder, name), rows[case.name]) for name, rows in scored.items()},
            _on_grid(case, case.breast),
        )
        for case in [c for c in held if c.name in names][:PANEL_CASES]
    ]
    pictures = [
        Picture(
            "segmentations",
            segmentation_panel(cases),
            "Reference and predicted outlines of held-out patients, with the DSC of each case.",
            "Rows of patients: image, reference outline, predicted outlines.",
        )
    ]
    if len(scored) == 2:
        (one, a), (other, b) = scored.items()
        dots = paired_dots_figure(names, [a[n] for n in names], [b[n] for n in names], (one, other))
        pictures.append(
            Picture(
                "paired", dots, "DSC of each held-out patient with both networks.", "Paired dots."
            )
        )
    logs = {"KIS-Net": read_log(folder.kis), "ResUNet": read_log(folder.baseline)}
    logs = {name: log for name, log in logs.items() if log}
    panels = [
        curve_panel("loss (Eq. 5)", "loss", logs, ["loss"]),
        curve_panel("Dice term", "1 - Dice", logs, ["dice"]),
    ]
    return Section(
        tables=tuple(cases_table(t, f"Every held-out case: {name}") for name, t in tables.items()),
        pictures=(*pictures, _curves("training_kis", panels, "Training of stage 3.")),
    )


def _loss_pictures(folder: RunFolder, stage: str, config: Config) -> list[Picture]:
    trained = config.hipm.trainings
    logs = {name: read_log(folder.root / stage / name) for name in trained}
    panels = [
        curve_panel("loss (Eq. 2)", "loss", logs, ["loss"]),
        curve_panel("weighted cross-entropy", "WCE", logs, ["wce"]),
    ]
    return [
        _curves(
            "training_hipm",
            panels,
            "Training of stage 2: the cross-fitting folds and the final network.",
        )
    ]


def _maps_table(maps: dict[str, Any]) -> Table:
    """Mean Accuracy and Mean IoU, pooled and of each case."""
    entries = [("all cases pooled", maps["pooled"])]
    entries += [(row["name"], row) for row in maps["cases"]]
    return Table(
        "Every held-out case: map",
        ("Case", "Mean Accuracy", "Mean IoU", "Voxel accuracy", "Absent classes", "Voxels"),
        tuple(
            (
                name,
                *(row[key] for key in ("mean_accuracy", "mean_iou", "voxel_accuracy")),
                len(row["absent"]),
                row["voxels"],
            )
            for name, row in entries
        ),
        "Means are over the classes present in the true map, inside the breast.",
        folded=True,
    )


def _curves(name: str, panels: list[CurvePanel], caption: str) -> Picture:
    figure = training_curves_figure(panels)
    return Picture(name, figure, caption, "Line charts over training epochs.")


def _classes(codebook: Codebook, metrics: dict[str, Any]) -> tuple[TissueClass, ...]:
    ratios = metrics["validation"]["ratios"]
    return tuple(
        TissueClass(
            code + 1,
            colour,
            tuple(codebook.enhancement[code].tolist()),
            ratios["tumour"][code] if any(ratios["tumour"]) else None,
            ratios["rest"][code],
        )
        for code, colour in enumerate(class_colours(codebook.k))
    )


def _composition(metrics: dict[str, Any]) -> Composition:
    composition = Composition(len(metrics["counts"]))
    composition.counts = np.array(metrics["counts"], dtype=np.int64)
    return composition


def _largest_tumour(cases: list[CachedCase]) -> CachedCase:
    return max(cases, key=lambda c: 0 if c.tumour is None else int(np.asarray(c.tumour).sum()))


def _image(case: CachedCase) -> Volume:
    return _on_grid(case, case.image)


def _tumour(case: CachedCase) -> Volume | None:
    return None if case.tumour is None else _on_grid(case, case.tumour)


def _on_grid(case: CachedCase, array: Any) -> Volume:
    return Volume(np.array(array), case.grid.affine)


def _predicted_labels(case: CachedCase, folder: RunFolder) -> Any:
    labels = map_labels(map_array(folder.maps(case.name)))
    return labels * (np.asarray(case.breast) > 0)


def _mask(case: CachedCase, folder: RunFolder, network: str) -> Volume:
    mask = read_nifti(folder.validation / network.lower() / f"{case.name}.nii.gz")
    return _on_grid(case, case.frame.to_prepared(mask, "nearest"))
