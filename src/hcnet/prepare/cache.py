"""Prepared cases on disk: memory-mapped, keyed by content and settings, never stale.

    CACHE/<key>/phases.npy   float32 (T, X, Y, Z), raw intensities
    CACHE/<key>/image.npy    float32 (X, Y, Z), normalised pre-contrast
    CACHE/<key>/breast.npy   uint8
    CACHE/<key>/tumour.npy   uint8, where the case has a reference
    CACHE/<key>/case.json    grids, settings, and the SHA-256 of every array

The key is a hash of the content of every source and of the settings, so an edited file or another
setting never meets an old entry; names and times are not in it and are always those of the case.
An entry appears in one step, when all of it is written, and is checked before it is used.
"""

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.arrays import map_array
from hcnet.cohorts.case import Case, TimesFrom
from hcnet.errors import GeometryError, InputError
from hcnet.files import read_json, sha256_file, write_json
from hcnet.prepare.array_files import ArrayFiles
from hcnet.prepare.frame import Frame
from hcnet.prepare.prepare import prepare_case
from hcnet.prepare.settings import PrepareConfig
from hcnet.progress import SILENT, Progress
from hcnet.volumes.volume import Grid

logger = logging.getLogger(__name__)

PREPARE_VERSION = 3
"""Raise this whenever the same source and settings would give other arrays than before."""


@dataclass(frozen=True, eq=False)
class CachedCase:
    """A prepared case on disk; small, so that it can be sent to worker processes.

    Attributes:
        name: of the case.
        folder: its entry in the cache.
        files: array files by name: phases, image, breast and, with a reference, tumour.
        frame: the grids, and the way back to the input's own.
        times_s: acquisition times in seconds, or None where unknown.
        times_from: what time zero is.
    """

    name: str
    folder: Path
    files: Mapping[str, Path]
    frame: Frame
    times_s: tuple[float, ...] | None
    times_from: TimesFrom

    @property
    def grid(self) -> Grid:
        """The prepared grid."""
        return self.frame.grid

    @property
    def native(self) -> Grid:
        """The input's own grid."""
        return self.frame.native

    @property
    def phases(self) -> NDArray[np.float32]:
        """(T, X, Y, Z) raw intensities, pre-contrast first; a read-only memory map."""
        return self._open("phases")

    @property
    def image(self) -> NDArray[np.float32]:
        """(X, Y, Z) normalised pre-contrast image; a read-only memory map."""
        return self._open("image")

    @property
    def breast(self) -> NDArray[np.uint8]:
        """(X, Y, Z) breast mask; a read-only memory map."""
        return self._open("breast")

    @property
    def tumour(self) -> NDArray[np.uint8] | None:
        """(X, Y, Z) tumour mask, or None where there is no reference; a read-only memory map."""
        return self._open("tumour") if "tumour" in self.files else None

    def _open(self, name: str) -> NDArray[Any]:
        return map_array(self.files[name])


def prepared_cases(
    cases: Iterable[Case],
    settings: PrepareConfig,
    cache_dir: Path,
    progress: Progress = SILENT,
) -> list[CachedCase]:
    """Prepare cases, taking from the cache what is there.

    Every source is hashed and every entry checked each time; a damaged entry is built again.

    Args:
        cases: in the order of the result.
        settings: how to prepare.
        cache_dir: made if needed; may be shared by several processes.
        progress: listener.

    Raises:
        InputError: a source cannot be used (see `prepare_case`) or the cache cannot be written.
        GeometryError: see `prepare_case`.
    """
    listed = list(cases)
    return [
        cached_case(case, settings, cache_dir)
        for case in progress.track(listed, "preparing", len(listed))
    ]


def cached_case(case: Case, settings: PrepareConfig, cache_dir: Path) -> CachedCase:
    """Prepare one case, or find it in the cache; see `prepared_cases`."""
    folder = cache_dir / cache_key(case, settings)
    entry = _checked_entry(folder)
    if entry is None:
        if folder.exists():
            logger.warning(
                "%s: the cache entry of %s is damaged and built again", folder, case.name
            )
        entry = _build(case, settings, folder)
    files, frame = entry
    return CachedCase(case.name, folder, files, frame, case.times_s, case.times_from)


def stored_case(name: str, folder: Path) -> CachedCase:
    """An entry of the cache as it lies there, without its sources; its times are not known.

    Raises:
        InputError: the entry is missing or damaged.
    """
    entry = _checked_entry(folder)
    if entry is None:
        raise InputError(f"{folder}: the prepared case {name} is missing or damaged.")
    return CachedCase(name, folder, *entry, None, "unknown")


def cache_key(case: Case, settings: PrepareConfig) -> str:
    """SHA-256 of all that the arrays of an entry depend on: content, settings, version."""
    content = {
        "version": PREPARE_VERSION,
        "settings": settings.model_dump(mode="json"),
        "phases": [source.digest() for source in case.phases],
        "tumour": case.tumour.digest() if case.tumour else None,
        "breast": case.breast.digest() if case.breast else None,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_Entry = tuple[dict[str, Path], Frame]


@contextmanager
def _writing(cache_dir: Path) -> Iterator[None]:
    """Tell what the system says of writing; around nothing that reads a source."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{cache_dir}: the cache cannot be written ({error}); "
            "free space there or choose another folder."
        ) from error


def _build(case: Case, settings: PrepareConfig, folder: Path) -> _Entry:
    """Prepare a case and write its entry, each phase while the next ones are prepared."""
    aside = folder.with_name(f".{uuid.uuid4().hex[:8]}-{folder.name}")
    try:
        with _writing(folder.parent):
            aside.mkdir(parents=True)
        with ArrayFiles(aside) as files:
            put = _writing(folder.parent)(files.put)
            prepared = prepare_case(case, settings, partial(put, "phases"))
            put("image", np.ascontiguousarray(prepared.image.image))
            put("breast", prepared.image.breast.astype(np.uint8, order="C"))
            if prepared.tumour is not None:
                put("tumour", prepared.tumour.astype(np.uint8, order="C"))
            digests = files.digests()
        frame = prepared.image.frame
        entry = {
            "case": prepared.name,
            "version": PREPARE_VERSION,
            "settings": settings.model_dump(mode="json"),
            "native": _grid_to_json(frame.native),
            "box": [[s.start, s.stop] for s in frame.box],
            "grid": _grid_to_json(frame.grid),
            "sha256": digests,
        }
        with _writing(folder.parent):
            write_json(aside / "case.json", entry)
            other = _put_in_place(aside, folder)
        return other or ({name: folder / f"{name}.npy" for name in digests}, frame)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, folder: Path) -> _Entry | None:
    """Move an entry to where it belongs; the one that is there already, if it is whole."""
    try:
        aside.replace(folder)
    except OSError:  # a folder that is not empty cannot be replaced
        other = _checked_entry(folder)
        if other is not None:
            return other  # another process has written the same entry meanwhile
        shutil.rmtree(folder)
        aside.replace(folder)
    return None


def _checked_entry(folder: Path) -> _Entry | None:
    """Files and frame of an entry, or None where it is absent or damaged."""
    try:
        entry = read_json(folder / "case.json")
        if set(entry["sha256"]) - {"tumour"} != {"phases", "image", "breast"}:
            return None
        files = {name: folder / f"{name}.npy" for name in entry["sha256"]}
        if any(sha256_file(files[name]) != digest for name, digest in entry["sha256"].items()):
            return None
        x, y, z = (slice(int(start), int(stop)) for start, stop in entry["box"])
        frame = Frame(_grid_from_json(entry["native"]), (x, y, z), _grid_from_json(entry["grid"]))
    except (InputError, GeometryError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return files, frame


def _grid_to_json(grid: Grid) -> dict[str, Any]:
    return {"shape": list(grid.shape), "affine": grid.affine.tolist()}


def _grid_from_json(value: Mapping[str, Any]) -> Grid:
    x, y, z = value["shape"]
    return Grid((int(x), int(y), int(z)), np.array(value["affine"], dtype=np.float64))
