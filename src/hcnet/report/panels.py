"""Pictures of several cases: predicted against true masks (Fig. 4) and maps (Fig. 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hcnet.report import drawing
from hcnet.report.view import Box, View, aligned, pick_slices, view_of
from hcnet.volumes.volume import Volume

_PANEL_INCHES = 2.3
_MARGIN_MM = 12.0


@dataclass(frozen=True, eq=False)
class MaskCase:
    """One row of the segmentation panel; all volumes on one grid, any orientation.

    Attributes:
        name: of the case.
        image: pre-contrast image.
        reference: reference tumour mask.
        predictions: mask and DSC of each method, by its name; the same methods in every case.
        breast: what the picture is cropped to.
    """

    name: str
    image: Volume
    reference: Volume
    predictions: dict[str, tuple[Volume, float]]
    breast: Volume | None = None


@dataclass(frozen=True, eq=False)
class MapCase:
    """One row of the map panel; all volumes on one grid, any orientation.

    Attributes:
        name: of the case.
        image: pre-contrast image.
        truth: heterogeneity map from the contrast-enhanced exam, 0 outside and k + 1 for code k.
        predictions: map predicted from the pre-contrast image alone, and its small print, e.g.
            "mean IoU 0.21", of each method, by its name; the same methods in every case.
        tumour: reference tumour mask, outlined.
    """

    name: str
    image: Volume
    truth: Volume
    predictions: dict[str, tuple[Volume, str]]
    tumour: Volume | None = None


def segmentation_panel(cases: Sequence[MaskCase], note: str = "") -> Figure:
    """Image, reference and each method's prediction, case by case (as the paper's Fig. 4).

    The slice is the one with most reference tumour. On the predictions the reference stays dashed.

    Args:
        cases: in order.
        note: last line of the small print.

    Raises:
        ValueError: there is no case.
        GeometryError: the volumes of a case lie on different grids.
    """
    methods = list(cases[0].predictions) if cases else []
    figure, panels = _grid(len(cases), 2 + len(methods))
    names: set[str] = set()
    for row, case in zip(panels, cases, strict=True):
        masks = [case.predictions[method][0] for method in methods]
        image, (reference, breast, *found) = aligned(
            case.image, case.reference, case.breast, *masks
        )
        view = view_of(image.grid)
        truth = np.asarray(reference) != 0
        predicted = [np.asarray(mask) != 0 for mask in found]
        (index,) = pick_slices(truth if truth.any() else np.any(predicted, axis=0), view.axis, 1)
        region = np.asarray(breast) != 0 if breast is not None else np.zeros(truth.shape, bool)
        box = _square(view, region | truth)
        grey = drawing.window(image.data[region] if region.any() else image.data)
        names.add(view.convention)

        solid = drawing.Outline(truth, drawing.REFERENCE)
        dashed = drawing.Outline(truth, drawing.REFERENCE, dashed=True)
        drawing.show_slice(row[0], view, image.data, index, grey, box)
        drawing.show_slice(row[1], view, image.data, index, grey, box, [solid])
        drawing.row_label(row[0], case.name)
        for axes, method, mask in zip(row[2:], methods, predicted, strict=True):
            outlines = [dashed, drawing.Outline(mask, drawing.PREDICTION)]
            drawing.show_slice(axes, view, image.data, index, grey, box, outlines)
            _note(axes, f"DSC {case.predictions[method][1]:.2f}")
    for axes, text in zip(panels[0], ["pre-contrast", "reference", *methods], strict=True):
        drawing.headline(axes, text)
    drawing.legend(
        figure,
        [
            drawing.line_entry("reference", drawing.REFERENCE),
            drawing.line_entry("prediction", drawing.PREDICTION),
        ],
    )
    lines = [*sorted(names), "Dashed: reference. DSC is of the whole exam.", note]
    drawing.footer(figure, "\n".join(filter(None, lines)))
    return figure


def map_panel(cases: Sequence[MapCase], classes: int, note: str = "") -> Figure:
    """Image, true map and each method's predicted map, case by case (as the paper's Fig. 3).

    The slice is the one with most tumour, or with most breast where there is no tumour mask.

    Args:
        cases: in order.
        classes: K.
        note: last line of the small print.

    Raises:
        ValueError: there is no case.
        GeometryError: the volumes of a case lie on different grids.
    """
    methods = list(cases[0].predictions) if cases else []
    figure, panels = _grid(len(cases), 2 + len(methods))
    names: set[str] = set()
    outlined = False
    for row, case in zip(panels, cases, strict=True):
        predicted = [case.predictions[method][0] for method in methods]
        image, (tumour, *found) = aligned(case.image, case.tumour, case.truth, *predicted)
        view = view_of(image.grid)
        maps = [np.asarray(labels) for labels in found]
        mask = np.asarray(tumour) != 0 if tumour is not None else np.zeros(image.shape, bool)
        breast = maps[0] > 0
        (index,) = pick_slices(mask if mask.any() else breast, view.axis, 1)
        box = _square(view, breast)
        grey = drawing.window(image.data[breast] if breast.any() else image.data)
        outlines = [drawing.Outline(mask, drawing.PREDICTION)]
        outlined |= bool(mask.any())
        names.add(view.convention)

        for axes in row:
            drawing.show_slice(axes, view, image.data, index, grey, box)
        for axes, labels in zip(row[1:], maps, strict=True):
            drawing.draw_classes(axes, view, view.cut(labels, index), classes)
        for axes in row:
            for outline in outlines:
                drawing.draw_outline(axes, view, view.cut(outline.mask, index), outline.colour)
        drawing.row_label(row[0], case.name)
        for axes, method in zip(row[2:], methods, strict=True):
            if case.predictions[method][1]:
                _note(axes, case.predictions[method][1])
    headings = ["pre-contrast", "map from DCE-MRI", *methods]
    for axes, text in zip(panels[0], headings, strict=True):
        drawing.headline(axes, text)
    entries = [drawing.line_entry("tumour, reference", drawing.PREDICTION)] if outlined else []
    drawing.legend(figure, [*entries, *drawing.class_entries(classes)])
    drawing.footer(figure, "\n".join(filter(None, [*sorted(names), note])))
    return figure


def _grid(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    if not rows:
        raise ValueError("a panel needs at least one case")
    figure = drawing.picture(_PANEL_INCHES * columns + 1.9, _PANEL_INCHES * rows + 0.8)
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(row) for row in panels]


def _square(view: View, region: NDArray[np.bool_]) -> Box:
    """A square part of the view around a region, or around everything; panels stay in line."""
    width, height = view.size_mm
    box = view.box(region, _MARGIN_MM) if region.any() else (0.0, width, 0.0, height)
    half = max(box[1] - box[0], box[3] - box[2]) / 2
    x, y = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    return x - half, x + half, y - half, y + half


def _note(axes: Axes, text: str) -> None:
    axes.text(
        0.97, 0.04, text, transform=axes.transAxes, color="white", fontsize=8, ha="right",
        va="bottom", parse_math=False, bbox={"facecolor": "black", "alpha": 0.6, "lw": 0, "pad": 2},
    )  # fmt: skip
