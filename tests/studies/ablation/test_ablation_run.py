"""A whole ablation of all arms: products, resuming, fairness, and what no arm may have seen."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from hcnet.errors import ConfigError
from hcnet.studies import map_stages
from hcnet.studies.ablation.arms import ARMS, COMPARISONS, MAPS
from hcnet.studies.ablation.run import plan_ablation, run_ablation, train_part
from hcnet.studies.material import Material
from hcnet.training import stage_hipm
from hcnet.training.folder import RunFolder
from hcnet.training.logbook import read_log
from mini_cohort import mini_config

pytestmark = pytest.mark.slow  # all arms with two seeds take half a minute

PRODUCTS = ("results.json", "table.md", "table.csv", "cases.csv", "figure.png", "figure.svg")


def test_products(finished):
    out, summary = finished
    assert list(summary.arms) == [arm.name for arm in ARMS]
    assert len(summary.compared) == len(COMPARISONS)
    for name in PRODUCTS:
        assert (out / name).stat().st_size > 0
    results = json.loads((out / "results.json").read_text())
    assert results["seeds"] == [0, 1]
    assert results["left_out"] == {}
    assert [len(fold["test"]) for fold in results["folds"]] == [2]
    assert "exact tumour" in results["reference"]
    rows = list(csv.DictReader((out / "cases.csv").read_text().splitlines()))
    assert len(rows) == len(ARMS) * 2 * 2
    for arm in summary.arms.values():
        assert 0 <= arm.metrics["dsc"].mean <= 1
        assert arm.prior is not None  # a null cohort
    with_maps = {name for name, arm in summary.arms.items() if arm.map_iou is not None}
    assert with_maps == {"P", "P+", "B4k", "B4b"}


def test_every_network_has_the_same_number_of_updates(finished):
    out, _ = finished
    logs = [p.parent for p in out.glob("seed*/*/network/log.jsonl")]
    logs += [p.parent for p in out.glob("seed*/*/hipm/*/log.jsonl")]
    assert len(logs) == 2 * (15 + 4 * 3)
    assert {len(read_log(folder)) for folder in logs} == {1}


def test_costs(finished):
    _, summary = finished
    cost = {name: arm.cost for name, arm in summary.arms.items()}
    assert cost["P"].parameters == cost["B1"].parameters == cost["N1"].parameters
    assert cost["B0"].parameters == cost["L0"].parameters == cost["B3"].parameters
    assert (cost["B0"].updates, cost["P"].updates, cost["O1"].updates) == (2, 8, 2)
    assert all(each.seconds > 0 for each in cost.values())


def test_guides_that_can_be_made_again_do_not_stay(finished):
    out, _ = finished
    assert not list(out.glob("seed*/*/guides"))
    assert list(out.glob("seed0/P/hipm/maps/*.npy"))


def test_seeds_differ(finished):
    out, _ = finished
    weights = {(out / f"seed{i}/B0/network/model.safetensors").read_bytes() for i in (0, 1)}
    assert len(weights) == 2


def test_a_finished_ablation_trains_nothing(finished, cohorts, tmp_path, monkeypatch):
    out, _ = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    monkeypatch.setattr("hcnet.training.loop.save_model", None)  # training would call it
    splits, plan = plan_ablation(*cohorts, mini_config(), 2)
    run_ablation(splits, plan, mini_config(), copy)
    for name in ("table.csv", "cases.csv"):
        assert (copy / name).read_bytes() == (out / name).read_bytes()


def test_an_arm_done_again_alone_gives_the_same_scores(finished, cohorts, tmp_path):
    out, _ = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    for arm in ("N1", "B2"):
        shutil.rmtree(copy / "seed0" / arm)
    splits, plan = plan_ablation(*cohorts, mini_config(), 1, ["N1", "B2"])
    run_ablation(splits, plan, mini_config(), copy)
    for arm in ("N1", "B2"):
        before, after = (
            json.loads((root / "seed0" / arm / "scores.json").read_text()) for root in (out, copy)
        )
        assert before["rows"] == after["rows"]
        assert before["cost"]["final_loss"] == after["cost"]["final_loss"]
    assert (copy / "table.md").read_text().count("is left out: not asked for") == 12


def test_seeds_may_be_trained_by_several_processes(finished, cohorts, tmp_path):
    out, _ = finished
    names = ["B0", "L0"]
    splits, plan = plan_ablation(*cohorts, mini_config(), 2, names)
    for number in (1, 0):
        train_part(number, None, splits, plan, mini_config(), tmp_path / "out")
        assert not (tmp_path / "out" / "table.md").exists()
    summary = run_ablation(splits, plan, mini_config(), tmp_path / "out")
    assert len(summary.seeds) == 2
    for path in ("seed0/B0/scores.json", "seed1/L0/scores.json"):
        ours, other = (json.loads((root / path).read_text()) for root in (tmp_path / "out", out))
        assert ours["rows"] == other["rows"]
    with pytest.raises(ConfigError, match="no seed 2"):
        train_part(2, None, splits, plan, mini_config(), tmp_path / "out")


def test_other_settings_are_refused(finished, cohorts):
    out, _ = finished
    config = mini_config("kis.lambda=1")
    splits, plan = plan_ablation(*cohorts, config, 1)
    with pytest.raises(ConfigError, match="other settings"):
        run_ablation(splits, plan, config, out)


def test_other_cases_are_refused(finished, cohorts):
    out, _ = finished
    splits, plan = plan_ablation(cohorts[0], None, mini_config(), 1)
    with pytest.raises(ConfigError, match="other cases"):
        run_ablation(splits, plan, mini_config(), out)


def test_maps_come_from_networks_that_have_not_seen_the_patient(cohorts, tmp_path, monkeypatch):
    trained_on, mapped_by = {}, {}
    train, write = stage_hipm.train_hipm, stage_hipm.write_maps

    def noting_train(cases, held_out, name, folder, *rest):
        model = train(cases, held_out, name, folder, *rest)
        model.noted = (folder.root.name, name)
        trained_on[model.noted] = {case.name for case in cases}
        return model

    def noting_write(model, cases, *rest):
        for case in cases:
            mapped_by.setdefault(model.noted[0], {})[case.name] = model.noted
        write(model, cases, *rest)

    monkeypatch.setattr(stage_hipm, "train_hipm", noting_train)
    monkeypatch.setattr(stage_hipm, "write_maps", noting_write)
    splits, plan = plan_ablation(*cohorts, mini_config(), 1, ["P", "P+"])
    (split,) = splits
    run_ablation(splits, plan, mini_config(), tmp_path / "out")
    extra = {case.name for case in split.extra}
    held = {case.name for case in split.test}
    for arm, has_extra in (("P", False), ("P+", True)):
        assert len(mapped_by[arm]) == 8
        for case, network in mapped_by[arm].items():
            assert case not in trained_on[network]
            assert not trained_on[network] & held
            assert (extra <= trained_on[network]) == has_extra
            assert has_extra or not extra & trained_on[network]


def test_stage_1_needs_no_held_out_case_and_no_mask(finished, material, tmp_path):
    out, _ = finished
    bare = tuple(
        replace(case, files={k: f for k, f in case.files.items() if k != "tumour"})
        for case in material.learn
    )
    alone = Material(material.split, bare, (), ())
    folder = RunFolder(tmp_path)
    map_stages.label_cases(MAPS["P"], alone, folder, mini_config())
    for case in bare:
        ours = np.load(folder.labels(case.name))
        np.testing.assert_array_equal(
            ours, np.load(out / f"seed0/P/kinetics/labels/{case.name}.npy")
        )


def test_maps_of_the_first_seed_may_serve_all(cohorts, tmp_path):
    splits, plan = plan_ablation(
        cohorts[0], None, mini_config(), 2, ["P", "N3", "B2"], share_maps=True
    )
    train_part(1, None, splits, plan, mini_config(), tmp_path)  # makes what it needs of the first
    assert {path.name for path in (tmp_path / "seed0" / "P").iterdir()} == {"kinetics", "hipm"}
    summary = run_ablation(splits, plan, mini_config(), tmp_path)
    assert summary.seeds == (0, 1)
    assert summary.shared_maps
    assert "serve all seeds" in (tmp_path / "table.md").read_text()
    assert not any((tmp_path / "seed1" / "P" / name).exists() for name in ("kinetics", "hipm"))
    for arm in ("P", "N3", "B2"):
        first, second = (
            (tmp_path / f"seed{seed}" / arm / "network" / "model.safetensors").read_bytes()
            for seed in (0, 1)
        )
        assert first != second
    records = {
        (seed, arm): json.loads((tmp_path / f"seed{seed}" / arm / "scores.json").read_text())
        for seed in (0, 1) for arm in ("B0", "P", "B2")
    }  # fmt: skip
    assert records[1, "P"]["map_iou"] == records[0, "P"]["map_iou"]
    assert [records[1, arm]["maps_seed"] for arm in ("B0", "P", "B2")] == [None, 0, 0]
    assert records[0, "P"]["maps_seed"] is None
