"""`hcnet ablate` as a user meets it."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.ablate import ablate
from hcnet.errors import ConfigError, InputError
from mini_cohort import write_mini
from tiny import OVERRIDES

APP = typer.Typer()
APP.command()(ablate)


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(APP, [str(item) for item in arguments])


def settings():
    same = [f"{stage}.{value}" for stage in ("hipm", "kis")
            for value in ("epochs=1", "steps_per_epoch=1", "lr=0.002")]  # fmt: skip
    return [part for value in (*OVERRIDES, *same) for part in ("--set", value)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_mini(tmp_path_factory.mktemp("cohort") / "c", 5, seed=4).root


def test_dry_run_prints_the_plan_and_writes_nothing(cohort, tmp_path):
    result = run(cohort, "-o", tmp_path / "out", "--dry-run", "--seeds", 2)
    assert result.exit_code == 0, result.output
    assert "trainings x 600 steps" in result.output
    assert "P+: left out" in result.output
    assert not (tmp_path / "out").exists()


def test_two_arms_and_the_baseline(cohort, tmp_path):
    result = run(cohort, "-o", tmp_path / "out", "--arms", "P, N3", "--seeds", 1, *settings())
    assert result.exit_code == 0, result.output
    assert "B0: DSC" in result.output
    table = (tmp_path / "out" / "table.md").read_text()
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:5]] == ["B0", "P", "N3"]


def test_what_cannot_be_is_said(cohort, tmp_path):
    result = run(cohort, "-o", tmp_path / "out", "--arms", "P+")
    assert isinstance(result.exception, ConfigError)
    assert "--extra" in str(result.exception)
    assert isinstance(run(tmp_path, "-o", tmp_path / "out").exception, InputError)
    assert not (tmp_path / "out").exists()


def test_importing_the_verb_does_not_import_torch():
    code = (
        "import sys, hcnet.cli.ablate; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
