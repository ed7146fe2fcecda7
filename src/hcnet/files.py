"""Writing so that a reader never meets half a file, and hashing."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hcnet.errors import InputError


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, renamed to `path` when the block succeeds.

    The sibling keeps the suffixes of `path`, since libraries choose the format by them. On an
    error the sibling is removed and `path` stays as it was.

    Args:
        path: the file to write; its folder is made if needed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(folder: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling folder whose files move into `folder` when the block succeeds.

    Args:
        folder: where the results shall lie.
        force: replace files that are there already.

    Raises:
        InputError: `folder` is a file, or holds something and `force` is not given.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the results.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder}: is not empty; give another folder, or --force to replace.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{uuid.uuid4().hex[:8]}-{folder.name}")
    aside.mkdir()
    try:
        yield aside
        folder.mkdir(exist_ok=True)
        for path in sorted(aside.rglob("*")):
            if path.is_file():
                target = folder / path.relative_to(aside)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` in one step."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` in one step; NaN is refused, as JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON
        raise InputError(f"{path}: cannot be read as JSON ({error}).") from error


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
