"""Receiving exams: file by file, under names of our own, up to a size, and only what may be one."""

import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hcnet.cohorts.open import named_as_mask
from hcnet.errors import InputError
from hcnet.server.content import Kind, check_nifti, check_zip, is_gzip, kind_of_content
from hcnet.server.exams import FILES, Exam, Exams, StoredUpload
from hcnet.server.security import TooLargeError
from hcnet.server.workspace import Workspace, new_id
from hcnet.volumes.nifti import stem

MOST_FILES = 50_000
LONGEST_NAME = 120
SPARE_BYTES = 256 << 20
"""Left free on the disk."""

_PRE = re.compile(r"(^|[^a-z])pre([^a-z]|$)")


@dataclass
class _Draft:
    folder: Path
    names: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, Kind] = field(default_factory=dict)
    size: int = 0


class Uploads:
    """Uploads under way. They are lost when the server ends, and then deleted."""

    def __init__(self, workspace: Workspace, exams: Exams, largest: int) -> None:
        self._workspace = workspace
        self._exams = exams
        self._largest = largest
        self._drafts: dict[str, _Draft] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Start an upload of several files; returns its identifier."""
        draft_id = new_id()
        folder = self._workspace.exams / draft_id / FILES
        folder.mkdir(parents=True)
        with self._lock:
            self._drafts[draft_id] = _Draft(folder)
        return draft_id

    async def take(
        self, draft_id: str, number: int, name: str, body: AsyncIterator[bytes]
    ) -> Kind | None:
        """Receive one file; returns what it is, None where it is nothing of ours and not kept.

        Args:
            draft_id: as `begin` gave it.
            number: place of the file among the others; sending it again replaces it.
            name: what the user calls it: its name, or its path below the folder that was sent.
            body: content.

        Raises:
            KeyError: no such upload.
            InputError: too many files, or no room on the disk.
            TooLargeError: all files together are larger than allowed.
        """
        draft = self._drafts[draft_id]
        if not 0 <= number < MOST_FILES:
            raise InputError(f"an exam has at most {MOST_FILES} files.")
        path = draft.folder / f"{number:06d}"
        try:
            with path.open("wb") as stream:
                async for block in body:
                    draft.size += len(block)
                    if draft.size > self._largest:
                        raise TooLargeError
                    stream.write(block)
                    _check_room(draft.folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        kind = kind_of_content(path)
        with self._lock:
            draft.names[number] = plain_path(name)
            if kind is None:
                path.unlink()
                draft.kinds.pop(number, None)
            else:
                draft.kinds[number] = kind
        return kind

    def complete(self, draft_id: str, name: str) -> Exam:
        """Make an exam of what was received.

        Raises:
            KeyError: no such upload.
            InputError: the files do not make one exam; the upload is deleted.
        """
        with self._lock:
            draft = self._drafts.pop(draft_id)
        try:
            return self._exams.add(draft_id, _stored(draft, plain_name(name)))
        except InputError:
            shutil.rmtree(draft.folder.parent, ignore_errors=True)
            raise

    def give_up(self, draft_id: str) -> None:
        """Delete an upload that shall not become an exam."""
        with self._lock:
            draft = self._drafts.pop(draft_id, None)
        if draft is not None:
            shutil.rmtree(draft.folder.parent, ignore_errors=True)


def plain_name(name: str) -> str:
    """A name for people: the last part of a path, without control characters, not too long."""
    last = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(char if char.isprintable() else " " for char in last).strip()
    return shown[:LONGEST_NAME] or "exam"


def plain_path(path: str) -> str:
    """A path for people: every part as `plain_name` has it; what leads upwards is left out."""
    parts = PurePosixPath(re.sub(r"^[A-Za-z]:", "", path.replace("\\", "/"))).parts
    return "/".join(plain_name(part) for part in parts if part not in ("/", "//", "..")) or "exam"


def phase_order(names: dict[int, str]) -> list[int]:
    """The order of NIfTI phases by the user's names: "pre" first, then by number; no masks.

    Args:
        names: name, or path below the folder that was sent, of each file; one in a folder named
            "pre" is as well pre-contrast as one that is named so itself.
    """

    def key(number: int) -> tuple[bool, list[tuple[int, str]]]:
        parts = re.findall(r"\d+|\D+", names[number].lower())
        natural = [(int(p), "") if p.isdigit() else (-1, p) for p in parts]
        path = Path(names[number])
        return not any(_PRE.search(p.lower()) for p in (*path.parts[:-1], stem(path))), natural

    images = [number for number, name in names.items() if not named_as_mask(Path(name))]
    return sorted(images or names, key=key)


def _stored(draft: _Draft, name: str) -> StoredUpload:
    kinds = set(draft.kinds.values())
    if not kinds:
        raise InputError(f"{name}: holds neither NIfTI nor DICOM files.")
    if kinds == {"dicom"}:
        return StoredUpload(name=name, case=None, files={})
    if len(kinds) > 1:
        raise InputError(f"{name}: mixes {' and '.join(sorted(kinds))} files; give one kind.")
    if kinds == {"zip"}:
        return _zip(draft, name)
    return _nifti(draft, name)


def _zip(draft: _Draft, name: str) -> StoredUpload:
    if len(draft.kinds) > 1:
        raise InputError(f"{name}: holds several zips; give the one of one exam.")
    (number,) = draft.kinds
    path = draft.folder / f"{number:06d}"
    label = draft.names[number]
    _check(check_zip, path, label)
    target = path.rename(draft.folder / "exam.zip")
    return StoredUpload(name=name, case=None, files={target.name: label})


def _nifti(draft: _Draft, name: str) -> StoredUpload:
    paths = [Path(label).parts for label in draft.names.values()]
    if any(parts[0] == "images" and len(parts) > 2 for parts in paths):
        raise InputError(f"{name}: is a cohort of cases; give one of the folders in its images/.")
    files = {}
    order = phase_order({number: draft.names[number] for number in draft.kinds})
    for place, number in enumerate(order):
        path, label = draft.folder / f"{number:06d}", draft.names[number]
        suffix = ".nii.gz" if is_gzip(path) else ".nii"
        target = path.rename(draft.folder / f"phase_{place:04d}{suffix}")
        _check(check_nifti, target, label)
        files[target.name] = label
    first = stem(Path(next(iter(files.values()))))
    return StoredUpload(name=name, case=re.sub(r"_0000$", "", first) or first, files=files)


def _check(check: Callable[[Path], None], path: Path, label: str) -> None:
    try:
        check(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), label)) from error


def _check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < SPARE_BYTES:
        raise InputError("the disk of the workspace is full; make room and send the exam again.")
