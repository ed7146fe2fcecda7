"""`hcnet import` as a person calls it."""

from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from fake_importer import write_case
from hcnet.cli.import_ import import_
from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import importer
from hcnet.cohorts.importers.importer import IMPORTERS
from hcnet.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(import_)
    return app


@pytest.fixture(autouse=True)
def only_the_fake_importer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the true importers recognise is their own tests' business."""
    monkeypatch.setattr(importer, "IMPORTERS", {"fake": "fake_importer"})
    monkeypatch.setattr("hcnet.cohorts.importers.run.IMPORTERS", {"fake": "fake_importer"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "collection"
    write_case(root, "A", masks={"expert": 1})
    write_case(root, "B", fails="is damaged")
    write_case(root, "C", left="has no [images]")
    return root


def call(app: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_recognises_a_collection_and_brings_its_cases(
    app: typer.Typer, root: Path, tmp_path: Path
) -> None:
    result = call(app, root, tmp_path / "cohort")
    assert result.exit_code == 0, result.output
    assert "fake: 2 cases, 1 left out" in result.output
    assert "a note on the collection" in result.output
    assert f"B: failed, {root / 'B.fake'}: is damaged." in result.output
    assert "C: left, has no [images]" in result.output
    assert "1 taken, 0 already there, 1 left, 1 failed" in result.output
    assert str(tmp_path / "cohort" / "import" / "summary.csv") in result.output
    assert [case.name for case in read_cohort(tmp_path / "cohort").cases] == ["A"]


def test_goes_on_where_it_was_stopped(app: typer.Typer, root: Path, tmp_path: Path) -> None:
    call(app, root, tmp_path / "cohort")
    write_case(root, "B")
    result = call(app, root, tmp_path / "cohort", "--from", "fake")
    assert result.exit_code == 0, result.output
    assert "1 taken, 1 already there, 1 left, 0 failed" in result.output


def test_several_processes_bring_the_same(app: typer.Typer, root: Path, tmp_path: Path) -> None:
    write_case(root, "B")
    result = call(app, root, tmp_path / "cohort", "--processes", 2)
    assert result.exit_code == 0, result.output
    assert [case.name for case in read_cohort(tmp_path / "cohort").cases] == ["A", "B"]


def test_a_dry_run_lists_the_cases_and_writes_nothing(
    app: typer.Typer, root: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = call(app, root, tmp_path / "cohort", "--dry-run")
    assert result.exit_code == 0, result.output
    assert f"A: {root / 'A.fake'}" in result.output
    assert "C: left, has no [images]" in result.output
    assert "taken" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_the_visit_reaches_the_importer(app: typer.Typer, root: Path, tmp_path: Path) -> None:
    for visit, said in (("2", "took visit 2"), ("all", "took visit None")):
        target = tmp_path / visit
        result = call(app, root, target, "--visit", visit)
        assert result.exit_code == 0, result.output
        assert said in (target / "import" / "summary.csv").read_text()


@pytest.mark.parametrize("visit", ["0", "-1", "1.5", "first", ""])
def test_refuses_a_visit_that_is_no_number(
    app: typer.Typer, root: Path, tmp_path: Path, visit: str
) -> None:
    result = call(app, root, tmp_path / "cohort", "--visit", visit)
    assert isinstance(result.exception, ConfigError)
    assert "give a number from 1, or all" in str(result.exception)
    assert not (tmp_path / "cohort").exists()


def test_refuses_an_importer_that_is_not_there(
    app: typer.Typer, root: Path, tmp_path: Path
) -> None:
    result = call(app, root, tmp_path / "cohort", "--from", "other")
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == "there is no importer other; there are: auto, fake."
    assert not (tmp_path / "cohort").exists()


def test_says_where_nothing_is_or_nothing_is_known(app: typer.Typer, tmp_path: Path) -> None:
    missing = call(app, tmp_path / "missing", tmp_path / "cohort")
    assert isinstance(missing.exception, InputError)
    assert "missing: there is no such folder." in str(missing.exception)
    (tmp_path / "empty").mkdir()
    empty = call(app, tmp_path / "empty", tmp_path / "cohort")
    assert isinstance(empty.exception, InputError)
    assert "is no collection that is known; say what it is by --from fake" in str(empty.exception)
    forced = call(app, tmp_path / "empty", tmp_path / "cohort", "--from", "fake")
    assert isinstance(forced.exception, InputError)
    assert "holds no case that importer fake can find" in str(forced.exception)
    assert not (tmp_path / "cohort").exists()


def test_ends_with_an_error_where_nothing_could_be_imported(
    app: typer.Typer, tmp_path: Path
) -> None:
    root = tmp_path / "collection"
    write_case(root, "B", fails="is damaged")
    result = call(app, root, tmp_path / "cohort")
    assert isinstance(result.exception, InputError)
    assert "no case could be imported" in str(result.exception)
    assert "B: failed" in result.output
    assert (tmp_path / "cohort" / "import" / "b.json").is_file()


@pytest.mark.parametrize("module", IMPORTERS.values())
def test_no_true_importer_takes_other_things_for_its_own(tmp_path: Path, module: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("nothing")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert not import_module(module).recognises(tmp_path)
