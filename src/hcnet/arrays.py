"""Arrays in `.npy` files: written in one step, read from any thread."""

from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import InputError
from hcnet.files import write_aside

# Numpy reads the head of a file by Python's own parser, which threads cannot share before
# Python 3.11.8: "AST constructor recursion depth mismatch" (python/cpython#106905).
_HEADS = Lock()


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` file in one step.

    Raises:
        OSError: the file cannot be written.
    """
    with write_aside(path) as aside:
        np.save(aside, array, allow_pickle=False)


def read_array(path: Path) -> NDArray[Any]:
    """The array of a `.npy` file.

    Raises:
        OSError: there is no such file, or it cannot be read.
        InputError: it is damaged, or holds Python objects.
    """
    return _load(path, None)


def map_array(path: Path, mode: Literal["r", "c"] = "r") -> NDArray[Any]:
    """The array of a `.npy` file, read where and when it is used.

    Args:
        path: the file; it must not change while the array is used.
        mode: "r" gives an array that cannot be written; what is written into that of "c" stays in
            memory.

    Raises:
        OSError: there is no such file, or it cannot be read.
        InputError: it is damaged, or holds Python objects.
    """
    return _load(path, mode)


def _load(path: Path, mode: Literal["r", "c"] | None) -> NDArray[Any]:
    try:
        with _HEADS:
            return np.load(path, mmap_mode=mode, allow_pickle=False)  # noqa: TID251 - the lock
    except (ValueError, EOFError):
        raise InputError(
            f"{path}: is damaged, or no array of numbers; remove it, so that it is made again."
        ) from None
