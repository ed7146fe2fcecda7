"""The report of one segmentation, gathered from the files that `hcnet segment` wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hcnet.files import read_json
from hcnet.inference.names import MANIFEST, SUMMARY, UNCERTAINTY
from hcnet.kinetics.palette import class_colours
from hcnet.report.content import Picture, Score, SegmentationReport, Table, TissueClass
from hcnet.report.figures import mip_figure, preview_figure, uncertainty_figure
from hcnet.report.learned import learned_section
from hcnet.report.slices import slices_of
from hcnet.report.stored import (
    DicomObject,
    Focus,
    InputCheck,
    Manifest,
    Mixture,
    Summary,
    Uncertainty,
    read_stored,
)
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume

_UNLIKE = "The exam is unlike those that the networks learned from; do not rely on the result"


@dataclass(frozen=True, eq=False)
class _Images:
    pre: Volume
    tumour: Volume
    labels: Volume
    probability: Volume
    uncertainty: Volume | None

    @classmethod
    def read(cls, folder: Path) -> "_Images":
        unsure = folder / UNCERTAINTY
        return cls(
            pre=read_nifti(folder / "pre.nii.gz"),
            tumour=read_nifti(folder / "tumour.nii.gz"),
            labels=read_nifti(folder / "heterogeneity.nii.gz"),
            probability=read_nifti(folder / "tumour_probability.nii.gz"),
            uncertainty=read_nifti(unsure) if unsure.is_file() else None,
        )


def segmentation_page(folder: Path) -> SegmentationReport:
    """What is told of the segmentation in `folder`.

    Raises:
        InputError: a file is missing or damaged.
        GeometryError: the images do not lie on one grid.
    """
    summary = read_stored(Summary, folder / SUMMARY)
    manifest = read_stored(Manifest, folder / MANIFEST)
    images, classes = _Images.read(folder), len(summary.classes)
    return SegmentationReport(
        title=summary.case,
        source=manifest.input.location,
        created=manifest.started,
        scores=(*_scores(summary), *_mixture_scores(summary.mixture)),
        slices=slices_of(images.pre, images.tumour, images.labels, classes, images.uncertainty),
        pictures=_pictures(images, summary),
        tables=(
            *_foci_tables(summary.components),
            *_mixture_tables(summary.mixture),
            *_dicom_tables(manifest.dicom),
        ),
        classes=_classes(summary),
        curve_label=summary.curve_label,
        warnings=(*_unlike(summary.input_check, summary.warnings), *summary.warnings),
        learned=learned_section(manifest.bundle),
        manifest=_told(read_json(folder / MANIFEST)),
    )


def _told(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest less what has a part of the page to itself."""
    bundle = {k: v for k, v in manifest["bundle"].items() if k not in ("training_data", "scores")}
    return {**manifest, "bundle": bundle}


def _scores(summary: Summary) -> list[Score]:
    foci = len(summary.components)
    text = "no focus" if not foci else "1 focus" if foci == 1 else f"{foci} foci"
    found = [Score("tumour", f"{summary.tumour_ml:.2f} ml", text)]
    if summary.uncertainty is not None:
        found += _uncertainty_scores(summary.uncertainty)
    found += [
        Score("breast", f"{summary.breast_ml:.0f} ml", "breast mask"),
        Score(
            "largest probability",
            f"{summary.largest_probability:.2f}",
            f"threshold {summary.threshold:.2f}",
        ),
    ]
    check = summary.input_check
    if check is not None:
        found.append(
            Score(
                "distance from training",
                f"{check.distance:.2f}",
                f"1 is usual, above {check.limit:.2f} unlike",
            )
        )
    return found


def _uncertainty_scores(unsure: Uncertainty) -> list[Score]:
    found = []
    low, high = unsure.volume_ml_low, unsure.volume_ml_high
    if low is not None and high is not None:
        found.append(Score("volume, by member", f"{low:.2f} to {high:.2f} ml", "least and most"))
    if unsure.mean_in_tumour is not None:
        text = f"{unsure.mean_in_tumour:.2f}"
        found.append(Score("uncertainty", text, "mean in the tumour, from 0 (sure) to 1"))
    return found


def _unlike(check: InputCheck | None, warnings: Sequence[str]) -> tuple[str, ...]:
    """A warning where the exam is unlike the training's, unless the summary itself has it."""
    if check is None or not (check.reasons or check.distance > check.limit):
        return ()
    if any(reason in warning for reason in check.reasons for warning in warnings):
        return ()
    return (": ".join((_UNLIKE, "; ".join(check.reasons))).removesuffix(": ") + ".",)


def _preview(images: _Images, classes: int) -> Figure:
    return preview_figure(images.pre, images.tumour, images.labels, classes)


def _pictures(images: _Images, summary: Summary) -> tuple[Picture, ...]:
    found = [
        Picture(
            "preview",
            _preview(images, len(summary.classes)),
            "Tumour outline on the pre-contrast image, and the predicted heterogeneity map.",
            "Slices through the breast with the tumour outline and the heterogeneity map.",
        ),
        Picture(
            "projections",
            mip_figure(
                images.probability,
                images.tumour,
                title="Largest tumour probability along each axis",
                grey=(0.0, 1.0),
            ),
            "Maximum intensity projections of the tumour probability with the outline of the mask.",
            "Projections of the tumour probability along three axes.",
        ),
    ]
    if images.uncertainty is not None:
        what = summary.uncertainty.what if summary.uncertainty else ""
        found.append(
            Picture(
                "uncertainty",
                uncertainty_figure(images.pre, images.tumour, images.uncertainty),
                f"Where the networks are unsure. {what}".strip(),
                "Slices through the breast with the uncertainty of the tumour in green.",
            )
        )
    return tuple(found)


def _foci_tables(foci: Sequence[Focus]) -> tuple[Table, ...]:
    if not foci:
        return ()
    rows = tuple(
        (str(number), focus.volume_ml, *focus.centroid_mm)
        for number, focus in enumerate(foci, start=1)
    )
    return (
        Table(
            "Foci",
            ("Focus", "Volume (ml)", "R (mm)", "A (mm)", "S (mm)"),
            rows,
            "Centres of mass in scanner coordinates towards the patient's right, front and head.",
            folded=len(rows) > 8,
        ),
    )


def _mixture_scores(mixture: Mixture) -> tuple[Score, ...]:
    if not mixture.foci:
        return ()
    diameter, extent = f"{mixture.diameter_mm:.0f} mm", f"{mixture.extent_mm:.0f} mm"
    return (Score("largest diameter", diameter, f"all foci together {extent}"),)


def _mixture_tables(mixture: Mixture) -> tuple[Table, ...]:
    if not mixture.foci:
        return ()
    classes = tuple(
        (
            str(part.label),
            part.volume_ml,
            *(_percent(share) for share in (part.share, part.rim_share, part.core_share)),
            part.regions,
        )
        for part in mixture.classes
    )
    numbers = (
        ("entropy of the classes (bits)", mixture.entropy_bits),
        ("the same, as a share of its maximum", mixture.entropy),
        ("ITH index", mixture.ith),
        ("clustering of the classes", mixture.clustering),
    )
    return (
        Table(
            "Classes in the tumour",
            ("Class", "Volume (ml)", "% of tumour", "% of rim", "% of core", "Regions"),
            classes,
            f"Rim, {mixture.rim_ml:.2f} ml: up to 3 mm deep, and up to a third of the depth of "
            f"its focus. Core, {mixture.core_ml:.2f} ml: the rest.",
        ),
        Table(
            "Mixture",
            ("Number", "Value"),
            numbers,
            "Of the predicted map, which is smoother than a measured one. A few small foci change "
            "the ITH index much. Formulas: docs/heterogeneity.md.",
        ),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _dicom_tables(objects: Sequence[DicomObject]) -> tuple[Table, ...]:
    if not objects:
        return ()
    return (
        Table(
            "DICOM objects",
            ("File", "Series", "Series number"),
            tuple((entry.file, entry.what, entry.series_number) for entry in objects),
            "They belong to the exam's study and refer to its pre-contrast images.",
        ),
    )


def _classes(summary: Summary) -> tuple[TissueClass, ...]:
    colours = class_colours(len(summary.classes))
    return tuple(
        TissueClass(
            entry.label,
            colour,
            entry.curve,
            entry.tumour_share if summary.tumour_ml > 0 else None,
            entry.breast_share,
        )
        for entry, colour in zip(summary.classes, colours, strict=True)
    )
