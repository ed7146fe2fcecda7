"""A whole comparison on a mini cohort: trains, resumes, divides, and keeps what it found."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hcnet.errors import ConfigError
from hcnet.evaluation.evaluate import read_mask
from hcnet.evaluation.overlap import overlap
from hcnet.nets.registry import build_network, count_parameters, network_recipe
from hcnet.studies.compare import run as run_module
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.plan import make_plan, network_settings
from hcnet.studies.compare.records import RECORD, MapRecord, TumourRecord
from hcnet.studies.compare.run import finished as finished_records
from hcnet.studies.compare.run import train_all
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import to_canonical
from mini_compare import ENTRIES, compare_config, open_quickly


def test_every_training_has_its_record(finished):
    comparison, records = finished
    assert len(records) == comparison.plan.trainings == 8
    assert [(r.entry, r.fold) for r in records] == [(e.name, f) for f in (0, 1) for e in ENTRIES]
    held = sorted(row.scores.name for r in records if r.entry == BASELINE.name for row in r.rows)
    assert held == [f"CASE_0{i}" for i in range(8)]


def test_records_survive_their_file(finished, tmp_path):
    for record in finished[1]:
        record.write(tmp_path / record.entry)
        again = TumourRecord.read(tmp_path / record.entry)
        assert again.took == record.took
        assert json.dumps([r.as_json() for r in again.rows]) == json.dumps(
            [r.as_json() for r in record.rows]
        )
    assert TumourRecord.read(tmp_path / "absent") is None


def test_scores_are_those_of_the_masks_kept(finished):
    comparison, records = finished
    entries = {entry.name: entry for entry in ENTRIES}
    for record in records:
        masks = comparison.folder(entries[record.entry], 0, record.fold) / "masks"
        references = comparison.materials[record.fold].split.references
        for row in record.rows:
            mask = to_canonical(read_nifti(masks / f"{row.scores.name}.nii.gz")).data > 0
            truth = read_mask(references[row.scores.name].tumour).data
            assert overlap(mask, truth).dsc == pytest.approx(row.scores.dsc, nan_ok=True)


def test_every_leg_is_kept_and_updates_are_those_of_the_plan(finished):
    comparison, records = finished
    for entry in ENTRIES:
        for leg in network_recipe(entry.network).legs:
            assert (comparison.folder(entry, 0, 0) / leg.name / "model.safetensors").exists()
    by_name = {record.entry: record for record in records}
    assert by_name["mhl-post+sub"].took.updates == comparison.plan.updates == 4
    # KIS-Net, two HIPMs of folds, one for later
    assert by_name[OURS.name].took.updates == 4 * 4
    config = comparison.config
    alone = count_parameters(build_network("kisnet", 1 + 4, 1, config.kis.network.options))
    hipm = count_parameters(build_network("uxnet", 1, 4, config.hipm.network.options))
    assert by_name[OURS.name].took.parameters == alone + hipm
    options = network_settings("mhl", config).options
    assert by_name["mhl-post+sub"].took.parameters == count_parameters(
        build_network("mhl", 2, 1, options)
    )


def test_a_finished_comparison_trains_nothing(finished, monkeypatch):
    comparison, records = finished
    monkeypatch.setattr(run_module, "_train", None)
    assert [r.took for r in train_all(comparison)] == [r.took for r in records]


def test_what_was_interrupted_ends_as_if_it_had_not_been(finished, tmp_path, mini):
    whole, records = finished
    out = tmp_path / "copy"
    shutil.copytree(whole.out, out)
    comparison = open_quickly(whole.plan, compare_config(), out)
    mhl, ours = ENTRIES[1], ENTRIES[3]
    (comparison.folder(mhl, 0, 1) / RECORD).unlink()
    (comparison.folder(mhl, 0, 1) / "fine" / "model.safetensors").unlink()
    (comparison.folder(ours, 0, 0) / RECORD).unlink()
    assert len(finished_records(comparison)) == 6
    for before, after in zip(records, train_all(comparison), strict=True):
        assert before.entry == after.entry
        assert [r.scores.prediction_ml for r in before.rows] == [
            r.scores.prediction_ml for r in after.rows
        ]


def test_two_that_work_in_one_folder_share_the_trainings(mini, tmp_path, monkeypatch):
    config = compare_config()
    entries = (Entry("mhl", "pre"), Entry("vnet", "pre"), BASELINE)
    plan = make_plan("tumour", entries, mini, None, config, seeds=1)
    comparison = open_quickly(plan, config, tmp_path / "out")
    trained = []
    original = run_module._train

    def counted(comparison, entry, *rest):
        trained.append(entry.name)
        return original(comparison, entry, *rest)

    monkeypatch.setattr(run_module, "_train", counted)
    with ThreadPoolExecutor(2) as pool:  # locks are between open files, so threads do as well
        results = list(pool.map(train_all, [comparison, comparison]))
    assert sorted(trained) == sorted(entry.name for entry in entries)
    assert [r.entry for r in results[0]] == [r.entry for r in results[1]]
    assert len(results[0]) == 3


def test_another_split_in_the_same_folder_is_refused(finished, mini):
    config = compare_config()
    plan = make_plan("tumour", ENTRIES, mini, None, config, seeds=1, folds=3)
    with pytest.raises(ConfigError, match="holds a run on other cases"):
        open_quickly(plan, config, finished[0].out)


def test_the_estimate_counts_everything(finished):
    estimated = finished[0].estimated
    assert list(estimated.seconds) == [entry.name for entry in ENTRIES]
    assert estimated.trainings == 2
    step = estimated.measured[OURS.name].step_s
    assert estimated.seconds[OURS.name] > 4 * step
    text = "\n".join(finished[0].lines())
    assert "4 entries x 2 = 8 trainings" in text
    assert "4 / 4, 4 / 4" in text
    for each in estimated.measured.values():
        assert each.training_mb > 100  # torch alone is more
        assert each.flops > 0
        assert each.step_s > 0


def test_maps_are_scored_against_the_labels_of_stage_1(finished_maps):
    comparison, records = finished_maps
    assert [record.entry for record in records] == ["vnet-pre", "uxnet-pre"]
    labels = comparison.out / "seed0" / "fold0" / "method" / "kinetics" / "labels"
    for record in records:
        for row in record.rows:
            truth = np.load(labels / f"{row.name}.npy")
            assert row.confusion.shape == (3, 4)
            assert row.confusion.sum() == (truth > 0).sum()
            found = np.load(comparison.out / "seed0/fold0" / record.entry / f"maps/{row.name}.npy")
            inside = truth > 0
            assert np.trace(row.confusion[:, 1:]) == (truth == found)[inside].sum()


def test_map_records_survive_their_file(finished_maps, tmp_path):
    for record in finished_maps[1]:
        record.write(tmp_path / record.entry)
        again = MapRecord.read(tmp_path / record.entry)
        assert again.took == record.took
        for before, after in zip(record.rows, again.rows, strict=True):
            assert before.name == after.name
            np.testing.assert_array_equal(before.confusion, after.confusion)
