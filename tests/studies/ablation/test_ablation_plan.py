"""The plan: which arms the data allow, the budget, the split."""

import json
import shutil

import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.errors import ConfigError, InputError
from hcnet.studies.ablation.arms import ARMS, COMPARISONS, MAPS
from hcnet.studies.ablation.run import plan_ablation
from mini_cohort import mini_config, write_mini


def names(plan):
    return [arm.name for arm in plan.arms]


def test_the_arms_are_consistent():
    known = [arm.name for arm in ARMS]
    assert len(set(known)) == len(known)
    assert set(MAPS) <= set(known)
    for arm in ARMS:
        assert (arm.guide is not None) == (arm.network == "kisnet")
        assert arm.maps is None or arm.maps in MAPS
        assert not arm.needs_hipm or arm.maps is not None
    for first, second in COMPARISONS:
        assert first in known
        assert second in known
    assert len(set(COMPARISONS)) == len(COMPARISONS)


def test_all_arms_with_extra_cases(cohorts):
    (split,), plan = plan_ablation(*cohorts, mini_config(), 2)
    assert names(plan) == [arm.name for arm in ARMS]
    assert plan.left_out == {}
    assert plan.trainings == 2 * (15 + 4 * 3)
    assert plan.updates == 2
    assert "54 trainings x 2 steps = 108 steps" in plan.lines()[-1]
    assert {case.name for case in split.extra} == {f"EXTRA_CASE_0{i}" for i in range(4)}
    assert not {case.name for case in split.train} & {case.name for case in split.test}


def test_without_extra_cases_their_arms_are_left_out_and_it_says_why(cohorts):
    _, plan = plan_ablation(cohorts[0], None, mini_config(), 1)
    assert set(plan.left_out) == {"P+", "B3", "B4k", "B4b"}
    assert plan.trainings == 11 + 3
    assert any(line.startswith("P+: left out") and "--extra" in line for line in plan.lines())


def test_shared_maps_are_counted_once(cohorts):
    _, plan = plan_ablation(cohorts[0], None, mini_config(), 3, ["P"], share_maps=True)
    assert plan.trainings == 3 * 2 + 3
    assert any("HIPM of the first seed alone" in line for line in plan.lines())


def test_arms_by_name_and_the_baseline_with_them(cohorts):
    _, plan = plan_ablation(cohorts[0], None, mini_config(), 1, ["O1", "L0"])
    assert names(plan) == ["L0", "B0", "O1"]
    assert plan.trainings == 3  # O1 needs labels, not an HIPM
    assert plan.left_out["P"] == "not asked for"
    assert "--extra" in plan.left_out["P+"]


def test_the_split_does_not_depend_on_arms_or_seeds(cohorts):
    (one,), _ = plan_ablation(cohorts[0], None, mini_config(), 1, ["L0"])
    (two,), _ = plan_ablation(*cohorts, mini_config(), 5)
    assert [case.name for case in one.test] == [case.name for case in two.test]


@pytest.mark.parametrize(
    ("arms", "message"),
    [(["B3"], "arm B3 cannot be trained: .*--extra"), (["B9"], "no arm B9; there are: L0, B0")],
)
def test_arms_that_cannot_be(cohorts, arms, message):
    with pytest.raises(ConfigError, match=message):
        plan_ablation(cohorts[0], None, mini_config(), 1, arms)


@pytest.mark.parametrize("setting", ["epochs=7", "lr=0.5", "batch_size=1", "patch=[16, 16, 32]"])
def test_another_budget_for_one_stage_is_refused(cohorts, setting):
    with pytest.raises(ConfigError, match=rf"hipm\.{setting.split('=')[0]} is .*set both alike"):
        plan_ablation(*cohorts, mini_config(f"hipm.{setting}"), 1)


def test_a_budget_by_passes_over_the_cases_is_refused(cohorts):
    config = mini_config()
    stages = {
        name: getattr(config, name).model_copy(update={"steps_per_epoch": None})
        for name in ("hipm", "kis")
    }
    with pytest.raises(ConfigError, match="steps_per_epoch is not set"):
        plan_ablation(*cohorts, config.model_copy(update=stages), 1)


def test_what_a_cohort_lacks(tmp_path, cohorts):
    real = write_mini(tmp_path / "real", 5, seed=3, truth=False)
    (split,), plan = plan_ablation(real, None, mini_config("validation_share=0.2"), 1)
    assert "O3" in plan.left_out  # no true tissue
    assert "N1" in plan.left_out  # one held-out case has no other
    assert split.references[split.test[0].name].tumour == split.test[0].tumour
    boxless = write_mini(tmp_path / "boxless", 4, seed=3, masks=False)
    for path in (boxless.root / "patient_info_files").iterdir():
        path.write_text(json.dumps(json.loads(path.read_text()) | {"primary_lesion": {}}))
    _, plan = plan_ablation(cohorts[0], read_cohort(boxless.root), mini_config(), 1)
    assert set(plan.left_out) == {"B3"}


def test_cohorts_that_cannot_be_used(tmp_path, cohorts):
    bare = write_mini(tmp_path / "bare", 5, seed=3, masks=False)
    with pytest.raises(InputError, match="CASE_00 has no tumour mask; leave"):
        plan_ablation(bare, None, mini_config(), 1)
    same = write_mini(tmp_path / "same", 2, seed=1)
    with pytest.raises(ConfigError, match="same seed"):
        plan_ablation(cohorts[0], same, mini_config(), 1)
    (same.root / "phantom.json").unlink()
    with pytest.raises(InputError, match="CASE_00 is also in"):
        plan_ablation(cohorts[0], same, mini_config(), 1)
    old = tmp_path / "old"
    shutil.copytree(cohorts[0].root, old)
    for path in old.glob("truth/*/tumour.nii.gz"):
        path.unlink()
    with pytest.raises(InputError, match="make the phantom cohort anew"):
        plan_ablation(read_cohort(old), None, mini_config(), 1)


def test_folds_hold_out_every_patient_once(cohorts):
    splits, plan = plan_ablation(*cohorts, mini_config(), 2, ["P"], folds=3)
    held = [case.name for split in splits for case in split.test]
    assert sorted(held) == [case.name for case in cohorts[0].cases]
    for split in splits:
        assert not {case.name for case in split.train} & {case.name for case in split.test}
    # B0, P and three HIPMs (two folds and the final one)
    assert plan.trainings == 2 * 3 * 5
    assert "2 seed(s) x 3 split(s)" in plan.lines()[-1]
