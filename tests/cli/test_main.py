"""The command line as a user meets it: results, exit codes, one sentence for what is wrong."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import typer

from hcnet.cli.main import VERBS
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume


def first_phase(cohort):
    return cohort.cases[0].phases[0].path


def test_help_names_every_verb(hcnet):
    result = hcnet("--help")
    assert result.returncode == 0
    for panel, verbs in VERBS.items():
        assert f"{panel}:" in result.stdout
        for verb in verbs:
            name = verb.info.name if isinstance(verb, typer.Typer) else verb.__name__.strip("_")
            assert f"  {name.replace('_', '-')} " in result.stdout


def test_segment_and_report(hcnet, tiny_cohort, tiny_run, tmp_path):
    out = tmp_path / "out"
    result = hcnet("segment", first_phase(tiny_cohort), "-o", out, "--bundle", tiny_run / "bundle")
    assert result.returncode == 0, result.stderr
    page = (out / "report.html").read_text()
    assert "not a medical device" in page
    assert (out / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]  # nothing is left beside it
    (out / "report.html").unlink()
    assert hcnet("report", out).returncode == 0
    assert (out / "report.html").is_file()


def test_report_of_a_run(hcnet, tiny_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    result = hcnet("report", copy)
    assert result.returncode == 0, result.stderr
    page = (copy / "report.html").read_text()
    for text in ("KIS-Net", "ResUNet", "Held-out patients", "Clustering"):
        assert text in page


def test_train_dry_run_prints_settings(hcnet, tiny_cohort, tmp_path):
    words = ("train", tiny_cohort.root, "-o", tmp_path / "run", "--dry-run", "--set", "seed=7")
    result = hcnet(*words)
    assert result.returncode == 0
    assert "settings: preset small, seed=7\n  seed=7 " in result.stderr
    assert result.stdout == ""
    told = json.loads(hcnet(*words, "--json").stdout)
    assert (told["cases"], told["settings"]["seed"]) == (len(tiny_cohort), 7)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def inputs(tiny_cohort, tmp_path):
    folder = tmp_path / "inputs"
    (folder / "empty").mkdir(parents=True)
    (folder / "text.nii.gz").write_text("no image")
    truncated = folder / "truncated.nii.gz"
    content = first_phase(tiny_cohort).read_bytes()
    truncated.write_bytes(content[: len(content) // 2])
    write_nifti(Volume(np.full((8, 8, 8), np.nan, np.float32), np.eye(4)), folder / "nan.nii.gz")
    write_nifti(Volume(np.ones((5, 5, 5), np.uint8), np.eye(4)), folder / "mask.nii.gz")
    with zipfile.ZipFile(folder / "outside.zip", "w") as archive:
        archive.writestr("../../outside.dcm", b"x")
    return folder


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("absent.nii.gz", 3),
        ("empty", 3),
        ("text.nii.gz", 3),
        ("truncated.nii.gz", 3),
        ("nan.nii.gz", 3),
        ("outside.zip", 3),
    ],
)
def test_bad_input_is_one_sentence(hcnet, inputs, tiny_run, tmp_path, name, code):
    out = tmp_path / "out"
    result = hcnet("segment", inputs / name, "-o", out, "--bundle", tiny_run / "bundle")
    assert result.returncode == code
    assert name in result.error
    assert {p.name for p in tmp_path.iterdir()} == {"inputs"}  # no partial output


def test_exit_codes_tell_the_kind_of_error(hcnet, inputs, tiny_cohort, tiny_run, tmp_path):
    out, bundle, image = tmp_path / "out", tiny_run / "bundle", first_phase(tiny_cohort)
    cases = {
        4: ("segment", image, "-o", out, "-b", bundle, "--breast", inputs / "mask.nii.gz"),
        5: ("train", tiny_cohort.root, "-o", out, "--set", "kinetics.k=0"),
        6: ("segment", image, "-o", out, "-b", inputs),
        2: ("segment", image),
    }
    for code, arguments in cases.items():
        result = hcnet(*arguments)
        assert result.returncode == code, result.stderr
        assert not out.exists()


def test_one_phase_cannot_be_clustered(hcnet, tiny_cohort, tmp_path):
    result = hcnet("cluster", first_phase(tiny_cohort), "-o", tmp_path / "out")
    assert result.returncode == 3
    assert "single phase" in result.stderr
    assert not (tmp_path / "out").exists()


def test_results_are_not_overwritten_unless_told(hcnet, tiny_cohort, tiny_run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    arguments = ("segment", first_phase(tiny_cohort), "-o", tmp_path / "out",
                 "--bundle", tiny_run / "bundle")  # fmt: skip
    result = hcnet(*arguments)
    assert result.returncode == 3
    assert "not empty" in result.stderr
    assert hcnet(*arguments, "--force").returncode == 0
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "out" / "tumour.nii.gz").is_file()
