"""The process that does the work: `python -m hcnet.server.child look|segment FOLDER`.

FOLDER holds `order.json`; results are left there. A bad input is told in `error.txt`.
"""

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from hcnet.errors import HcnetError
from hcnet.files import write_json, write_text
from hcnet.server.orders import PROGRESS_FILE, LookOrder, SegmentOrder, read_order
from hcnet.server.processes import ERROR_FILE

T = TypeVar("T")


class FileProgress:
    """A `hcnet.progress.Progress` that keeps a JSON file up to date."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def track(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Yield `items`; the file tells which one is under work and how many are done."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        done = 0
        for item in items:
            self._write(description, item if isinstance(item, str) else "", done, total)
            yield item
            done += 1
        self._write(description, "", done, total)

    def message(self, text: str) -> None:
        """Tell one line."""
        self._write(text, "", 0, None)

    def _write(self, description: str, step: str, done: int, total: int | None) -> None:
        write_json(
            self.path,
            {"description": description, "step": step, "done": done, "total": total},
        )


def segment(folder: Path) -> None:
    """What `hcnet segment` does, from `order.json` to `out/`."""
    from hcnet.cohorts.open import open_case
    from hcnet.files import folder_aside
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.output import segment_to_folder
    from hcnet.report.write import write_report
    from hcnet.runtime import spare_memory

    spare_memory()
    order = read_order(folder, SegmentOrder)
    progress = FileProgress(folder / PROGRESS_FILE)
    progress.message("reading the exam")
    case = open_case([Path(path) for path in order.paths], name=order.name)
    bundle = open_bundle(Path(order.bundle))
    with folder_aside(folder / "out", force=True) as aside:
        segment_to_folder(
            case, bundle, aside, threshold=order.threshold, tta=order.tta, progress=progress
        )
        progress.message("writing the report")
        write_report(aside)


def look(folder: Path) -> None:
    """What `hcnet inspect` does, and the phases as arrays that can be read voxel by voxel."""
    from hcnet.server.look import look_at

    look_at(read_order(folder, LookOrder), folder)


def main(work: str, folder: Path) -> int:
    """Do the work.

    Returns:
        the exit code: 0, or that of the error that `error.txt` tells.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        {"look": look, "segment": segment}[work](folder)
    except HcnetError as error:
        write_text(folder / ERROR_FILE, f"{error}\n")
        return error.exit_code
    return 0


def _end_with_parent() -> None:
    # Not sys.stdin: Python cannot close that at its end while a thread still reads from it.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
