"""Claims: several processes, on one machine or on many that share a folder, divide the trainings.

A claim is a lock on a file, which the operating system lets go when its process ends, however it
ends; so a training whose process died is free again at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def claimed(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Claim a folder while the context lasts.

    Args:
        folder: what is claimed; its lock lies beside it.
        wait: until another process lets it go; False gives up at once.

    Yields:
        whether the claim was had.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
