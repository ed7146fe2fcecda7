from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hcnet.errors import GeometryError
from hcnet.kinetics.palette import class_colours
from hcnet.report import drawing
from hcnet.report.figures import mip_figure, preview_figure, uncertainty_figure
from hcnet.report.panels import MapCase, MaskCase, map_panel, segmentation_panel
from hcnet.volumes.volume import Volume

K = 4
DPI = 130
AFFINE = np.array([[0, 0, 3.0, 5], [-1.0, 0, 0, 40], [0, -1.0, 0, 20], [0, 0, 0, 1]])
"""Stored as I-SPY1 exams are: axes posterior, inferior, right; 1 x 1 x 3 mm."""


@dataclass(frozen=True, eq=False)
class Exam:
    image: Volume
    tumour: Volume
    labels: Volume
    breast: Volume

    @property
    def nothing(self) -> Volume:
        return self.tumour.with_data(np.zeros_like(self.tumour.data))


@pytest.fixture(scope="session")
def exam() -> Exam:
    generator = np.random.default_rng(0)
    shape = (36, 30, 8)
    image = generator.normal(100, 20, shape).astype(np.float32)
    breast = np.zeros(shape, dtype=np.uint8)
    breast[4:30, 3:27, 1:7] = 1
    tumour = np.zeros(shape, dtype=np.uint8)
    tumour[8:14, 6:12, 2:6] = 1
    labels = (generator.integers(1, K + 1, shape) * breast).astype(np.uint8)
    return Exam(*(Volume(data, AFFINE) for data in (image, tumour, labels, breast)))


def drawn(figure: Figure) -> np.ndarray:
    """The pixels, (rows, columns, RGB) from 0 to 255; drawing must not warn either."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def has_colour(pixels: np.ndarray, colour: str, tolerance: int = 8) -> bool:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return bool((np.abs(pixels.astype(int) - wanted).max(axis=-1) <= tolerance).any())


def texts(figure: Figure) -> str:
    parts = [text.get_text() for axes in figure.axes for text in axes.texts]
    parts += [axes.get_title() for axes in figure.axes] + [a.get_ylabel() for a in figure.axes]
    parts += [text.get_text() for text in figure.texts]
    parts += [entry.get_text() for legend in figure.legends for entry in legend.get_texts()]
    return "\n".join(parts)


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def test_preview_shows_outline_map_and_zoom(exam: Exam) -> None:
    figure = preview_figure(exam.image, exam.tumour, exam.labels, K, title="CASE")
    pixels = drawn(figure)
    assert len(panels(figure)) == 3 * 3
    assert has_colour(pixels, drawing.PREDICTION)
    assert all(has_colour(pixels, colour) for colour in class_colours(K))
    words = texts(figure)
    for part in ("CASE", "Sagittal", "mm", "class 4 (most suspicious)", "at the tumour"):
        assert part in words


def test_preview_panels_are_to_scale(exam: Exam) -> None:
    figure = preview_figure(exam.image, exam.tumour, exam.labels, K)
    drawn(figure)
    for axes in panels(figure):
        box = axes.get_window_extent()
        left, right = axes.get_xlim()
        bottom, top = axes.get_ylim()
        assert box.width / (right - left) == pytest.approx(box.height / (bottom - top), rel=1e-3)


def test_scale_bar_has_the_length_that_it_says(exam: Exam) -> None:
    figure = preview_figure(exam.image, exam.tumour, exam.labels, K)
    drawn(figure)
    for axes in panels(figure):
        (bar,) = [line for line in axes.lines if line.get_color() == "white"]
        (said,) = [text.get_text() for text in axes.texts if text.get_text().endswith(" mm")]
        start, stop = bar.get_xdata()
        left, right = axes.get_xlim()
        assert (stop - start) * (right - left) == pytest.approx(float(said.removesuffix(" mm")))


def test_preview_without_a_tumour_says_so(exam: Exam) -> None:
    figure = preview_figure(exam.image, exam.nothing, exam.labels, K, title="CASE")
    pixels = drawn(figure)
    assert "CASE: no tumour found" in texts(figure)
    assert not has_colour(pixels, drawing.PREDICTION)
    assert len(panels(figure)) == 2 * 3


def test_preview_without_a_map(exam: Exam) -> None:
    figure = preview_figure(exam.image, exam.tumour)
    assert has_colour(drawn(figure), drawing.PREDICTION)
    assert "class" not in texts(figure)
    drawn(preview_figure(exam.image, exam.nothing))


def test_preview_does_not_depend_on_the_axis_order_of_the_files(exam: Exam) -> None:
    turned = [
        Volume(v.data.transpose(2, 0, 1)[:, ::-1], v.affine[:, [2, 0, 1, 3]] @ flip(v.shape[0]))
        for v in (exam.image, exam.tumour, exam.labels)
    ]
    expected = drawn(preview_figure(exam.image, exam.tumour, exam.labels, K))
    np.testing.assert_array_equal(drawn(preview_figure(*turned, K)), expected)


def flip(length: int) -> np.ndarray:
    affine = np.diag([1.0, -1.0, 1.0, 1.0])
    affine[1, 3] = length - 1
    return affine


def test_the_outline_lies_on_the_tumour(exam: Exam) -> None:
    # The tumour is black on white, so its outline must separate the two.
    image = exam.image.with_data(np.where(exam.tumour.data > 0, 0.0, 1000.0))
    figure = preview_figure(image, exam.tumour, slices=1)
    drawn(figure)
    axes = panels(figure)[0]
    (outline,) = [c for c in axes.collections if len(c.get_paths()[0].vertices)]
    shown = axes.images[0].get_array()
    rows, columns = np.nonzero(shown < 500)
    vertices = outline.get_paths()[0].vertices
    assert vertices[:, 0].min() == pytest.approx(columns.min(), abs=1e-6)
    assert vertices[:, 0].max() == pytest.approx(columns.max() + 1, abs=1e-6)
    assert vertices[:, 1].min() == pytest.approx(rows.min(), abs=1e-6)
    assert vertices[:, 1].max() == pytest.approx(rows.max() + 1, abs=1e-6)


def test_names_are_not_read_as_mathematics(exam: Exam) -> None:
    drawn(preview_figure(exam.image, exam.tumour, title=r"$\bad{$ _case_^"))


def test_other_grids_are_refused(exam: Exam) -> None:
    elsewhere = Volume(exam.tumour.data, np.eye(4))
    with pytest.raises(GeometryError, match="different grids"):
        preview_figure(exam.image, elsewhere)


def test_mip_shows_three_planes_and_the_outline(exam: Exam) -> None:
    figure = mip_figure(exam.image, exam.tumour, title="subtraction")
    assert has_colour(drawn(figure), drawing.PREDICTION)
    assert [axes.get_title() for axes in panels(figure)] == ["axial", "sagittal", "coronal"]
    none = mip_figure(exam.image, exam.nothing)
    assert not has_colour(drawn(none), drawing.PREDICTION)
    assert "No tumour found" in texts(none)


def test_mip_projects_the_maximum(exam: Exam) -> None:
    data = np.zeros(exam.image.shape)
    data[10, 20, 3] = 7.0
    figure = mip_figure(exam.image.with_data(data), exam.tumour, grey=(0, 7))
    for axes in panels(figure):
        plane = axes.images[0].get_array()
        assert plane.max() == 7
        assert np.count_nonzero(plane) == 1


def test_uncertainty_is_green_where_the_networks_are_unsure(exam: Exam) -> None:
    unsure = exam.image.with_data(np.where(exam.tumour.data > 0, 1.0, 0.0))
    figure = uncertainty_figure(exam.image, exam.tumour, unsure, slices=2)
    assert has_colour(drawn(figure), drawing.UNCERTAIN)
    assert len(panels(figure)) == 2 * 2
    words = texts(figure)
    for part in ("uncertainty", "close up", "Light blue: tumour outline.", " mm"):
        assert part in words
    none = uncertainty_figure(exam.image, exam.nothing, unsure, slices=2)
    assert "No tumour found." in texts(none)
    sure = uncertainty_figure(
        exam.image, exam.nothing, unsure.with_data(np.full(exam.image.shape, np.nan))
    )
    assert not has_colour(drawn(sure)[:, : int(2.9 * 3 * DPI)], drawing.UNCERTAIN)


def test_segmentation_panel(exam: Exam) -> None:
    predictions = {"KIS-Net": (exam.tumour, 1.0), "ResUNet": (exam.nothing, 0.0)}
    cases = [
        MaskCase("A<b>", exam.image, exam.tumour, predictions, exam.breast),
        MaskCase("healthy", exam.image, exam.nothing, predictions),
    ]
    figure = segmentation_panel(cases, "chosen by hand")
    pixels = drawn(figure)
    assert len(panels(figure)) == 2 * 4
    assert has_colour(pixels, drawing.PREDICTION)
    assert has_colour(pixels, drawing.REFERENCE)
    for part in ("A<b>", "healthy", "KIS-Net", "ResUNet", "DSC 1.00", "DSC 0.00",
                 "chosen by hand"):  # fmt: skip
        assert part in texts(figure)
    with pytest.raises(ValueError, match="at least one case"):
        segmentation_panel([])


def test_map_panel(exam: Exam) -> None:
    figure = map_panel(
        [
            MapCase("A", exam.image, exam.labels,
                    {"one": (exam.labels, "mean IoU 1.00"), "other": (exam.nothing, "")},
                    exam.tumour),
            MapCase("B", exam.image, exam.labels,
                    {"one": (exam.nothing, ""), "other": (exam.labels, "")}),
        ],
        K,
        "chosen by hand",
    )  # fmt: skip
    pixels = drawn(figure)
    assert len(panels(figure)) == 2 * 4
    assert all(has_colour(pixels, colour) for colour in class_colours(K))
    for part in ("mean IoU 1.00", "one", "other", "map from DCE-MRI", "chosen by hand"):
        assert part in texts(figure)
    with pytest.raises(ValueError, match="at least one case"):
        map_panel([], K)
