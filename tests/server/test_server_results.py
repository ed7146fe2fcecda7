"""Results: what is told of them, masks at other thresholds, comparison, correction."""

import json

import numpy as np
import pytest
from server_parts import (
    AFFINE,
    SMALLEST_ML,
    VOXEL_ML,
    client_of,
    look_here,
    probability,
    volume,
    wait_for,
    write_result,
)

from hcnet.errors import InputError
from hcnet.server.places import sort_places
from hcnet.server.settings import ServerSettings
from hcnet.volumes.components import remove_small
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.volume import Volume
from mini_cohort import write_mini


@pytest.fixture
def where(client):
    (found,) = client.get("/api/results").json()
    return f"/api/results/{found['id']}"


def as_bytes(mask, tmp_path):
    path = tmp_path / "sent.nii.gz"
    write_nifti(mask, path)
    return path.read_bytes()


def test_a_result_is_told(client, where):
    facts = client.get(where).json()
    assert facts["name"] == "case"
    assert facts["voxel_ml"] == pytest.approx(VOXEL_ML)
    assert [c["colour"] for c in facts["classes"]] == ["#141e5a", "#f8ec55"]
    assert facts["corrected"] is False
    assert "tumour.dcm" not in facts["files"]
    assert "report.html" in facts["files"]


def test_the_mask_at_a_threshold_leaves_small_foci_out(client, where, tmp_path):
    for threshold in (0.0, 0.35, 0.75, 0.96):
        check_threshold(client, where, threshold, tmp_path)


def check_threshold(client, where, threshold, tmp_path):
    expected = remove_small(
        probability() >= np.float32(threshold), volume(probability()).grid, SMALLEST_ML
    )
    told = client.get(f"{where}/tumour", params={"threshold": threshold}).json()
    assert told["voxels"] == expected.sum()
    assert told["tumour_ml"] == pytest.approx(expected.sum() * VOXEL_ML)
    answer = client.get(f"{where}/tumour.nii.gz", params={"threshold": threshold})
    (tmp_path / "mask.nii.gz").write_bytes(answer.content)
    mask = read_nifti(tmp_path / "mask.nii.gz")
    assert np.array_equal(mask.data, expected)
    assert np.allclose(mask.affine, AFFINE)


def test_the_mask_at_the_results_threshold_is_the_stored_one(client, where, result, tmp_path):
    answer = client.get(f"{where}/tumour.nii.gz", params={"threshold": 0.5})
    (tmp_path / "mask.nii.gz").write_bytes(answer.content)
    stored = read_nifti(result / "tumour.nii.gz")
    assert np.array_equal(read_nifti(tmp_path / "mask.nii.gz").data, stored.data)


def test_comparison_with_a_mask_that_is_sent(client, where, result, tmp_path):
    mask = read_nifti(result / "tumour.nii.gz")
    same = client.put(f"{where}/comparison", content=as_bytes(mask, tmp_path)).json()
    assert (same["dsc"], same["asd_mm"], same["hd95_mm"]) == (1, 0, 0)
    shifted = mask.with_data(np.roll(mask.data, 1, axis=2))  # by 2 mm
    apart = client.put(f"{where}/comparison", content=as_bytes(shifted, tmp_path)).json()
    assert apart["dsc"] == pytest.approx(4 / 5)  # five layers, four of them shared
    assert 0 < apart["asd_mm"] < 2
    empty = mask.with_data(np.zeros_like(mask.data))
    nothing = client.put(f"{where}/comparison", content=as_bytes(empty, tmp_path)).json()
    assert (nothing["dsc"], nothing["sen"], nothing["asd_mm"]) == (0, None, None)


def test_comparison_follows_the_threshold(client, where, result, tmp_path):
    mask = as_bytes(read_nifti(result / "tumour.nii.gz"), tmp_path)
    told = client.put(f"{where}/comparison", content=mask, params={"threshold": 0.9}).json()
    assert told["mask_ml"] < told["reference_ml"]


@pytest.mark.parametrize(
    ("mask", "status", "text"),
    [
        (Volume(np.ones((3, 3, 3), np.uint8), AFFINE), 422, "another grid"),
        (volume(np.full((12, 14, 10), 7, np.uint8)), 422, "values 0 and 1"),
        (None, 415, "NIfTI"),
    ],
)
@pytest.mark.parametrize("what", ["comparison", "correction"])
def test_masks_that_do_not_fit_are_refused(
    client, where, result, tmp_path, what, mask, status, text
):
    content = b"no mask" if mask is None else as_bytes(mask, tmp_path)
    answer = client.put(f"{where}/{what}", content=content)
    assert answer.status_code == status
    assert text in answer.json()["detail"]
    assert not (result / "tumour_corrected.nii.gz").exists()


def test_a_correction_is_kept_beside_the_mask_with_where_it_came_from(
    client, where, result, tmp_path
):
    mask = read_nifti(result / "tumour.nii.gz")
    drawn = mask.data.copy()
    drawn[5, 6, 4] = 0
    drawn[11, 13, 0:2] = 1
    sent = as_bytes(mask.with_data(drawn), tmp_path)
    told = client.put(f"{where}/correction", content=sent).json()
    assert told["added_ml"] == pytest.approx(2 * VOXEL_ML)
    assert told["removed_ml"] == pytest.approx(VOXEL_ML)
    kept = read_nifti(result / "tumour_corrected.nii.gz")
    assert np.array_equal(kept.data, drawn)
    assert np.allclose(kept.affine, AFFINE)
    facts = json.loads((result / "tumour_corrected.json").read_text())
    assert facts["from"]["file"] == "tumour.nii.gz"
    assert len(facts["sha256"]) == 64
    assert np.array_equal(read_nifti(result / "tumour.nii.gz").data, mask.data)
    assert client.get(where).json()["corrected"] is True
    params = {"mask": "tumour_corrected"}
    compared = client.put(f"{where}/comparison", content=sent, params=params).json()
    assert compared["dsc"] == 1


def test_a_damaged_result_is_one_sentence(client, where, result):
    (result / "summary.json").write_text('{"case": "x"}')
    answer = client.get(where)
    assert answer.status_code == 422
    assert "damaged" in answer.json()["detail"]


def test_a_cohort_is_read_in_place_and_stays_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("hcnet.server.exams.run_child", look_here)
    root = tmp_path / "cohort"
    cohort = write_mini(root, 2, seed=0)
    out = write_result(tmp_path / "out", "CASE_01")
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["input"]["sha256"] = cohort["CASE_01"].pre.digest()
    (out / "manifest.json").write_text(json.dumps(manifest))
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    settings = ServerSettings(tmp_path / "work", results=(out,), cohorts=(root,))
    with client_of(settings) as client:
        exams = client.get("/api/exams").json()
        assert [(e["name"], e["origin"]) for e in exams] == [
            ("CASE_00", "cohort"),
            ("CASE_01", "cohort"),
        ]
        exam = f"/api/exams/{exams[1]['id']}"
        wait_for(lambda: client.get(exam).json()["state"] == "ready")
        assert client.get(exam).json()["has_reference"] is True
        curve = client.get(f"{exam}/curve", params={"i": 3, "j": 3, "k": 3}).json()
        assert curve["times_s"] == [-20, 150, 450]
        assert client.get(f"{exam}/reference.nii.gz").status_code == 200
        assert client.delete(exam).status_code == 409
        (result,) = client.get("/api/results").json()
        assert result["exam"] == exams[1]["id"]  # by its name and its image
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_places_are_told_apart(tmp_path):
    one, several = tmp_path / "one", tmp_path / "several"
    write_result(one)
    write_result(several / "a")
    write_result(several / "b")
    (tmp_path / "cohort" / "images").mkdir(parents=True)
    places = sort_places([one], None)
    assert places.workspace == one / "hcnet-workspace"
    assert places.results == (one,)
    places = sort_places([several, tmp_path / "cohort"], tmp_path / "work")
    assert places.results == (several / "a", several / "b")
    assert places.cohorts == (tmp_path / "cohort",)
    assert places.workspace == tmp_path / "work"
    with pytest.raises(InputError, match="is neither"):
        sort_places([tmp_path / "cohort" / "images"], None)
    with pytest.raises(InputError, match="no such folder"):
        sort_places([tmp_path / "nothing"], None)
