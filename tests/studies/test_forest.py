"""Forest plots: what is drawn where."""

import math

from matplotlib.figure import Figure

from hcnet.evaluation.statistics import Estimate
from hcnet.studies import forest

NAN = math.nan


def test_a_row_for_each_defined_mean_and_a_bar_where_there_is_an_interval():
    axes = Figure().subplots()
    rows = [
        Estimate(0.5, 0.4, 0.7, 0.5, 9, 0),
        Estimate(0.6, NAN, NAN, 0.6, 1, 0),
        Estimate(NAN, NAN, NAN, NAN, 0, 9),
        None,
    ]
    styles = [forest.BLUE, forest.BLACK, forest.GREEN, forest.GREEN]
    forest.draw_estimates(axes, rows, styles, [0, 1, 2, 3])
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines]
    assert dots == [(0.5, 0), (0.6, 1)]
    assert [line.get_marker() for line in axes.lines] == ["D", "o"]
    (bar,) = axes.collections
    assert bar.get_segments()[0].tolist() == [[0.4, 0], [0.7, 0]]


def test_the_legend_names_the_kinds():
    figure = Figure(layout="constrained")
    forest.legend(figure, figure.subplots(), [("one", forest.BLUE), ("other", forest.GREEN)])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "other"]


def test_styles_differ_in_colour_and_in_marker():
    styles = (forest.BLUE, forest.BLACK, forest.VERMILION, forest.GREEN)
    assert len({style.colour for style in styles}) == len({style.marker for style in styles}) == 4
