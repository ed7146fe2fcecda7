"""A whole study on five small exams: what it finds, writes, resumes and refuses."""

import json

import numpy as np
import pytest
from small_scans import write_scans

from hcnet.cohorts.cohort import Cohort
from hcnet.config import load_config
from hcnet.errors import ConfigError, InputError
from hcnet.studies.choose_k.plan import Plan
from hcnet.studies.choose_k.study import run_fits, study_k

CONFIG = load_config(
    "small",
    None,
    ["validation_share=0.4", "prepare.spacing_mm=[2.0, 2.0, 2.0]", "kinetics.batch_size=512"],
)
PLAN = Plan(ks=(2, 3), methods=("vqvae", "kmeans", "bins"), max_points=3000, epochs=8, seeds=2)


@pytest.fixture(scope="module")
def study(two_scans, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    lines = study_k(*two_scans, CONFIG, PLAN, out)
    return out, lines


def rows(out):
    found = json.loads((out / "results.json").read_text())["rows"]
    return {(row["scale"], row["method"], row["k"]): row for row in found}


def test_relative_scaling_finds_three_tissues_again_where_minmax_cannot(study):
    found = rows(study[0])
    relative = found["relative", "kmeans", 3]
    assert relative["quality"]["tvr_tumour"] == pytest.approx(1, abs=0.01)
    assert relative["retest"]["breast/kappa"]["mean"] > 0.99
    # Fat does not enhance: without amplitude its noise is taken for curves.
    assert found["minmax", "kmeans", 3]["retest"]["breast/kappa"]["mean"] < 0.8


def test_every_combination_has_a_row(study):
    expected = {
        (scale, method, k)
        for scale in PLAN.scales
        for method in PLAN.methods
        for k in PLAN.ks
        if (scale, method) != ("minmax", "bins")
    }
    assert set(rows(study[0])) == expected
    for row in rows(study[0]).values():
        assert row["seeds"] == 2
        assert row["between_seeds"]["breast/exact"]["of"] == 2
        assert row["codes"] == row["k"]


def test_k_means_has_the_least_error_and_it_falls_with_k(study):
    found = rows(study[0])
    for scale in PLAN.scales:
        sse = {key[1:]: row["quality"]["sse"] for key, row in found.items() if key[0] == scale}
        assert sse["kmeans", 3] < sse["kmeans", 2]
        assert sse["kmeans", 3] < 1.02 * sse["vqvae", 3]


def test_only_training_patients_are_fitted_on(study, two_scans):
    record = json.loads((study[0] / "results.json").read_text())
    assert len(record["held_out"]) == 2
    fit = json.loads((study[0] / "fits" / "relative_vqvae_k003_seed0.json").read_text())
    assert [case["name"] for case in fit["cases"]] == record["held_out"]
    assert fit["latent"]["used"] == 3


def test_results_are_complete_files(study):
    out, lines = study
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (out / "figure.svg").read_bytes()[:1000]
    table = (out / "table.md").read_text()
    assert table.count("\n| relative |") == 6
    assert "Test-retest kappa, breast" in table
    header, *body = (out / "table.csv").read_text().splitlines()
    assert "retest_tumour_weighted_kappa_low" in header.split(",")
    assert len(body) == 10
    assert any(line.startswith("minmax scaling") for line in lines)
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_the_same_command_goes_on_without_fitting_again(study, two_scans, monkeypatch):
    out, lines = study
    before = {path: path.stat().st_mtime_ns for path in (out / "fits").iterdir()}
    monkeypatch.setattr("hcnet.studies.choose_k.study.fit_sample", None)
    assert study_k(*two_scans, CONFIG, PLAN, out) == lines
    assert {path: path.stat().st_mtime_ns for path in (out / "fits").iterdir()} == before


def test_a_fit_that_is_missing_comes_out_the_same(study, two_scans, tmp_path):
    path = study[0] / "fits" / "relative_kmeans_k002_seed1.json"
    stored = json.loads(path.read_text())
    path.unlink()
    one = Plan(
        ks=(2,), scales=("relative",), methods=("kmeans",), max_points=3000, epochs=8, seeds=2
    )
    again = run_fits(*two_scans, CONFIG, one, study[0])[1]
    assert {**again, "fit_seconds": 0} == {**stored, "fit_seconds": 0}


def test_another_study_in_the_folder_is_refused(study, two_scans):
    test, retest = two_scans
    other = Plan(ks=(2,), max_points=2000, epochs=8)
    with pytest.raises(ConfigError, match="differs in max_points"):
        run_fits(test, retest, CONFIG, other, study[0])
    with pytest.raises(ConfigError, match="differs in retest"):
        run_fits(test, None, CONFIG, PLAN, study[0])


def test_without_a_second_scan_agreement_is_left_out_and_said_so(two_scans, tmp_path):
    plan = Plan(ks=(2,), scales=("relative",), methods=("kmeans",), max_points=1000)
    lines = study_k(two_scans[0], None, CONFIG, plan, tmp_path / "out")
    assert any("--retest" in line for line in lines)
    table = (tmp_path / "out" / "table.md").read_text()
    assert "--retest" in table
    assert "Test-retest kappa" not in table
    assert rows(tmp_path / "out")["relative", "kmeans", 2]["retest"] is None


def test_a_missing_second_scan_is_named(two_scans, tmp_path):
    test, retest = two_scans
    less = Cohort(retest.root, retest.cases[:1])
    with pytest.raises(InputError, match="has no second scan of"):
        run_fits(test, less, CONFIG, PLAN, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_single_phase_is_refused(tmp_path):
    short = write_scans(tmp_path / "short", 0, cases=4, phases=1)
    with pytest.raises(InputError, match="single phase"):
        run_fits(short, None, CONFIG, PLAN, tmp_path / "out")


def test_a_foreign_folder_is_left_alone(two_scans, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(InputError, match=str(out)):
            run_fits(*two_scans, CONFIG, PLAN, out)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_so_many_cases_are_the_first_by_name(two_scans, tmp_path):
    plan = Plan(ks=(2,), scales=("relative",), methods=("kmeans",), max_points=500, cases=4)
    run_fits(two_scans[0], None, CONFIG, plan, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert sorted(record["cases"]) == [case.name for case in two_scans[0].cases[:4]]
    with np.load(tmp_path / "out" / "fits" / "relative_kmeans_k002_seed0.npz") as codes:
        assert codes["0/breast"].max() == 1
