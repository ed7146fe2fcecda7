"""The thread that takes job after job; each is done in a process of its own."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

from hcnet.server.exams import Exams
from hcnet.server.models import JobFacts
from hcnet.server.orders import SegmentOrder, write_order
from hcnet.server.processes import Ended, run_child
from hcnet.server.queue import Queue


class Worker:
    """Segments what is queued, one exam at a time: the networks use every core."""

    def __init__(
        self, queue: Queue, exams: Exams, bundle: Path | None, child: tuple[str, ...]
    ) -> None:
        self._queue = queue
        self._exams = exams
        self._bundle = bundle
        self._child = child
        self._thread = threading.Thread(target=self._work, name="segment", daemon=True)

    def start(self) -> None:
        """Begin; without a bundle the queue rests."""
        if self._bundle is not None:
            self._thread.start()

    def close(self) -> None:
        """End the work under way."""
        self._queue.close()
        if self._bundle is not None:
            self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.take()) is not None:
            self._queue.finish(job.id, self._segment(job))

    def _segment(self, job: JobFacts) -> Ended:
        exam = self._exams.get(job.exam)
        if exam is None:
            return Ended(stopped=False, error="The exam is not there any more.")
        folder = self._queue.folder(job.id)
        order = SegmentOrder(
            paths=tuple(map(str, exam.paths)),
            name=exam.case,
            bundle=str(self._bundle),
            threshold=job.threshold,
            tta=job.tta,
        )
        _clear(folder)
        write_order(folder, order)
        ended = run_child(self._child, "segment", folder, lambda: self._queue.should_stop(job.id))
        _clear(folder)
        return replace(ended, error=exam.plain(ended.error)) if ended.error else ended


def _clear(folder: Path) -> None:
    """Delete half-written results, which a process that was ended leaves aside."""
    for path in folder.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
