"""The tutorial is run as it stands, and its outputs are what it says, but for numbers."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?")
SPACE = re.compile(r"[\s─━│┃┏┓┗┛┡┩└┘├┤┬┴┼╇┳]+")


@dataclass(frozen=True)
class Block:
    language: str
    title: str
    text: str


def blocks() -> list[Block]:
    return [Block(*match) for match in FENCE.findall(TUTORIAL.read_text(encoding="utf-8"))]


def run(block: Block, folder: Path) -> str:
    """What the block prints; as in a wide terminal."""
    command = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else ["python", "-c"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [*command, block.text],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{block.text}\n{ended.stdout}"
    return ended.stdout


def without_numbers(text: str) -> list[str]:
    """Lines without numbers and without what draws tables; columns are as wide as numbers are."""
    lines = (SPACE.sub(" ", NUMBER.sub("0", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def first_missing(told: str, printed: str) -> str | None:
    """The first line that the page tells and that was not printed, in this order."""
    rest = iter(without_numbers(printed))
    return next((line for line in without_numbers(told) if line not in rest), None)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_runs_and_prints_what_it_says(tmp_path):
    printed = ""
    for block in blocks():
        if block.language == "text":
            missing = first_missing(block.text, printed)
            assert missing is None, f"not printed: {missing}\n{printed}"
        elif block.language == "toml":
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        else:
            printed = run(block, tmp_path)
    assert (tmp_path / "run" / "report.html").is_file()


def test_every_block_is_run_or_checked():
    found = blocks()
    assert {block.language for block in found} == {"bash", "python", "toml", "text"}
    assert all(block.title for block in found if block.language == "toml")
    for before, block in pairwise(found):
        if block.language == "text":
            assert before.language in ("bash", "python")


def test_a_line_that_was_not_printed_is_found():
    assert first_missing("a 1\nc 2", "a 7\nb\n│ c │  3.5 │") is None
    assert first_missing("c 2\na 1", "a 7\nb\nc 3.5") == "a 0"
