"""The exams that can be looked at: uploads of the workspace, and cases of cohorts in place."""

import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hcnet.cohorts.cohort import read_cohort
from hcnet.errors import InputError
from hcnet.files import read_json, write_text
from hcnet.server.look import CURVES, FOUND, REFERENCE
from hcnet.server.models import ExamFacts
from hcnet.server.orders import LookOrder, write_order
from hcnet.server.processes import run_child
from hcnet.server.workspace import Workspace, id_of, is_id

EXAM_FILE = "exam.json"
FILES = "files"


class StoredUpload(BaseModel):
    """`exam.json` of an upload.

    Attributes:
        name: what the user calls it; shown, never part of a path.
        case: name of the case where the files themselves tell none.
        files: our names of the inputs in `files/`, pre-contrast first, with the user's names;
            empty where the folder as a whole is the input.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    case: str | None
    files: dict[str, str]


@dataclass
class Exam:
    """One exam.

    Attributes:
        id: identifier.
        name: for people.
        origin: where it lies.
        case: name of the case for its results; None where it is found in the exam.
        paths: as for `open_case`.
        labels: what messages say in place of our paths.
        folder: its folder in the workspace.
        error: why it cannot be read, once that is known.
    """

    id: str
    name: str
    origin: Literal["upload", "cohort"]
    case: str | None
    paths: tuple[Path, ...]
    labels: dict[str, str]
    folder: Path
    error: str | None = None
    reading: bool = field(default=False)

    @property
    def looked(self) -> Path:
        """Folder of what was found."""
        return self.folder / "look"

    @property
    def ready(self) -> bool:
        """Whether it was read to the end."""
        return (self.looked / CURVES).is_file()

    def facts(self, *, full: bool = False) -> ExamFacts:
        """What the API tells of it; what was found only where asked for in full."""
        state: Literal["ready", "refused", "reading"] = (
            "ready" if self.ready else "refused" if self.error else "reading"
        )
        found = read_json(self.looked / FOUND) if full and self.ready else None
        return ExamFacts(
            id=self.id,
            name=self.name,
            origin=self.origin,
            state=state,
            error=self.error,
            found=None if found is None else self._labelled(found),
            has_reference=(self.looked / REFERENCE).is_file(),
        )

    def plain(self, message: str) -> str:
        """A message with the user's names in place of our paths."""
        for path, label in sorted(self.labels.items(), key=lambda item: -len(item[0])):
            message = message.replace(path, label)
        return message

    def _labelled(self, value: object) -> dict[str, object]:
        told = self._replace(value)
        return told if isinstance(told, dict) else {}

    def _replace(self, value: object) -> object:
        if isinstance(value, str):
            return self.plain(value)
        if isinstance(value, dict):
            return {key: self._replace(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._replace(entry) for entry in value]
        return value


class Exams:
    """All exams, and the thread that reads them, one after the other."""

    def __init__(
        self, workspace: Workspace, cohorts: Iterable[Path], child: tuple[str, ...]
    ) -> None:
        self._workspace = workspace
        self._child = child
        self._exams: dict[str, Exam] = {}
        self._wanted: list[Exam] = []
        self._change = threading.Condition()
        self._stop = False
        for folder in sorted(workspace.exams.iterdir()):
            self._restore(folder)
        for cohort in cohorts:
            self._add_cohort(cohort.resolve())
        self._thread = threading.Thread(target=self._read_wanted, name="exams", daemon=True)

    def start(self) -> None:
        """Read uploads that were not read before, and begin to wait for more."""
        self._thread.start()
        for exam in self.all():
            if exam.origin == "upload":
                self.want(exam)

    def close(self) -> None:
        """Stop reading."""
        with self._change:
            self._stop = True
            self._change.notify_all()
        self._thread.join()

    def all(self) -> list[Exam]:
        """Uploads, newest last, then cohorts in their order."""
        with self._change:
            return list(self._exams.values())

    def get(self, exam_id: str) -> Exam | None:
        """The exam of that identifier."""
        with self._change:
            return self._exams.get(exam_id)

    def add(self, exam_id: str, stored: StoredUpload) -> Exam:
        """Take an upload whose files are complete, and read it soon."""
        folder = self._workspace.exams / exam_id
        write_text(folder / EXAM_FILE, stored.model_dump_json(indent=2) + "\n")
        exam = _upload(exam_id, folder, stored)
        with self._change:
            self._exams[exam_id] = exam
        self.want(exam)
        return exam

    def want(self, exam: Exam) -> None:
        """Read an exam soon, unless that was done, or failed, before."""
        with self._change:
            if exam.ready or exam.error or exam.reading:
                return
            exam.reading = True
            self._wanted.append(exam)
            self._change.notify_all()

    def remove(self, exam: Exam) -> None:
        """Forget an upload and delete its files."""
        with self._change:
            self._exams.pop(exam.id, None)
        shutil.rmtree(exam.folder, ignore_errors=True)

    def _restore(self, folder: Path) -> None:
        if not is_id(folder.name) or not folder.is_dir():
            return
        if (folder / EXAM_FILE).is_file():
            try:
                stored = StoredUpload.model_validate_json((folder / EXAM_FILE).read_bytes())
            except ValidationError as error:
                raise InputError(f"{folder / EXAM_FILE}: is damaged; delete {folder}.") from error
            self._exams[folder.name] = _upload(folder.name, folder, stored)
        elif (folder / FILES).is_dir():
            shutil.rmtree(folder, ignore_errors=True)  # an upload that never was completed

    def _add_cohort(self, root: Path) -> None:
        for case in read_cohort(root, masks=False).cases:
            path = root / "images" / case.name
            exam_id = id_of("cohort", str(path))
            self._exams[exam_id] = Exam(
                id=exam_id,
                name=case.name,
                origin="cohort",
                case=case.name,
                paths=(path,),
                labels={f"{root}/": ""},
                folder=self._workspace.exams / exam_id,
            )

    def _read_wanted(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._stop or self._wanted)
                if self._stop:
                    return
                exam = self._wanted.pop(0)
            self._read(exam)

    def _read(self, exam: Exam) -> None:
        shutil.rmtree(exam.looked, ignore_errors=True)
        exam.looked.mkdir(parents=True)
        write_order(exam.looked, LookOrder(paths=tuple(map(str, exam.paths))))
        ended = run_child(self._child, "look", exam.looked, lambda: self._stop)
        with self._change:
            exam.reading = False
            if ended.error:
                exam.error = exam.plain(ended.error)


def _upload(exam_id: str, folder: Path, stored: StoredUpload) -> Exam:
    files = folder.resolve() / FILES
    return Exam(
        id=exam_id,
        name=stored.name,
        origin="upload",
        case=stored.case,
        paths=tuple(files / name for name in stored.files) or (files,),
        labels={str(files): stored.name}
        | {str(files / name): label for name, label in stored.files.items()},
        folder=folder,
    )
