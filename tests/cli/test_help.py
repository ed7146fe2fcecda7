"""Help that is true: every example parses, every line fits, every verb reads like the others."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from hcnet.cli.main import app
from hcnet.cli.verb import Verb
from hcnet.errors import EXIT_CODES, HcnetError


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Verb]]:
    for name, below in getattr(command, "commands", {}).items():
        if isinstance(below, Verb):
            yield " ".join((*path, name)), below
        else:
            yield from leaves(below, (*path, name))


VERBS = dict(leaves(get_command(app)))
EXAMPLES = [(name, line) for name, verb in VERBS.items() for line in verb.examples]


def help_of(name: str, width: int) -> str:
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(
        app, [*name.split(), "--help"], prog_name="hcnet"
    )
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_is_a_command_that_parses(name: str, line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "hcnet"
    assert words[: len(name.split())] == name.split()
    VERBS[name].make_context(name, words[len(name.split()) :])


def test_every_verb_has_examples() -> None:
    assert [name for name, verb in VERBS.items() if not verb.examples] == []


@pytest.mark.parametrize("width", [80, 120])
def test_help_fits_the_terminal(width: int) -> None:
    for name in ("", "pacs", "export", *VERBS):
        long = [line for line in help_of(name, width).splitlines() if len(line) > min(width, 100)]
        assert long == [], name


def test_required_options_are_in_the_usage_line_and_marked() -> None:
    usage, *lines = help_of("segment", 100).splitlines()
    assert usage == "Usage: hcnet segment EXAM... --out OUT [OPTIONS]"
    marked = [line.split()[1] for line in lines if line.endswith("[required]") and "--" in line]
    assert marked == ["--out"]


def test_all_verbs_share_the_common_options() -> None:
    for name in VERBS:
        text = help_of(name, 100)
        for option in ("-v, --verbose", "-q, --quiet", "-h, --help"):
            assert option in text, name


def test_options_of_one_name_have_one_letter_and_one_placeholder() -> None:
    letters: dict[str, set[tuple[str, ...]]] = {}
    for verb in VERBS.values():
        for param in verb.params:
            if param.name in {"out", "bundle", "series", "pre", "times", "preset", "set_"}:
                letters.setdefault(param.name, set()).add(tuple(param.opts))
    assert all(len(ways) == 1 for ways in letters.values()), letters


def test_the_epilogue_lists_every_exit_code() -> None:
    text = " ".join(help_of("", 100).split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in text
    kinds = {kind.exit_code: kind.__doc__ for kind in HcnetError.__subclasses__()}
    assert kinds.items() <= EXIT_CODES.items()


def test_the_guide_has_every_verb_and_every_exit_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in VERBS:
        assert f"`{name}`" in text, name
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in text


def test_a_verb_without_examples_has_no_such_heading() -> None:
    plain = typer.Typer(rich_markup_mode=None)

    @plain.command(cls=Verb)
    def verb() -> None:
        """Do it."""

    assert "Examples" not in CliRunner().invoke(plain, ["--help"]).stdout
