"""The queue of segmentations: a JSON file a job, so that it survives the server's end.

A job that was running when the server ended is queued again when the next one starts. If that
happens `MOST_ATTEMPTS` times the job may itself be the cause, and it waits, interrupted, for a
person to run it again.
"""

import datetime
import shutil
import threading
from pathlib import Path

from pydantic import ValidationError

from hcnet.errors import InputError
from hcnet.files import read_json, write_text
from hcnet.server.models import JobFacts, JobState, ProgressFacts
from hcnet.server.orders import PROGRESS_FILE
from hcnet.server.processes import Ended
from hcnet.server.workspace import is_id, new_id

JOB_FILE = "job.json"
MOST_ATTEMPTS = 3
OVER: frozenset[JobState] = frozenset({"done", "failed", "cancelled", "interrupted"})


class Queue:
    """All jobs, oldest first; safe to use from several threads.

    Raises:
        InputError: a job's file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._change = threading.Condition()
        self._cancelled: set[str] = set()
        self._closed = False
        jobs = [_restored(path) for path in folder.glob(f"*/{JOB_FILE}") if is_id(path.parent.name)]
        self._jobs = {job.id: job for job in sorted(jobs, key=lambda job: job.created)}
        for job in jobs:
            if job.state == "running":
                again = job.attempts < MOST_ATTEMPTS
                self._set(job.id, "queued" if again else "interrupted")

    def all(self) -> list[JobFacts]:
        """Every job with its progress, oldest first."""
        with self._change:
            jobs = list(self._jobs.values())
        return [self._with_progress(job) for job in jobs]

    def get(self, job_id: str) -> JobFacts | None:
        """One job with its progress."""
        with self._change:
            job = self._jobs.get(job_id)
        return None if job is None else self._with_progress(job)

    def folder(self, job_id: str) -> Path:
        """Where a job and its results lie."""
        return self._folder / job_id

    def add(self, exam: str, name: str, threshold: float | None, *, tta: bool) -> JobFacts:
        """Queue a segmentation."""
        job = JobFacts(
            id=new_id(),
            exam=exam,
            name=name,
            threshold=threshold,
            tta=tta,
            state="queued",
            created=_now(),
        )
        with self._change:
            self._jobs[job.id] = job
            self._save(job)
            self._change.notify_all()
        return job

    def take(self) -> JobFacts | None:
        """Wait for the next queued job and mark it running; None once the queue is closed."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._next() is not None)
            job = self._next()
            if self._closed or job is None:
                return None
            (self.folder(job.id) / PROGRESS_FILE).unlink(missing_ok=True)
            return self._set(job.id, "running", attempts=job.attempts + 1)

    def finish(self, job_id: str, ended: Ended) -> None:
        """Mark a running job done, failed or cancelled; one that the server's end stopped stays."""
        with self._change:
            cancelled = job_id in self._cancelled
            self._cancelled.discard(job_id)
            if not ended.stopped:
                self._set(job_id, "failed" if ended.error else "done", error=ended.error)
            elif cancelled:
                self._set(job_id, "cancelled")

    def cancel(self, job_id: str) -> None:
        """Cancel a job that waits, or ask for the end of one that runs."""
        with self._change:
            state = self._jobs[job_id].state
            if state == "queued":
                self._set(job_id, "cancelled")
            elif state == "running":
                self._cancelled.add(job_id)

    def again(self, job_id: str) -> None:
        """Queue a job anew that failed, was cancelled or interrupted."""
        with self._change:
            if self._jobs[job_id].state in OVER - {"done"}:
                self._set(job_id, "queued", attempts=0)
                self._change.notify_all()

    def remove(self, job_id: str) -> None:
        """Forget a job that is over, and delete its results."""
        with self._change:
            if self._jobs[job_id].state in OVER:
                del self._jobs[job_id]
                shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def should_stop(self, job_id: str) -> bool:
        """Whether the work on a running job shall end."""
        with self._change:
            return self._closed or job_id in self._cancelled

    def close(self) -> None:
        """Let `take` and the work end; a running job stays marked as such for the next server."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _next(self) -> JobFacts | None:
        return next((job for job in self._jobs.values() if job.state == "queued"), None)

    def _set(
        self, job_id: str, state: JobState, *, error: str | None = None, attempts: int | None = None
    ) -> JobFacts:
        old = self._jobs[job_id]
        job = old.model_copy(
            update={
                "state": state,
                "error": error,
                "attempts": old.attempts if attempts is None else attempts,
                "finished": _now() if state in OVER else None,
            }
        )
        self._jobs[job_id] = job
        self._save(job)
        return job

    def _save(self, job: JobFacts) -> None:
        text = job.model_dump_json(indent=2, exclude={"progress"}) + "\n"
        write_text(self.folder(job.id) / JOB_FILE, text)

    def _with_progress(self, job: JobFacts) -> JobFacts:
        if job.state != "running":
            return job
        try:
            told = ProgressFacts.model_validate(read_json(self.folder(job.id) / PROGRESS_FILE))
        except (InputError, ValidationError):  # not written yet
            return job
        return job.model_copy(update={"progress": told})


def _restored(path: Path) -> JobFacts:
    try:
        job = JobFacts.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: is damaged; delete {path.parent}.") from error
    if job.id != path.parent.name:
        raise InputError(f"{path}: belongs to another job; delete {path.parent}.")
    return job


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
