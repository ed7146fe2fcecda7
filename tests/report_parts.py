"""The files that `hcnet segment` and `hcnet compare` leave, made by hand in a moment."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from hcnet.files import write_json
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

AFFINE = np.diag([3.0, 1.0, 2.0, 1.0])
SHAPE = (8, 24, 20)
CASES = [f"CASE_{number}" for number in range(4)]


def summary(**more: Any) -> dict[str, Any]:
    """A summary with a tumour of one focus and two classes."""
    classes = [
        {"label": label, "curve": [0.0, label / 2], "tumour_share": 0.5, "breast_share": 0.5}
        for label in (1, 2)
    ]
    return {
        "case": "EXAM", "tumour_ml": 1.5, "breast_ml": 400.0, "threshold": 0.5,
        "largest_probability": 0.9, "classes": classes, "curve_label": "relative enhancement",
        "components": [{"volume_ml": 1.5, "centroid_mm": [1.0, 2.0, 3.0]}], "warnings": [], **more,
    }  # fmt: skip


def manifest(**bundle: Any) -> dict[str, Any]:
    """A manifest; the arguments go into its bundle."""
    return {
        "input": {"location": "exam.nii.gz", "sha256": "0"},
        "bundle": {"name": "model", "sha256": "1", "licence": "own", **bundle},
        "started": "2026-01-01T00:00:00+00:00",
    }


def write_segmentation(
    folder: Path, told: dict[str, Any], origin: dict[str, Any], *, uncertainty: bool = False
) -> Path:
    """A folder as `hcnet segment` leaves it: a block of tumour in a block of breast."""
    breast, tumour = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    breast[1:7, 4:20, 4:16] = 1
    tumour[3:5, 8:13, 7:11] = told["tumour_ml"] != 0
    image = np.random.default_rng(0).normal(100, 9, SHAPE).astype(np.float32) * (1 + breast)
    for name, data in (
        ("pre", image),
        ("tumour", tumour),
        ("heterogeneity", breast + tumour),
        ("tumour_probability", 0.9 * tumour.astype(np.float32)),
    ):
        write_nifti(Volume(data, AFFINE), folder / f"{name}.nii.gz")
    if uncertainty:
        unsure = 0.5 * breast.astype(np.float32)
        write_nifti(Volume(unsure, AFFINE), folder / "tumour_uncertainty.nii.gz")
    write_json(folder / "summary.json", told)
    write_json(folder / "manifest.json", origin)
    return folder


def estimate(mean: float | None) -> dict[str, Any]:
    """A mean with an interval of 0.1 on both sides."""
    low, high = (None, None) if mean is None else (mean - 0.1, mean + 0.1)
    return {"mean": mean, "low": low, "high": high, "median": mean, "n": 4, "undefined": 0,
            "level": 0.95}  # fmt: skip


def compared(first: str, second: str, mean: float) -> dict[str, Any]:
    """One comparison."""
    return {"first": first, "second": second, "metric": "dsc",
            "result": {"difference": estimate(mean), "p": 0.01}, "p_holm": 0.02}  # fmt: skip


def write_comparison(folder: Path, dsc: dict[str, list[float]]) -> Path:
    """A folder as `hcnet compare` leaves it: methods `resunet-pre` and others, two seeds."""
    rows = []
    for name, values in dsc.items():
        network, _, inputs = name.partition("-")
        rows.append({
            "entry": {"network": network, "inputs": inputs},
            "metrics": {"dsc": estimate(float(np.mean(values))), "ppv": estimate(None)},
            "false_positives": {"cases": 1, "rate": 1.0, "ml": 0.25, "components": 1.0},
            "took": {"parameters": 1_500_000, "training_s": 20.0, "inference_s": [0.5]},
        })  # fmt: skip
    others = [name for name in dsc if name != "resunet-pre"]
    means = {name: float(np.mean(values)) for name, values in dsc.items()}
    write_json(folder / "results.json", {
        "rows": rows,
        "entries": [{"name": name, "title": f"{name.partition('-')[0].upper()} ("
                     f"{name.partition('-')[2]})"} for name in dsc],
        "compared": [compared(name, "resunet-pre", means[name] - means["resunet-pre"])
                     for name in others],
        "task": "tumour", "reference": "the readers' masks", "notes": ["a note of the study"],
        "seeds": [0, 1], "environment": {"versions": {"torch": "2"}},
    })  # fmt: skip
    (folder / "cases.csv").parent.mkdir(exist_ok=True)
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("entry", "seed", "name", "dsc", "reference_ml"))
        for name, values in dsc.items():
            for seed in (0, 1):
                writer.writerows((name, seed, case, value + 0.02 * seed, 2.0)
                                 for case, value in zip(CASES, values, strict=True))  # fmt: skip
            writer.writerow((name, 0, "FREE", 0.0, 0.0))
    return folder
