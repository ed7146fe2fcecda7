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
from hcnet.inference.device import make_device
from hcnet.inference.ensemble import chosen_members
from hcnet.inference.names import DISAGREEMENT, MANIFEST, NOTICE, SUMMARY, UNCERTAINTY
from hcnet.inference.segment import chosen_inference, segment
from hcnet.inference.segmentation import Segmentation
from hcnet.kinetics.heterogeneity import heterogeneity
from hcnet.progress import SILENT, Progress
from hcnet.runtime import environment, peak_memory_mb
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
    members: int | None = None,
    tta: bool = False,
    exact: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Segment an exam and write all results into an empty folder.

    Files, all on the input's own grid: `pre.nii.gz` (the volume that was read), `tumour.nii.gz`,
    `tumour_probability.nii.gz`, `tumour_uncertainty.nii.gz` (entropy in bits), with more than one
    pass `tumour_disagreement.nii.gz` (mutual information of the passes in bits),
    `heterogeneity.nii.gz` (0 outside the breast, k+1 for class k), `class_probabilities.nii.gz`
    (4-D), `breast.nii.gz`, `summary.json`, `manifest.json`. Of a DICOM exam also `DICOM_FILES`;
    where its headers do not allow them, a warning in the summary says why.

    Networks compute in bfloat16 where the processor does (`best_precision`), which is several times
    faster and rounds; `exact` keeps them in float32, as every machine can. The manifest tells.

    Returns:
        the content of `summary.json`.

    Raises:
        HcnetError: as `hcnet.inference.segment.segment`.
    """
    started, now = time.monotonic(), datetime.datetime.now(datetime.UTC)
    device = make_device("32-true" if exact else "auto")
    inference = chosen_inference(bundle.info.inference, threshold)
    result = segment(
        case, bundle, device, threshold=threshold, members=members, tta=tta, progress=progress
    )
    for name, volume in (
        ("pre.nii.gz", result.image),
        ("tumour.nii.gz", result.tumour),
        ("tumour_probability.nii.gz", result.probability),
        ("heterogeneity.nii.gz", result.heterogeneity),
        ("breast.nii.gz", result.breast),
        (UNCERTAINTY, result.uncertainty),
        (DISAGREEMENT, result.disagreement),
    ):
        if volume is not None:
            write_nifti(volume, folder / name)
    write_nifti_shares(
        result.class_probabilities, result.image.grid, folder / "class_probabilities.nii.gz"
    )
    chosen = inference.threshold
    summary = summarise(case.name, result, bundle, chosen)
    if case.doubt is not None:
        summary["warnings"].append(f"{case.doubt[0].upper()}{case.doubt[1:]}.")
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
                "training_data": _counted(bundle.info.training_data),
                "scores": _means(bundle.info.scores),
            },
            "settings": {
                "prepare": bundle.info.prepare.model_dump(mode="json"),
                "inference": inference.model_dump(mode="json"),
                "threshold": chosen,
                "members": chosen_members(bundle, members),
                "tta": tta,
                "calibration": _calibration(bundle),
                "precision": device.precision,
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
    lies in the tumour and in the breast, `mixture` how mixed the tumour is (`Heterogeneity`),
    `uncertainty` how sure the networks are, `input_check` how like the training the exam is.
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
    if result.check is not None and result.check.warning is not None:
        warnings.append(result.check.warning)
    if result.check is None and bundle.info.input_statistics is not None:
        warnings.append(
            "The bundle's statistics of the training are those of another version of hcnet: the "
            "exam was not compared with them."
        )
    return {
        "case": name,
        "tumour_ml": float(tumour.sum() * grid.voxel_ml),
        "breast_ml": breast_ml,
        "threshold": threshold,
        "largest_probability": float(result.probability.data.max()),
        "uncertainty": uncertainty(result),
        "input_check": None if result.check is None else result.check.as_json(),
        "components": [asdict(component) for component in components(tumour, grid)],
        "classes": classes,
        "mixture": heterogeneity(tumour, labels, grid, k).as_dict(),
        "curve_label": f"relative enhancement in training, 0 to {codebook.grid_s[-1]:.0f} s",
        "bundle": bundle.info.name,
        "warnings": warnings,
        "notice": NOTICE,
    }


def uncertainty(result: Segmentation) -> dict[str, Any]:
    """How sure the networks are of the tumour, as JSON values.

    Returns:
        `mean_in_tumour`: mean of the uncertainty in the mask, bits, None without a tumour;
        `volume_ml_low`, `volume_ml_high`: the smallest and largest tumour that a single member
        finds, None where one member predicted; `what`: a sentence that says so.
    """
    inside = result.tumour.data > 0
    volumes = result.member_ml
    several = len(volumes) > 1
    what = "Entropy of the tumour probability in bits: 0 is sure, 1 is undecided."
    if several:
        what += f" The volumes are the least and the most that one of {len(volumes)} members finds."
    return {
        "mean_in_tumour": float(result.uncertainty.data[inside].mean()) if inside.any() else None,
        "volume_ml_low": min(volumes) if several else None,
        "volume_ml_high": max(volumes) if several else None,
        "what": what,
    }


def _calibration(bundle: Bundle) -> dict[str, Any] | None:
    calibration = bundle.info.calibration
    return None if calibration is None else calibration.model_dump(mode="json")


def _counted(training_data: dict[str, Any]) -> dict[str, Any]:
    """What a bundle was trained on, with numbers of cases in the place of their names."""
    return {k: len(v) if isinstance(v, list) else v for k, v in training_data.items()}


def _means(scores: dict[str, Any]) -> dict[str, Any]:
    """A bundle's scores without those of single cases."""
    networks = scores.get("networks")
    if not isinstance(networks, dict):
        return scores
    means = {
        name: {"summary": found.get("summary")}
        for name, found in networks.items()
        if isinstance(found, dict)
    }
    return {"networks": means}
