"""Running a command in this process; a new one would import torch for seconds."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hcnet.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, as `subprocess.run` would tell it."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line that says what is wrong."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("hcnet: error:")]
        assert len(lines) == 1, self.stderr
        return lines[0]


@pytest.fixture
def hcnet(monkeypatch, capsys) -> Callable[..., Ended]:
    """`hcnet(*words)`: what `hcnet WORDS` does in a shell; an uncaught error is raised here."""

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hcnet", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ended(int(ended.value.code or 0), told.out, told.err)

    return run
