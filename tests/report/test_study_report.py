import io
import math
from pathlib import Path

import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.evaluation.statistics import Estimate
from hcnet.files import read_json, write_json
from hcnet.report.content import Picture
from hcnet.report.study import is_study, read_study
from hcnet.report.study_charts import differences_figure, paired_lines_figure, pairs_of
from hcnet.report.study_page import study_page
from hcnet.report.write import write_report
from report_parts import CASES, compared, estimate, write_comparison

DSC = {
    "vnet-post": [0.5, 0.6, 0.7, 0.8],
    "resunet-pre": [0.4, 0.5, 0.6, 0.7],
    "kisnet-pre": [0.3, 0.6, 0.5, 0.9],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_comparison(tmp_path / "out", DSC)


def test_scores_are_means_over_seeds_of_cases_with_a_lesion(folder: Path) -> None:
    study = read_study(folder)
    assert study.reference == "resunet-pre"
    assert list(study.scores["vnet-post"]) == CASES  # not FREE
    # 0.02 more in the second seed
    assert list(study.scores["kisnet-pre"].values()) == pytest.approx([0.31, 0.61, 0.51, 0.91])
    assert [(method.title, method.detail) for method in study.methods] == [
        ("VNET", "post"), ("RESUNET", "pre"), ("KISNET", "pre")
    ]  # fmt: skip


def test_a_comparison_is_read_whichever_way_round_it_was_made(folder: Path) -> None:
    results = read_json(folder / "results.json")
    results["compared"][1] = compared("resunet-pre", "kisnet-pre", -0.05)
    write_json(folder / "results.json", results)
    made = read_study(folder).against("kisnet-pre")
    assert made is not None
    assert (made.first, made.second) == ("kisnet-pre", "resunet-pre")
    assert (made.estimate.mean, made.estimate.low, made.estimate.high) == pytest.approx(
        (0.05, -0.05, 0.15)
    )
    assert read_study(folder).against("resunet-pre") is None


def test_the_page_has_table_pairs_forest_and_panels(folder: Path) -> None:
    (folder / "figure.png").write_bytes(picture())
    (folder / "panel_pre.png").write_bytes(picture())
    page = study_page(folder)
    table = page.table.tables[0]
    assert table.caption == "Table 1"
    assert table.rows[0][:4] == ("VNET", "post", "0.650\n(0.550\u2060–\u20600.750)", "undefined")
    assert table.rows[0][4:] == (1.0, 0.25, "1.50 M", "20")
    assert page.table.tables[1].rows[0][0] == "VNET (post) minus RESUNET (pre)"
    assert names(page.table.pictures) == ["forest"]
    assert names(page.paired.pictures) == ["differences", "paired"]
    assert names(page.panels.pictures) == ["panel_pre"]
    text = write_report(folder).read_text(encoding="utf-8")
    for part in ("a note of the study", "Patient by patient", "Settings", "torch"):
        assert part in text


def test_a_picture_that_is_none_is_named(folder: Path) -> None:
    for content in (b"<svg onload='x'/>", picture()[:40]):
        (folder / "panel_post.png").write_bytes(content)
        with pytest.raises(InputError, match=r"panel_post\.png: is no PNG that can be read"):
            study_page(folder)


def test_a_study_of_one_method_has_no_pairs(tmp_path: Path) -> None:
    page = study_page(write_comparison(tmp_path / "out", {"resunet-pre": DSC["resunet-pre"]}))
    assert page.paired.pictures == ()
    assert len(page.table.tables) == 1


def test_an_ablation_is_read_too(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "out", DSC)
    arm = {
        "metrics": {"dsc": estimate(0.5)},
        "false_positives": {"cases": 0, "rate": None, "ml": None},
        "cost": {"parameters": 700_000, "seconds": 9.0}, "isolates": "a thing",
    }  # fmt: skip
    write_json(folder / "results.json", {
        "arms": dict.fromkeys(DSC, arm),
        "compared": [compared("vnet-post", "resunet-pre", 0.1)],
        "seeds": [0, 1], "seeds_planned": 3, "lesion_cases": CASES, "left_out": {"P+": "no extra"},
        "reference": "readers",
    })  # fmt: skip
    cases = (folder / "cases.csv").read_text().replace("entry,", "arm,", 1)
    (folder / "cases.csv").write_text(cases)
    page = study_page(folder)
    assert page.warnings == ("Only 2 of 3 seeds are done.",)
    assert page.table.tables[0].columns[:2] == ("Arm", "Isolates")
    assert "False +" not in page.table.tables[0].columns
    assert "P+ is left out: no extra." in page.notes
    assert any("fewer than 20" in note for note in page.notes)
    assert len(page.paired.pictures) == 2


@pytest.mark.parametrize("content", ["", "name\nx\n", "entry,name,dsc\nvnet-post,a,high\n"])
def test_damaged_cases_are_named(folder: Path, content: str) -> None:
    (folder / "cases.csv").write_text(content)
    if content:
        with pytest.raises(InputError, match=r"cases\.csv: is not as hcnet writes it"):
            read_study(folder)
    else:
        assert study_page(folder).paired.pictures == ()
    (folder / "cases.csv").unlink()
    with pytest.raises(InputError, match="no such file"):
        read_study(folder)


def test_only_results_of_a_study_are_a_study(folder: Path) -> None:
    assert is_study(folder)
    write_json(folder / "results.json", {"rows": []})
    with pytest.raises(InputError, match=r"results\.json: is not as hcnet writes it"):
        read_study(folder)
    write_json(folder / "results.json", [])
    assert not is_study(folder)
    assert not is_study(folder / "nowhere")


def test_dots_are_differences_with_median_and_mean() -> None:
    interval = Estimate(0.1, 0.02, 0.18, 0.1, 3, 0)
    pair = pairs_of(
        "a", {"x": 0.5, "y": 0.4, "z": 0.9, "u": math.nan, "only": 1.0},
        {"x": 0.3, "y": 0.5, "z": 0.6, "u": 0.1}, interval, 0.0004,
    )  # fmt: skip
    figure = differences_figure([pair], "b $_x", "DSC")
    figure.savefig(io.BytesIO(), dpi=40)
    (axes,) = figure.axes
    offsets = [point for c in axes.collections[:2] for point in c.get_offsets()]
    assert sorted(point[0] for point in offsets) == pytest.approx([-0.1, 0.2, 0.3])
    medians = [c.get_segments() for c in axes.collections if hasattr(c, "get_segments")]
    assert medians[0][0][:, 0] == pytest.approx([0.2, 0.2])
    assert medians[1][0][:, 0] == pytest.approx([0.02, 0.18])
    assert axes.get_yticklabels()[0].get_text() == "a\np < 0.001 (Holm)"
    with pytest.raises(ValueError, match="no pair"):
        differences_figure([], "b", "DSC")


def test_lines_join_the_scores_of_a_case() -> None:
    pair = pairs_of("VNet (pre)", {"x": 0.5, "y": 0.4}, {"x": 0.3, "y": 0.5})
    figure = paired_lines_figure([pair] * 6, "b", "DSC")
    drawn = [axes for axes in figure.axes if axes.lines]
    assert len(drawn) == 6
    ends = [tuple(line.get_ydata()) for line in drawn[0].lines]
    assert ends == [(0.3, 0.5), (0.5, 0.4)]
    assert drawn[0].lines[0].get_color() != drawn[0].lines[1].get_color()
    assert drawn[0].get_xlabel() == "higher in 1 of 2"
    with pytest.raises(ValueError, match="no pair"):
        paired_lines_figure([], "b", "DSC")


def test_many_equal_dots_stay_in_their_row() -> None:
    same = {str(i): 0.5 for i in range(60)}
    figure = differences_figure([pairs_of("a", same, same)], "b", "DSC")
    heights = np.concatenate([c.get_offsets()[:, 1] for c in figure.axes[0].collections[:2]])
    assert np.abs(heights).max() <= 0.3


def names(pictures: tuple[Picture, ...]) -> list[str]:
    return [picture.name for picture in pictures]


def picture() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (16, 9)).save(stream, "png")
    return stream.getvalue()


def test_a_calibration_beside_the_results_is_shown(folder: Path) -> None:
    assert not study_page(folder).calibration.pictures
    one = [{"confidence": 0.25, "observed": 0.5, "count": 3}]
    facts = {"temperature": 2.0, "offset": -0.5, "ece_before": 0.25, "ece_after": 0.03125}
    write_json(folder / "calibration.json", {**facts, "bins_before": one, "bins_after": one})
    page = study_page(folder)
    assert names(page.calibration.pictures) == ["reliability"]
    text = write_report(folder).read_text(encoding="utf-8")
    assert "how often the probability is right" in text
    assert "0.0312" in text
    (folder / "calibration.json").write_text("{}")
    with pytest.raises(InputError, match=r"calibration\.json"):
        study_page(folder)
