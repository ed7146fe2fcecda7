"""Arrays into `.npy` files, hashed in another thread while they are written."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class ArrayFiles:
    """Files `<name>.npy` in a folder, as `np.save` makes them.

    Args:
        folder: exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hasher = ThreadPoolExecutor(1)
        self._states: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hasher.shutdown(cancel_futures=True)

    def put(self, name: str, array: NDArray[Any], part: int | None = None) -> None:
        """Write an array, or the next part of it along its first axis, from 0 to the last.

        Args:
            name: of the file, without its ending.
            array: in C order; it must not change any more.
            part: which; None is all of it.

        Raises:
            OSError: the file cannot be written.
        """
        path = self._folder / f"{name}.npy"
        if not part:
            head = io.BytesIO()
            header = np.lib.format.header_data_from_array_1_0(array)
            np.lib.format.write_array_header_1_0(head, header)
            self._states[name] = hashlib.sha256(head.getvalue())
            path.write_bytes(head.getvalue())
        written = array if part is None else array[part]
        self._hasher.submit(self._states[name].update, written.data)
        with path.open("ab") as file:
            file.write(written.data)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file; afterwards nothing can be put any more."""
        self._hasher.shutdown()
        return {name: state.hexdigest() for name, state in self._states.items()}
