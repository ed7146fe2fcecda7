"""The three pictures of the paper's Fig. 2, as matplotlib figures without a window system."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from hcnet.kinetics.codebook import OUTSIDE, Codebook
from hcnet.kinetics.palette import REST, TUMOUR, class_colours
from hcnet.kinetics.quality import Composition
from hcnet.kinetics.scale_bar import draw_scale_bar
from hcnet.volumes.volume import Volume

_PLANES = ("sagittal", "coronal", "axial")


def heterogeneity_figure(
    image: Volume,
    labels: NDArray[np.integer[Any]],
    k: int,
    tumour: NDArray[Any] | None = None,
    axis: int | None = None,
) -> Figure:
    """Fig. 2a: the image, and the heterogeneity map over it, in one slice.

    The slice is the one with most tumour, or without a tumour mask the one with most voxels of the
    most suspicious class that occurs. Slices are shown as radiologists see them (patient's right,
    or front, on the left), to scale in mm and with a scale bar.

    Args:
        image: canonical (RAS+) grey image.
        labels: (X, Y, Z) heterogeneity map.
        k: number of classes.
        tumour: (X, Y, Z) mask, drawn as an outline.
        axis: the axis to cut across; by default that of the thickest slices (the last if equal).
    """
    across = _thickest(image.spacing) if axis is None else axis
    where = _busiest_slice(labels, tumour, across)
    grey = _upright(image.data, across, where)
    classes = _upright(labels, across, where)
    height_mm, width_mm = (image.spacing[a] for a in _rows_and_columns(across))
    low, high = np.percentile(grey, (1, 99.5))

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel in panels:
        panel.imshow(
            grey, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=height_mm / width_mm
        )
        panel.set_axis_off()
    colours = class_colours(k)
    panels[1].imshow(
        np.ma.masked_equal(classes, OUTSIDE),
        cmap=ListedColormap(colours),
        vmin=1,
        vmax=k + 1,
        alpha=0.85,
        interpolation="nearest",
        aspect=height_mm / width_mm,
    )
    entries = [
        Patch(color=colour, label=f"{code + 1}") for code, colour in reversed([*enumerate(colours)])
    ]
    if tumour is not None and np.any(tumour):
        outline = _upright(np.asarray(tumour) != 0, across, where).astype(float)
        for panel in panels:
            if outline.any() and not outline.all():
                panel.contour(outline, levels=[0.5], colors=[TUMOUR], linewidths=1.4)
        entries.append(Patch(facecolor="none", edgecolor=TUMOUR, label="tumour"))
    for panel in panels:
        draw_scale_bar(panel, grey.shape[1] * width_mm)
    panels[0].set_title(f"image, {_PLANES[across]} slice {where}")
    panels[1].set_title("heterogeneity map")
    figure.legend(
        handles=entries,
        loc="outside right center",
        title="class\n(suspicious\non top)",
        frameon=False,
    )
    return figure


def curves_figure(codebook: Codebook) -> Figure:
    """Fig. 2b: the mean normalised curve of each code with one SD, and its pooled enhancement."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    normal, pooled = figure.subplots(1, 2)
    for code, colour in enumerate(class_colours(codebook.k)):
        mean, sd = codebook.mean[code], codebook.sd[code]
        normal.fill_between(codebook.grid_s, mean - sd, mean + sd, color=colour, alpha=0.13, lw=0)
        label = f"{code + 1} ({codebook.share[code]:.1%})"
        normal.plot(codebook.grid_s, mean, "o-", label=label, **class_line(colour))
        pooled.plot(codebook.grid_s, codebook.enhancement[code], "o-", **class_line(colour))
    what = "min-max of each curve" if codebook.scale == "minmax" else "(S - S0) / S0"
    _finish(normal, f"mean curve and SD ({what})", "time (s)", "normalised signal")
    _finish(pooled, "pooled relative enhancement", "time (s)", "sum of S / sum of S0 - 1")
    pooled.yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.legend(
        *_reversed(*normal.get_legend_handles_labels()),
        loc="outside right center",
        title="class (share)",
        frameon=False,
    )
    return figure


def ratios_figure(composition: Composition) -> Figure:
    """Fig. 2c: the share of each code in the tumour and in the non-tumour voxels of the breast."""
    ratios = composition.ratios
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(ratios))
    axes.bar(places - 0.2, ratios[:, 0], 0.4, color=REST, label="non-tumour")
    axes.bar(places + 0.2, ratios[:, 1], 0.4, color=TUMOUR, label="tumour")
    # The class colours lie under the axis, where they name the bars without competing with them.
    for place, colour in zip(places, class_colours(len(ratios)), strict=True):
        axes.plot(place, -0.03, "s", ms=9, color=colour, mec="black", mew=0.4, clip_on=False)
    axes.set_xticks(places, [str(place + 1) for place in places])
    axes.set_ylim(-0.06, max(float(ratios.max()) * 1.1, 0.1))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    tvr = composition.tvr()
    title = "voxel ratio of each class"
    if tvr is not None:
        title += f" (TVR tumour {tvr[0]:.2f}, non-tumour {tvr[1]:.2f})"
    _finish(axes, title, "class (least to most suspicious)", "share of the region's voxels")
    axes.legend(frameon=False)
    return figure


def class_line(colour: str) -> dict[str, Any]:
    """How the curve of a class is drawn on white, for `Axes.plot`."""
    # A thin dark rim keeps the bright classes visible.
    rim = withStroke(linewidth=2.6, foreground="#333333")
    return {"color": colour, "lw": 1.8, "ms": 3.5, "path_effects": [rim]}


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)


def _reversed(handles: list[Any], names: list[Any]) -> tuple[list[Any], list[Any]]:
    return handles[::-1], names[::-1]


def _thickest(spacing: tuple[float, float, float]) -> int:
    widest = max(spacing)
    return max(a for a in range(3) if spacing[a] >= widest * 0.99)


def _busiest_slice(
    labels: NDArray[np.integer[Any]], tumour: NDArray[Any] | None, across: int
) -> int:
    chosen = labels == labels.max() if tumour is None or not np.any(tumour) else tumour != 0
    others = tuple(axis for axis in range(3) if axis != across)
    return int(chosen.sum(axis=others).argmax())


def _rows_and_columns(across: int) -> tuple[int, int]:
    # Rows run along the later axis: S for sagittal and coronal cuts, A for axial ones.
    columns, rows = (axis for axis in range(3) if axis != across)
    return rows, columns


def _upright(data: NDArray[Any], across: int, where: int) -> NDArray[Any]:
    # Both axes are reversed: rows so that S (or A) is up, columns so that R (or A) is on the left.
    return np.take(data, where, axis=across).T[::-1, ::-1]
