"""`hcnet breast-mask` and `hcnet export` as a person calls them."""

import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from typer.testing import CliRunner

from dicom_factory import write_interleaved
from fake_nnunet import BRIGHT, write_model, write_program
from hcnet.cli.main import app
from hcnet.cohorts.cohort import read_cohort
from hcnet.errors import ConfigError, InputError, MissingExtraError
from hcnet.evaluation.pairing import pair_masks
from hcnet.files import write_json
from hcnet.prepare.breast_mask import breast_mask
from hcnet.prepare.breast_models.program import BIN_VARIABLE
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import from_canonical, to_canonical
from mini_cohort import write_mini


def hcnet(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_mini(tmp_path_factory.mktemp("made"), 3, seed=1, truth=False)


def test_classical_masks_are_the_rules_on_the_exams_own_grid(tiny_cohort, tmp_path):
    case = tiny_cohort.cases[0]
    mask_file = tmp_path / "mask.nii.gz"
    result = hcnet("breast-mask", case.pre.path, "-o", mask_file)
    assert result.exit_code == 0, result.output
    assert f"ml, {mask_file}" in result.output
    image, mask = case.pre.load(), read_nifti(mask_file)
    assert image.grid.difference(mask.grid) is None
    canonical = to_canonical(image)
    expected = from_canonical(canonical.with_data(breast_mask(canonical)), image.grid)
    assert_array_equal(mask.data, expected.data)
    again = hcnet("breast-mask", case.pre.path, "-o", mask_file)
    assert "is there already; --force" in str(again.exception)
    assert hcnet("breast-mask", case.pre.path, "-o", mask_file, "--force").exit_code == 0


def test_a_cohort_gets_masks_that_the_other_verbs_find(made, tmp_path, monkeypatch):
    shutil.copytree(made.root, tmp_path / "cohort")
    cohort, out = tmp_path / "cohort", tmp_path / "cohort" / "breast"
    (out / "case_01.nii.gz").unlink()
    (out / "case_00.nii.gz").rename(out / "CASE_00.nii.gz")  # letter case does not matter
    (cohort / "images/CASE_02/case_02_0000.nii.gz").write_text("no image")
    (out / "case_02.nii.gz").unlink()
    monkeypatch.setenv(BIN_VARIABLE, str(write_program(tmp_path / "bin")))
    model = write_model(tmp_path / "model", {"background": 0, "left": 1, "right": 2})
    result = hcnet("breast-mask", cohort, "-o", out, "--with", "breastdivider", "--model", model)
    assert result.exit_code == 0, result.output
    assert f"1 already there, 1 written, 1 failed: {out}" in result.output
    assert "CASE_02: failed, " in result.output
    case = read_cohort(cohort)["CASE_01"]
    assert_array_equal(case.breast.load().data, case.pre.load().data > BRIGHT)
    pairs = pair_masks(out, made.root / "breast")
    assert [pair.name for pair in pairs.pairs] == ["case_00", "case_01"]
    assert sorted(path.name for path in out.iterdir()) == ["CASE_00.nii.gz", "case_01.nii.gz"]


def test_an_exam_as_dicom(tmp_path):
    write_interleaved(tmp_path / "exam")
    write_program(tmp_path / "bin")
    model = write_model(tmp_path / "model")
    result = hcnet("breast-mask", tmp_path / "exam", "-o", tmp_path / "out", "--with", "nnunet",
                   "--model", model, "--nnunet", tmp_path / "bin")  # fmt: skip
    assert result.exit_code == 0, result.output
    (mask,) = (tmp_path / "out").iterdir()
    assert set(np.unique(read_nifti(mask).data)) == {0, 1}


def test_what_is_wrong_is_said_before_an_exam_is_read(made, tmp_path, monkeypatch):
    out, model = tmp_path / "out", write_model(tmp_path / "model")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(BIN_VARIABLE, raising=False)
    nnunet = ("breast-mask", made.root, "-o", out, "--with", "nnunet")
    for words, kind, said in (
        (nnunet, ConfigError, "--with nnunet needs --model"),
        ((*nnunet, "--model", tmp_path), InputError, "has no dataset.json"),
        ((*nnunet, "--model", model), MissingExtraError, "install nnunetv2 in an environment"),
        ((*nnunet[:4], "--model", model), ConfigError, "need --with nnunet"),
        (("breast-mask", tmp_path / "absent", "-o", out), InputError, "there is no such file"),
        ((*nnunet[:2], "-o", tmp_path / "x.nii.gz"), ConfigError, "one file for a cohort"),
        ((*nnunet[:4], "--pre", "1"), ConfigError, "are for one exam"),
    ):
        result = hcnet(*words)
        assert isinstance(result.exception, kind), (words, result.output)
        assert said in str(result.exception)
        assert not out.exists()


def test_help_says_that_model_folders_are_code():
    assert "only use model folders that you trust" in " ".join(
        hcnet("breast-mask", "--help").output.replace("│", " ").split()
    )


def test_export_tells_what_it_left(made, tmp_path):
    split = tmp_path / "split.json"
    write_json(split, {"train": ["case_00", "case_01"], "test": ["case_02"]})
    words = ("export", "nnunet", made.root, tmp_path / "raw", "--id", 7, "--name", "T", "--target",
             "tumour", "--split", split, "--folds", 2)  # fmt: skip
    result = hcnet(*words, "--phases", "all")
    assert result.exit_code == 0, result.output
    assert (
        "3 written, 0 already there, 0 left, 0 failed: 2 to learn from, 1 held out, 3 channel"
        in (result.output)
    )
    assert (tmp_path / "raw/Dataset007_T/splits_final.json").is_file()
    assert "0 written, 3 already there" in hcnet(*words, "--phases", "3").output
    for wrong in ("none", "0", "-1", "1.5"):
        result = hcnet(*words, "--phases", wrong)
        assert isinstance(result.exception, ConfigError)
    result = hcnet(*words[:-5], "breast", "--segmentation", "expert")
    assert isinstance(result.exception, ConfigError)


def test_export_keeps_a_patient_on_one_side(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "cohort")
    for name in ("case_00", "case_01"):
        write_json(tmp_path / f"cohort/patient_info_files/{name}.json", {"patient_id": "ONE"})
    split = tmp_path / "split.json"
    write_json(split, {"train": ["CASE_00", "CASE_02"], "test": ["CASE_01"]})
    result = hcnet("export", "nnunet", tmp_path / "cohort", tmp_path / "raw", "--id", 7, "--name",
                   "T", "--target", "breast", "--split", split)  # fmt: skip
    assert "patient ONE has cases on both sides" in str(result.exception)
    assert not (tmp_path / "raw").exists()
