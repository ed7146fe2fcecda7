"""`hcnet pacs` as a user meets it."""

import _thread
import json
import signal

import pytest
from pacs_exam import OTHER_STUDY, STUDY, read_all
from pacs_http import Reply
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from dicom_factory import write_interleaved
from hcnet.cli.main import app
from hcnet.errors import ConfigError, InputError, ServerError


@pytest.fixture
def filled(web, exam):
    web.listed = read_all(exam)
    return web


def run(*arguments: object):
    result = CliRunner().invoke(app, ["pacs", *(str(a) for a in arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result


def test_find_shows_a_table_or_json(filled):
    other = Dataset()
    other.StudyInstanceUID, other.PatientID, other.StudyDate = OTHER_STUDY, "P1", "20230505"
    filled.listed.append(other)
    table = run("find", filled.address, "--patient", "P1").stdout
    for expected in ("20240102", "Test^Patient", "Breast", STUDY):
        assert expected in table
    found = json.loads(run("find", filled.address, "--patient", "P1", "--json").stdout)
    assert [study["date"] for study in found] == ["20230505", "20240102"]
    assert found[1]["uid"] == STUDY
    assert json.loads(run("find", filled.address, "--patient", "P2", "--json").stdout) == []
    assert "No study matches patient P2." in run("find", filled.address, "--patient", "P2").stdout


def test_what_is_pulled_can_be_inspected(web, tmp_path):
    write_interleaved(tmp_path / "scanner", count=2)
    web.listed = read_all(tmp_path / "scanner")
    told = run("pull", web.address, tmp_path / "exam", "--study", STUDY).stderr
    assert "16 instances" in told
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "exam"), "--json"])
    facts = json.loads(result.stdout)
    assert facts["patient"] == "P1"
    assert [row["time_s"] for row in facts["phases"]] == [0, 120]


def test_pull_again(filled, tmp_path):
    arguments = ("pull", filled.address, tmp_path / "exam", "--patient", "P1", "--modality", "mr")
    run(*arguments)
    with pytest.raises(InputError, match="--force"):
        run(*arguments)
    run(*arguments, "--force")
    assert len(list((tmp_path / "exam").iterdir())) == 6


def test_pull_wants_to_know_what(filled, tmp_path):
    with pytest.raises(ConfigError, match="which study"):
        run("pull", filled.address, tmp_path / "exam", "--date", "20240102")


@pytest.fixture
def interruptible():
    """Ctrl-C interrupts, also where a shell runs the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_leaves_nothing(filled, interruptible, tmp_path):
    uid = str(filled.listed[-1].SOPInstanceUID)

    def interrupt(method, path):
        if path.endswith(uid):
            _thread.interrupt_main()
        return

    filled.instead = interrupt
    arguments = ["pacs", "pull", filled.address, str(tmp_path / "exam"), "--patient", "P1"]
    assert CliRunner().invoke(app, arguments).exit_code != 0
    assert not list(tmp_path.iterdir())


def test_push_names_what_is_refused_and_fails(web, exam):
    told = run("push", web.address, exam).stderr
    assert f"6 of 6 instances stored at {web.address}" in told
    replies = [Reply(413)]
    web.instead = lambda method, path: replies.pop() if replies else None
    result = CliRunner().invoke(app, ["pacs", "push", web.address, str(exam)])
    assert isinstance(result.exception, ServerError)
    assert result.exception.exit_code == 9
    first = min(exam.iterdir())
    assert f"{first}: not stored, it answers HTTP 413 and no reason" in result.stderr
    assert "5 of 6 instances stored" in result.stderr
    assert "1 of 6 instances were not stored" in str(result.exception)
