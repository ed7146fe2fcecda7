from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.report.content import Picture, Section, StudyReport
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
