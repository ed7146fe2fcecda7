"""Importing a collection: every case written in one step, logged, and never done twice.

DST/images/, segmentations/, breast/, patient_info_files/     the cohort
DST/import/CASE.json          what was decided for a case, or why it failed
DST/import/summary.csv        one row a case
"""

import csv
import hashlib
import io
import json
import re
import shutil
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hcnet.cohorts.case import ArraySource, Case
from hcnet.cohorts.importers.importer import (
    IMPORTERS,
    Findings,
    Imported,
    Item,
    Options,
    importer,
    recognise,
    same_case,
)
from hcnet.errors import ConfigError, GeometryError, HcnetError, InputError
from hcnet.files import read_json, write_json, write_text
from hcnet.progress import SILENT, Progress
from hcnet.volumes.nifti import write_nifti

LOGS = "import"
Status = Literal["taken", "already there", "left", "failed"]

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Row:
    """What became of one case.

    Attributes:
        name: the case.
        status: `left` by the importer's choice, `failed` because it cannot be used.
        phases: how many.
        masks: sources of its tumour masks.
        decisions: what was decided, or why it was left.
    """

    name: str
    status: Status
    phases: int = 0
    masks: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What became of a collection.

    Attributes:
        source: the importer.
        rows: one a case, by name.
        notes: about the collection as a whole.
    """

    source: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def count(self, status: Status) -> int:
        """How many cases ended so."""
        return sum(row.status == status for row in self.rows)


def find_cases(
    root: Path, source: str = "auto", options: Options | None = None
) -> tuple[str, Findings]:
    """The importer's name and what it finds; no image is read.

    Args:
        root: the collection.
        source: a name of `IMPORTERS`, or `auto`.
        options: what to take.

    Raises:
        ConfigError: there is no such importer.
        InputError: no such folder, nothing recognises it, or it holds no case.
    """
    if source != "auto" and source not in IMPORTERS:
        raise ConfigError(
            f"there is no importer {source}; there are: auto, {', '.join(IMPORTERS)}."
        )
    if not root.exists():
        raise InputError(f"{root}: there is no such folder.")
    name = recognise(root) if source == "auto" else source
    if name is None:
        raise InputError(
            f"{root}: is no collection that is known; say what it is by --from "
            f"{'|'.join(IMPORTERS)}."
        )
    findings = importer(name).find(root, options or Options())
    if not findings.items and not findings.left:
        raise InputError(f"{root}: holds no case that importer {name} can find.")
    for item in findings.items:
        if not _NAME.fullmatch(item.name):
            raise InputError(f"{item.place}: {item.name!r} cannot be the name of a case.")
    twice = same_case([item.name for item in findings.items])
    if twice:
        raise InputError(f"{root}: two cases are named {twice[0]}; import them one by one.")
    return name, findings


def import_cases(
    source: str,
    findings: Findings,
    target: Path,
    *,
    processes: int = 1,
    progress: Progress = SILENT,
) -> Summary:
    """Bring cases into a cohort; what is there already, of the same origin, is left.

    A case that cannot be used is logged and the others go on.

    Args:
        source: name of the importer.
        findings: from `find_cases`.
        target: the cohort's folder, made if needed.
        processes: that read and write cases.
        progress: listener.

    Raises:
        InputError: the target is a file, or holds a case of such a name from elsewhere.
    """
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; give a folder for the cohort.")
    rows = {each.name: Row(each.name, "left", decisions=(each.why,)) for each in findings.left}
    todo = []
    for item in findings.items:
        done = _already(item, target)
        if done is None:
            todo.append(item)
        else:
            rows[item.name] = done
    for row in progress.track(
        _worked(source, todo, target, processes), f"importing {source}", len(todo)
    ):
        rows[row.name] = row
    summary = Summary(source, tuple(rows[name] for name in sorted(rows)), findings.notes)
    write_text(target / LOGS / "summary.csv", _csv(summary))
    return summary


def _worked(source: str, items: Sequence[Item], target: Path, processes: int) -> Iterator[Row]:
    if processes < 2 or len(items) < 2:
        for item in items:
            yield import_one(source, item, target)
        return
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_leave_interrupts) as pool:
        jobs = [pool.submit(import_one, source, item, target) for item in items]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C ends the parent, which stops its workers after the cases they are at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def import_one(source: str, item: Item, target: Path) -> Row:
    """Load, check, write and log one case."""
    try:
        imported = importer(source).load(item)
        _check(item, imported)
    except HcnetError as error:
        row = Row(item.name, "failed", decisions=(str(error),))
        write_json(target / _log(item), _told(source, item, row))
        return row
    row = Row(item.name, "taken", len(imported.phases), tuple(sorted(imported.masks)),
              tuple(imported.decisions))  # fmt: skip
    _write(item, imported, target, _told(source, item, row))
    return row


def _log(item: Item) -> Path:
    return Path(LOGS) / f"{item.name.lower()}.json"


def _told(source: str, item: Item, row: Row) -> dict[str, Any]:
    return {**asdict(row), "source": source, "place": str(item.place), "origin": _origin(item)}


def _already(item: Item, target: Path) -> Row | None:
    """The row of a case that is in the cohort, or None where it is still to be imported."""
    if not (target / "images" / item.name.upper()).is_dir():
        return None
    log = target / _log(item)
    stored: Mapping[str, Any] = read_json(log) if log.is_file() else {}
    if stored.get("status") != "taken" or stored.get("origin") != _origin(item):
        raise InputError(
            f"{target}: has a case {item.name} from elsewhere; give another folder or remove it."
        )
    return Row(item.name, "already there", int(stored["phases"]), tuple(stored["masks"]),
               tuple(stored["decisions"]))  # fmt: skip


def _origin(item: Item) -> str:
    """What a case was made from, told apart from others of its name."""
    told = json.dumps([str(item.place.resolve()), item.parts], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def _check(item: Item, imported: Imported) -> None:
    """One grid, binary masks, times that fit; the constructor of `Case` checks the times."""
    Case(item.name, tuple(ArraySource(p) for p in imported.phases), imported.times_s)
    for source in imported.masks:
        if not _NAME.fullmatch(source):
            raise InputError(f"{item.place}: {source!r} cannot be the name of a source of masks.")
    grid = imported.phases[0].grid
    named = [(f"phase {i}", phase) for i, phase in enumerate(imported.phases)]
    named += [(f"mask {source}", mask) for source, mask in imported.masks.items()]
    named += [] if imported.breast is None else [("breast mask", imported.breast)]
    for name, volume in named[1:]:
        difference = grid.difference(volume.grid)
        if difference:
            raise GeometryError(
                f"{item.place}: {name} lies on another grid than the pre-contrast phase "
                f"({difference})."
            )
    for name, volume in named[len(imported.phases) :]:
        if not set(np.unique(volume.data).tolist()) <= {0, 1}:
            raise InputError(f"{item.place}: {name} holds other values than 0 and 1.")


def _write(item: Item, imported: Imported, target: Path, log: Mapping[str, Any]) -> None:
    """Write a case aside and move it in, the images last: they are what makes it a case.

    The log goes with it, so that a run which is stopped at any moment knows its own cases again.
    """
    low = item.name.lower()
    files: dict[Path, Any] = {
        Path("images") / item.name.upper() / f"{low}_{i:04d}.nii.gz": phase
        for i, phase in enumerate(imported.phases)
    }
    files |= {Path("segmentations") / s / f"{low}.nii.gz": m for s, m in imported.masks.items()}
    if imported.breast is not None:
        files[Path("breast") / f"{low}.nii.gz"] = imported.breast
    info = json.loads(json.dumps(dict(imported.facts)))
    info.setdefault("patient_id", item.name.upper())
    if imported.times_s is not None:
        imaging = info.setdefault("imaging_data", {})
        imaging["acquisition_times"] = [float(time) for time in imported.times_s]
        imaging["times_from"] = imported.times_from
    aside = target / f".importing-{uuid.uuid4().hex[:8]}"
    try:
        for path, volume in files.items():
            write_nifti(volume, aside / path)
        write_json(aside / "patient_info_files" / f"{low}.json", info)
        write_json(aside / _log(item), log)
        _move_in(aside, target, Path("images") / item.name.upper())
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move_in(aside: Path, target: Path, images: Path) -> None:
    beside = [path for path in aside.rglob("*") if path.is_file()]
    for path in beside:
        place = path.relative_to(aside)
        if images in place.parents:
            continue
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        path.replace(target / place)
    (target / images).parent.mkdir(parents=True, exist_ok=True)
    (aside / images).rename(target / images)


def _csv(summary: Summary) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "status", "phases", "masks", "decisions"])
    for row in summary.rows:
        decisions = " ".join(row.decisions)
        writer.writerow([row.name, row.status, row.phases, " ".join(row.masks), decisions])
    return text.getvalue()
