"""`hcnet bundle`: list, info, verify and make."""

import json

import pytest

from mini_cohort import mini_config, write_mini


def test_list(hcnet):
    ended = hcnet("bundle", "list")
    assert ended.returncode == 0
    assert "ispy1-small (default)" in ended.stdout
    told = json.loads(hcnet("bundle", "list", "--json").stdout)
    assert told["default"] in {bundle["name"] for bundle in told["bundles"]}


def test_info_and_verify(hcnet, tiny_run):
    bundle = tiny_run / "bundle"
    ended = hcnet("bundle", "info", bundle)
    assert ended.returncode == 0
    assert "kisnet" in ended.stdout
    assert json.loads(hcnet("bundle", "info", bundle, "--json").stdout)["name"] == "tiny"
    checked = json.loads(hcnet("bundle", "verify", bundle, "--json").stdout)
    assert checked["members"] == 1
    assert "whole" in hcnet("bundle", "verify", bundle).stdout


@pytest.mark.parametrize("verb", ["info", "verify"])
def test_what_is_no_bundle(hcnet, tmp_path, verb):
    ended = hcnet("bundle", verb, tmp_path)
    assert ended.returncode == 6
    assert "bundle.json" in ended.error
    assert "there is no such folder" in hcnet("bundle", verb, tmp_path / "nowhere").error


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """A cohort and its cross-validation."""
    from hcnet.studies.ablation.run import plan_ablation, run_ablation

    root = tmp_path_factory.mktemp("crossed")
    cohort = write_mini(root / "cohort", 8, seed=1)
    splits, plan = plan_ablation(cohort, None, mini_config(), 2, ["P"], 2, share_maps=True)
    run_ablation(splits, plan, mini_config(), root / "crossed")
    return root


def make(hcnet, root, out, *more, cohort="cohort"):
    words = ("--crossed", root / "crossed", "--name", "mine", "--licence", "CC BY 4.0", *more)
    return hcnet("bundle", "make", root / cohort, "-o", out, *words)


def test_make(hcnet, crossed, tmp_path):
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.verify import verify_bundle

    ended = make(hcnet, crossed, tmp_path / "made", "--members", 2, "--json")
    assert ended.returncode == 0, ended.stderr
    opened = open_bundle(tmp_path / "made" / "bundle")
    assert verify_bundle(opened).members == 2
    told = opened.info
    assert (told.name, told.licence, told.weights) == ("mine", "CC BY 4.0", "float16")
    assert len(told.training_data["cases"]) == 8
    crossing = told.scores["cross_validation"]
    assert crossing["folds"] == 2
    assert set(crossing["arms"]) == {"B0", "P"}
    results = json.loads((crossed / "crossed" / "results.json").read_text())
    assert crossing["arms"]["P"]["metrics"] == results["arms"]["P"]["metrics"]
    stored = json.loads((crossed / "crossed" / "calibration.json").read_text())
    assert told.calibration.temperature == stored["temperature"]


def test_an_ensemble_of_folds(hcnet, crossed, tmp_path):
    from hcnet.inference.bundle import open_bundle
    from hcnet.training.folder import RunFolder

    ended = make(hcnet, crossed, tmp_path / "made", "--of-folds")
    assert ended.returncode == 0, ended.stderr
    opened = open_bundle(tmp_path / "made" / "bundle")
    assert opened.members == 2
    assert opened.info.training_data["ensemble"] == "2 fold(s)"
    folds = json.loads((crossed / "crossed" / "results.json").read_text())["folds"]
    for number, fold in enumerate(folds):
        maps = RunFolder(tmp_path / "made" / f"fold{number}").hipm / "maps"
        assert {path.stem for path in maps.iterdir()} == set(fold["train"])
    for more in (("--members", 2), ("--share-maps",)):
        ended = make(hcnet, crossed, tmp_path / "made", "--of-folds", *more)
        assert ended.returncode == 5
        assert "leave --members and --share-maps out" in ended.error


def test_members_that_share_their_maps(hcnet, crossed, tmp_path):
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.verify import verify_bundle

    out = tmp_path / "made"
    ended = make(hcnet, crossed, out, "--members", 2, "--share-maps", "--json")
    assert ended.returncode == 0, ended.stderr
    opened = open_bundle(out / "bundle")
    assert verify_bundle(opened).members == 2
    assert opened.shares_hipm
    assert {path.name for path in (out / "member1-shared").iterdir()} == {"kis"}
    assert opened.info.training_data["ensemble"] == "2 member(s) with one HIPM"
    told = opened.info.scores["mean_of_seeds"]
    assert told["seeds"] == 2
    assert json.loads(ended.stdout)["dsc"]["mean"] == told["dsc"]["mean"]


def test_make_refuses_other_cases_and_what_is_no_cross_validation(hcnet, crossed, tmp_path):
    write_mini(crossed / "other", 8, seed=2)
    ended = make(hcnet, crossed, tmp_path / "made", cohort="other")
    assert ended.returncode == 5
    assert "of other cases" in ended.error
    ended = hcnet("bundle", "make", crossed / "cohort", "-o", tmp_path / "more", "--crossed",
                  tmp_path, "--name", "x", "--licence", "y")  # fmt: skip
    assert ended.returncode == 3
    assert not (tmp_path / "more").exists()
