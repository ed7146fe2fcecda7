"""Panels and files of a comparison whose masks and maps are written by hand."""

import csv
import json

import numpy as np
import pytest
from compare_scores import took

from hcnet.arrays import write_array
from hcnet.evaluation.evaluate import read_mask, score_case
from hcnet.evaluation.map_metrics import confusion_matrix
from hcnet.nets.registry import network_names
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.estimate import HIPM, Estimated
from hcnet.studies.compare.measure import Measured
from hcnet.studies.compare.panel import maps_panel, mask_panel, shown_entries, spread
from hcnet.studies.compare.plan import make_plan
from hcnet.studies.compare.records import MapRecord, MapRow, TumourRecord
from hcnet.studies.compare.results import recipe_told, write_results
from hcnet.studies.compare.run import Comparison
from hcnet.studies.compare.trainings import MAPS, MASKS, METHOD
from hcnet.studies.material import prepare_folds
from hcnet.studies.score import TestScores
from hcnet.training.folder import RunFolder
from hcnet.volumes.nifti import write_nifti
from mini_cohort import mini_config, write_mini

ENTRIES = (Entry("zhang", "pre+post"), Entry("mhl", "post+sub"), BASELINE, OURS)
NETWORKS = (Entry("vnet", "pre"), Entry("uxnet", "pre"))
FOLDS = 2


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_mini(tmp_path_factory.mktemp("cohort"), 8, seed=1)


def comparison_of(task, entries, cohort, out):
    config = mini_config("seed=3", "kis.epochs=2", "hipm.epochs=2")
    plan = make_plan(task, entries, cohort, None, config, seeds=1, folds=FOLDS)
    materials = prepare_folds(plan.splits, config, out / "cache")
    names = [*(entry.name for entry in entries), HIPM]
    found = {name: Measured(10**9, 1.0, 0.1, 900, "a device") for name in names}
    estimated = Estimated(found, dict.fromkeys(names, 1.0), FOLDS, plan.updates)
    return Comparison(plan, tuple(materials), config, out, estimated)


@pytest.fixture(scope="module")
def tumours(cohort, tmp_path_factory):
    """Each entry shifts the reference by its place in the table; the last marks nothing."""
    comparison = comparison_of("tumour", ENTRIES, cohort, tmp_path_factory.mktemp("tumours"))
    records = []
    for shift, entry in enumerate(ENTRIES):
        for fold, split in enumerate(comparison.plan.splits):
            rows = []
            for case in split.test:
                truth = read_mask(split.references[case.name].tumour)
                found = truth.with_data(np.roll(truth.data, shift, 0) * (entry != OURS))
                masks = comparison.folder(entry, 0, fold) / MASKS
                write_nifti(found, masks / f"{case.name}.nii.gz")
                scores = score_case(case.name, found.data > 0, truth.data, truth.grid)
                rows.append(TestScores(scores, 1, float("nan")))
            records.append(TumourRecord(entry.name, 3, fold, tuple(rows), took(len(rows))))
    return comparison, records


@pytest.fixture(scope="module")
def maps(cohort, tmp_path_factory):
    """The first network is right everywhere, the second calls everything class 1."""
    comparison = comparison_of("map", NETWORKS, cohort, tmp_path_factory.mktemp("maps"))
    k, records = comparison.config.kinetics.k, []
    for place, entry in enumerate(NETWORKS):
        for fold, material in enumerate(comparison.materials):
            folder, rows = comparison.folder(entry, 0, fold), []
            for case in material.hold:
                truth = np.asarray(case.breast) * np.uint8(1)
                truth[truth.shape[0] // 2 :] *= k
                found = np.where(truth > 0, truth, 1) if place == 0 else np.ones_like(truth)
                write_array(RunFolder(folder.parent / METHOD).labels(case.name), truth)
                write_array(folder / MAPS / f"{case.name}.npy", found.astype(np.uint8))
                rows.append(MapRow(case.name, confusion_matrix(truth, found, k)))
            records.append(MapRecord(entry.name, 3, fold, tuple(rows), took(len(rows))))
    return comparison, records


def texts(figure):
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return found, [axes.get_title() for axes in figure.axes if axes.get_title()]


def row_names(figure):
    return [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]


def test_cases_are_spread_over_the_sizes():
    sizes = {f"C{i}": float(i) for i in range(13)}  # C0 has no lesion
    assert spread(sizes) == ["C2", "C5", "C8", "C11"]
    assert spread({"b": 2.0, "a": 1.0, "free": 0.0}) == ["a", "b"]
    assert spread({"b": 0.0, "a": 0.0}) == ["a", "b"]
    assert spread({}) == []


def test_masks_of_each_group_with_their_dsc(tumours):
    comparison, records = tumours
    lesions = [f"CASE_{i:02d}" for i in (1, 2, 3, 5, 6, 7)]  # of one size, so by name
    # the method stands beside the rows with contrast, too
    for group, shown in (("post", (*ENTRIES[:2], OURS)), ("pre", ENTRIES[2:])):
        assert tuple(shown_entries(comparison.plan.entries, group)) == shown
        figure = mask_panel(comparison, records, group)
        found, titles = texts(figure)
        assert titles == ["pre-contrast", "reference", *(entry.title for entry in shown)]
        assert row_names(figure) == [lesions[i] for i in (0, 2, 3, 5)]
        scores = [text for text in found if text.startswith("DSC")]
        own = ["DSC 1.00", "DSC 0.75"] if group == "post" else ["DSC 0.50"]
        wanted = [*own, "DSC 0.00"]
        assert scores == wanted * 4
        assert "4 of 6 held-out cases" in figure.get_supxlabel()
        assert "none was chosen by its score" in figure.get_supxlabel()


def test_a_group_without_rows_is_refused(tumours):
    comparison, records = tumours
    plan = comparison.plan
    alone = Comparison(
        type(plan)(plan.task, ENTRIES[2:], plan.splits, plan.seeds, plan.updates),
        comparison.materials, comparison.config, comparison.out, comparison.estimated,
    )  # fmt: skip
    with pytest.raises(ValueError, match="post"):
        mask_panel(alone, records, "post")


def test_maps_beside_the_true_one(maps):
    figure = maps_panel(*maps)
    found, titles = texts(figure)
    assert titles == ["pre-contrast", "map from DCE-MRI", "VNet (pre)", "3D UX-Net (pre)"]
    held = [case for material in maps[0].materials for case in material.hold]
    sizes = {case.name: float(np.sum(case.tumour)) for case in held}
    assert row_names(figure) == spread(sizes)  # lesions are cut anew on the prepared grid
    notes = [text for text in found if text.startswith("mean IoU")]
    assert notes[::2] == ["mean IoU 1.00"] * 4
    assert all(0 < float(note.split()[-1]) < 0.5 for note in notes[1::2])
    # outside the breast nothing is drawn, whatever the file holds there
    drawn = [axes.images[-1].get_array() for axes in figure.axes[1:4]]
    for plane in drawn[1:]:
        np.testing.assert_array_equal(np.ma.getmaskarray(plane), np.ma.getmaskarray(drawn[0]))
    assert np.ma.getmaskarray(drawn[0]).any()


def test_all_files_of_a_tumour_comparison(tumours):
    comparison, records = tumours
    lines = write_results(comparison, records)
    out = comparison.out
    for name in ("table1.md", "table1.csv", "table1.tex", "comparisons.csv", "cases.csv",
                 "figure.png", "figure.svg", "panel_pre.png", "panel_post.png"):  # fmt: skip
        assert (out / name).stat().st_size > 0
    assert len(lines) == len(ENTRIES) + 1
    assert lines[0].startswith("Zhang et al. (pre+post): DSC 1.000")
    assert lines[-1] == f"table: {out / 'table1.md'}"
    assert len(list(csv.DictReader((out / "cases.csv").read_text().splitlines()))) == 4 * 8
    results = json.loads((out / "results.json").read_text())
    assert [entry["name"] for entry in results["entries"]] == [entry.name for entry in ENTRIES]
    assert [leg["loss"] for leg in results["entries"][1]["recipe"]["legs"]] == [
        "coarse_loss", "fine_loss"
    ]  # fmt: skip
    assert results["entries"][2]["recipe"]["legs"][0]["loss"] == "Eq. (5)"
    assert results["seeds"] == [3]
    assert "exact tumour" in results["reference"]
    held = [name for fold in results["folds"] for name in fold["test"]]
    assert sorted(held) == [f"CASE_{i:02d}" for i in range(8)]
    assert results["rows"][3]["metrics"]["ppv"]["mean"] is None  # an empty mask has no PPV
    assert "torch" in results["environment"]["versions"]
    assert "each patient once, in 2 folds" in (out / "table1.md").read_text()


def test_all_files_of_a_map_comparison(maps):
    comparison, records = maps
    lines = write_results(comparison, records)
    out = comparison.out
    for name in ("fig3.md", "fig3.csv", "fig3.tex", "comparisons.csv", "cases.csv", "figure.png",
                 "figure.svg", "panel_maps.png"):  # fmt: skip
        assert (out / name).stat().st_size > 0
    assert lines[0].startswith("VNet (pre): Mean Accuracy 1.000")
    results = json.loads((out / "results.json").read_text())
    assert results["entries"][0]["recipe"]["legs"][0]["loss"] == "Eq. (2)"
    assert not list(out.glob("panel_p*.png"))


@pytest.mark.parametrize("name", network_names())
def test_every_recipe_can_be_told(name):
    told = json.loads(json.dumps(recipe_told(name, "tumour"), allow_nan=False))
    assert all(leg["loss"] for leg in told["legs"])
    assert len(recipe_told(name, "map")["legs"]) == 1
