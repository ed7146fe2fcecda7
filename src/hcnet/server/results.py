"""The segmentations that can be looked at, and the files of each."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hcnet.cohorts.open import open_case
from hcnet.errors import HcnetError, InputError
from hcnet.files import read_json
from hcnet.inference.names import DICOM_FILES, DISAGREEMENT, MANIFEST, SUMMARY, UNCERTAINTY
from hcnet.kinetics.palette import class_colours
from hcnet.server.exams import Exam, Exams
from hcnet.server.models import ResultFacts, ResultListed, TissueClass
from hcnet.server.queue import Queue
from hcnet.server.workspace import id_of, inside
from hcnet.volumes.nifti import read_nifti

CORRECTED = "tumour_corrected.nii.gz"
CORRECTED_FACTS = "tumour_corrected.json"
IMAGES = (
    "pre.nii.gz",
    "tumour.nii.gz",
    "tumour_probability.nii.gz",
    "heterogeneity.nii.gz",
    "class_probabilities.nii.gz",
    "breast.nii.gz",
    UNCERTAINTY,
    DISAGREEMENT,
    CORRECTED,
)
FILES: Mapping[str, str] = {
    **dict.fromkeys(IMAGES, "application/gzip"),
    **dict.fromkeys(DICOM_FILES, "application/dicom"),
    CORRECTED_FACTS: "application/json",
    SUMMARY: "application/json",
    MANIFEST: "application/json",
    "report.html": "text/html; charset=utf-8",
    "preview.png": "image/png",
}
"""Every file that is ever given out, with its type."""


@dataclass(frozen=True)
class Result:
    """One folder that `hcnet segment` wrote.

    Attributes:
        id: identifier; that of the job where one made it.
        folder: where it lies.
        origin: made here, or given at the start.
        exam: the exam it belongs to, where that is known.
    """

    id: str
    folder: Path
    origin: Literal["job", "given"]
    exam: str | None

    def file(self, name: str) -> Path | None:
        """A file of `FILES`, if it is there."""
        return inside(self.folder, name) if name in FILES else None

    def listed(self) -> ResultListed:
        """What a listing tells.

        Raises:
            InputError: the summary is damaged.
        """
        summary = self._json(SUMMARY)
        with _telling(self.folder):
            return ResultListed(
                id=self.id,
                name=str(summary["case"]),
                origin=self.origin,
                exam=self.exam,
                tumour_ml=float(summary["tumour_ml"]),
            )

    def facts(self) -> ResultFacts:
        """All numbers that the page shows.

        Raises:
            InputError: a file is missing or damaged.
        """
        summary, manifest = self._json(SUMMARY), self._json(MANIFEST)
        with _telling(self.folder):
            classes, foci = summary["classes"], summary["components"]
            return ResultFacts(
                **self.listed().model_dump(),
                threshold=summary["threshold"],
                smallest_component_ml=manifest["settings"]["inference"]["smallest_component_ml"],
                voxel_ml=read_nifti(self.folder / "tumour.nii.gz").grid.voxel_ml,
                breast_ml=summary["breast_ml"],
                largest_probability=summary["largest_probability"],
                largest_focus_mm=foci[0]["centroid_mm"] if foci else None,
                classes=[
                    TissueClass(
                        label=entry["label"],
                        colour=colour,
                        curve=entry["curve"],
                        tumour_share=entry["tumour_share"],
                        breast_share=entry["breast_share"],
                    )
                    for entry, colour in zip(classes, class_colours(len(classes)), strict=True)
                ],
                curve_label=summary["curve_label"],
                warnings=list(summary["warnings"]),
                notice=summary["notice"],
                files=[name for name in FILES if self.file(name)],
                corrected=self.file(CORRECTED) is not None,
            )

    def _json(self, name: str) -> Any:
        path = self.file(name)
        if path is None:
            raise InputError(f"{self.folder}: has no {name}; segment the exam again.")
        return read_json(path)


@contextmanager
def _telling(folder: Path) -> Iterator[None]:
    """Turn what a summary with other contents causes into one sentence."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: its {SUMMARY} or {MANIFEST} is damaged or of another version."
        ) from error


def is_result(folder: Path) -> bool:
    """Whether `hcnet segment` wrote this folder."""
    return all((folder / name).is_file() for name in (SUMMARY, MANIFEST, "tumour.nii.gz"))


class Results:
    """The results given at the start and those of the queue."""

    def __init__(self, given: Iterable[Path], queue: Queue, exams: Exams) -> None:
        self._queue = queue
        self._given = {}
        for folder in given:
            found = Result(
                id=id_of("result", str(folder.resolve())),
                folder=folder.resolve(),
                origin="given",
                exam=_exam_of(folder, exams.all()),
            )
            self._given[found.id] = found

    def all(self) -> list[Result]:
        """Those given, then those of the queue."""
        made = [self.get(job.id) for job in self._queue.all() if job.state == "done"]
        return [*self._given.values(), *(result for result in made if result is not None)]

    def get(self, result_id: str) -> Result | None:
        """The result of that identifier."""
        if result_id in self._given:
            return self._given[result_id]
        job = self._queue.get(result_id)
        if job is None or job.state != "done":
            return None
        return Result(job.id, self._queue.folder(job.id) / "out", "job", job.exam)


def _exam_of(folder: Path, exams: Iterable[Exam]) -> str | None:
    """The case of a listed cohort that was segmented into `folder`: same name, same image."""
    try:
        case = read_json(folder / SUMMARY)["case"]
        digest = read_json(folder / MANIFEST)["input"]["sha256"]
        named = [exam for exam in exams if exam.origin == "cohort" and exam.name == case]
        same = [exam.id for exam in named if open_case(list(exam.paths)).pre.digest() == digest]
    except (HcnetError, LookupError, TypeError):  # no exam, then; the result itself is told later
        return None
    return same[0] if same else None


def finite(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return value if math.isfinite(value) else None
