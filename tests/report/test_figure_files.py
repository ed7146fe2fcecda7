from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from hcnet.errors import InputError
from hcnet.kinetics.palette import class_colours
from hcnet.report.class_legend import class_legend_figure
from hcnet.report.content import Picture, Section, SegmentationReport, StudyReport, TissueClass
from hcnet.report.figure_files import write_figures
from hcnet.report.figures import preview_figure
from hcnet.report.reliability import reliability_figure
from hcnet.report.stored import CalibrationFacts
from hcnet.volumes.volume import Volume

SVG = "{http://www.w3.org/2000/svg}"


def bins(*shares: float) -> list[dict[str, float]]:
    return [{"confidence": 0.25 + i / 2, "observed": s, "count": 10} for i, s in enumerate(shares)]


FACTS = CalibrationFacts.model_validate({
    "temperature": 2.0, "offset": -0.5, "ece_before": 0.125, "ece_after": 0.0312,
    "bins_before": bins(0.1, 0.5), "bins_after": bins(0.2, 0.7),
})  # fmt: skip


CLASSES = tuple(
    TissueClass(number, colour, curve)
    for number, colour, curve in zip(
        (1, 2, 3), class_colours(3), ((0.0, -0.5, 0.25), (), (0.0, 1.5, 1.0)), strict=True
    )
)


def report() -> StudyReport:
    data = np.zeros((12, 12, 3), np.float32)
    data[4:8, 4:8] = 1
    image, mask = (Volume(each, np.diag([1.0, 1.0, 3.0, 1.0])) for each in (data, data > 0))
    preview = preview_figure(image, mask.with_data(mask.data.astype(np.uint8)), slices=1)
    pictures = (
        Picture("preview", preview, "", ""),
        Picture("panel_pre", b"\x89PNG stored", "", ""),
    )
    return StudyReport("a", "b", "c", "d", Section(pictures=pictures), Section())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """The files of the same report, drawn and written twice."""
    root = tmp_path_factory.mktemp("figures")
    return write_figures(report(), root / "a"), write_figures(report(), root / "b")


def texts(path: Path) -> list[str]:
    found = ElementTree.parse(path).getroot().iter(f"{SVG}text")  # noqa: S314 - our own file
    return ["".join(each.itertext()) for each in found]


def test_figures_are_png_and_svg_and_the_same_each_time(
    written: tuple[list[Path], list[Path]],
) -> None:
    first, second = written
    assert [path.name for path in first] == ["preview.png", "preview.svg", "panel_pre.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert first[-1].read_bytes() == b"\x89PNG stored"
    assert sorted(first[0].parent.iterdir()) == sorted(first)


def test_text_of_an_svg_is_text_and_no_date_is_in_it(
    written: tuple[list[Path], list[Path]],
) -> None:
    files = {path.name: path for path in written[0]}
    found = texts(files["preview.svg"])
    for word in ("2 mm", "R", "L", "A", "tumour, predicted", "slice 1 of 3"):
        assert word in found, word
    assert "<dc:date>" not in files["preview.svg"].read_text()


def legend_report() -> SegmentationReport:
    return SegmentationReport("a", "b", "c", classes=CLASSES, curve_label="enhancement, $0 to 9 s")


def test_the_legend_of_the_classes_is_a_figure_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = (write_figures(legend_report(), tmp_path / name) for name in "ab")
    assert [path.name for path in first] == ["classes.png", "classes.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    found = texts(first[1])
    for word in ("class 1 (least suspicious)", "class 2", "class 3 (most suspicious)"):
        assert word in found
    assert any("enhancement, $0 to 9 s" in text for text in found)
    content = first[1].read_text()
    assert all(colour in content for colour in class_colours(3))
    assert not write_figures(SegmentationReport("a", "b", "c"), tmp_path / "none")


def test_the_legend_shows_every_class_with_its_curve_on_one_scale() -> None:
    (axes,) = class_legend_figure(CLASSES, "").axes
    assert [patch.get_facecolor() for patch in axes.patches] == [
        to_rgba(colour) for colour in class_colours(3)
    ]
    heights = [text.get_position()[1] for text in axes.texts]
    assert heights == sorted(heights)  # the most suspicious is on top
    curves = {str(line.get_label()): line for line in axes.lines if len(line.get_xdata()) == 3}
    assert list(curves) == ["class 1 (least suspicious)", "class 3 (most suspicious)"]
    for line, entry in zip(curves.values(), (CLASSES[0], CLASSES[2]), strict=True):
        assert line.get_color() == entry.colour
        shown = np.asarray(line.get_ydata()) - (entry.number - 1)
        np.testing.assert_allclose(np.diff(shown), np.diff(entry.curve) * 0.76 / 2.0)
        assert shown.min() > 0
        assert shown.max() < 1
    assert len(class_legend_figure(CLASSES[1:2], "").axes[0].lines) == 0
    with pytest.raises(ValueError, match="no class"):
        class_legend_figure((), "")


def test_a_file_is_no_folder_for_figures(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        write_figures(report(), tmp_path / "file")


def test_reliability_shows_both_lines_and_the_diagonal() -> None:
    shares, counts = reliability_figure(FACTS).axes
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in shares.lines}
    assert lines == {
        "right": [0, 1], "before (ECE 0.1250)": [0.1, 0.5], "after (ECE 0.0312)": [0.2, 0.7]
    }  # fmt: skip
    assert counts.get_yscale() == "log"
    assert [np.asarray(line.get_ydata()).tolist() for line in counts.lines] == [[10, 10]] * 2
