"""Stage 1 alone on an exam."""

import json

import nibabel as nib
import numpy as np
import pytest

from hcnet.cohorts.case import Case
from hcnet.cohorts.open import open_case
from hcnet.config import load_config
from hcnet.errors import InputError
from hcnet.inference.bundle import open_bundle
from hcnet.training.cluster import cluster_to_folder
from tiny import tiny_config


def test_map_lies_on_the_input_grid(tiny_cohort, tmp_path):
    case = tiny_cohort.cases[0]
    lines = cluster_to_folder(case, tiny_config(), tmp_path)
    labels = nib.load(tmp_path / "heterogeneity.nii.gz")
    pre = case.pre.load()
    assert labels.shape == pre.shape
    np.testing.assert_allclose(labels.affine, pre.affine, atol=1e-5)
    breast = np.asarray(nib.load(tmp_path / "breast.nii.gz").dataobj) > 0
    np.testing.assert_array_equal(np.asarray(labels.dataobj) > 0, breast)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert sum(row["tumour_share"] for row in summary["classes"]) == pytest.approx(1)
    assert sum(row["breast_share"] for row in summary["classes"]) == pytest.approx(1)
    assert len(lines) == 1 + 3
    for name in ("map", "curves", "ratios"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_classes_of_a_bundle_are_used_as_they_are(tiny_cohort, tiny_run, tmp_path):
    fitted = open_bundle(tiny_run / "bundle").clustering
    cluster_to_folder(tiny_cohort.cases[0], tiny_config(), tmp_path, fitted=fitted)
    stored = (tiny_run / "bundle" / "codebook.json").read_bytes()
    assert (tmp_path / "codebook.json").read_bytes() == stored
    assert not (tmp_path / "fit").exists()


def test_a_single_phase_is_refused(tiny_cohort, tmp_path):
    pre = Case("one", tiny_cohort.cases[0].phases[:1])
    with pytest.raises(InputError, match="has a single phase"):
        cluster_to_folder(pre, tiny_config(), tmp_path)


@pytest.mark.slow
def test_the_real_exam_separates_the_tumour(shared_data, tmp_path):
    exam = open_case(shared_data / "ispy1_1002" / "ISPY1_1002.zip", tumour=32100)
    config = load_config("small", None, ["kinetics.scale=relative", "kinetics.epochs=10"])
    cluster_to_folder(exam, config, tmp_path)
    classes = json.loads((tmp_path / "summary.json").read_text())["classes"]
    tumour = np.array([row["tumour_share"] for row in classes])
    rest = np.array([row["rest_share"] for row in classes])
    # How often a tumour voxel has a more suspicious class than another breast voxel (ties half):
    # where exactly the classes split does not matter to it.
    below = np.cumsum(rest) - rest
    assert (tumour * (below + rest / 2)).sum() > 0.85
    assert tumour[np.cumsum(rest) <= 0.5].sum() < 0.05
