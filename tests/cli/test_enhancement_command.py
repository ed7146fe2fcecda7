"""`hcnet enhancement` as a person calls it."""

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.enhancement import enhancement
from hcnet.errors import ConfigError, InputError
from mini_cohort import write_mini


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(enhancement)
    return app


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("mini")
    write_mini(root, 3, seed=1, truth=False)
    return root


def test_a_cohort_gives_a_folder_for_each_case_with_a_box(app, root, tmp_path) -> None:
    result = CliRunner().invoke(app, [str(root), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "2 mapped, 1 without a box" in result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["CASE_01", "CASE_02"]
    files = sorted(p.name for p in (tmp_path / "out" / "CASE_01").iterdir())
    assert files == ["enhancement.json", "functional.nii.gz", "pe.nii.gz", "ser.nii.gz"]


def test_one_exam_with_a_box_or_a_mask(app, root, tmp_path) -> None:
    exam, mask = root / "images" / "CASE_01", root / "segmentations/expert/case_01.nii.gz"
    for number, where in enumerate((["--box", "2,18,2,18,2,18"], ["--region", str(mask)])):
        out = tmp_path / str(number)
        result = CliRunner().invoke(app, [str(exam), "-o", str(out), *where])
        assert result.exit_code == 0, result.output
        assert (out / "pe.nii.gz").is_file()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (["--box", "1,2,x"], ConfigError, "six whole numbers"),
        (["--box", "1,2,3"], InputError, "six limits"),
        (["--box", "0,99,0,9,0,9"], InputError, "leaves the image"),
        (["--box", "2,9,2,9,2,9", "--dicom-seg", "3"], ConfigError, "give one of"),
    ],
)
def test_wrong_options_are_one_sentence_and_leave_nothing(
    app, root, tmp_path, options, error, text
) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, [str(root / "images/CASE_01"), "-o", str(out), *options])
    assert isinstance(result.exception, error)
    assert text in str(result.exception)
    assert not out.exists()


def test_loose_files_need_a_box(app, root, tmp_path) -> None:
    files = [str(path) for path in sorted((root / "images/CASE_01").iterdir())]
    result = CliRunner().invoke(app, [*files, "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert "nothing says where the lesion is" in str(result.exception)


def test_a_cohort_takes_no_box(app, root, tmp_path) -> None:
    result = CliRunner().invoke(app, [str(root), "-o", str(tmp_path / "o"), "--box", "1,2,1,2,1,2"])
    assert isinstance(result.exception, ConfigError)
