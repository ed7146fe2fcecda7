import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from hcnet.report.charts import curve_panel, paired_dots_figure, training_curves_figure

LOG = [
    {"epoch": 0, "loss": 1.0, "dice": 0.9, "lr": 0.1},
    {"epoch": 1, "loss": 0.5, "dice": 0.4, "lr": 0.1, "validation/dsc": 0.3},
]


def draw(figure: Figure) -> None:
    figure.savefig(io.BytesIO(), dpi=40)


def test_curves_are_picked_from_the_log() -> None:
    panel = curve_panel("Loss", "loss", {"KIS-Net": LOG}, ["loss", "absent"])
    assert panel.lines == {"loss": ([1, 2], [1.0, 0.5])}
    several = curve_panel("Loss", "loss", {"a": LOG, "b": LOG}, ["loss"])
    assert list(several.lines) == ["a", "b"]
    both = curve_panel("Loss", "loss", {"a": LOG, "b": LOG}, ["loss", "validation/dsc"])
    assert both.lines["b, validation/dsc"] == ([2], [0.3])


def test_training_curves_leave_out_empty_panels() -> None:
    panels = [
        curve_panel("Loss", "loss", {"a": LOG, "b": LOG}, ["loss"], logarithmic=True),
        curve_panel("Nothing", "x", {"a": LOG}, ["absent"]),
        curve_panel("Validation", "DSC", {"a": LOG}, ["validation/dsc"]),
    ]
    figure = training_curves_figure(panels)
    draw(figure)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.lines]
    assert titles == ["Loss", "Validation"]
    assert figure.axes[0].get_yscale() == "log"
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), [[1, 1.0], [2, 0.5]])
    with pytest.raises(ValueError, match="no curve"):
        training_curves_figure(panels[1:2])


def test_paired_dots_are_ordered_by_difference() -> None:
    names = ["a", "b", "c", "d"]
    first, second = [0.5, 0.9, 0.2, math.nan], [0.6, 0.3, 0.1, 0.4]
    figure = paired_dots_figure(names, first, second, ("KIS-Net", "ResUNet"))
    draw(figure)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c", "b"]
    points = {tuple(np.round(p, 6)) for c in axes.collections for p in c.get_offsets()}
    assert {(0.5, 0), (0.2, 1), (0.9, 2), (0.6, 0), (0.1, 1), (0.3, 2)} <= points
    assert "undefined, not drawn: d" in axes.get_xlabel()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0].startswith("KIS-Net (mean 0.533")
    assert legend[1].startswith("ResUNet (mean 0.333")


def test_paired_dots_with_many_cases_and_with_none() -> None:
    values = np.random.default_rng(0).random((2, 80))
    figure = paired_dots_figure([f"$case_{i}$" for i in range(80)], *values, ("a", "b"), "ASD")
    draw(figure)
    assert figure.axes[0].get_ylabel() == "80 cases"
    draw(paired_dots_figure(["$x_{$"], [0.1], [0.2], ("a", "b")))
    with pytest.raises(ValueError, match="no case"):
        paired_dots_figure(["a"], [math.nan], [0.5], ("a", "b"))
    with pytest.raises(ValueError, match="names for"):
        paired_dots_figure(["a"], [0.1, 0.2], [0.5, 0.1], ("a", "b"))
