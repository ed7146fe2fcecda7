"""`hcnet report` on results that were made by hand."""

import json

from report_parts import manifest, summary, write_comparison, write_segmentation


def test_a_comparison_has_a_report_and_its_figures_are_files(hcnet, tmp_path):
    scores = {"resunet-pre": [0.1, 0.2, 0.3, 0.4], "kisnet-pre": [0.2, 0.2, 0.5, 0.6]}
    out, figures = write_comparison(tmp_path / "compared", scores), tmp_path / "figures"
    result = hcnet("report", out, "--figures", figures, "--json")
    told = json.loads(result.stdout)
    assert told["report"] == str(out / "report.html")
    assert sorted(told["figures"]) == sorted(str(path) for path in figures.iterdir())
    names = {path.name for path in figures.iterdir()}
    assert names == {
        f"{name}.{kind}" for name in ("differences", "paired") for kind in ("png", "svg")
    }
    assert "Patient by patient" in (out / "report.html").read_text()


def test_a_folder_without_results_is_one_sentence(hcnet, tmp_path):
    result = hcnet("report", tmp_path)
    assert result.returncode == 3
    assert "holds neither a finished run of `hcnet train` nor results of" in result.error
    assert not list(tmp_path.iterdir())


def test_a_damaged_summary_is_one_sentence(hcnet, tmp_path):
    out = write_segmentation(tmp_path / "out", summary(tumour_ml="much"), manifest())
    result = hcnet("report", out)
    assert result.returncode == 3
    assert "summary.json: is not as hcnet writes it (tumour_ml: " in result.error
    assert not (out / "report.html").exists()
