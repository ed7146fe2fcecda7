"""A DICOM exam, understood: which series are its phases, when they were made, which is first.

The rules follow how I-SPY1 and Duke lie on TCIA and what scanners leave out of their headers. Every
decision carries its reason in words, and each can be overridden.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hcnet.cohorts.case import Case, TimesFrom
from hcnet.errors import HcnetError, InputError
from hcnet.volumes.dicom.dynamic import Phase, select_phases
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import Instance, scan
from hcnet.volumes.dicom.phases import split_phases
from hcnet.volumes.dicom.series import Kind, Series, group_series
from hcnet.volumes.dicom.sources import DicomMask, DicomPhase
from hcnet.volumes.dicom.timing import Times, given_times, pre_of, times_of
from hcnet.volumes.volume import Grid


@dataclass(frozen=True, eq=False)
class SeriesRow:
    """One series of the exam. `role` is dynamic, T1 not used, derived map, segmentation, other."""

    series: Series
    role: str
    why: str


@dataclass(frozen=True, eq=False)
class PhaseRow:
    """One phase of the exam; `time_s` is relative to what `ExamDescription.times_from` says."""

    source: DicomPhase
    series_number: int | None
    time_s: float | None
    why: str


@dataclass(frozen=True, eq=False)
class DerivedMap:
    """A map computed from the phases by the scanner or the collection (PE, SER)."""

    name: str
    series_number: int | None
    source: DicomPhase


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A DICOM segmentation object; `segments` are pairs of number and label."""

    name: str
    series_number: int | None
    file: DicomFile
    segments: tuple[tuple[int, str], ...]


@dataclass(frozen=True, eq=False)
class ExamDescription:
    """What an exam holds and how it was understood.

    Attributes:
        path: the folder or zip.
        patient: PatientID; may be empty.
        study_date: as in DICOM, YYYYMMDD; may be empty.
        series: all series of the study.
        dynamic_why: why these series are the phases.
        phases: all phases in order of time, also those before the pre-contrast one used.
        pre_index: which of `phases` is pre-contrast.
        pre_why: why.
        pre_doubt: why that may be wrong, or None; also among the warnings.
        times_from: what `PhaseRow.time_s` is relative to.
        times_why: where the times come from.
        maps: derived maps that can be read as volumes.
        segmentations: segmentation objects.
        warnings: what a user should look at.
        facts: subject and scanner facts.
        skipped_files: number of files that are not DICOM images or objects.
    """

    path: Path
    patient: str
    study_date: str
    series: tuple[SeriesRow, ...]
    dynamic_why: str
    phases: tuple[PhaseRow, ...]
    pre_index: int
    pre_why: str
    pre_doubt: str | None
    times_from: TimesFrom
    times_why: str
    maps: tuple[DerivedMap, ...]
    segmentations: tuple[Segmentation, ...]
    warnings: tuple[str, ...]
    facts: dict[str, Any]
    skipped_files: int

    @property
    def grid(self) -> Grid:
        """The grid that all phases share."""
        return self.phases[0].source.stack.grid


def describe_exam(
    path: Path,
    *,
    series: Sequence[int] | None = None,
    phases: int | None = None,
    pre: int | None = None,
    times: Sequence[float] | None = None,
) -> ExamDescription:
    """Read the headers of a DICOM folder or zip and understand the exam; no pixel is read.

    Args:
        path: folder, zip or single file.
        series: numbers of the series to use, instead of those found.
        phases: number of phases, instead of that found.
        pre: index (from 0) of the pre-contrast phase in order of time, instead of that found.
        times: acquisition times in seconds, one per phase, instead of those found; relative to
            the injection, or to the pre-contrast phase if its time is 0.

    Raises:
        InputError: no DICOM, several patients, no usable T1 volume, damaged or missing slices, or
            an override that does not fit.
        GeometryError: slices that do not make a volume, or chosen series on different grids.
    """
    found = scan(path)
    study, warnings = _one_study(path, found.instances, series)
    grouped = group_series(study)
    chosen = select_phases(grouped, str(path), numbers=series, count=phases)
    stacks = [phase.stack for phase in chosen.phases]
    known = times_of(stacks, study)
    if pre is not None and not 0 <= pre < len(stacks):
        raise InputError(f"{path}: has no phase {pre}; its phases are 0 to {len(stacks) - 1}.")
    index, pre_why, doubt = pre_of(stacks, known)
    if pre is not None:
        index, pre_why, doubt = pre, "chosen by the user", None
    if times is not None:
        known = given_times(times, len(stacks), index)
    seconds, origin = _relative(known, index)
    if index:
        warnings.append(f"{index} phase(s) before the pre-contrast one are not used")
    if found.copies:
        warnings.append(f"{found.copies} file(s) are copies of others and were left out")
    maps, unreadable = _maps(grouped)
    used = {phase.series for phase in chosen.phases}
    return ExamDescription(
        path=path,
        patient=study[0].patient,
        study_date=study[0].study_date,
        series=tuple(_row(s, s in used, chosen.why) for s in grouped),
        dynamic_why=chosen.why,
        phases=tuple(
            _phase_row(phase, None if seconds is None else seconds[i])
            for i, phase in enumerate(chosen.phases)
        ),
        pre_index=index,
        pre_why=pre_why,
        pre_doubt=doubt,
        times_from=origin,
        times_why=known.why,
        maps=tuple(maps),
        segmentations=tuple(_segmentations(grouped)),
        warnings=(
            *warnings,
            *chosen.warnings,
            *filter(None, (doubt, known.warning)),
            *unreadable,
        ),
        facts=dict(stacks[index].instances[0].facts),
        skipped_files=found.skipped,
    )


def exam_case(
    description: ExamDescription,
    *,
    name: str | None = None,
    tumour: int | None = None,
    breast: int | None = None,
) -> Case:
    """The case of an exam; nothing is read until a phase is loaded, and then only that phase.

    Args:
        description: from `describe_exam`.
        name: of the case; by default the PatientID, or the name of the folder or zip.
        tumour: series number of a segmentation object to use as tumour mask.
        breast: the same for the breast mask.

    Raises:
        InputError: no such segmentation object.
    """
    rows = description.phases[description.pre_index :]
    times = [row.time_s for row in rows if row.time_s is not None]
    facts = {**description.facts, "study_date": description.study_date}
    return Case(
        name=name or _safe_name(description.patient) or description.path.stem,
        phases=tuple(row.source for row in rows),
        times_s=tuple(times) if len(times) == len(rows) else None,
        times_from=description.times_from,
        tumour=None if tumour is None else _mask(description, tumour),
        breast=None if breast is None else _mask(description, breast),
        facts={key: value for key, value in facts.items() if value != ""},
        doubt=description.pre_doubt,
    )


def _one_study(
    path: Path, instances: Sequence[Instance], numbers: Sequence[int] | None
) -> tuple[list[Instance], list[str]]:
    """The instances of one study, and warnings about others."""
    patients = sorted({i.patient for i in instances if i.patient})
    if len(patients) > 1:
        raise InputError(
            f"{path}: holds {len(patients)} patients ({', '.join(patients[:3])}"
            f"{', ...' if len(patients) > 3 else ''}); give one exam at a time."
        )
    studies: dict[str, list[Instance]] = {}
    for instance in instances:
        studies.setdefault(instance.study_uid, []).append(instance)
    if numbers:
        having = {
            uid: members
            for uid, members in studies.items()
            if set(numbers) <= {member.series_number for member in members}
        }
        studies = having or studies
    if len(studies) == 1:
        return next(iter(studies.values())), []
    # The first visit is the one before treatment; a study without any T1 volume is none.
    usable = [
        members
        for members in studies.values()
        if any(series.kind is Kind.T1 for series in group_series(members))
    ] or list(studies.values())
    usable.sort(key=lambda members: min(i.study_date or "9" for i in members))
    dates = ", ".join(members[0].study_date or "undated" for members in studies.values())
    return usable[0], [
        f"{len(studies)} studies are there ({dates}); the earliest with a T1 volume is used "
        f"({usable[0][0].study_date or 'undated'}), give the folder of another to use that"
    ]


def _relative(times: Times, pre: int) -> tuple[tuple[float, ...] | None, TimesFrom]:
    if times.seconds is None or times.origin == "unknown":
        return None, "unknown"
    if times.origin == "injection":
        return times.seconds, "injection"
    return tuple(t - times.seconds[pre] for t in times.seconds), "pre"


def _row(series: Series, used: bool, why: str) -> SeriesRow:
    if used:
        return SeriesRow(series, "dynamic", f"{why}; {series.why}")
    role = "T1, not used" if series.kind is Kind.T1 else series.kind.value
    return SeriesRow(series, role, series.why)


def _phase_row(phase: Phase, time_s: float | None) -> PhaseRow:
    return PhaseRow(DicomPhase(phase.stack), phase.series.number, time_s, phase.why)


def _maps(grouped: Sequence[Series]) -> tuple[list[DerivedMap], list[str]]:
    found, unreadable = [], []
    for series in grouped:
        if series.kind is not Kind.DERIVED:
            continue
        try:
            split = split_phases(series.instances, series.name)
        except HcnetError as error:
            unreadable.append(f"a derived map cannot be read: {error}")
            continue
        if len(split.stacks) == 1:
            name = series.first.description or "/".join(series.first.image_type)
            found.append(DerivedMap(name, series.number, DicomPhase(split.stacks[0])))
    return found, unreadable


def _segmentations(grouped: Sequence[Series]) -> list[Segmentation]:
    return [
        Segmentation(instance.description, series.number, instance.file, instance.segments)
        for series in grouped
        if series.kind is Kind.SEGMENTATION
        for instance in series.instances
    ]


def _mask(description: ExamDescription, number: int) -> DicomMask:
    for found in description.segmentations:
        if found.series_number == number:
            return DicomMask(found.file, description.grid)
    known = ", ".join(f"{s.series_number} ({s.name})" for s in description.segmentations)
    raise InputError(
        f"{description.path}: has no segmentation series {number}; there are: {known or 'none'}."
    )


def _safe_name(patient: str) -> str:
    """A PatientID as a file name: it comes from outside and may hold anything."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", patient).strip("._-")
