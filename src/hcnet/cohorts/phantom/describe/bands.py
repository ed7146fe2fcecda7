"""What is known of each measure: ranges and centres from the literature, as collected.

The tag says how well a value is known; only V was read in its source when it was collected.
Descriptors are numbers of an untuned prototype of the generator: how it came out, not what is
right. Nothing is tuned to fall into a band.
"""

import math
from dataclasses import dataclass
from typing import Literal

Tag = Literal["V", "A", "C", "M", "X"]

TAGS: dict[Tag, str] = {
    "V": "read in the source",
    "A": "from the abstract alone; as collected, not re-verified",
    "C": "computed; as collected, not re-verified",
    "M": "from memory; as collected, not re-verified",
    "X": "assumption of the design; no evidence",
}


@dataclass(frozen=True)
class Band:
    """What a measure is compared with.

    Attributes:
        key: of the measure.
        source: where it comes from.
        tag: how well it is known.
        low: lower end, None where only a centre is known.
        high: upper end.
        centre: median, mean or share, None where only a range is known.
        group: the density, background grade or field strength that it holds for; empty for all.
        like: the kind of cohort that it holds for; empty for all.
        descriptor: whether it describes the prototype.
    """

    key: str
    source: str
    tag: Tag
    low: float | None = None
    high: float | None = None
    centre: float | None = None
    group: str = ""
    like: str = ""
    descriptor: bool = False


_METADATA = "I-SPY1, computed from the BreastDCEDL metadata"
_KUHL = "Kuhl 1999"
_CHECK = "consistency check of the kinetics, before any training"
_PROTOTYPE = "prototype, 40 cases, 1.5 T, untuned"
_DESIGN = "design parameter"
_KINETICS = "published range, its source not recorded when collected"
_DRO = "lchenze/DRO_Breast_DCE_MRI"
_T1_3T = "range of the means collected; V, A and M mixed"
_LESS = math.exp(-0.2)  # one standard deviation of the jitter of the fibroglandular share


def _types(
    key: str, shares: tuple[float, float, float], source: str, tag: Tag, *, descriptor: bool
) -> tuple[Band, ...]:
    return tuple(
        Band(f"{key}_type_{i}", source, tag, centre=share, descriptor=descriptor)
        for i, share in enumerate(shares, start=1)
    )


BANDS: tuple[Band, ...] = (
    Band("volume_ml", _METADATA, "C", 6.6, 38.0, 14.7, like="ispy1"),
    Band("longest_mm", _METADATA, "C", centre=72.0, like="ispy1"),
    Band("equivalent_mm", _METADATA, "C", centre=30.0, like="ispy1"),
    # Quartiles of ln-normal(1.3, 1.2).
    Band("volume_ml", _DESIGN, "X", 1.63, 8.24, 3.67, like="duke"),
    Band("one_component", _DESIGN, "X", centre=0.65),
    Band("lesion_free", _DESIGN, "X", centre=0.10),
    Band("decoys", f"{_DESIGN}, a mean", "X", centre=1.5),
    Band("reader_dice", "between two readers", "A", 0.78, 0.81),
    *_types("tumour_hottest", (0.09, 0.34, 0.57), f"{_KUHL}, malignant", "M", descriptor=False),
    *_types("fibroadenoma_hottest", (0.83, 0.12, 0.06), f"{_KUHL}, benign", "M", descriptor=False),
    *_types("rim_voxels", (0.0, 0.11, 0.89), _CHECK, "C", descriptor=True),
    *_types("core_voxels", (0.22, 0.50, 0.28), _CHECK, "C", descriptor=True),
    *_types("fibroadenoma_voxels", (0.62, 0.31, 0.07), _CHECK, "C", descriptor=True),
    Band("enhancement_tumour", _CHECK, "C", centre=156.0, descriptor=True),
    Band("enhancement_fibroadenoma", _CHECK, "C", centre=107.0, descriptor=True),
    Band("cnr_gland", _PROTOTYPE, "C", -5.3, -1.4, -3.0, descriptor=True),
    Band("cnr_fat", _PROTOTYPE, "C", centre=8.7, descriptor=True),
    Band("snr_gland", _DESIGN, "X", 15.0, 40.0),
    Band("auc_pre", _PROTOTYPE, "C", 0.65, 0.88, 0.78, descriptor=True),
    *(
        Band("auc_pre", _PROTOTYPE, "C", centre=centre, group=grade, descriptor=True)
        for grade, centre in zip("abcd", (0.94, 0.87, 0.71, 0.62), strict=True)
    ),
    # Collected as "~1.0", which is whatever rounds to it.
    Band("auc_early", _PROTOTYPE, "C", 0.95, 1.0, descriptor=True),
    Band("null_auc_gap", "exchangeable by construction", "C", centre=0.0),
    *(
        Band("gland_share", _DESIGN, "X", share * _LESS, share / _LESS, share, group=grade)
        for grade, share in zip("abcd", (0.05, 0.15, 0.34, 0.60), strict=True)
    ),
    Band("t1_gland_ms", _DRO, "V", 1184.0, 1348.0, 1266.0, group="1.5 T"),
    Band("t1_gland_ms", _T1_3T, "M", 1256.0, 1680.0, group="3.0 T"),
    Band("t1_fat_ms", _DRO, "V", 283.0, 309.0, 296.0, group="1.5 T"),
    Band("t1_fat_ms", _T1_3T, "M", 367.0, 423.0, group="3.0 T"),
    # One standard deviation about ln-normal(.05, .12).
    Band("t1_ratio", _DESIGN, "X", 0.93, 1.19, 1.05),
    Band("ktrans_tumour", _KINETICS, "V", 0.041, 0.385),
    Band("ktrans_fibroadenoma", f"{_KINETICS} (benign)", "V", 0.045, 0.143),
    Band("ktrans_gland", _KINETICS, "V", 0.010, 0.035),
    Band("ve_tumour", _KINETICS, "V", 0.10, 0.30),
    Band("ve_fibroadenoma", f"{_KINETICS} (benign)", "V", 0.14, 0.30),
    Band("vp_gland", _KINETICS, "V", 0.010, 0.077),
)


def find_band(key: str, group: str, like: str) -> Band | None:
    """The band of a measure for this group of cases in this kind of cohort, if there is one."""
    for band in BANDS:
        if band.key == key and band.group == group and band.like in ("", like):
            return band
    return None
