import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hcnet.kinetics.codebook import fit_codebook
from hcnet.kinetics.figures import curves_figure, heterogeneity_figure, ratios_figure
from hcnet.kinetics.quality import Composition
from hcnet.volumes.volume import Volume

SHAPE = (6, 20, 30)


@pytest.fixture
def labels():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1:5, 2:18, 3:27] = 1
    labels[4, 8:12, 10:14] = 3
    return labels


@pytest.fixture
def tumour():
    tumour = np.zeros(SHAPE, dtype=np.uint8)
    tumour[2, 5:9, 20:24] = 1
    return tumour


def image(spacing):
    data = np.random.default_rng(0).uniform(0, 100, SHAPE).astype(np.float32)
    return Volume(data, np.diag([*spacing, 1.0]))


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    return figure


def test_slice_with_most_tumour_is_shown_to_scale(labels, tumour):
    figure = drawn(heterogeneity_figure(image((4, 0.5, 1.5)), labels, 3, tumour))
    left, right = figure.axes
    assert left.get_title() == "image, sagittal slice 2"
    # A sagittal picture has S along its rows (1.5 mm) and A along its columns (0.5 mm).
    assert left.get_aspect() == pytest.approx(3)
    overlay = np.ma.getdata(right.images[1].get_array())
    np.testing.assert_array_equal(overlay, labels[2].T[::-1, ::-1])
    assert np.ma.getmaskarray(right.images[1].get_array())[overlay == 0].all()


@pytest.mark.parametrize(
    ("spacing", "axis", "voxel_mm", "bar"),
    [((4, 0.5, 1.5), 0, 0.5, 2), ((4, 2, 1.5), 0, 2, 10), ((30, 0.5, 1.5), 1, 30, 50)],
)
def test_scale_bars_are_as_long_as_they_say(labels, tumour, spacing, axis, voxel_mm, bar):
    figure = drawn(heterogeneity_figure(image(spacing), labels, 3, tumour, axis))
    for panel in figure.axes:
        (line,) = [each for each in panel.lines if each.get_color() == "white"]
        assert [text.get_text() for text in panel.texts] == [f"{bar} mm"]
        # From the picture's pixels back to voxels, and from there to mm.
        ends = panel.transData.inverted().transform(
            line.get_transform().transform(line.get_xydata())
        )
        assert (ends[1, 0] - ends[0, 0]) * voxel_mm == pytest.approx(bar)


def test_without_a_tumour_the_most_suspicious_class_decides(labels):
    figure = drawn(heterogeneity_figure(image((4, 0.5, 1.5)), labels, 3))
    assert figure.axes[0].get_title() == "image, sagittal slice 4"
    axial = drawn(heterogeneity_figure(image((1, 1, 1)), labels, 3, np.zeros(SHAPE)))
    assert axial.axes[0].get_title().startswith("image, axial slice 1")


def test_patient_right_is_on_the_left_of_axial_pictures():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[5, 19, 7] = 2  # furthest to the right and to the front
    figure = drawn(heterogeneity_figure(image((1, 1, 1)), labels, 2))
    shown = np.ma.filled(figure.axes[1].images[1].get_array(), 0)
    assert shown[0, 0] == 2


def test_legend_names_every_class(labels, tumour):
    figure = heterogeneity_figure(image((1, 1, 1)), labels, 3, tumour)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["3", "2", "1", "tumour"]


def test_curves_show_each_code_over_seconds():
    rng = np.random.default_rng(0)
    curves = rng.uniform(1, 2, (60, 3))
    grid = np.array([0.0, 143, 488])
    codebook = fit_codebook(curves, rng.integers(0, 4, 60), np.zeros((4, 3)), grid, "minmax")
    figure = drawn(curves_figure(codebook))
    normal, pooled = figure.axes
    for code in range(4):
        np.testing.assert_array_equal(normal.lines[code].get_xdata(), grid)
        np.testing.assert_allclose(normal.lines[code].get_ydata(), codebook.mean[code])
        np.testing.assert_allclose(pooled.lines[code].get_ydata(), codebook.enhancement[code])
    assert len(normal.collections) == 4


def test_ratios_are_the_bars(labels, tumour):
    composition = Composition(3)
    composition.add_map(labels, tumour)
    figure = drawn(ratios_figure(composition))
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(heights, composition.ratios.T.ravel())
    assert "TVR" in figure.axes[0].get_title()
    empty = drawn(ratios_figure(Composition(3)))
    assert "TVR" not in empty.axes[0].get_title()
