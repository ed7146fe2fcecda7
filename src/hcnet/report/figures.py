"""Pictures of one segmentation: slices through the tumour, and projections."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hcnet.report import drawing
from hcnet.report.view import AXIAL, Box, View, aligned, pick_slices, view_of
from hcnet.volumes.volume import Volume

_BREAST_MARGIN_MM = 10.0
_TUMOUR_MARGIN_MM = 12.0
_LEAST_ZOOM_MM = 40.0
_PANEL_INCHES = 2.9
_LEGEND_INCHES = 1.8
_MOST_INCHES = (9.5, 5.0)


def preview_figure(
    image: Volume,
    tumour: Volume,
    heterogeneity: Volume | None = None,
    classes: int = 0,
    *,
    title: str = "",
    slices: int = 3,
) -> Figure:
    """A segmentation at a glance: outline on the image, heterogeneity map, and the map close up.

    The plane is that of the finest in-plane resolution, cropped to the breast where a map says
    where it is; the slices are spread over the tumour, largest one included, or over the breast
    where no tumour was found.

    Args:
        image: the pre-contrast image, any orientation.
        tumour: mask on the same grid; not 0 is tumour.
        heterogeneity: map on the same grid, 0 outside and k + 1 for code k.
        classes: K; needed with a map.
        title: headline.
        slices: number of columns at most.

    Raises:
        GeometryError: the volumes lie on different grids.
    """
    canonical, (mask_data, labels) = aligned(image, tumour, heterogeneity)
    view = view_of(canonical.grid)
    mask = np.asarray(mask_data) != 0
    breast = np.asarray(labels) > 0 if labels is not None else np.zeros(mask.shape, bool)
    shown = mask if mask.any() else breast
    chosen = pick_slices(shown, view.axis, slices)
    region = breast | mask
    whole = view.box(region, _BREAST_MARGIN_MM) if breast.any() else _all(view)
    # All panels of the zoom show the same place, so that slices can be compared.
    zoom = view.box(mask, _TUMOUR_MARGIN_MM, _LEAST_ZOOM_MM) if mask.any() else None

    rows: list[tuple[str, Box, bool]] = [("image", whole, False)]
    if labels is not None:
        rows.append(("heterogeneity map", whole, True))
    if zoom is not None:
        rows.append(("at the tumour", zoom, labels is not None))
    heights = [_PANEL_INCHES * (box[3] - box[2]) / (box[1] - box[0]) for _, box, _ in rows]
    width = _PANEL_INCHES * len(chosen) + _LEGEND_INCHES
    figure = drawing.picture(width, sum(heights) + 0.9)
    panels = figure.subplots(len(rows), len(chosen), squeeze=False, height_ratios=heights)

    grey = drawing.window(canonical.data)
    outline = drawing.Outline(mask, drawing.PREDICTION)
    for row, (label, box, mapped) in zip(panels, rows, strict=True):
        drawing.row_label(row[0], label)
        for axes, index in zip(row, chosen, strict=True):
            drawing.show_slice(axes, view, canonical.data, index, grey, box)
            if mapped:
                drawing.draw_classes(axes, view, view.cut(np.asarray(labels), index), classes)
            drawing.draw_outline(axes, view, view.cut(outline.mask, index), outline.colour)
            if label == "image" and zoom is not None:
                drawing.draw_box(axes, zoom)
    for axes, index in zip(panels[0], chosen, strict=True):
        drawing.headline(axes, f"slice {index + 1} of {canonical.shape[view.axis]}")

    entries = [drawing.line_entry("tumour, predicted", drawing.PREDICTION)] if mask.any() else []
    if labels is not None:
        entries += drawing.class_entries(classes)
    if entries:
        drawing.legend(figure, entries)
    found = title if mask.any() else f"{title}: no tumour found".removeprefix(": ")
    if found:
        figure.suptitle(found, color=drawing.INK, fontsize=11, parse_math=False)
    drawing.footer(figure, f"{view.convention} {view.counting}")
    return figure


def uncertainty_figure(
    image: Volume, tumour: Volume, uncertainty: Volume, *, slices: int = 3
) -> Figure:
    """Where the tumour's outline is unsure: in green on the image, whole and close up.

    Slices and the part shown close up are those of the tumour, or where none was found those of
    the voxels that are least sure.

    Args:
        image: the pre-contrast image, any orientation.
        tumour: mask on the same grid; not 0 is tumour.
        uncertainty: from 0 to 1 on the same grid; what is not finite counts as sure.
        slices: number of columns at most.

    Raises:
        GeometryError: the volumes lie on different grids.
    """
    canonical, (mask_data, unsure_data) = aligned(image, tumour, uncertainty)
    view = view_of(canonical.grid)
    mask, unsure = np.asarray(mask_data) != 0, np.nan_to_num(np.asarray(unsure_data, np.float32))
    shown = mask if mask.any() else (unsure >= unsure.max()) & (unsure > 0)
    chosen = pick_slices(shown, view.axis, slices)
    boxes = [("image", _all(view))]
    if shown.any():
        boxes.append(("close up", view.box(shown, _TUMOUR_MARGIN_MM, _LEAST_ZOOM_MM)))
    heights = [_PANEL_INCHES * (box[3] - box[2]) / (box[1] - box[0]) for _, box in boxes]
    figure = drawing.picture(_PANEL_INCHES * len(chosen) + 1.0, sum(heights) + 0.9)
    panels = figure.subplots(len(boxes), len(chosen), squeeze=False, height_ratios=heights)
    grey = drawing.window(canonical.data)
    for row, (label, box) in zip(panels, boxes, strict=True):
        drawing.row_label(row[0], label)
        for axes, index in zip(row, chosen, strict=True):
            drawing.show_slice(axes, view, canonical.data, index, grey, box)
            drawing.draw_uncertainty(axes, view, view.cut(unsure, index))
            drawing.draw_outline(axes, view, view.cut(mask, index), drawing.PREDICTION)
    for axes, index in zip(panels[0], chosen, strict=True):
        drawing.headline(axes, f"slice {index + 1} of {canonical.shape[view.axis]}")
    drawing.uncertainty_bar(figure, list(panels.flat))
    line = "Light blue: tumour outline." if mask.any() else "No tumour found."
    drawing.footer(figure, f"{view.convention} {view.counting} {line}")
    return figure


def mip_figure(
    volume: Volume,
    tumour: Volume,
    *,
    title: str = "Maximum intensity projection",
    grey: tuple[float, float] | None = None,
) -> Figure:
    """Maximum intensity projections along all three axes with the projected tumour outline.

    Args:
        volume: what to project, any orientation: a subtraction, a tumour probability, the image.
        tumour: mask on the same grid; not 0 is tumour.
        title: what is projected.
        grey: values that become black and white; by default from the projections' percentiles.

    Raises:
        GeometryError: the volumes lie on different grids.
    """
    canonical, (mask_data,) = aligned(volume, tumour)
    mask = np.asarray(mask_data) != 0
    views = [view_of(canonical.grid, axis) for axis in (AXIAL, 0, 1)]
    planes: list[NDArray[np.float64]] = [
        view.upright(np.nanmax(canonical.data, axis=view.axis)) for view in views
    ]
    levels = grey or drawing.window(np.concatenate([plane.ravel() for plane in planes]))
    # One scale for all: widths in proportion to mm.
    widths = [view.size_mm[0] for view in views]
    tallest = max(view.size_mm[1] for view in views)
    inches_per_mm = min(_MOST_INCHES[0] / sum(widths), _MOST_INCHES[1] / tallest)
    figure = drawing.picture(sum(widths) * inches_per_mm + 0.4, tallest * inches_per_mm + 1.0)
    panels = figure.subplots(1, 3, width_ratios=widths)
    for axes, view, plane in zip(panels, views, planes, strict=True):
        drawing.show_plane(axes, view, plane, levels)
        drawing.draw_outline(axes, view, view.upright(mask.any(axis=view.axis)), drawing.PREDICTION)
        drawing.headline(axes, view.name)
    figure.suptitle(title, color=drawing.INK, fontsize=11, parse_math=False)
    lines = "Light blue: projected tumour outline." if mask.any() else "No tumour found."
    drawing.footer(
        figure,
        "Radiological display: patient's right on the left (axial, coronal),\n"
        f"anterior on the left (sagittal). {lines}",
    )
    return figure


def _all(view: View) -> Box:
    width, height = view.size_mm
    return 0.0, width, 0.0, height
