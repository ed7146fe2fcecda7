"""The picture of a description: nine panels, each case a dot, each band a shade."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from hcnet.cohorts.phantom.describe.bands import find_band
from hcnet.cohorts.phantom.describe.catalogue import GRADES, Measure
from hcnet.cohorts.phantom.describe.measure import CURVES, CaseMeasures
from hcnet.cohorts.phantom.describe.strips import (
    COLOURS,
    Slot,
    draw_slots,
    finish,
    key_to_marks,
)
from hcnet.cohorts.phantom.describe.summary import values_of
from hcnet.files import write_aside

_DPI = 140
_TYPE_COLOURS = (COLOURS[5], COLOURS[4], COLOURS[1])
_ENHANCING = (
    ("tumour", "tumour"),
    ("fibroadenoma", "fibro-\nadenoma"),
    ("gland", "gland"),
    ("fat", "fat"),
)
_TYPED = (
    ("tumour_hottest", "tumour,\nhottest"),
    ("tumour_whole", "tumour,\nwhole"),
    ("fibroadenoma_hottest", "fibroad.,\nhottest"),
    ("rim_voxels", "rim\nvoxels"),
    ("core_voxels", "core\nvoxels"),
)
_CURVE_STYLES = dict(zip(CURVES, ("solid", "dashed", "dashdot", "solid", "dotted"), strict=True))


def write_figure(out: Path, cases: Sequence[CaseMeasures], like: str) -> None:
    """Write `description.png` and `description.svg`, each in one step."""
    figure = description_figure(cases, like)
    for name, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        # Without a salt of their own, the marks of an SVG are named anew at every writing.
        with (
            write_aside(out / f"description.{name}") as aside,
            mpl.rc_context({"svg.hashsalt": "hcnet"}),
        ):
            figure.savefig(aside, dpi=_DPI, metadata=metadata)


def description_figure(cases: Sequence[CaseMeasures], like: str) -> Figure:
    """Nine panels of one cohort.

    Args:
        cases: at least one.
        like: the kind of cohort, which chooses the bands.
    """
    figure = Figure(figsize=(14, 11), layout="constrained")
    panels = figure.subplots(3, 3).ravel()
    _sizes(panels[0], panels[1], cases, like)
    _types(panels[2], cases, like)
    _curves(panels[3], cases)
    _enhancement(panels[4], cases, like)
    _contrast(panels[5], cases, like)
    _auc(panels[6], cases, like)
    _gland_share(panels[7], cases, like)
    _ktrans(panels[8], cases, like)
    figure.suptitle(
        f"Phantom cohort, {like}-like, {len(cases)} cases, beside what is known", fontsize=12
    )
    figure.legend(
        handles=key_to_marks(), loc="outside lower center", ncols=6, frameon=False, fontsize=9
    )
    return figure


def _slot(
    cases: Sequence[CaseMeasures], like: str, measure: Measure, group: str, label: str, colour: str
) -> Slot:
    return Slot(
        label, values_of(cases, measure, group), find_band(measure.key, group, like), colour
    )


def _slots(
    cases: Sequence[CaseMeasures], like: str, columns: Sequence[tuple[str, str]]
) -> list[Slot]:
    """One column a measure, given as (key, label)."""
    return [
        _slot(cases, like, Measure(key, label), "", label, COLOURS[i % len(COLOURS)])
        for i, (key, label) in enumerate(columns)
    ]


def _sizes(volume: Axes, diameter: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    draw_slots(volume, _slots(cases, like, [("volume_ml", "tumour")]), logarithmic=True)
    volume.set_xlim(-1.2, 1.2)
    finish(volume, "Tumour volume", "ml")
    columns = (("longest_mm", "longest,\nall parts"), ("equivalent_mm", "volume-\nequivalent"))
    draw_slots(diameter, _slots(cases, like, columns))
    diameter.set_ylim(bottom=0)
    finish(diameter, "Tumour diameters", "mm")


def _types(axes: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    """Stacked shares; the narrow bar at the right of each is what is known."""
    for place, (name, _) in enumerate(_TYPED):
        bottom, known_bottom = 0.0, 0.0
        for number, colour in enumerate(_TYPE_COLOURS, start=1):
            key = f"{name}_type_{number}"
            values = values_of(cases, Measure(key, key), "")
            share = float(np.nanmean(values)) if not np.isnan(values).all() else 0.0
            axes.bar(place - 0.1, share, 0.5, bottom, color=colour, zorder=3)
            bottom += share
            band = find_band(key, "", like)
            if band is not None and band.centre is not None:
                axes.bar(
                    place + 0.3, band.centre, 0.18, known_bottom, color=colour, alpha=0.6,
                    hatch="////" if band.descriptor else None, edgecolor="white", lw=0, zorder=3,
                )  # fmt: skip
                known_bottom += band.centre
    axes.set_xticks(range(len(_TYPED)), [label for _, label in _TYPED])
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    finish(axes, "Curve types, mean share (narrow: what is known)", "")
    axes.legend(
        handles=[
            Patch(color=colour, label=name)
            for colour, name in zip(
                _TYPE_COLOURS, ("I persistent", "II plateau", "III washout"), strict=True
            )
        ],
        loc="lower center", bbox_to_anchor=(0.5, -0.32), ncols=3, frameon=False, fontsize=8,
    )  # fmt: skip


def _curves(axes: Axes, cases: Sequence[CaseMeasures]) -> None:
    """Mean over the cases on a common time grid, with the quartiles as a shade."""
    first = max(case.times_s[0] for case in cases)
    grid = np.linspace(min(first, 0.0), min(case.times_s[-1] for case in cases), 80)
    for number, name in enumerate(CURVES):
        lines = [
            _on_grid(grid, case.times_s, case.curves[name]) for case in cases if name in case.curves
        ]
        if not lines:
            continue
        low, high = np.percentile(lines, (25, 75), axis=0)
        colour = COLOURS[(number + 1) % len(COLOURS)]
        axes.fill_between(grid, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(
            grid, np.mean(lines, axis=0), color=colour, lw=2, ls=_CURVE_STYLES[name],
            label=f"{name} (n = {len(lines)})",
        )  # fmt: skip
    axes.set_xlabel("s after the injection; straight between phases", fontsize=8.5)
    finish(axes, "Mean curves and quartiles of the cases", "enhancement (%)")
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(loc="upper left", ncols=2, frameon=False, fontsize=8)


def _on_grid(
    grid: NDArray[np.float64], times_s: Sequence[float], curve: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A curve on another time grid; nothing enhances before the injection."""
    return np.interp(grid, [max(times_s[0], 0.0), *times_s[1:]], curve)


def _enhancement(axes: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    slots = []
    for number, (name, label) in enumerate(_ENHANCING):
        key, colour = f"enhancement_{name}", COLOURS[number + 1]
        if name != "gland":
            slots.append(_slot(cases, like, Measure(key, key), "", label, colour))
            continue
        for grade in GRADES["background"]:
            by_grade = Measure(key, key, by="background")
            slots.append(_slot(cases, like, by_grade, grade, f"gland,\n{grade}", colour))
    draw_slots(axes, slots)
    axes.tick_params(axis="x", labelsize=7)
    finish(axes, "Early enhancement, gland by background grade", "%")
    axes.tick_params(axis="x", labelsize=7)


def _contrast(axes: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    columns = (
        ("cnr_gland", "tumour -\ngland"),
        ("cnr_fat", "tumour -\nfat"),
        ("snr_gland", "SNR of\ngland"),
    )
    draw_slots(axes, _slots(cases, like, columns))
    axes.axhline(0, color="black", lw=0.8)
    finish(axes, "Before contrast: CNR near the tumour, SNR", "noise standard deviations")


def _auc(axes: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    slots = []
    columns = (("auc_pre", "pre"), ("auc_pre_gland", "gl."), ("auc_early", "sub."))
    for grade in GRADES["density"]:
        for number, (key, label) in enumerate(columns):
            measure = Measure(key, key, by="density")
            text = f"{label}\n{grade}" if number == 1 else label
            slots.append(_slot(cases, like, measure, grade, text, COLOURS[number]))
    draw_slots(axes, slots)
    axes.axhline(0.5, color="black", lw=0.8)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel(
        "density; pre: rest of breast, gl.: gland alone, sub.: early subtraction", fontsize=8.5
    )
    finish(axes, "Voxel AUC of the tumour by density", "AUC")


def _gland_share(axes: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    measure = Measure("gland_share", "gland share", by="density")
    slots = [_slot(cases, like, measure, grade, grade, COLOURS[2]) for grade in GRADES["density"]]
    draw_slots(axes, slots)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("density", fontsize=8.5)
    finish(axes, "Fibroglandular share of the breast", "")


def _ktrans(axes: Axes, cases: Sequence[CaseMeasures], like: str) -> None:
    columns = (
        ("ktrans_tumour", "tumour"),
        ("ktrans_fibroadenoma", "fibroadenoma"),
        ("ktrans_gland", "gland"),
    )
    draw_slots(axes, _slots(cases, like, columns), logarithmic=True)
    finish(axes, "Ktrans of the truth", "/min")
