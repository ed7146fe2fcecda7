"""What all routes share."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from hcnet.server.exams import Exam, Exams
from hcnet.server.models import BundleFacts, JobFacts
from hcnet.server.queue import Queue
from hcnet.server.results import Result, Results
from hcnet.server.settings import ServerSettings
from hcnet.server.uploads import Uploads
from hcnet.server.worker import Worker
from hcnet.server.workspace import SCRATCH, Workspace

T = TypeVar("T")


class State:
    """The server's parts.

    Raises:
        HcnetError: the workspace, a cohort or the bundle cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.bundle = None if settings.bundle is None else _bundle_facts(settings.bundle)
        self.largest_upload = settings.largest_upload
        self.workspace = Workspace(settings.workspace)
        self.exams = Exams(self.workspace, settings.cohorts, settings.child)
        self.queue = Queue(self.workspace.jobs)
        self.uploads = Uploads(self.workspace, self.exams, settings.largest_upload)
        self.results = Results(settings.results, self.queue, self.exams)
        self.worker = Worker(self.queue, self.exams, settings.bundle, settings.child)

    def start(self) -> None:
        """Begin to work."""
        self.exams.start()
        self.worker.start()

    def close(self) -> None:
        """End all work and let go of the workspace."""
        self.worker.close()
        self.exams.close()
        self.workspace.close()

    def exam(self, exam_id: str) -> Exam:
        """The exam, or the answer 404."""
        exam = self.exams.get(exam_id)
        if exam is None:
            raise HTTPException(404, "There is no such exam.")
        return exam

    def job(self, job_id: str) -> JobFacts:
        """The job, or the answer 404."""
        job = self.queue.get(job_id)
        if job is None:
            raise HTTPException(404, "There is no such job.")
        return job

    def result(self, result_id: str) -> Result:
        """The result, or the answer 404."""
        result = self.results.get(result_id)
        if result is None:
            raise HTTPException(404, "There is no such result.")
        return result

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder in the workspace that is deleted afterwards."""
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=self.workspace.root) as folder:
            yield Path(folder)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do work that computes without holding up other requests."""
        return await run_in_threadpool(work)


def _bundle_facts(path: Path) -> BundleFacts:
    from hcnet.inference.bundle import open_bundle

    info = open_bundle(path).info
    return BundleFacts(name=info.name, licence=info.licence, threshold=info.inference.threshold)
