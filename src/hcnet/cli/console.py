"""What a person at a terminal sees: progress bars with an ETA, or plain lines in a log file."""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 20.0

console = Console(stderr=True)


class ConsoleProgress:
    """A `hcnet.progress.Progress` on standard error; standard output stays for results."""

    def track(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Yield `items` under a bar, or with a line every 20 s where there is no terminal."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        if console.is_terminal:
            yield from _bar(items, description, total)
        else:
            yield from _lines(items, description, total)

    def message(self, text: str) -> None:
        """Show one line."""
        console.print(text, highlight=False, soft_wrap=True)


def _bar(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
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
        console.print(f"{description}: {done + 1}{rest}", highlight=False, soft_wrap=True)
    console.print(
        f"{description}: done in {_clock(time.monotonic() - started)}",
        highlight=False,
        soft_wrap=True,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
