"""What the pages say about the program is true of it: commands, rooms, figures."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer.main

import hcnet
from hcnet.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SCRIPTS = sorted((DOCS / "assets").glob("*.sbatch"))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *SCRIPTS]
COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?hcnet ([a-z].*)$", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FIGURE = re.compile(r"[+-]?\d*\.\d+ \([+-]?\d*\.\d+ to [+-]?\d*\.\d+\)")
REMOTE = ("http://", "https://", "//")


def commands(page: Path) -> list[str]:
    """Every `hcnet ...` in code, whether a line of its own or within a sentence."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    if page.suffix != ".md":
        return COMMAND.findall(text)
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,}.+$", text, re.MULTILINE)
    code = "\n".join(
        line.split("#")[0] for part in (*fenced, *indented) for line in part.splitlines()
    )
    return COMMAND.findall(code) + re.findall(r"`hcnet ([a-z-]+[^`]*)`", text)


@pytest.fixture(scope="module")
def program():
    return typer.main.get_command(app)


def options_of(verb) -> set[str]:
    return {name for param in verb.params for name in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_verbs_and_options_that_there_are(page, program):
    for command in commands(page):
        verb, known = program, options_of(program)
        for word in (word for word in command.split() if not word.startswith("-")):
            if not hasattr(verb, "commands"):
                break
            names = word.rstrip(",.").split("|")  # `pacs find|pull`
            assert set(names) <= set(verb.commands), f"hcnet {command}: there is no {word}"
            verb = verb.commands[names[0]]
            known |= options_of(verb)
        unknown = set(OPTION.findall(command)) - known - {"--help"}
        assert not unknown, f"hcnet {command}: {unknown}"


def test_the_reference_has_every_public_name_and_every_room():
    index = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: (\S+)\.(\w+)$", index, re.MULTILINE)
    assert {name: module for module, name in named} == hcnet._WHERE
    source = ROOT / "src" / "hcnet"
    rooms = {p.parent.name for p in source.glob("*/__init__.py")} - {"cli"}
    assert rooms == {p.stem for p in (DOCS / "api").glob("*.md")} - {"index", "foundations"}
    for room in rooms:
        assert f"\n::: hcnet.{room}\n" in (DOCS / "api" / f"{room}.md").read_text(encoding="utf-8")
    foundations = (DOCS / "api" / "foundations.md").read_text(encoding="utf-8")
    modules = {p.stem for p in source.glob("*.py") if not p.stem.startswith("__")}
    assert modules == set(re.findall(r"^::: hcnet\.(\w+)$", foundations, re.MULTILINE))


def test_figures_that_other_pages_repeat_stand_in_the_results():
    def figures(page: str) -> set[str]:
        text = (DOCS / page).read_text(encoding="utf-8").replace("**", "")
        return {re.sub(r"(?<!\d)0\.", ".", figure) for figure in FIGURE.findall(text)}

    repeated = figures("limits.md")
    assert len(repeated) > 4
    assert repeated <= figures("results.md")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_batch_scripts_are_valid_shell(script):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    checked = subprocess.run([bash, "-n", script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


class Resources(HTMLParser):
    """What a page makes the browser fetch; links that a reader may follow are not among it."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev", "edit"):
            self.fetched.append(values.get("href") or "")
        if tag != "a":
            self.fetched.append(values.get("src") or "")


@pytest.mark.slow
def test_the_site_builds_strictly_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    for page in pages:
        parser = Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        assert not [url for url in parser.fetched if url.startswith(REMOTE)], page
        assert "unpkg.com" not in page.read_text(encoding="utf-8")
    for sheet in tmp_path.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", sheet.read_text(encoding="utf-8"))
    found = json.loads((tmp_path / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert any(entry["location"].startswith("tutorial.html") for entry in found["docs"])
    assert len(pages) > len(list(DOCS.rglob("*.md"))) - 2  # cli.md and viewer.md may be unlisted
