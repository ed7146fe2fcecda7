"""The report of one segmentation, gathered from the files that `hcnet segment` wrote."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hcnet.files import read_json, write_aside
from hcnet.inference.names import MANIFEST, SUMMARY
from hcnet.kinetics.palette import class_colours
from hcnet.report.content import Picture, Score, SegmentationReport, Table, TissueClass
from hcnet.report.figures import mip_figure, preview_figure
from hcnet.volumes.nifti import read_nifti


def segmentation_page(folder: Path) -> SegmentationReport:
    """What is told of the segmentation in `folder`.

    Raises:
        InputError: a file is missing or damaged.
    """
    summary, manifest = read_json(folder / SUMMARY), read_json(folder / MANIFEST)
    foci = summary["components"]
    warnings = list(summary["warnings"])
    mixture = summary.get("mixture", {"foci": 0})  # results of earlier versions have none
    return SegmentationReport(
        title=summary["case"],
        source=manifest["input"]["location"],
        created=manifest["started"],
        scores=(
            Score("tumour", f"{summary['tumour_ml']:.2f} ml", _foci_text(foci)),
            Score("breast", f"{summary['breast_ml']:.0f} ml", "breast mask"),
            Score(
                "largest probability",
                f"{summary['largest_probability']:.2f}",
                f"threshold {summary['threshold']:.2f}",
            ),
            *_mixture_scores(mixture),
        ),
        pictures=_pictures(folder, len(summary["classes"])),
        tables=(*_tables(foci), *_mixture_tables(mixture)),
        classes=_classes(summary),
        curve_label=summary["curve_label"],
        warnings=tuple(warnings),
        manifest=manifest,
    )


def write_preview(folder: Path) -> None:
    """Write `preview.png` beside the results."""
    summary = read_json(folder / SUMMARY)
    with write_aside(folder / "preview.png") as aside:
        _preview(folder, len(summary["classes"])).savefig(aside, dpi=130)


def _preview(folder: Path, classes: int) -> Figure:
    image, tumour, labels = (
        read_nifti(folder / f"{name}.nii.gz") for name in ("pre", "tumour", "heterogeneity")
    )
    return preview_figure(image, tumour, labels, classes)


def _pictures(folder: Path, classes: int) -> tuple[Picture, ...]:
    tumour = read_nifti(folder / "tumour.nii.gz")
    probability = read_nifti(folder / "tumour_probability.nii.gz")
    return (
        Picture(
            _preview(folder, classes),
            "Tumour outline on the pre-contrast image, and the predicted heterogeneity map.",
            "Slices through the breast with the tumour outline and the heterogeneity map.",
        ),
        Picture(
            mip_figure(
                probability,
                tumour,
                title="Largest tumour probability along each axis",
                grey=(0.0, 1.0),
            ),
            "Maximum intensity projections of the tumour probability with the outline of the mask.",
            "Projections of the tumour probability along three axes.",
        ),
    )


def _foci_text(foci: list[dict[str, Any]]) -> str:
    return "no focus" if not foci else "1 focus" if len(foci) == 1 else f"{len(foci)} foci"


def _tables(foci: list[dict[str, Any]]) -> tuple[Table, ...]:
    if not foci:
        return ()
    rows = tuple(
        (str(number), focus["volume_ml"], *focus["centroid_mm"])
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


def _mixture_scores(mixture: dict[str, Any]) -> tuple[Score, ...]:
    if not mixture["foci"]:
        return ()
    diameter, extent = f"{mixture['diameter_mm']:.0f} mm", f"{mixture['extent_mm']:.0f} mm"
    return (Score("largest diameter", diameter, f"all foci together {extent}"),)


def _mixture_tables(mixture: dict[str, Any]) -> tuple[Table, ...]:
    if not mixture["foci"]:
        return ()
    classes = tuple(
        (
            str(part["label"]),
            part["volume_ml"],
            *(_percent(part[key]) for key in ("share", "rim_share", "core_share")),
            part["regions"],
        )
        for part in mixture["classes"]
    )
    numbers = (
        ("entropy of the classes (bits)", mixture["entropy_bits"]),
        ("the same, as a share of its maximum", mixture["entropy"]),
        ("ITH index", mixture["ith"]),
        ("clustering of the classes", mixture["clustering"]),
    )
    return (
        Table(
            "Classes in the tumour",
            ("Class", "Volume (ml)", "% of tumour", "% of rim", "% of core", "Regions"),
            classes,
            f"Rim, {mixture['rim_ml']:.2f} ml: up to 3 mm deep, and up to a third of the depth of "
            f"its focus. Core, {mixture['core_ml']:.2f} ml: the rest.",
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


def _dicom_tables(objects: list[dict[str, Any]]) -> tuple[Table, ...]:
    if not objects:
        return ()
    return (
        Table(
            "DICOM objects",
            ("File", "Series", "Series number"),
            tuple((entry["file"], entry["what"], entry["series_number"]) for entry in objects),
            "They belong to the exam's study and refer to its pre-contrast images.",
        ),
    )


def _classes(summary: dict[str, Any]) -> tuple[TissueClass, ...]:
    classes = summary["classes"]
    return tuple(
        TissueClass(
            entry["label"],
            colour,
            tuple(entry["curve"]),
            entry["tumour_share"] if summary["tumour_ml"] > 0 else None,
            entry["breast_share"],
        )
        for entry, colour in zip(classes, class_colours(len(classes)), strict=True)
    )
