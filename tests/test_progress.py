"""Progress never changes what it tracks, and fits the terminal that it is shown in."""

import io
import re

import pytest
from rich.console import Console

from hcnet.cli import console
from hcnet.cli.console import ConsoleProgress, Voice, speak
from hcnet.progress import SILENT

LONG = "a rather long description of the work that is being done here"


@pytest.fixture(autouse=True)
def plain_voice():
    yield
    speak(Voice.PLAIN, {})


def shown(monkeypatch, width: int = 80, description: str = "cases", **environment: str) -> str:
    """What a terminal of this width gets while ten items pass."""
    screen = io.StringIO()
    terminal = Console(
        file=screen, force_terminal=True, width=width, _environ={"TERM": "xterm", **environment}
    )
    monkeypatch.setattr(console, "console", terminal)
    assert list(ConsoleProgress().track(range(10), description)) == list(range(10))
    return screen.getvalue()


def lines(screen: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen).replace("\r", "\n").splitlines()


def test_items_pass_through(capsys):
    for progress in (SILENT, ConsoleProgress()):
        assert list(progress.track(range(5), "counting")) == [0, 1, 2, 3, 4]
        assert list(progress.track(iter("ab"), "letters", 2)) == ["a", "b"]
    assert capsys.readouterr().out == ""  # standard output is for results


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("description", ["cases", LONG])
def test_a_bar_is_one_line_with_the_time_left(monkeypatch, width, description):
    screen = lines(shown(monkeypatch, width, description))
    assert all(len(line) <= width for line in screen)
    assert re.search(r" 10/10 0:00:00 left 0:00:00$", screen[-1].rstrip())


def test_no_color_means_no_colour(monkeypatch):
    assert "\x1b[3" in shown(monkeypatch)
    assert "\x1b[3" not in shown(monkeypatch, NO_COLOR="1")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    assert shown(monkeypatch, TERM="dumb") == "cases: done in 0 s\n"


def test_a_log_gets_lines_with_the_time_left(monkeypatch, capsys):
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    list(ConsoleProgress().track(range(2), "cases"))
    assert capsys.readouterr().err.splitlines() == [
        "cases: 1/2, 0 s left",
        "cases: 2/2, 0 s left",
        "cases: done in 0 s",
    ]


def test_quiet_is_quiet_but_for_warnings(capsys):
    speak(Voice.QUIET, {})
    progress = ConsoleProgress()
    assert list(progress.track(range(3), "cases")) == [0, 1, 2]
    progress.message("stage 1 of 3")
    console.warn("no tumour was found")
    assert capsys.readouterr().err == "hcnet: warning: no tumour was found\n"


@pytest.mark.parametrize(
    ("seconds", "told"), [(59.4, "59 s"), (61, "1 min 01 s"), (3725, "1 h 02 min")]
)
def test_clock(seconds, told):
    assert console._clock(seconds) == told
