"""The figure of a comparison."""

from itertools import pairwise

import pytest
from compare_scores import DSC, map_summary, tumour_summary
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hcnet.studies.compare.entries import BASELINE, OURS, TABLE_1, Entry
from hcnet.studies.compare.figure import table_figure


@pytest.fixture(scope="module")
def summary():
    return tumour_summary()


def dots(axes):
    """Places and values of the rows that are drawn."""
    return [(line.get_ydata()[0], line.get_xdata()[0]) for line in axes.lines
            if len(line.get_xdata()) == 1]  # fmt: skip


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_row_for_every_entry_and_no_difference_for_the_baseline(summary):
    figure = table_figure(summary)
    FigureCanvasAgg(figure).draw()  # must not warn
    left, right = figure.axes
    assert labels(left) == [entry.title for entry in TABLE_1]
    assert [x for _, x in dots(left)] == pytest.approx([0.31 + DSC[e.name] for e in TABLE_1])
    others = [e for e in TABLE_1 if e != BASELINE]
    assert [x for _, x in dots(right)] == pytest.approx(
        [DSC[e.name] - DSC[BASELINE.name] for e in others]
    )
    assert legend(figure) == ["sees contrast", "pre-contrast only", "the method"]
    bold = [t.get_text() for t in left.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == [OURS.title]


def test_groups_stand_apart(summary):
    places = [y for y, _ in dots(table_figure(summary).axes[0])]
    steps = [b - a for a, b in pairwise(places)]
    assert [i for i, step in enumerate(steps) if step > 1] == [7]


def test_without_the_baseline_there_is_no_difference():
    figure = table_figure(tumour_summary((Entry("vnet", "pre"), Entry("mhl", "pre"))))
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    assert labels(axes) == ["VNet (pre)", "MHL (pre)"]


def test_maps_show_both_metrics():
    figure = table_figure(map_summary())
    FigureCanvasAgg(figure).draw()
    left, right = figure.axes
    assert labels(left) == ["VNet", "ResUNet", "3D UX-Net"]
    assert [x for _, x in dots(left)] == pytest.approx([0.405, 0.505, 0.605])
    assert len(dots(right)) == 3
    assert [side.get_title(loc="left") for side in figure.axes] == ["Mean Accuracy", "Mean IoU"]
    assert legend(figure) == ["other networks", "the paper's choice"]
