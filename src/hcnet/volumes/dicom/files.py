"""The files of a DICOM folder or zip, in any order and under any name.

A zip is read in place and never unpacked to disk, so a member cannot be written anywhere; a member
whose name leads outside is refused all the same, since such an archive was made to do harm.
"""

import hashlib
import io
import os
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Self, cast

from hcnet.errors import InputError

MAX_MEMBER_BYTES = 2 * 1024**3
MAX_TOTAL_BYTES = 64 * 1024**3
MAX_RATIO = 200
"""Largest believable compression of a whole archive; segmentation objects alone come close."""

_RATIO_MATTERS_ABOVE = 256 * 1024**2
_BUFFER = 8 * 1024
_MOST_THREADS = 8
_ENCRYPTED = 0x1
_ZIP_START = b"PK\x03\x04"
# The last is what zipfile says of a compression or an encryption that it does not know.
_READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One file of a folder, or one member of a zip.

    Attributes:
        container: the zip, or the file itself.
        member: the name inside the zip; None for a plain file.
    """

    container: Path
    member: str | None = None

    @property
    def location(self) -> str:
        """Where it is, for messages."""
        return str(self.container) if self.member is None else f"{self.container}:{self.member}"


def open_streams(path: Path) -> Iterator[tuple[DicomFile, BinaryIO]]:
    """Open every regular file of a folder or zip, or the one file given, one after the other.

    Each stream is buffered and read from its start; only what the caller reads is decompressed.

    Args:
        path: a folder (searched recursively; links to folders are not followed), a zip or a file.

    Raises:
        InputError: `path` is missing, unreadable or holds no file at all; the zip is damaged,
            encrypted, has a member with a path outside it, or unpacks to an absurd size.
    """
    found = list_files(path)
    if not found:
        kind = "folder" if path.is_dir() else "zip"
        raise InputError(f"{path}: the {kind} is empty; give one that holds an exam.")
    yield from open_files(found)


def list_files(path: Path) -> list[DicomFile]:
    """The regular files of a folder or the members of a zip, sorted by name, not yet opened.

    Raises:
        InputError: as `open_streams`, except for an empty folder or zip.
    """
    if path.is_dir():
        return [DicomFile(file) for file in _walk(path)]
    if not path.is_file():
        raise InputError(f"{path}: there is no such file or folder.")
    if not zipfile.is_zipfile(path):
        if _begins_as_zip(path):
            raise InputError(f"{path}: is a zip that is cut off or damaged; copy it again.")
        return [DicomFile(path)]
    with _open_zip(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    _check_members(path, members)
    return [DicomFile(path, info.filename) for info in sorted(members, key=lambda i: i.filename)]


def _begins_as_zip(path: Path) -> bool:
    with reading(DicomFile(path)), path.open("rb") as stream:
        return stream.read(len(_ZIP_START)) == _ZIP_START


def open_files(files: Sequence[DicomFile]) -> Iterator[tuple[DicomFile, BinaryIO]]:
    """Open the given files in order, each zip only once.

    Raises:
        InputError: one of them cannot be opened.
    """
    with _Opener() as opener:
        for file in files:
            with io.BufferedReader(cast("io.RawIOBase", opener(file)), _BUFFER) as stream:
                yield file, stream


def read_files(files: Sequence[DicomFile]) -> Iterator[tuple[DicomFile, bytes]]:
    """Read the given files whole, in order; the next ones are read meanwhile, in other threads.

    Raises:
        InputError: one of them cannot be read; of several, the first in order.
    """

    def content(file: DicomFile, stream: BinaryIO) -> bytes:
        with reading(file):
            return stream.read()

    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    # Opened and closed in this thread: the book-keeping of a zip is not safe in several.
    with _Opener() as opener, ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[DicomFile, BinaryIO, Future[bytes]]] = deque()
        ahead = iter(files)
        try:
            while True:
                for file in islice(ahead, 2 * threads - len(waiting)):
                    try:
                        stream = opener(file)
                    except InputError as error:
                        # Told when its turn comes: a file before it may turn out damaged.
                        waiting.append((file, io.BytesIO(), pool.submit(_raised, error)))
                        ahead = iter(())
                        break
                    waiting.append((file, stream, pool.submit(content, file, stream)))
                if not waiting:
                    return
                file, stream, read = waiting.popleft()
                with stream:
                    yield file, read.result()
        finally:
            pool.shutdown(cancel_futures=True)
            for _, stream, _ in waiting:
                stream.close()


def _raised(error: InputError) -> bytes:
    raise error


class _Opener:
    """Opens files, each zip only once; a context manager that closes the zips."""

    def __init__(self) -> None:
        self._archives: dict[Path, zipfile.ZipFile] = {}

    def __call__(self, file: DicomFile) -> BinaryIO:
        if file.member is not None and file.container not in self._archives:
            self._archives[file.container] = _open_zip(file.container)
        with reading(file):
            if file.member is None:
                return cast("BinaryIO", file.container.open("rb", buffering=0))
            return cast("BinaryIO", self._archives[file.container].open(file.member))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.close()


@contextmanager
def reading(file: DicomFile) -> Iterator[None]:
    """Turn the errors of a damaged file or zip member into an InputError that names it."""
    try:
        yield
    except NotImplementedError as error:
        raise InputError(
            f"{file.location}: is packed in a way that cannot be read here; unpack the zip and "
            "give the folder."
        ) from error
    except _READ_ERRORS as error:
        raise InputError(f"{file.location}: cannot be read ({error}).") from error


def hash_files(files: Sequence[DicomFile]) -> "hashlib._Hash":
    """SHA-256 state of the content of files, one after the other.

    Raises:
        InputError: a file cannot be read.
    """
    state = hashlib.sha256()
    for _, content in read_files(files):
        state.update(content)
    return state


def is_dicom(stream: BinaryIO) -> bool:
    """Whether the stream starts like DICOM; leaves it at its start.

    Either the 128-byte preamble is followed by DICM, or, as in files from before the preamble, the
    first element belongs to group 0002 or 0008 (little endian) and has a short element number.
    """
    head = stream.read(132)
    stream.seek(0)
    if head[128:132] == b"DICM":
        return True
    return head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00" and len(head) == 132


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(Path(parent) / name for name in names)
    return sorted(file for file in found if file.is_file())


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _READ_ERRORS as error:
        raise InputError(f"{path}: cannot be read as a zip ({error}).") from error


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for info in members:
        if _leads_outside(info.filename):
            raise InputError(
                f"{path}: member {info.filename!r} has a path outside the zip; "
                "such an archive is not opened."
            )
        if info.flag_bits & _ENCRYPTED:
            raise InputError(f"{path}: member {info.filename!r} is encrypted; unpack it first.")
        if info.file_size > MAX_MEMBER_BYTES:
            raise InputError(
                f"{path}: member {info.filename!r} unpacks to {info.file_size / 1e9:.0f} GB; "
                "no DICOM file is that large."
            )
    total = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if total > MAX_TOTAL_BYTES or (
        total > _RATIO_MATTERS_ABOVE and total > MAX_RATIO * max(packed, 1)
    ):
        raise InputError(
            f"{path}: unpacks from {packed / 1e6:.1f} MB to {total / 1e9:.1f} GB, "
            "which no exam does; it is not opened."
        )


def _leads_outside(name: str) -> bool:
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    return bool(windows.drive or windows.root or posix.is_absolute() or ".." in windows.parts)
