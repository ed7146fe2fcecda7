"""What a person at a terminal sees: results on standard output, all else on standard error."""

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from enum import Enum
from typing import Any, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 20.0
WIDTH_WITHOUT_TERMINAL = 160
_WIDEST_BAR, _NARROWEST_BAR = 40, 5
_NARROWEST_NAME = 8
_BESIDE_BAR = 36  # columns of counts, times and gaps

console = Console(stderr=True)


class Voice(Enum):
    """How much is told on standard error; results are not affected."""

    QUIET = "quiet"
    PLAIN = "plain"
    VERBOSE = "verbose"


_voice = Voice.PLAIN


class _Log(logging.Handler):
    """Log messages as lines of the console, so that they do not tear a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        _line(f"hcnet: {record.levelname.lower()}: {record.getMessage()}")


_log = _Log()


def speak(voice: Voice, options: Mapping[str, Any]) -> None:
    """Set for this command how much is told.

    Args:
        voice: as the user asked.
        options: all options of the verb with their values, told when asked for much.
    """
    global _voice
    _voice = voice
    root = logging.getLogger()
    if _log not in root.handlers:
        root.addHandler(_log)
    # Set on the handler too, since libraries lower the level of their own loggers.
    level = logging.INFO if voice is Voice.VERBOSE else logging.WARNING
    _log.setLevel(level)
    root.setLevel(level)
    if voice is Voice.VERBOSE:
        for name, value in options.items():
            _line(f"{name.strip('_')} = {value}")


def is_verbose() -> bool:
    """Whether the user wants to see where an error arose."""
    return _voice is Voice.VERBOSE


def say(text: str) -> None:
    """Show one line that is no result, unless asked to be quiet."""
    if _voice is not Voice.QUIET:
        _line(text)


def warn(text: str) -> None:
    """Show a warning, always."""
    _line(f"hcnet: warning: {text}", style="yellow")


def tell_case(name: str, status: str, why: str) -> None:
    """Show what became of a case; a failure is a warning."""
    (warn if status == "failed" else say)(f"{name}: {status}, {why}")


def show(*results: RenderableType) -> None:
    """Print results for people on standard output: tables, or lines taken as they are."""
    out = Console()
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(width=WIDTH_WITHOUT_TERMINAL)
    for result in results:
        # Text, not str: names from files must not be read as markup, nor numbers coloured.
        out.print(Text(result) if isinstance(result, str) else result,
                  soft_wrap=isinstance(result, str))  # fmt: skip


def answer(facts: Any) -> None:
    """Print a result for machines on standard output: one JSON value, nothing else."""
    typer.echo(json.dumps(facts, indent=2, allow_nan=False))


class ConsoleProgress:
    """A `hcnet.progress.Progress` on standard error; standard output stays for results."""

    def track(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Yield `items` under a bar, or with a line every 20 s where there is no terminal."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        if _voice is Voice.QUIET:
            yield from items
        elif console.is_terminal and not console.is_dumb_terminal:
            yield from _bar(items, description, total)
        else:
            yield from _lines(items, description, total)

    def message(self, text: str) -> None:
        """Show one line."""
        say(text)


def _line(text: str, style: str | None = None) -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _bar(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    room = max(console.width - _BESIDE_BAR, _NARROWEST_NAME)
    if len(description) > room:
        description = f"{description[: room - 1]}…"
    bar = min(room - len(description), _WIDEST_BAR)
    columns = (
        TextColumn("{task.description}", markup=False),
        *([BarColumn(bar)] if bar >= _NARROWEST_BAR else []),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars:
        yield from bars.track(items, total=total, description=description)


def _lines(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    started = shown = time.monotonic()
    for done, item in enumerate(items):
        yield item
        now = time.monotonic()
        if now - shown < SECONDS_BETWEEN_LINES:
            continue
        shown = now
        rest = ""
        if total is not None:
            rest = f"/{total}, {_clock((now - started) / (done + 1) * (total - done - 1))} left"
        _line(f"{description}: {done + 1}{rest}")
    _line(f"{description}: done in {_clock(time.monotonic() - started)}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
