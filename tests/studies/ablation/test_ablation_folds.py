"""Cross-validation of arms: every patient held out once, thresholds chosen on the other folds."""

import json
import shutil

import numpy as np
import pytest

from hcnet.evaluation.threshold import THRESHOLDS
from hcnet.studies.ablation.out_of_fold import arm_folders
from hcnet.studies.ablation.run import plan_ablation, run_ablation
from mini_cohort import mini_config

FOLDS = 3
ARMS = ["B0", "N1"]


@pytest.fixture(scope="module")
def crossed(cohorts, tmp_path_factory):
    out = tmp_path_factory.mktemp("crossed") / "out"
    splits, plan = plan_ablation(cohorts[0], None, mini_config(), 1, ARMS, FOLDS)
    return out, splits, plan, run_ablation(splits, plan, mini_config(), out)


def test_every_case_is_scored_once_by_a_network_that_has_not_seen_it(crossed, cohorts):
    out, splits, _, summary = crossed
    assert sorted(summary.lesion_cases) == [f"CASE_{i:02d}" for i in range(8) if i % 4]
    for arm in ARMS:
        for number, split in enumerate(splits):
            kept = (out / f"seed0/fold{number}/{arm}/probabilities").iterdir()
            assert {path.stem for path in kept} == {case.name for case in split.test}


def test_each_threshold_is_chosen_on_the_other_folds(crossed, cohorts, tmp_path):
    out, splits, plan, _ = crossed
    told = json.loads((out / "results.json").read_text())["tuned"]["threshold"]
    assert all(len(told[arm]) == FOLDS and set(told[arm]) <= set(THRESHOLDS) for arm in ARMS)
    # Change what fold 0 predicts: its own threshold stays, whatever that does to the others.
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    for tuned in copy.glob("seed0/*/B0/scores_tuned.json"):
        tuned.unlink()
    for path in (copy / "seed0/fold0/B0/probabilities").iterdir():
        np.save(path, np.zeros_like(np.load(path)))
    run_ablation(splits, plan, mini_config(), copy)
    again = json.loads((copy / "results.json").read_text())["tuned"]["threshold"]
    assert again["B0"][0] == told["B0"][0]
    assert again["N1"] == told["N1"]


def test_only_the_seeds_asked_for_are_gathered(tmp_path):
    for seed in (0, 1, 2):
        for fold in (0, 1):
            (tmp_path / f"seed{seed}" / f"fold{fold}" / "P").mkdir(parents=True)
            (tmp_path / f"seed{seed}" / f"fold{fold}" / "B0").mkdir()
    found = {str(path.relative_to(tmp_path)) for path in arm_folders(tmp_path, 2)}
    assert found == {f"seed{seed}/fold{fold}/P" for seed in (0, 1) for fold in (0, 1)}


def test_the_headline_is_of_the_fixed_threshold(crossed):
    out, _, _, summary = crossed
    results = json.loads((out / "results.json").read_text())
    assert results["threshold"] == mini_config().inference.threshold
    kept = [json.loads(path.read_text()) for path in out.glob("seed0/fold*/B0/scores.json")]
    lesions = [row["dsc"] for record in kept for row in record["rows"]
               if row["name"] in summary.lesion_cases]  # fmt: skip
    assert results["arms"]["B0"]["metrics"]["dsc"]["mean"] == pytest.approx(np.mean(lesions))
    assert "At the threshold that the other folds chose" in (out / "table.md").read_text()


def test_a_finished_cross_validation_trains_nothing(crossed, tmp_path, monkeypatch):
    out, splits, plan, _ = crossed
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    monkeypatch.setattr("hcnet.training.loop.save_model", None)  # training would call it
    run_ablation(splits, plan, mini_config(), copy)
    assert (copy / "cases.csv").read_bytes() == (out / "cases.csv").read_bytes()
