"""Work in a process of its own: it can be ended, and what it breaks dies with it."""

import signal
import subprocess  # our own program, with arguments of our own
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.1
PATIENCE_S = 5.0
ERROR_FILE = "error.txt"
LOG_FILE = "log.txt"


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        stopped: it was told to end before it was done.
        error: one sentence for the user; None where the work is done or was stopped.
    """

    stopped: bool
    error: str | None


def run_child(
    command: Sequence[str], work: str, folder: Path, should_stop: Callable[[], bool]
) -> Ended:
    """Do a piece of work in a child and wait for its end.

    The child's standard input is a pipe that we hold open: when this process dies, however it does,
    the child reads the end of it and ends too.

    Args:
        command: as `ServerSettings.child`.
        work: "look" or "segment".
        folder: holds `order.json`; the child leaves its results, log and error there.
        should_stop: asked ten times a second; once true, the child is ended.
    """
    (folder / ERROR_FILE).unlink(missing_ok=True)
    with (
        (folder / LOG_FILE).open("wb") as log,
        subprocess.Popen(  # noqa: S603
            [*command, work, str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us alone
        ) as child,
    ):
        while True:
            try:
                code = child.wait(POLL_S)
                break
            except subprocess.TimeoutExpired:
                if should_stop():
                    _end(child)
                    return Ended(stopped=True, error=None)
    if code == 0:
        return Ended(stopped=False, error=None)
    return Ended(stopped=False, error=_sentence(folder, code))


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _sentence(folder: Path, code: int) -> str:
    told = folder / ERROR_FILE
    if told.is_file():
        return told.read_text(encoding="utf-8").strip()
    if sys.platform != "win32" and code == -signal.SIGKILL:
        return "The work was ended by the system, most likely for lack of memory."
    return f"The work broke off with code {code}; its {LOG_FILE} in the workspace says more."
