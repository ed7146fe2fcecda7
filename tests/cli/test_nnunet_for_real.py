"""The whole way with the real nnU-Net: export, plan, a short training, breast masks, scores."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hcnet.cli.main import app
from hcnet.errors import MissingExtraError
from hcnet.evaluation.overlap import overlap
from hcnet.files import write_json
from hcnet.prepare.breast_models.program import BIN_VARIABLE, find_program
from hcnet.volumes.nifti import read_nifti

SHORT_TRAINING = Path(__file__).parents[2] / "bench" / "nnunet_training.py"


@pytest.fixture
def nnunet() -> Path:
    """The folder of nnU-Net's programs and of their Python."""
    try:
        folder = find_program().parent
    except MissingExtraError as error:
        pytest.skip(f"nnU-Net is not installed: {error}")
    if not (folder / "python").exists():
        pytest.skip(f"{folder} has nnU-Net's programs, but not the Python they run in")
    return folder


def hcnet(*words: object) -> None:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.mark.slow
def test_a_short_training_finds_the_breast_of_a_held_out_exam(
    tiny_cohort, tmp_path, nnunet, monkeypatch
):
    cohort, names = tmp_path / "cohort", [case.name for case in tiny_cohort.cases]
    for name in names:
        shutil.copytree(tiny_cohort.root / "images" / name, cohort / "images" / name)
        (cohort / "breast").mkdir(exist_ok=True)
        truth = tiny_cohort.root / "truth" / name / "breast.nii.gz"
        shutil.copy(truth, cohort / "breast" / f"{name.lower()}.nii.gz")
    held_out = names[-1]
    write_json(tmp_path / "split.json", {"train": names[:-1], "test": [held_out]})
    hcnet("export", "nnunet", cohort, tmp_path / "raw", "--id", 700, "--name", "Breast",
          "--target", "breast", "--split", tmp_path / "split.json", "--folds", 5)  # fmt: skip

    for name in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{name}", str(tmp_path / name))
    monkeypatch.setenv("nnUNet_def_n_proc", "1")
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    run(nnunet / "nnUNetv2_plan_and_preprocess", "-d", "700", "-c", "3d_fullres", "-np", "1",
        "-npfp", "1", "--verify_dataset_integrity")  # fmt: skip
    prepared = tmp_path / "preprocessed" / "Dataset700_Breast"
    make_small(prepared / "nnUNetPlans.json")
    shutil.copy(tmp_path / "raw" / "Dataset700_Breast" / "splits_final.json", prepared)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")  # one process: the same patches in every run
    run(nnunet / "python", SHORT_TRAINING, "700", "0", "4", "20")

    model = tmp_path / "results/Dataset700_Breast/nnUNetTrainer__nnUNetPlans__3d_fullres"
    hcnet("breast-mask", cohort / "images" / held_out, "-o", tmp_path / "mask.nii.gz", "--with",
          "nnunet", "--model", model, "--nnunet", nnunet, "--no-mirroring",
          "--device", "cpu")  # fmt: skip
    mask = read_nifti(tmp_path / "mask.nii.gz")
    image = read_nifti(cohort / "images" / held_out / f"{held_out.lower()}_0000.nii.gz")
    assert image.grid.axis_codes != "RAS"  # so the way there and back is not the identity
    assert image.grid.difference(mask.grid) is None
    truth = read_nifti(cohort / "breast" / f"{held_out.lower()}.nii.gz").data > 0
    everywhere = overlap(truth | True, truth).dsc
    score = overlap(mask.data > 0, truth).dsc
    assert score > max(0.5, everywhere + 0.2), (score, everywhere)


def run(*words: object) -> None:
    environment = {name: value for name, value in os.environ.items() if name != BIN_VARIABLE}
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def make_small(plans: Path) -> None:
    """A network and patches that two cores can train in half a minute."""
    value = json.loads(plans.read_text())
    settings = value["configurations"]["3d_fullres"]
    settings.update(batch_size=2, patch_size=[32, 32, 32])
    settings["architecture"]["arch_kwargs"].update(
        n_stages=4,
        features_per_stage=[8, 16, 32, 32],
        kernel_sizes=[[3, 3, 3]] * 4,
        strides=[[1, 1, 1]] + [[2, 2, 2]] * 3,
        n_conv_per_stage=[1] * 4,
        n_conv_per_stage_decoder=[1] * 3,
    )
    plans.write_text(json.dumps(value))
