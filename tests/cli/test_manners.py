"""How the command line behaves at its edges: signals, pipes, names that are wrong, machines."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hcnet.cli.settings import setting_lines
from hcnet.errors import did_you_mean
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume


@pytest.fixture
def masks(tmp_path: Path) -> tuple[Path, Path]:
    for name, start in (("p", 2), ("r", 3)):
        data = np.zeros((8, 8, 8), np.uint8)
        data[start : start + 3, 2:5, 2:5] = 1
        write_nifti(Volume(data, np.eye(4)), tmp_path / name / "a.nii.gz")
    return tmp_path / "p", tmp_path / "r"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("hcnet choose", {"choose-k"}),
        ("hcnet segment --thr", {"--threshold"}),
        ("hcnet train c -o r --preset ispy", {"ispy1-small"}),
        ("hcnet networks kis", {"kisnet"}),
    ],
)
def test_completion(hcnet, monkeypatch, words: str, offered: set[str]) -> None:
    monkeypatch.setenv("_HCNET_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert offered <= set(hcnet().stdout.split())


def test_completion_does_not_import_torch() -> None:
    code = (
        "import sys, hcnet.cli.main as cli\ntry: cli.main()\nfinally: print('torch' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_HCNET_COMPLETE": "complete_bash",
             "COMP_WORDS": "hcnet train --preset pap", "COMP_CWORD": "3"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout.split() == ["paper", "False"]


def test_version(hcnet) -> None:
    assert re.fullmatch(r"hcnet \d+\.\d+\.\d+\n", hcnet("--version").stdout)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("segmnt",), "Did you mean 'segment'? See hcnet --help."),
        (("pacs", "fnd"), "Did you mean 'find'? See hcnet pacs --help."),
        (("segment", "--treshold", 1), "did you mean --threshold? See hcnet segment --help."),
        (("segment", "x"), "Missing option '--out' / '-o'. See hcnet segment --help."),
        (("report", "x", "-v", "-q"), "give --verbose or --quiet, not both."),
    ],
)
def test_a_wrong_command_is_one_sentence(hcnet, words, sentence: str) -> None:
    ended = hcnet(*words)
    assert ended.returncode == 2
    assert sentence in ended.error
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_without_a_verb_there_is_help_and_failure(hcnet) -> None:
    ended = hcnet()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Exit codes" in ended.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--set", "kis.rl=1"), "--set kis.rl=1: there is no setting kis.rl; did you mean kis.lr?"),
        (("--preset", "smal"), "did you mean small?"),
        (("--set", "kis.network.name=kisnett"), "did you mean kisnet?"),
    ],
)
def test_a_wrong_setting_comes_with_the_nearest(hcnet, tmp_path, options, sentence: str) -> None:
    ended = hcnet("train", tmp_path, "-o", tmp_path / "run", *options)
    assert ended.returncode == 5
    assert sentence in ended.error


def test_nearest_name() -> None:
    assert did_you_mean("KIS.RL", ["kis.lr", "kinetics.lr"]) == "; did you mean kis.lr?"
    assert did_you_mean("zzz", ["kis.lr"]) == "."


def test_settings_are_told_as_set_takes_them() -> None:
    values = {"seed": 1, "kis": {"lr": 0.1, "network": {"name": "kisnet"}}, "networks": {}}
    assert setting_lines(values) == ["seed=1", "kis: lr=0.1 network.name=kisnet"]


def test_json_is_alone_on_standard_output(hcnet, masks, tmp_path) -> None:
    ended = hcnet("evaluate", *masks, "-o", tmp_path / "out", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == json.loads((tmp_path / "out/metrics.json").read_text())
    assert "results:" in ended.stderr


def test_quiet_tells_the_result_alone_and_verbose_every_option(hcnet, masks, tmp_path) -> None:
    quiet = hcnet("evaluate", *masks, "-o", tmp_path / "out", "-q")
    assert "DSC" in quiet.stdout
    assert quiet.stderr == ""
    verbose = hcnet("evaluate", *masks, "-o", tmp_path / "out", "-v")
    assert "allow_missing = False\n" in verbose.stderr
    assert "Traceback" in hcnet("evaluate", masks[0], "absent", "-o", tmp_path, "-v").stderr
    assert "Traceback" not in hcnet("evaluate", masks[0], "absent", "-o", tmp_path).stderr


def test_ctrl_c_is_one_line_and_nothing_stays_behind(hcnet, masks, tmp_path, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hcnet.evaluation.evaluate.evaluate_masks", interrupted)
    ended = hcnet("evaluate", *masks, "-o", tmp_path / "out", "-q")
    assert (ended.returncode, ended.stderr) == (130, "hcnet: interrupted\n")
    assert not (tmp_path / "out").exists()


def test_told_to_end_is_as_ctrl_c(masks, tmp_path) -> None:
    before = sorted(tmp_path.rglob("*"))
    code = """if True:
        import sys, time
        from hcnet.cli.main import main
        from hcnet.evaluation import tables
        from hcnet.files import write_aside

        def waits(table, path):
            with write_aside(path) as aside:
                aside.touch()
                print("writing", flush=True)
                time.sleep(60)

        tables.write_csv = waits
        sys.argv[0] = "hcnet"
        main()"""
    command = [sys.executable, "-c", code, "evaluate", *masks, "-o", tmp_path / "out", "-q"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        assert len(list((tmp_path / "out").iterdir())) == 1  # what lies aside
        process.terminate()
        assert process.stderr.read() == "hcnet: interrupted\n"
    assert process.returncode == 130
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "out"] == before


def test_told_twice_it_ends_without_a_traceback(tmp_path) -> None:
    """As `timeout` does: to the process and to its group, while it is ending already."""
    code = """if True:
        import atexit, sys, time
        from hcnet.cli import main

        def interrupted(**_):
            raise KeyboardInterrupt

        main.app = interrupted
        atexit.register(time.sleep, 60)
        main.main()"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr.readline() == "hcnet: interrupted\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGINT


def test_an_option_before_the_verb_is_told_where_to_stand(hcnet, masks, tmp_path) -> None:
    ended = hcnet("-q", "evaluate", *masks, "-o", tmp_path / "out")
    assert ended.returncode == 2
    assert (
        "No such option: -q: a verb's options stand behind it, as in hcnet VERB -q." in ended.stderr
    )


def test_a_full_disk_is_one_sentence(hcnet, masks, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.csv")

    monkeypatch.setattr("hcnet.evaluation.tables.write_csv", full)
    ended = hcnet("evaluate", *masks, "-o", tmp_path / "out", "-q")
    assert (ended.returncode, ended.error) == (
        3,
        "hcnet: error: metrics.csv: No space left on device.",
    )


@pytest.mark.parametrize("words", [["--help"], ["inspect", "a.nii.gz", "--json"]])
def test_closed_output_gives_no_traceback(masks, words: list[str]) -> None:
    command = [sys.executable, "-m", "hcnet", *words]
    with subprocess.Popen(
        command, cwd=masks[0], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
