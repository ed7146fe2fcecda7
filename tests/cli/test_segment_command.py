"""`hcnet segment` with an ensemble: how many members predict, and what is left in the folder."""

import json

import numpy as np
import pytest

from hcnet.errors import BundleError, ConfigError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume
from tiny_ensemble import ensemble


@pytest.fixture
def arguments(tiny_run, tmp_path, monkeypatch):
    """An exam that one window covers, and an ensemble of two; no report, which others test."""
    monkeypatch.setattr("hcnet.report.write.write_report", lambda folder: None)
    ensemble(tiny_run / "bundle", tmp_path / "pair", 2)
    shape, affine = (24, 22, 20), np.diag([4.0, 4.0, 4.0, 1.0])
    image = np.random.default_rng(0).normal(300, 60, shape).astype(np.float32)
    breast = np.zeros(shape, np.uint8)
    breast[3:-3, 3:-3, 3:-3] = 1
    write_nifti(Volume(image, affine), tmp_path / "exam.nii.gz")
    write_nifti(Volume(breast, affine), tmp_path / "breast.nii.gz")
    names = {"--breast": "breast.nii.gz", "-b": "pair", "-o": "out"}
    options = [part for name, file in names.items() for part in (name, tmp_path / file)]
    return ["segment", tmp_path / "exam.nii.gz", *options, "--threshold", "0.5"]


def test_members_and_what_they_leave(hcnet, arguments, tmp_path):
    out = tmp_path / "out"
    both = hcnet(*arguments, "--json")
    assert both.returncode == 0, both.stderr
    told = json.loads(both.stdout)
    assert told["uncertainty"]["volume_ml_low"] <= told["uncertainty"]["volume_ml_high"]
    assert told["input_check"] is None
    assert "2 passes" in both.stderr
    assert (out / "tumour_disagreement.nii.gz").is_file()
    one = hcnet(*arguments, "--members", "1", "--force")
    assert one.returncode == 0, one.stderr
    assert "single members" not in one.stdout
    assert (out / "tumour_uncertainty.nii.gz").is_file()
    assert not (out / "tumour_disagreement.nii.gz").exists()
    kept = (out / "summary.json").read_bytes()
    three = hcnet(*arguments, "--members", "3", "--force")
    assert three.returncode == ConfigError.exit_code
    assert "has 2 members and 3 were asked for" in three.error
    assert (out / "summary.json").read_bytes() == kept


def test_bundles_that_come_with_hcnet(hcnet, tiny_cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("hcnet.report.write.write_report", lambda folder: None)
    exam = tiny_cohort["PHANTOM_0001"].pre.path
    own = hcnet("segment", exam, "-o", tmp_path / "own", "-b", "phantom-tiny", "--json")
    assert own.returncode == 0, own.stderr
    assert json.loads(own.stdout)["bundle"] == "phantom-tiny"
    default = hcnet("segment", exam, "-o", tmp_path / "default", "--json")
    assert default.returncode == 0, default.stderr
    told = json.loads(default.stdout)
    assert told["bundle"] == "ispy1-small"
    assert told["input_check"]["reasons"]  # a phantom is no patient
    unknown = hcnet("segment", exam, "-o", tmp_path / "no", "-b", "ispy1-smal")
    assert unknown.returncode == BundleError.exit_code
    assert "did you mean ispy1-small" in unknown.error
    assert not (tmp_path / "no").exists()
