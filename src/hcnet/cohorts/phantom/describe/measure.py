"""The measures of one phantom exam; which there are and what they mean is in `catalogue`."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.phantom.describe.contrast import auc, contrast_to_noise, mean, median
from hcnet.cohorts.phantom.describe.curves import (
    curve_types,
    early_phase,
    enhancement_percent,
    enhancement_ratios,
    hottest,
    ratio_shares,
    type_shares,
)
from hcnet.cohorts.phantom.describe.exam import Bool, Exam
from hcnet.cohorts.phantom.describe.shape import (
    equivalent_diameter_mm,
    longest_diameter_mm,
    near,
)
from hcnet.cohorts.phantom.tissue import Tissue
from hcnet.volumes.components import components

NEAR_MM = 20.0
"""Gland and fat this near to the lesion are what it is seen against."""

NOISY = "_noisy"
"""Ending of the kinetic measures that were read from the phases with noise."""

DECOYS = ("fibroadenoma", "cyst", "nodule")

CURVES = ("rim", "core", "fibroadenoma", "gland", "fat")
"""Tissues whose mean curve is kept."""

_FIBROGLANDULAR = (Tissue.GLAND, Tissue.LIGAMENT, Tissue.DUCT)


@dataclass(frozen=True, eq=False)
class CaseMeasures:
    """The measures of one exam.

    Attributes:
        name: of the case.
        groups: `density`, `background` and `field` of the case.
        noise_free: whether the kinetic measures come from phases without noise.
        values: by the key of the measure; NaN where it is undefined.
        times_s: (T,) from the injection.
        curves: (T,) enhancement of each tissue's mean signal in percent, by the tissue's name.
    """

    name: str
    groups: dict[str, str]
    noise_free: bool
    values: dict[str, float]
    times_s: tuple[float, ...]
    curves: dict[str, NDArray[np.float64]]


def measure_case(exam: Exam) -> CaseMeasures:
    """Measure one exam on its stored grid."""
    regions = _regions(exam)
    clean = exam.phases if exam.noise_free is None else exam.noise_free
    values = {
        **_lesion(exam),
        **_kinetics(clean, exam.times_s, regions, ""),
        **_kinetics(exam.phases, exam.times_s, regions, NOISY),
        **_contrast(exam, regions),
        **_tissue(exam, regions),
    }
    return CaseMeasures(
        name=exam.name,
        groups={
            "density": exam.density,
            "background": exam.hidden.background_enhancement,
            "field": exam.field,
        },
        noise_free=exam.noise_free is not None,
        values=values,
        times_s=exam.times_s,
        curves={
            name: 100 * (curve / curve[0] - 1)
            for name in CURVES
            for curve in _mean_curve(clean[:, regions[name]].astype(np.float64)).T
            if curve[0] > 0
        },
    )


def _regions(exam: Exam) -> dict[str, Bool]:
    labels, tumour = exam.labels, exam.tumour
    return {
        "tumour": tumour,
        "rim": tumour & (labels == Tissue.TUMOUR_RIM),
        "core": tumour & (labels == Tissue.TUMOUR_CORE),
        "fibroadenoma": labels == Tissue.FIBROADENOMA,
        "gland": ~tumour & (labels == Tissue.GLAND),
        "fat": ~tumour & (labels == Tissue.FAT),
    }


def _lesion(exam: Exam) -> dict[str, float]:
    kinds = Counter(mass.kind for mass in exam.hidden.masses)
    found = components(exam.mask, exam.grid)
    volume_ml = sum(part.volume_ml for part in found)
    present = bool(found)
    lesion = {
        "volume_ml": volume_ml,
        "longest_mm": longest_diameter_mm(exam.mask, exam.grid),
        "equivalent_mm": equivalent_diameter_mm(volume_ml),
        "components": float(len(found)),
        "one_component": float(len(found) == 1),
    }
    lesion = {key: value if present else float("nan") for key, value in lesion.items()}
    return {
        **lesion,
        "lesion_free": float(not present),
        "decoys": float(sum(kinds[kind] for kind in DECOYS)),
        **{f"decoys_{kind}": float(kinds[kind]) for kind in DECOYS},
        "reader_dice": _dice(exam.reader, exam.mask),
    }


def _kinetics(
    phases: NDArray[np.float32], times_s: tuple[float, ...], regions: dict[str, Bool], ending: str
) -> dict[str, float]:
    early = early_phase(times_s)
    values: dict[str, float] = {}
    for name in ("tumour", "rim", "core", "fibroadenoma", "gland", "fat"):
        curves = phases[:, regions[name]].astype(np.float64)
        enhancement = enhancement_percent(curves[0], curves[early])
        values[f"enhancement_{name}"] = median(enhancement)
        if name in ("tumour", "fibroadenoma"):
            hot = _mean_curve(curves[:, hottest(enhancement)])
            values |= _types(f"{name}_hottest", hot, early)
            values |= _types(f"{name}_whole", _mean_curve(curves), early)
        if name in ("rim", "core", "fibroadenoma"):
            values |= _types(f"{name}_voxels", curves, early)
        if name == "tumour":
            ratios = enhancement_ratios(curves[0], curves[early], curves[-1])
            values["ser"] = median(ratios)
            values |= {f"ser_{bin_}": s for bin_, s in enumerate(ratio_shares(ratios))}
    return {key + ending: value for key, value in values.items()}


def _types(name: str, curves: NDArray[np.float64], early: int) -> dict[str, float]:
    shares = type_shares(curve_types(curves[early], curves[-1]))
    return {f"{name}_type_{kind}": share for kind, share in enumerate(shares, start=1)}


def _mean_curve(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 1) mean of (T, N) curves; (T, 0) where there are none."""
    return curves.mean(axis=1, keepdims=True) if curves.shape[1] else curves


def _contrast(exam: Exam, regions: dict[str, Bool]) -> dict[str, float]:
    pre, sigma = exam.phases[0], exam.hidden.noise_sigma
    gain = exam.phases[early_phase(exam.times_s)] - pre
    tumour, gland, fat = (regions[name] for name in ("tumour", "gland", "fat"))
    around = near(exam.mask, exam.grid, NEAR_MM)[exam.where]
    pre_auc = auc(pre[tumour], pre[~tumour])
    others = [auc(pre[lesion], pre[~lesion]) for lesion in exam.redrawn if lesion.any()]
    return {
        "cnr_gland": contrast_to_noise(pre[tumour], pre[gland & around], sigma),
        "cnr_fat": contrast_to_noise(pre[tumour], pre[fat & around], sigma),
        "snr_gland": mean(pre[gland]) / sigma,
        "fat_to_gland": mean(pre[fat]) / mean(pre[gland]),
        "auc_pre": pre_auc,
        "auc_pre_gland": auc(pre[tumour], pre[gland]),
        "auc_early": auc(gain[tumour], gain[~tumour]),
        "null_auc_gap": pre_auc - mean(np.asarray(others)),
    }


def _tissue(exam: Exam, regions: dict[str, Bool]) -> dict[str, float]:
    ktrans, ve, vp, t1_ms = (exam.maps[n] for n in ("ktrans_per_min", "ve", "vp", "t1_ms"))
    living = regions["rim"] | regions["core"]
    breast = ~exam.tumour & ~np.isin(exam.labels, (Tissue.AIR, Tissue.SKIN))
    fibroglandular = breast & np.isin(exam.labels, _FIBROGLANDULAR)
    t1_tumour, t1_gland = median(t1_ms[living]), median(t1_ms[regions["gland"]])
    return {
        "gland_share": mean(fibroglandular[breast]),
        "ktrans_tumour": median(ktrans[living]),
        "ktrans_fibroadenoma": median(ktrans[regions["fibroadenoma"]]),
        "ktrans_gland": median(ktrans[regions["gland"]]),
        "ve_tumour": median(ve[living]),
        "ve_fibroadenoma": median(ve[regions["fibroadenoma"]]),
        "vp_gland": median(vp[regions["gland"]]),
        "t1_gland_ms": t1_gland,
        "t1_fat_ms": median(t1_ms[regions["fat"]]),
        "t1_ratio": t1_tumour / t1_gland,
    }


def _dice(one: NDArray[Any] | None, other: Bool) -> float:
    """Dice of two masks; NaN where one is absent or both are empty."""
    if one is None or not (one.any() or other.any()):
        return float("nan")
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())
