"""What is checked before anything is computed."""

import json

import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.config import load_config, preset_names
from hcnet.errors import ConfigError, InputError
from hcnet.files import write_json
from hcnet.nets.registry import network_names, network_options
from hcnet.studies.budget import updates_of
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.plan import make_plan, network_settings, read_split
from mini_cohort import write_mini
from mini_compare import ENTRIES, compare_config


def names(cases):
    return {case.name for case in cases}


def test_folds_hold_out_every_patient_once(mini):
    plan = make_plan("tumour", ENTRIES, mini, None, compare_config(), seeds=2, folds=3)
    held = [case.name for split in plan.splits for case in split.test]
    assert sorted(held) == sorted(case.name for case in mini.cases)
    for split in plan.splits:
        assert names(split.train) | names(split.test) == names(mini.cases)
        assert not names(split.train) & names(split.test)
        assert set(split.references) == names(split.test)
    assert plan.trainings == 4 * 3 * 2


def test_a_share_is_held_out_by_default(mini):
    plan = make_plan("tumour", ENTRIES, mini, None, compare_config(), seeds=1)
    assert [len(split.test) for split in plan.splits] == [2]


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_a_split_file_says_who_is_held_out(mini, tmp_path, suffix):
    file = tmp_path / f"split.{suffix}"
    train, test = [f"case_0{i}" for i in range(5)], ["CASE_05", "CASE_06"]
    if suffix == "json":
        file.write_text(json.dumps({"train": train, "test": test}))
    else:  # MAMA-MIA's: two columns of different length
        rows = ["train_split,test_split"]
        rows += [f"{a},{test[i] if i < len(test) else ''}" for i, a in enumerate(train)]
        file.write_text("\n".join(rows) + "\n")
    plan = make_plan("tumour", ENTRIES, mini, None, compare_config(), seeds=1, split=file)
    (split,) = plan.splits
    assert names(split.test) == {"CASE_05", "CASE_06"}
    assert names(split.train) == {f"CASE_0{i}" for i in range(5)}  # CASE_07 takes no part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is no split"),
        ('{"train": ["CASE_01"], "test": [3]}', "is no split"),
        ('{"train": ["CASE_01"], "test": []}', "test: it names no cases"),
        ('{"train": ["CASE_99"], "test": ["CASE_01"]}', "train: CASE_99 is not in"),
        ('{"train": ["case_01"], "test": ["CASE_01"]}', "CASE_01 is on both sides"),
    ],
)
def test_split_files_that_cannot_be_used(mini, tmp_path, text, message):
    file = tmp_path / "split.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_split(file, mini)


def test_a_csv_without_the_columns(mini, tmp_path):
    file = tmp_path / "split.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="needs the columns train_split and test_split"):
        read_split(file, mini)


def test_folds_and_a_file_contradict_each_other(mini, tmp_path):
    with pytest.raises(ConfigError, match="leave --folds out"):
        make_plan("tumour", ENTRIES, mini, None, compare_config(), seeds=1, folds=2,
                  split=tmp_path / "x.json")  # fmt: skip


def test_networks_with_legs_need_an_epoch_for_each(mini):
    config = compare_config("kis.epochs=1", "hipm.epochs=1")
    with pytest.raises(ConfigError, match="mhl is trained in 2 legs"):
        make_plan("tumour", ENTRIES, mini, None, config, seeds=1)
    make_plan("tumour", (BASELINE, OURS), mini, None, config, seeds=1)


def test_another_budget_for_the_method_is_refused(mini):
    config = compare_config("hipm.epochs=3")
    with pytest.raises(ConfigError, match=r"hipm\.epochs is 3 and kis\.epochs is 2"):
        make_plan("tumour", ENTRIES, mini, None, config, seeds=1)


def test_options_of_networks():
    config = compare_config()
    assert network_settings("mhl", config).options == {"width": 2}
    assert network_settings("kisnet", config) == config.kis.network
    # as wide as the ResUNet inside KIS-Net, unless told otherwise
    assert network_settings("resunet", config).options["width"] == 4
    wider = compare_config("networks.resunet={width=6}")
    assert network_settings("resunet", wider).options["width"] == 6
    with pytest.raises(ConfigError, match=r"networks\.kisnet: set kis\.network\.options"):
        network_settings("kisnet", compare_config("networks.kisnet={width=6}"))
    with pytest.raises(ConfigError, match="network mhl: option depth"):
        network_settings("mhl", compare_config("networks.mhl={depth=6}"))


def test_published_sizes_are_the_default():
    assert network_settings("dmfnet", compare_config()).options["width"] == 32


def test_a_name_for_every_entry():
    assert Entry("resunet", "post+sub").name == "resunet-post+sub"
    assert Entry("zhang", "pre+post").title == "Zhang et al. (pre+post)"


@pytest.mark.parametrize("preset", [name for name in preset_names() if name.startswith("compare")])
def test_presets_fit_every_network_and_give_ours_the_width_of_resunet(preset):
    config = load_config(preset)
    for name in network_names():
        network_settings(name, config)
    updates_of(config)
    width = network_options("kisnet", config.kis.network.options).model_dump()["width"]
    assert network_settings("resunet", config).options["width"] == width


def test_pseudo_labels_are_refused(tmp_path):
    cohort = write_mini(tmp_path / "cohort", 6, seed=2)
    masks = tmp_path / "cohort" / "segmentations"
    (masks / "expert").rename(masks / "guessed")
    write_json(masks / "guessed" / "source.json", {"kind": "pseudo-label", "method": "a test"})
    cohort = read_cohort(tmp_path / "cohort", "guessed")
    with pytest.raises(ConfigError, match="of CASE_00 is a pseudo-label, and a study learns"):
        make_plan("tumour", ENTRIES, cohort, None, compare_config(), seeds=1)
