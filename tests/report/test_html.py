import base64
import hashlib
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from hcnet.report.content import (
    Picture,
    RunReport,
    Score,
    Section,
    SegmentationReport,
    Slices,
    StudyReport,
    Table,
    TissueClass,
)
from hcnet.report.html import (
    NOTICE,
    cell_text,
    cells,
    is_dark,
    png,
    spark_points,
    width_pixels,
    write_run_report,
    write_segmentation_report,
    write_study_report,
)
from hcnet.report.script import SCRIPT, SCRIPT_SOURCE

EVIL = '"><script src="https://evil.example/x.js">alert(1)</script><img onerror=\'x\'>&amp;{{7*7}}'
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, references and text, and checks that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.images: list[bytes] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}:
                self.references.append(value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def figure() -> Figure:
    drawn = Figure(figsize=(1, 1))
    drawn.subplots().plot([0, 1], [0, 1])
    return drawn


def classes() -> tuple[TissueClass, ...]:
    return (
        TissueClass(1, "#101010", (0.0, 0.1, 0.2), None, 0.9),
        TissueClass(2, "#FFEE00", (0.0, 0.9, 0.4), 0.75, 0.1),
    )


def section(name: str) -> Section:
    return Section(
        (f"{name} text {EVIL}",),
        (Score(f"{name} {EVIL}", EVIL, EVIL),),
        (
            Table(EVIL, ("Case", EVIL), ((EVIL, 0.5), ("b", math.nan), ("c", None)), EVIL),
            Table("long", ("Case", "n"), (("a", 3),), folded=True),
        ),
        (Picture(name, figure(), EVIL, EVIL),),
    )


def slices() -> Slices:
    image, labels = (
        f"data:image/png;base64,{base64.b64encode(stored(*colour)).decode()}"
        for colour in ((9, 9, 9), (200, 0, 0))
    )
    return Slices(
        3, 20, 4, (40.0, 20.0), (4, 2), (2, 1), ("", "M0 0h2"), (4, 2), image, labels, labels,
        ("A", "P", "S"), 10, EVIL,
    )  # fmt: skip


def stored(*colour: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (320, 16), colour).save(stream, "png")
    return stream.getvalue()


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("run") / "deep" / "report.html"
    report = RunReport(
        EVIL, EVIL, EVIL,
        section("summary"), section("cohort"), section("one"), section("two"), section("three"),
        classes(), EVIL, (EVIL,),
        {EVIL: {"inner": [1, EVIL, None], "b": True}}, {"torch": "2", "list": [{"x": EVIL}]},
    )  # fmt: skip
    write_run_report(report, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def segmentation_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("segmentation") / "report.html"
    report = SegmentationReport(
        EVIL, EVIL, EVIL, (Score("Tumour", "1.5 ml"),), slices(),
        (Picture("preview", figure(), EVIL, EVIL),), section("x").tables, classes(),
        "relative enhancement", (EVIL, "second"), section("learned"), {EVIL: EVIL},
    )  # fmt: skip
    write_segmentation_report(report, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("study") / "report.html"
    panels = Section(pictures=(Picture("panel", stored(0, 0, 0), EVIL, EVIL),))
    report = StudyReport(
        EVIL, EVIL, EVIL, EVIL, section("table"), section("paired"), panels,
        section("calibration"), (EVIL,), (EVIL,),
        {EVIL: EVIL}, {"torch": "2"},
    )  # fmt: skip
    write_study_report(report, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(params=["run_page", "segmentation_page", "study_page"])
def page(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def test_nothing_comes_from_outside(page: str) -> None:
    parsed = Page(page)
    for reference in parsed.references:
        assert reference.startswith(("data:image/png;base64,", "#"))
    assert parsed.tags.count("script") == page.count("<script>") <= 1
    assert not {"link", "iframe", "object", "embed", "form", "base"} & set(parsed.tags)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_hostile_text_is_shown_as_it_is(page: str) -> None:
    assert EVIL in Page(page).text
    assert "<script " not in page
    assert "<img onerror" not in page


def test_pictures_are_inside(page: str) -> None:
    found = [r for r in Page(page).references if r.startswith("data:")]
    assert found
    for reference in found:
        content = base64.b64decode(reference.split(",", 1)[1], validate=True)
        assert content.startswith(b"\x89PNG\r\n")


def test_anchors_lead_somewhere(run_page: str) -> None:
    targets = [r[1:] for r in Page(run_page).references if r.startswith("#")]
    assert len(targets) == 7
    assert set(targets) <= set(re.findall(r'id="([^"]+)"', run_page))


def test_what_a_reader_must_see(page: str) -> None:
    text = Page(page).text
    assert text.count(NOTICE) == 2
    assert "undefined" in text
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


@pytest.mark.parametrize("name", ["run_page", "segmentation_page"])
def test_classes_have_their_shares(name: str, request: pytest.FixtureRequest) -> None:
    text = Page(request.getfixturevalue(name)).text
    assert "most suspicious" in text
    assert "75.0%" in text


def test_warnings_come_before_everything_else(segmentation_page: str) -> None:
    warning, notice = segmentation_page.index('class="warning"'), segmentation_page.index(NOTICE)
    assert warning < notice < segmentation_page.index("<h2>")


def test_a_page_lets_its_own_script_run_and_no_other(segmentation_page: str, run_page: str) -> None:
    (script,) = re.findall("<script>(.*?)</script>", segmentation_page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert script == SCRIPT
    assert f"script-src 'sha256-{digest}'; " in segmentation_page
    assert f"'sha256-{digest}'" == SCRIPT_SOURCE
    assert "<script" not in run_page
    assert "script-src" not in run_page


def test_without_script_and_in_print_the_slices_are_away(segmentation_page: str) -> None:
    assert re.search(r'<div id="slices" class="slices" hidden ', segmentation_page)
    print_rules = segmentation_page[segmentation_page.index("@media print") :]
    assert re.search(r"\.slices \{ display: none; \}", print_rules)


def test_the_scale_bar_of_the_slices_is_as_long_as_it_says(segmentation_page: str) -> None:
    # 10 mm of a slice that is 40 mm wide
    assert '<span class="scale" style="width: 25.0%">10 mm</span>' in segmentation_page
    assert 'min="3" max="4" value="4"' in segmentation_page


def test_stored_pictures_keep_their_ground() -> None:
    assert is_dark(stored(13, 16, 20))
    assert not is_dark(stored(255, 255, 255))
    assert base64.b64decode(png(stored(1, 2, 3))) == stored(1, 2, 3)
    assert width_pixels(stored(0, 0, 0)) == 192  # 320 pixels at 160 an inch


def test_a_report_with_little_in_it(tmp_path: Path) -> None:
    write_segmentation_report(SegmentationReport("a", "b", "c"), tmp_path / "s.html")
    empty = Section()
    write_run_report(
        RunReport("a", "b", "c", empty, empty, empty, empty, empty), tmp_path / "r.html"
    )
    write_study_report(StudyReport("a", "b", "c", "d", empty, empty), tmp_path / "c.html")
    for name in ("s.html", "r.html", "c.html"):
        assert NOTICE in Page((tmp_path / name).read_text(encoding="utf-8")).text


def test_class_colours_are_checked(tmp_path: Path) -> None:
    bad = SegmentationReport("a", "b", "c", classes=(TissueClass(1, "red;background:url(x)"),))
    with pytest.raises(ValueError, match="#rrggbb"):
        write_segmentation_report(bad, tmp_path / "s.html")
    assert not list(tmp_path.iterdir())


def test_classes_without_curves(tmp_path: Path) -> None:
    data = SegmentationReport("a", "b", "c", classes=(TissueClass(1, "#aabbcc", (), None, 0.5),))
    write_segmentation_report(data, tmp_path / "s.html")
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "<polyline" not in page
    assert "50.0%" in Page(page).text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (None, 3, "–"), (math.nan, 3, "undefined"), ("x", 3, "x"), (12, 3, "12"),
        (0.12345, 3, "0.123"), (0.0, 3, "0.000"), (0.00012, 3, "<0.001"),
        (-0.00012, 3, ">-0.001"), (-0.7, 1, "-0.7"),
    ],
)  # fmt: skip
def test_cell_text(value: float | str | None, decimals: int, text: str) -> None:
    assert cell_text(value, decimals) == text


def test_columns_agree_in_decimals_and_side() -> None:
    table = Table("t", ("a", "b", "c"), (("x", 0.5, 1), ("y", 123.45, None), ("z", math.nan, 2)))
    assert [[text for text, _ in row] for row in cells(table)] == [
        ["x", "0.5", "1"],
        ["y", "123.5", "–"],
        ["z", "undefined", "2"],
    ]
    assert [[number for _, number in row] for row in cells(table)] == [[False, True, True]] * 3
    assert cells(Table("t", ("a",), ())) == []


def test_curves_share_a_scale() -> None:
    low, high = (spark_points(entry, classes()) for entry in classes())
    heights = [float(point.split(",")[1]) for point in high.split()]
    assert min(heights) == 2.0  # the largest value of all classes
    assert max(heights) == 30.0  # zero
    assert float(low.split()[1].split(",")[1]) > heights[1]
