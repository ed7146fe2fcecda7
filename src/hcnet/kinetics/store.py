"""The curves of many cases, each case read once, in a temporary file.

Stage 1 looks at every curve three times: to draw its sample, to give it a code, and to measure its
distance to the centroids. Reading and decompressing the exams each time would take longer than the
rest, and keeping the curves in memory would need more of it with every case.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hcnet.kinetics.curves import allot_points, choose_voxels, iter_curves
from hcnet.kinetics.tic import Floats


class Spool:
    """Arrays in a file without a name, which is gone when it is closed or its process ends.

    Args:
        folder: on the disk to use; made if needed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._places: list[tuple[int, np.dtype[Any], tuple[int, ...]]] = []
        self._end = 0

    def put(self, array: NDArray[Any]) -> int:
        """Write an array; the number by which `get` finds it."""
        whole = np.ascontiguousarray(array)
        self._file.seek(self._end)
        self._file.write(whole.data)
        self._places.append((self._end, whole.dtype, whole.shape))
        self._end += whole.nbytes
        return len(self._places) - 1

    def get(self, number: int) -> NDArray[Any]:
        """Read an array back."""
        place, kind, shape = self._places[number]
        array = np.empty(shape, dtype=kind)
        self._file.seek(place)
        self._file.readinto(array.data)
        return array

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class CurveStore:
    """Curves of cases on disk, 4 T bytes a voxel; memory does not grow with the cases.

    Attributes:
        grid: (T,) seconds that the curves are resampled to.
        spool: the file, for whatever else belongs to each chunk.
    """

    def __init__(self, grid: Floats, folder: Path) -> None:
        """An empty store.

        Args:
            grid: (T,) seconds.
            folder: on the disk to use; made if needed.
        """
        self.grid = np.asarray(grid, dtype=np.float64)
        self.spool = Spool(folder)
        self._chunks: list[list[tuple[int, int]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.spool.close()

    def add(self, phases: NDArray[Any], breast: NDArray[Any], clock: Floats) -> None:
        """Read the next case; arguments and errors as `curves.iter_curves`."""
        self._chunks.append(
            [
                # Point by point, as `iter_curves` gives them: then nothing has to be copied.
                (self.spool.put(curves.T), len(curves))
                for _, curves in iter_curves(phases, breast, clock, self.grid)
            ]
        )

    @property
    def counts(self) -> list[int]:
        """Curves of each case."""
        return [sum(count for _, count in chunks) for chunks in self._chunks]

    def curves(self, case: int) -> Iterator[NDArray[np.float32]]:
        """Yield the curves of a case in chunks (n, T), in C order of its breast voxels."""
        for number, _ in self._chunks[case]:
            yield self.spool.get(number).T

    def sample(self, max_points: int, seed: int) -> NDArray[np.float32]:
        """At most `max_points` curves (N, T), evenly over the cases, in the order of voxels."""
        parts = []
        counts = self.counts
        for case, allotted in enumerate(allot_points(counts, max_points)):
            rng = np.random.default_rng([seed, 6, case])
            chosen = choose_voxels(counts[case], allotted, rng)
            seen = 0
            for curves in self.curves(case):
                inside = chosen[slice(*np.searchsorted(chosen, (seen, seen + len(curves))))]
                parts.append(curves[inside - seen])
                seen += len(curves)
        return np.concatenate(parts)
