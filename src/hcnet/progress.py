"""How long work tells where it stands, without knowing who listens."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """A listener for long work; the command line shows bars with an ETA, a library is silent."""

    def track(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Yield `items` and show how many of `total` are done."""
        ...

    def message(self, text: str) -> None:
        """Show one line."""
        ...


class _Silent:
    def track(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        del description, total
        yield from items

    def message(self, text: str) -> None:
        del text


SILENT: Progress = _Silent()
