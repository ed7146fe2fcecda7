"""`hcnet compare` as a user meets it."""

import subprocess
import sys
from unittest.mock import patch

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.compare import compare
from hcnet.errors import ConfigError, InputError
from hcnet.studies.compare.measure import measure
from mini_cohort import write_mini
from mini_compare import SMALL
from tiny import OVERRIDES

APP = typer.Typer()
APP.command()(compare)
SAME = [f"{stage}.{value}" for stage in ("hipm", "kis")
        for value in ("steps_per_epoch=1", "lr=0.002")]  # fmt: skip
SETTINGS = [part for value in (*OVERRIDES, *SAME, *SMALL) for part in ("--set", value)]


def run(*arguments):
    # a new process for each measurement would take seconds
    with patch("hcnet.studies.compare.estimate.measured", lambda spec, _file: measure(spec)):
        return CliRunner(env={"COLUMNS": "200"}).invoke(APP, [str(item) for item in arguments])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_mini(tmp_path_factory.mktemp("cohort") / "c", 6, seed=4).root


def test_dry_run_prints_an_estimate_and_trains_nothing(cohort, tmp_path):
    out = tmp_path / "out"
    result = run(
        cohort, "-o", out, "--networks", "mhl,resunet", "--dry-run", "--folds", 2, *SETTINGS
    )
    assert result.exit_code == 0, result.output
    assert "3 / 3, 3 / 3" in result.output
    assert "mhl-post+sub: 2 updates of" in result.output
    assert "4 entries x 2 = 8 trainings" in result.output
    assert not (out / "seed0").exists()


def test_a_table_of_two_rows_then_one_more(cohort, tmp_path):
    out = tmp_path / "out"
    rows = ("--networks", "mhl, resunet", "--inputs", "pre")
    result = run(cohort, "-o", out, *rows, *SETTINGS)
    assert result.exit_code == 0, result.output
    assert "MHL (pre): DSC" in result.output
    table = (out / "table1.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in table[2:4]] == ["MHL", "ResUNet"]
    scores = out / "seed0" / "fold0" / "mhl-pre" / "scores.json"
    before = scores.stat().st_mtime_ns
    result = run(cohort, "-o", out, "--networks", "mhl,vnet,resunet", "--inputs", "pre", *SETTINGS)
    assert result.exit_code == 0, result.output
    assert scores.stat().st_mtime_ns == before  # what is trained is not trained again
    table = (out / "table1.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in table[2:5]] == ["MHL", "VNet", "ResUNet"]
    for name in ("table1.csv", "table1.tex", "comparisons.csv", "cases.csv", "results.json",
                 "figure.png", "figure.svg", "panel_pre.png"):  # fmt: skip
        assert (out / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--networks", "unet"), "no network unet"),
        (("--networks", "kisnet", "--inputs", "post"), "kisnet cannot see post"),
        (("--task", "map", "--networks", "plmn"), "plmn cannot predict a map"),
        (("--folds", 2, "--split", "x.json"), "leave --folds out"),
        (("--set", "networks.vnet.depth=3"), "network vnet: option depth"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(cohort, tmp_path, arguments, message):
    result = run(cohort, "-o", tmp_path / "out", *arguments, *SETTINGS)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_cohort_that_is_none(tmp_path):
    assert isinstance(run(tmp_path, "-o", tmp_path / "out").exception, InputError)


@pytest.mark.slow
def test_workers_divide_the_trainings(cohort, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "hcnet", "compare", str(cohort), "-o", str(out), "--workers",
               "2", "--networks", "mhl,vnet,resunet", "--inputs", "pre", *SETTINGS]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (out / "table1.md").exists()
    for name in ("mhl", "vnet", "resunet"):
        # each training starts once, whichever process it is in
        assert result.stderr.count(f"{name}-pre: 2 updates of") >= 1
        assert (out / "seed0" / "fold0" / f"{name}-pre" / "scores.json").exists()


def test_importing_the_verb_does_not_import_torch():
    code = (
        "import sys, hcnet.cli.compare; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
