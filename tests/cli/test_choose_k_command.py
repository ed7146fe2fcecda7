"""`hcnet choose-k` as a person calls it."""

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.choose_k import choose_k
from hcnet.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(choose_k)
    return app


def test_writes_the_study(app, tiny_cohort, tmp_path):
    out = tmp_path / "out"
    arguments = [str(tiny_cohort.root), "-o", str(out), "--retest", str(tiny_cohort.root)]
    arguments += ["--k", "3,5", "--methods", "kmeans,bins", "--max-points", "2000"]
    arguments += ["--set", "prepare.spacing_mm=[4.0, 4.0, 4.0]"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert {"table.md", "table.csv", "results.json", "figure.png", "figure.svg"} <= names
    # The cohort is its own second scan, so every map agrees with itself.
    assert "1.000" in (out / "table.md").read_text().splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["--methods", "dbscan"], ConfigError, "there is no dbscan"),
        (["--scales", "log"], ConfigError, "there is no log"),
        (["--k", "1..4"], ConfigError, "--k 1..4"),
        (["--retest", "nowhere"], InputError, "nowhere"),
    ],
)
def test_a_wrong_word_is_one_sentence(app, tiny_cohort, tmp_path, arguments, error, says):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, [str(tiny_cohort.root), "-o", str(out), *arguments])
    assert isinstance(result.exception, error)
    assert says in str(result.exception)
    assert not out.exists()


def test_numbers_that_cannot_be_are_refused(app, tiny_cohort, tmp_path):
    for option in ("--seeds", "--epochs", "--max-points", "--cases"):
        result = CliRunner().invoke(app, [str(tiny_cohort.root), "-o", str(tmp_path), option, "0"])
        assert result.exit_code == 2
