import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from dicom_factory import phase_array, write_interleaved, write_phase
from hcnet.cli.inspect import inspect, parse_times
from hcnet.errors import ConfigError, InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

app = typer.Typer()
app.command()(inspect)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_tables_explain_a_dicom_exam(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    write_phase(tmp_path, phase_array(0), series=8, EchoTime=90.0, SeriesDescription="T2 tse")
    text = run(tmp_path)
    for expected in ("dyn 3D T1", "dynamic", "T2-weighted (TE 90 ms)", "the earliest phase", "240"):
        assert expected in text


def test_json_of_a_dicom_exam(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    facts = json.loads(run(tmp_path, "--json"))
    assert facts["kind"] == "dicom"
    assert [row["role"] for row in facts["series"]] == ["dynamic"]
    assert [row["time_s"] for row in facts["phases"]] == [0, 120, 240]
    assert [row["pre"] for row in facts["phases"]] == [True, False, False]
    assert facts["phases"][0]["size"] == [6, 5, 8]
    assert facts["phases"][0]["spacing_mm"] == pytest.approx([0.75, 1.5, 2.0])
    assert facts["skipped_files"] == 1


def test_overrides(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    facts = json.loads(run(tmp_path, "--json", "--pre", 1, "--times", "-60,0,75"))
    assert [row["time_s"] for row in facts["phases"]] == [-60, 0, 75]
    assert [row["used"] for row in facts["phases"]] == [False, True, True]
    assert facts["times_from"] == "pre"
    with pytest.raises(InputError, match="no image series 12"):
        run(tmp_path, "--series", 12)


def test_nifti_range_and_nan(tmp_path: Path) -> None:
    data = phase_array(0).astype(np.float32)
    data[0, 0, 0], data[1, 0, 0] = np.nan, -7
    path = tmp_path / "a_0000.nii.gz"
    write_nifti(Volume(data, np.diag([-1.0, 1, 2, 1])), path)
    (phase,) = json.loads(run(path, "--json"))["phases"]
    assert (phase["minimum"], phase["maximum"], phase["not_finite"]) == (-7, 239, 1)
    assert phase["orientation"] == "LAS"
    assert "1 voxel(s) are NaN or infinite" in run(path)


def test_names_from_files_are_not_markup(tmp_path: Path) -> None:
    write_interleaved(tmp_path, SeriesDescription="[red]dyn[/red] [/]")
    assert "[red]dyn[/red] [/]" in run(tmp_path)


@pytest.mark.parametrize("text", ["a,b", "1,,2", "nan", "inf,1", ""])
def test_times_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ConfigError, match="seconds separated by commas"):
        parse_times(text)


def test_importing_it_does_not_import_torch() -> None:
    code = "import sys, hcnet.cli.inspect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_real_exam(shared_data: Path) -> None:
    facts = json.loads(run(shared_data / "ispy1_1002" / "ISPY1_1002.zip", "--json"))
    assert [round(row["time_s"]) for row in facts["phases"]] == [-280, 143, 488]
    assert [row["series"] for row in facts["segmentations"]] == [32000, 32001, 32100, 32101]
    assert facts["warnings"] == []
