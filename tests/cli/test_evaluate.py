import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from hcnet.cli.evaluate import evaluate
from hcnet.errors import GeometryError, InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

APP = typer.Typer()
APP.command()(evaluate)


def mask(start: int, size: int = 8) -> Volume:
    data = np.zeros((size, 8, 8), dtype=np.uint8)
    data[start : start + 3, 2:5, 2:5] = 1
    return Volume(data, np.diag([1.0, 1.0, 3.0, 1.0]))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    write_nifti(mask(2), tmp_path / "p" / "A" / "tumour.nii.gz")
    write_nifti(mask(3), tmp_path / "p" / "b.nii.gz")
    write_nifti(mask(2), tmp_path / "r" / "a.nii.gz")
    write_nifti(mask(2), tmp_path / "r" / "B.nii.gz")
    return tmp_path / "p", tmp_path / "r"


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(APP, [str(item) for item in arguments])


def test_writes_and_shows_the_scores(folders: tuple[Path, Path], tmp_path: Path) -> None:
    result = run(*folders, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "DSC" in result.output
    assert "0.833" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "metrics.csv",
        "metrics.json",
    ]
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [(case["name"], round(case["dsc"], 3)) for case in found["cases"]] == [
        ("a", 1.0),
        ("B", 0.667),
    ]


def test_missing_masks_are_named_on_either_side(folders: tuple[Path, Path], tmp_path: Path) -> None:
    write_nifti(mask(2), folders[0] / "only_p.nii.gz")
    write_nifti(mask(2), folders[1] / "only_r.nii.gz")
    write_nifti(mask(2), folders[1] / "only_f" / "tumour.nii.gz")
    refused = run(*folders, "-o", tmp_path / "out")
    assert isinstance(refused.exception, InputError)
    assert "no prediction for" in str(refused.exception)
    assert "only_f, only_r;" in str(refused.exception)
    assert "no reference for" in str(refused.exception)
    assert "no reference for only_p;" in str(refused.exception)
    assert not (tmp_path / "out").exists()
    allowed = run(*folders, "-o", tmp_path / "out", "--allow-missing")
    assert allowed.exit_code == 0
    assert "only_r" in allowed.output.replace("\n", "")
    assert len(json.loads((tmp_path / "out" / "metrics.json").read_text())["cases"]) == 2


def test_nothing_in_common(folders: tuple[Path, Path], tmp_path: Path) -> None:
    write_nifti(mask(2), tmp_path / "q" / "c.nii.gz")
    result = run(tmp_path / "q", folders[1], "-o", tmp_path / "out", "--allow-missing")
    assert isinstance(result.exception, InputError)
    assert "no case in common" in str(result.exception)


def test_a_wrong_grid_leaves_no_output(folders: tuple[Path, Path], tmp_path: Path) -> None:
    write_nifti(mask(2, size=9), folders[0] / "b.nii.gz")
    result = run(*folders, "-o", tmp_path / "out")
    assert isinstance(result.exception, GeometryError)
    assert "b.nii.gz" in str(result.exception)
    assert not (tmp_path / "out").exists()
