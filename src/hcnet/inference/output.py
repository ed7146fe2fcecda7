"""The results of one segmentation as files."""

import datetime
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hcnet.cohorts.case import Case
from hcnet.files import write_json
from hcnet.inference.bundle import Bundle
from hcnet.inference.names import MANIFEST, NOTICE, SUMMARY
from hcnet.inference.segment import Segmentation, chosen_inference, segment
from hcnet.kinetics.heterogeneity import heterogeneity
from hcnet.progress import SILENT, Progress
from hcnet.runtime import best_precision, environment, make_fabric, peak_memory_mb
from hcnet.volumes.components import components
from hcnet.volumes.dicom.sources import DicomPhase
from hcnet.volumes.nifti import write_nifti, write_nifti_shares

TINY_BREAST_ML = 50.0


def segment_to_folder(
    case: Case,
    bundle: Bundle,
    folder: Path,
    *,
    threshold: float | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Segment an exam and write all results into an empty folder.

    Files, all on the input's own grid: `pre.nii.gz` (the volume that was read), `tumour.nii.gz`,
    `tumour_probability.nii.gz`, `heterogeneity.nii.gz` (0 outside the breast, k+1 for class k),
    `class_probabilities.nii.gz` (4-D), `breast.nii.gz`, `summary.json`, `manifest.json`. Of a DICOM
    exam also `DICOM_FILES`; where its headers do not allow them, a warning in the summary says why.

    Returns:
        the content of `summary.json`.

    Raises:
        HcnetError: as `hcnet.inference.segment.segment`.
    """
    started, now = time.monotonic(), datetime.datetime.now(datetime.UTC)
    precision = best_precision()
    fabric = make_fabric(precision)
    inference = chosen_inference(bundle.info.inference, threshold)
    result = segment(case, bundle, fabric, threshold=threshold, progress=progress)
    for name, volume in (
        ("pre", result.image),
        ("tumour", result.tumour),
        ("tumour_probability", result.probability),
        ("heterogeneity", result.heterogeneity),
        ("breast", result.breast),
    ):
        write_nifti(volume, folder / f"{name}.nii.gz")
    write_nifti_shares(
        result.class_probabilities, result.image.grid, folder / "class_probabilities.nii.gz"
    )
    chosen = inference.threshold
    summary = summarise(case.name, result, bundle, chosen)
    digest = bundle.digest()
    objects: list[dict[str, Any]] = []
    if isinstance(case.pre, DicomPhase):
        from hcnet.inference.dicom_output import Origin, write_dicom

        origin = Origin(bundle.info.name, digest, chosen)
        objects, refused = write_dicom(result, case.pre.stack, folder, origin)
        summary["warnings"] += [refused] if refused else []
    write_json(folder / SUMMARY, summary)
    write_json(
        folder / MANIFEST,
        {
            "notice": NOTICE,
            "input": {"location": case.pre.location, "sha256": case.pre.digest()},
            "bundle": {
                "name": bundle.info.name,
                "sha256": digest,
                "licence": bundle.info.licence,
            },
            "settings": {
                "prepare": bundle.info.prepare.model_dump(mode="json"),
                "inference": inference.model_dump(mode="json"),
                "threshold": chosen,
                "precision": precision,
            },
            "dicom": objects,
            "started": now.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 2),
            "peak_memory_mb": peak_memory_mb(),
            "environment": environment(),
        },
    )
    return summary


def summarise(name: str, result: Segmentation, bundle: Bundle, threshold: float) -> dict[str, Any]:
    """Volumes, foci and map composition of a segmentation, as JSON values.

    Volumes are in ml, positions in mm (RAS+). `classes` tells how much of each heterogeneity class
    lies in the tumour and in the breast, `mixture` how mixed the tumour is (`Heterogeneity`).
    """
    grid = result.image.grid
    tumour, breast = result.tumour.data > 0, result.breast.data > 0
    labels, k = result.heterogeneity.data, result.class_probabilities.shape[-1]
    codebook = bundle.codebook
    in_tumour = np.bincount(labels[tumour], minlength=k + 1)[1:]
    in_breast = np.bincount(labels[breast], minlength=k + 1)[1:]
    classes = [
        {
            "label": code + 1,
            "curve": codebook.enhancement[code].tolist(),
            "tumour_ml": float(in_tumour[code] * grid.voxel_ml),
            "tumour_share": float(in_tumour[code] / max(in_tumour.sum(), 1)),
            "breast_ml": float(in_breast[code] * grid.voxel_ml),
            "breast_share": float(in_breast[code] / max(in_breast.sum(), 1)),
        }
        for code in range(k)
    ]
    breast_ml = float(breast.sum() * grid.voxel_ml)
    warnings = []
    if not tumour.any():
        warnings.append("No voxel reaches the threshold: no tumour was found.")
    if breast_ml < TINY_BREAST_ML:
        warnings.append(f"The breast mask holds only {breast_ml:.0f} ml; look at breast.nii.gz.")
    return {
        "case": name,
        "tumour_ml": float(tumour.sum() * grid.voxel_ml),
        "breast_ml": breast_ml,
        "threshold": threshold,
        "largest_probability": float(result.probability.data.max()),
        "components": [asdict(component) for component in components(tumour, grid)],
        "classes": classes,
        "mixture": heterogeneity(tumour, labels, grid, k).as_dict(),
        "curve_label": f"relative enhancement in training, 0 to {codebook.grid_s[-1]:.0f} s",
        "bundle": bundle.info.name,
        "warnings": warnings,
        "notice": NOTICE,
    }
