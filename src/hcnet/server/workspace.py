"""The workspace: the one folder that the server writes to.

    workspace.json       what this folder is
    exams/ID/            files/ as uploaded, under own names; look/ what was found in them
    jobs/ID/             job.json, progress.json, log.txt; out/ as `hcnet segment` writes it

Every name below the folder is one of ours: identifiers are drawn at random or hashed.
"""

import hashlib
import re
import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from hcnet.errors import InputError
from hcnet.files import read_json, write_json

MARK = "workspace.json"
SCRATCH = ".scratch-"
"""How the names of folders begin that are deleted after use."""
_ID = re.compile(r"[0-9a-f]{16}")


def new_id() -> str:
    """A new identifier: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def id_of(*parts: str) -> str:
    """The identifier of something that is named from outside: always the same for the same."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def is_id(text: str) -> bool:
    """Whether `text` is an identifier; anything else never becomes part of a path."""
    return bool(_ID.fullmatch(text))


def is_workspace(folder: Path) -> bool:
    """Whether a folder is a workspace of an earlier server."""
    return (folder / MARK).is_file()


class Workspace:
    """A workspace folder, held by one server at a time.

    Raises:
        InputError: the folder holds other things, is another version's, or is in use.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if root.exists() and not is_workspace(root) and (root.is_file() or any(root.iterdir())):
            raise InputError(f"{root}: is no workspace; give --workspace a new or empty folder.")
        if is_workspace(root) and read_json(root / MARK) != {"schema_version": 1}:
            raise InputError(f"{root}: was made by another version; give another --workspace.")
        self._lock = FileLock(root / ".lock", thread_local=False)  # let go by another thread
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{root}: another `hcnet serve` uses this workspace; give another --workspace."
            ) from None
        except OSError as error:
            raise InputError(f"{root}: cannot be written; give --workspace ({error}).") from error
        for scratch in root.glob(f"{SCRATCH}*"):  # of a server that was killed
            shutil.rmtree(scratch, ignore_errors=True)
        write_json(root / MARK, {"schema_version": 1})
        self.exams.mkdir(exist_ok=True)
        self.jobs.mkdir(exist_ok=True)

    @property
    def exams(self) -> Path:
        """Folder of uploads and of what was found in exams."""
        return self.root / "exams"

    @property
    def jobs(self) -> Path:
        """Folder of the queue."""
        return self.root / "jobs"

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock.release()


def inside(folder: Path, name: str) -> Path | None:
    """The file `name` of a folder, unless it is missing or a link that leads out of the folder."""
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return None
    return path
