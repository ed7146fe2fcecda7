"""Which measures a description shows, in which order, and what each one is."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hcnet.cohorts.phantom.describe.curves import SER_EDGES
from hcnet.cohorts.phantom.describe.measure import DECOYS, NOISY

By = Literal["", "density", "background", "field"]
GRADES: dict[By, tuple[str, ...]] = {
    "density": ("a", "b", "c", "d"),
    "background": ("minimal", "mild", "moderate", "marked"),
}


@dataclass(frozen=True)
class Measure:
    """One measure of a case.

    Attributes:
        key: in `CaseMeasures.values`.
        title: what it is.
        unit: empty where it has none.
        share: whether each case is 0 or 1, so that the cohort is told as a share.
        by: which group of the case it is told apart by; empty for none.
    """

    key: str
    title: str
    unit: str = ""
    share: bool = False
    by: By = ""


_ROMAN = ("I", "II", "III")


def _types(key: str, title: str, *, share: bool) -> tuple[Measure, ...]:
    """A region's curve types, one measure a type."""
    return tuple(
        Measure(f"{key}_type_{i}", f"{title}: type {roman}", share=share)
        for i, roman in enumerate(_ROMAN, start=1)
    )


def _both(*measures: Measure) -> tuple[Measure, ...]:
    """The measures, each followed by itself as read from the phases with noise."""
    return tuple(
        variant
        for m in measures
        for variant in (
            m,
            Measure(m.key + NOISY, f"{m.title} (noisy phases)", m.unit, m.share, m.by),
        )
    )


def _ser_bins() -> tuple[Measure, ...]:
    edges = ("", *(f"{edge:g}" for edge in SER_EDGES), "")
    names = [
        f"{low} to {high}" if low and high else f"below {high}" if high else f"{low} and above"
        for low, high in pairwise(edges)
    ]
    return tuple(
        Measure(f"ser_{i}", f"share of the tumour's voxels with SER {name}")
        for i, name in enumerate(names)
    )


SECTIONS: dict[str, tuple[Measure, ...]] = {
    "Lesions": (
        Measure("volume_ml", "tumour volume", "ml"),
        Measure("longest_mm", "longest diameter, all parts together", "mm"),
        Measure("equivalent_mm", "volume-equivalent diameter", "mm"),
        Measure("components", "components"),
        Measure("one_component", "tumours of one component", share=True),
        Measure("lesion_free", "lesion-free cases", share=True),
        Measure("decoys", "decoys a case"),
        *(Measure(f"decoys_{kind}", f"decoys a case: {kind}") for kind in DECOYS),
        Measure("reader_dice", "Dice of the reader-like and the exact mask"),
    ),
    "Curve types": (
        *_both(*_types("tumour_hottest", "tumour, hottest tenth", share=True)),
        *_types("tumour_whole", "tumour, whole", share=True),
        *_both(
            *_types("fibroadenoma_hottest", "a case's fibroadenomas, hottest tenth", share=True)
        ),
        *_types("fibroadenoma_whole", "a case's fibroadenomas, whole", share=True),
        *_both(*_types("rim_voxels", "share of the rim's voxels", share=False)),
        *_both(*_types("core_voxels", "share of the core's voxels", share=False)),
        *_both(*_types("fibroadenoma_voxels", "share of fibroadenomas' voxels", share=False)),
    ),
    "Early enhancement": (
        *_both(
            Measure("enhancement_tumour", "tumour", "%"),
            Measure("enhancement_rim", "rim", "%"),
            Measure("enhancement_core", "core", "%"),
            Measure("enhancement_fibroadenoma", "fibroadenomas", "%"),
            Measure("enhancement_gland", "gland", "%"),
            Measure("enhancement_fat", "fat", "%"),
        ),
        Measure("enhancement_gland", "gland, by background grade", "%", by="background"),
        *_both(Measure("ser", "SER of the tumour")),
        *_ser_bins(),
    ),
    "Before contrast": (
        Measure("cnr_gland", "CNR of tumour and gland near it"),
        Measure("cnr_fat", "CNR of tumour and fat near it"),
        Measure("snr_gland", "SNR of gland"),
        Measure("fat_to_gland", "signal of fat over gland"),
        Measure("auc_pre", "AUC of tumour and rest of breast"),
        Measure("auc_pre", "AUC of tumour and rest of breast, by density", by="density"),
        Measure("auc_pre_gland", "AUC of tumour and gland"),
        Measure("auc_pre_gland", "AUC of tumour and gland, by density", by="density"),
        Measure("auc_early", "AUC of the early subtraction"),
        Measure("auc_early", "AUC of the early subtraction, by density", by="density"),
        Measure("null_auc_gap", "AUC of the drawn lesion minus that of redrawn ones"),
    ),
    "Tissue": (
        Measure("gland_share", "fibroglandular share of the breast", by="density"),
        Measure("t1_gland_ms", "T1 of gland", "ms", by="field"),
        Measure("t1_fat_ms", "T1 of fat", "ms", by="field"),
        Measure("t1_ratio", "T1 of tumour over gland"),
        Measure("ktrans_tumour", "Ktrans of the tumour", "/min"),
        Measure("ktrans_fibroadenoma", "Ktrans of fibroadenomas", "/min"),
        Measure("ktrans_gland", "Ktrans of gland", "/min"),
        Measure("ve_tumour", "ve of the tumour"),
        Measure("ve_fibroadenoma", "ve of fibroadenomas"),
        Measure("vp_gland", "vp of gland"),
    ),
}

NOTES = (
    "Values are medians over the cases with the quartiles; shares have Wilson's 95 % interval.",
    "The published Dice is between two readers; here one reader-like mask meets the truth, which "
    "is the easier comparison.",
    "Measured on the stored grid with the exact masks; labels go to the tissue that most of a "
    "voxel is.",
    "Curve type: change from the early phase (nearest to 120 s after the injection) to the last, "
    "over the early signal; above +10 % is I, below -10 % III. The hottest tenth is the mean "
    "curve of those voxels that enhance most early, as a reader's region is placed; with noise "
    "this choice also picks noise. Voxel rows are the cases' own shares of voxels.",
    "Enhancement is the median over a tissue's voxels of (early - pre) / pre. SER is (early - pre) "
    "/ (last - pre) of the tumour's voxels that enhance by at least 70 % early.",
    "CNR is the difference of means over the noise of one channel; gland and fat count within "
    "20 mm of the tumour. SNR is over the whole breast. AUC is the chance that a tumour voxel is "
    "brighter than another one, in the images with noise; below .5 it is darker.",
    "The fibroglandular share leaves out skin and tumour. Ktrans, ve and T1 of the tumour leave "
    "out necrosis.",
)
