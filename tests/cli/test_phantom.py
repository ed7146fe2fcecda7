"""`hcnet phantom` as a person calls it."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.phantom import phantom
from hcnet.cohorts.cohort import read_cohort
from hcnet.errors import InputError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(phantom)
    return app


def test_makes_a_cohort_and_resumes_it(app: typer.Typer, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    for n in ("1", "2"):
        result = CliRunner().invoke(app, [str(folder), "--n", n, "--seed", "3"])
        assert result.exit_code == 0, result.output
        assert len(read_cohort(folder)) == int(n)


def test_refuses_a_foreign_folder(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert str(tmp_path) in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [["--n", "0"], ["--size", "huge"], ["--seed", "-1"], ["--like", "mri"], ["--scan", "-1"]],
)
def test_refuses_bad_options(app: typer.Typer, tmp_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "new"), *arguments])
    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()
