"""A run: its products, resuming, and what no stage may have seen."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort, write_case
from hcnet.errors import ConfigError, InputError
from hcnet.training import run as run_module
from hcnet.training import stage_hipm
from hcnet.training.folder import RunFolder, open_run, read_run_config
from hcnet.training.logbook import read_log
from hcnet.training.run import train_run
from hcnet.training.split import split_patients
from hcnet.volumes.volume import Volume
from mini_cohort import mini_config, write_mini
from tiny import tiny_config


@pytest.mark.slow
def test_exams_may_differ_in_their_number_of_phases(tmp_path):
    cohort = write_mini(tmp_path / "cohort", 4, seed=1, truth=False)
    odd = cohort["CASE_01"]
    volumes = [source.load() for source in odd.phases]
    write_case(tmp_path / "cohort", odd.name, [*volumes, volumes[-1]], tumour=odd.tumour.load(),
               breast=odd.breast.load(), times_s=(-20, 150, 450, 700),
               times_from="injection")  # fmt: skip
    mixed = read_cohort(tmp_path / "cohort")
    assert {len(case.phases) for case in mixed.cases} == {3, 4}
    train_run(mixed, mini_config("hipm.epochs=1", "kis.epochs=1"), tmp_path / "run", baseline=False)
    folder = RunFolder(tmp_path / "run")
    for case in mixed.cases:
        assert np.load(folder.labels(case.name)).max() > 0


def test_products(tiny_run, tiny_cohort):
    folder = RunFolder(tiny_run)
    manifest = json.loads((tiny_run / "manifest.json").read_text())
    assert len(manifest["train"]) == 5
    assert len(manifest["validation"]) == 1
    for case in tiny_cohort.cases:
        labels = np.load(folder.labels(case.name))
        maps = np.load(folder.maps(case.name))
        assert labels.max() <= 3
        assert maps.shape == (4, *labels.shape)
        np.testing.assert_allclose(maps.astype(np.float32).sum(0), 1, atol=0.01)
    results = json.loads((folder.validation / "results.json").read_text())
    assert set(results["networks"]) == {"KIS-Net", "ResUNet"}
    assert 0 <= results["networks"]["KIS-Net"]["summary"]["dsc"]["mean"] <= 1
    assert (folder.bundle / "bundle.json").is_file()
    assert len(read_log(folder.kis)) == 2
    assert read_run_config(tiny_run) == tiny_config()


def test_a_finished_run_is_not_trained_again(tiny_run, tiny_cohort, tmp_path, monkeypatch):
    copy = tmp_path / "tiny"
    shutil.copytree(tiny_run, copy)
    before = (copy / "validation" / "results.json").read_bytes()
    monkeypatch.setattr("hcnet.training.loop.save_model", None)  # training would call it
    train_run(tiny_cohort, tiny_config(), copy)
    assert (copy / "validation" / "results.json").read_bytes() == before


def test_the_same_seed_gives_the_same_run(tiny_run, tiny_cohort, tmp_path):
    train_run(tiny_cohort, tiny_config(), tmp_path / "again", baseline=False)
    first, second = RunFolder(tiny_run), RunFolder(tmp_path / "again")
    for name in ("hipm-0.safetensors", "kis-0.safetensors", "vqvae.safetensors", "codebook.json"):
        assert (first.bundle / name).read_bytes() == (second.bundle / name).read_bytes()


def test_maps_of_training_cases_come_from_networks_that_have_not_seen_them(
    tiny_cohort, tmp_path, monkeypatch
):
    trained_on, mapped_by, models = {}, {}, {}
    train, write = stage_hipm.train_hipm, stage_hipm.write_maps

    def noting_train(cases, held_out, name, *rest):
        model = train(cases, held_out, name, *rest)
        trained_on[name] = {case.name for case in cases}
        models[id(model)] = name, model  # keeping the model keeps its id its own
        return model

    def noting_write(model, cases, *rest):
        mapped_by.update({case.name: models[id(model)][0] for case in cases})
        write(model, cases, *rest)

    monkeypatch.setattr(stage_hipm, "train_hipm", noting_train)
    monkeypatch.setattr(stage_hipm, "write_maps", noting_write)
    train_run(tiny_cohort, tiny_config(), tmp_path / "run", baseline=False)
    assert len(mapped_by) == 6
    for case, network in mapped_by.items():
        assert case not in trained_on[network]


def test_with_a_single_fold_the_hipm_that_is_kept_makes_all_maps(tiny_cohort, tmp_path):
    train_run(tiny_cohort, tiny_config("hipm.folds=1"), tmp_path / "run", baseline=False)
    folder = RunFolder(tmp_path / "run")
    assert [path.name for path in folder.hipm.iterdir() if path.name != "maps"] == ["final"]
    assert all(folder.maps(case.name).is_file() for case in tiny_cohort.cases)


def test_stage_1_does_not_see_the_tumour_mask(tiny_run, tiny_cohort, tmp_path):
    root = tmp_path / "cohort"
    shutil.copytree(tiny_cohort.root, root)
    for path in (root / "segmentations").rglob("*.nii.gz"):
        path.unlink()
    with pytest.raises(InputError, match="no training case has a tumour mask"):
        train_run(read_cohort(root), tiny_config(), tmp_path / "no-masks")
    # With masks moved to another place in the breast, the labels stay what they were.
    for case in tiny_cohort.cases:
        pre = case.pre.load()
        mask = np.zeros(pre.shape, np.uint8)
        mask[20:24, 20:24, 20:24] = 1
        write_case(root, case.name, [pre, *(p.load() for p in case.phases[1:])],
                   tumour=Volume(mask, pre.affine), times_s=case.times_s,
                   times_from=case.times_from, segmentation="expert")  # fmt: skip
    train_run(read_cohort(root), tiny_config(), tmp_path / "run", baseline=False)
    for case in tiny_cohort.cases:
        ours = np.load(RunFolder(tmp_path / "run").labels(case.name))
        np.testing.assert_array_equal(ours, np.load(RunFolder(tiny_run).labels(case.name)))


def test_another_run_in_the_folder_is_refused(tiny_run, tiny_cohort):
    with pytest.raises(ConfigError, match="other settings"):
        train_run(tiny_cohort, tiny_config("seed=5"), tiny_run)


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and not a run"):
        open_run(tmp_path, tiny_config())
    with pytest.raises(InputError, match="is a file"):
        open_run(tmp_path / "thesis.txt", tiny_config())


def test_a_case_of_one_phase_is_refused(tiny_cohort, tmp_path):
    root = tmp_path / "cohort"
    write_case(root, "single", [tiny_cohort.cases[0].pre.load()])
    with pytest.raises(InputError, match="SINGLE has a single phase"):
        train_run(read_cohort(root), tiny_config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def with_pseudo(cohort, names):
    """The cohort, where the masks of these cases are pseudo-labels."""
    cases = [replace(c, tumour_is_pseudo=c.name in names) for c in cohort.cases]
    return replace(cohort, cases=tuple(cases))


def sides(cohort):
    config = tiny_config()
    train, held_out = split_patients(cohort.cases, config.validation_share, config.seed)
    return [case.name for case in train], [case.name for case in held_out]


def test_pseudo_labels_are_refused_unless_told(tiny_cohort, tmp_path):
    name = sides(tiny_cohort)[0][0]
    with pytest.raises(ConfigError, match=f"mask of {name} is a pseudo-label.*--pseudo-labels"):
        train_run(with_pseudo(tiny_cohort, {name}), tiny_config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_held_out_side_of_pseudo_labels_is_told_before_the_first_stage(tiny_cohort, tmp_path):
    held_out = sides(tiny_cohort)[1]
    cohort = with_pseudo(tiny_cohort, set(held_out))
    with pytest.raises(InputError, match="no held-out case has a reference tumour mask"):
        train_run(cohort, tiny_config(), tmp_path / "run", pseudo_labels=True)
    bare = [replace(c, tumour=None) if c.name in held_out else c for c in tiny_cohort.cases]
    with pytest.raises(InputError, match="no held-out case has a reference tumour mask"):
        train_run(replace(tiny_cohort, cases=tuple(bare)), tiny_config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pseudo_labels_are_for_stage_3_alone_and_never_scored(tiny_cohort, tmp_path, monkeypatch):
    config = tiny_config("validation_share=0.4")
    split = split_patients(tiny_cohort.cases, config.validation_share, config.seed)
    train, held_out = ([case.name for case in side] for side in split)
    cohort = with_pseudo(tiny_cohort, {train[1], held_out[0]})
    seen = {}

    def noting(stage, *sides):
        """Stands in for the stage: notes which cases it is given, and which have masks."""
        named = [case.name for side in sides for case in side]
        masked = {case.name for side in sides for case in side if "tumour" in case.files}
        seen[stage] = named, masked

    def validate(_, cases, references, *__):
        seen["references"] = set(references)
        noting("validate", cases)
        return SimpleNamespace(as_json=dict)

    def write_bundle(_, **content):
        seen["bundle"] = content["training_data"]["pseudo_labels"]

    stand_ins = {
        "run_kinetics": lambda learn, hold, *_: noting("kinetics", learn, hold),
        "train_and_map": lambda _, learn, hold, *__: noting("hipm", learn, hold),
        "train_kis": lambda masked, judged, *_, **__: noting("kis", masked, judged),
        "score_maps": lambda *_: None,
        "validate": validate,
        "write_bundle": write_bundle,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(run_module, name, stand_in)
    out = tmp_path / "run"
    train_run(cohort, config, out, baseline=False, pseudo_labels=True)
    reference = set(train + held_out) - {train[1], held_out[0]}
    assert seen["kinetics"] == seen["hipm"] == (train + held_out, reference)
    assert seen["kis"] == (train + held_out[1:], set(train + held_out[1:]))
    assert seen["validate"][0] == held_out[1:]
    assert seen["references"] == set(held_out[1:])
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["pseudo_labels"] == seen["bundle"] == [train[1]]
