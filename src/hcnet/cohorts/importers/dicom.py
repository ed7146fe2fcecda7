"""Loose DICOM exams: any tree of folders and zips, told apart by what the headers say.

A study is a visit of its patient if it holds a dynamic T1 series. Whether it does is judged by its
headers alone, so an exam that is damaged counts as a visit and fails by itself: a later visit must
not take the place of a damaged baseline.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from hcnet.cohorts.dicom_exam import ExamDescription, describe_exam, exam_case
from hcnet.cohorts.importers.importer import (
    Findings,
    Imported,
    Item,
    Left,
    Options,
    safe_name,
)
from hcnet.errors import HcnetError, InputError
from hcnet.volumes.dicom.dynamic import select_phases
from hcnet.volumes.dicom.files import is_dicom, list_files, open_files
from hcnet.volumes.dicom.headers import Instance, scan
from hcnet.volumes.dicom.series import Kind, group_series

_LOOKED_AT = 200
"""Files that `recognises` opens at most."""

_UNDATED = "99999999"


@dataclass(frozen=True)
class _Study:
    """A study, and where its files are: folders, or zips.

    Attributes:
        unfit: why it is no visit, or an empty string.
    """

    uid: str
    patient: str
    date: str
    start: float
    places: tuple[Path, ...]
    unfit: str

    @property
    def order(self) -> tuple[str, float, str]:
        """Sorts the studies of a patient by time; those without a date come last."""
        return self.date or _UNDATED, self.start, self.uid

    @property
    def root(self) -> Path:
        """The zip, or the smallest folder, that holds all of it."""
        return Path(os.path.commonpath(self.places))


def recognises(root: Path) -> bool:
    """Whether one of the first files of a folder or zip, or of zips in it, is DICOM."""
    return any(_is_exam_file(path) for path in islice(_files(root), _LOOKED_AT))


def find(root: Path, options: Options) -> Findings:
    """The visits of each patient, by the headers of all files; no pixel is read.

    Args:
        root: a folder with DICOM files or zips of them in any order, or one zip.
        options: which visit. Visits count the studies with a dynamic exam, by date.

    Raises:
        InputError: the folder holds no DICOM at all.
    """
    instances, broken = _scan(root)
    if not instances:
        raise InputError(broken[0] if broken else f"{root}: holds no DICOM file; is it NIfTI?")
    studies = _studies(instances)
    found: list[Item | Left] = []
    for patient in sorted({study.patient for study in studies}):
        own = [study for study in studies if study.patient == patient]
        found.extend(_of_patient(own, studies, options))
    items = tuple(case for case in found if isinstance(case, Item))
    left = tuple(case for case in found if isinstance(case, Left))
    notes = [f"{len(broken)} file(s) cannot be read, the first: {broken[0]}"] if broken else []
    return Findings(items, left, tuple(notes))


def load(item: Item) -> Imported:
    """Read one exam; segmentation objects are named and left, as their meaning is not known.

    Raises:
        HcnetError: the exam is damaged or makes no volumes.
    """
    description = describe(item)
    imported = read(item, description)
    outlines = ", ".join(f"{s.series_number} ({s.name})" for s in description.segmentations)
    if not outlines:
        return imported
    told = f"Left the segmentation objects {outlines}: what they outline is not known."
    return replace(imported, decisions=(*imported.decisions, told))


def describe(item: Item) -> ExamDescription:
    """Understand the exam of an item.

    Raises:
        HcnetError: as `describe_exam`, or another study than the item's was found there.
    """
    description = describe_exam(item.place)
    wanted = item.parts.get("study")
    if wanted and description.series[0].series.first.study_uid != wanted:
        raise InputError(
            f"{item.place}: holds several studies, and visit {item.parts['visit']} of "
            f"{item.parts['patient']} is not the first of them; put it into a folder of its own."
        )
    return description


def read(item: Item, description: ExamDescription) -> Imported:
    """Read the phases of an exam, with the reasons for the choice of each.

    Raises:
        HcnetError: pixels are damaged, or compressed in a way that cannot be decoded.
    """
    case = exam_case(description, name=item.name)
    return Imported(
        phases=tuple(phase.load() for phase in case.phases),
        times_s=case.times_s,
        times_from=case.times_from,
        facts=_facts(item, description),
        decisions=tuple(_decisions(item, description)),
    )


def visit_items(name: str, visits: Sequence[tuple[Path, str, str]], options: Options) -> list[Item]:
    """Items of one patient's visits.

    Args:
        name: the patient, as the headers or folders have it.
        visits: place, date (YYYYMMDD or empty) and StudyInstanceUID (or empty) of each, by date.
        options: which visit.
    """
    case, found = safe_name(name), []
    for number, (place, date, uid) in enumerate(visits, 1):
        if options.visit in (number, None):
            parts = {"patient": name, "visit": number, "visits": len(visits), "date": date}
            named = case if options.visit is not None else f"{case}_V{number}"
            found.append(Item(named, place, {**parts, "study": uid}))
    return found


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent) / name for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _is_exam_file(path: Path) -> bool:
    """Whether a file is DICOM, or a zip with DICOM among its first members."""
    if path.name.upper() == "DICOMDIR":
        return False
    try:
        files = list_files(path)[:_LOOKED_AT]
        return any(is_dicom(stream) for _, stream in open_files(files))
    except (HcnetError, OSError):
        return path.suffix.lower() in (".dcm", ".zip")  # damaged, and worth a word


def _scan(root: Path) -> tuple[list[Instance], list[str]]:
    """The headers of all files, copies left out, and what cannot be read.

    File by file, so that a damaged one does not hide the others; its exam meets it again in `load`.
    """
    found: dict[tuple[str, int | None], Instance] = {}
    broken = []
    for path in _files(root):
        try:
            for instance in scan(path).instances:
                found.setdefault(instance.identity, instance)
        except InputError as error:
            if _is_exam_file(path):
                broken.append(str(error))
    return list(found.values()), broken


def _studies(instances: Sequence[Instance]) -> list[_Study]:
    grouped: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        grouped[instance.study_uid or str(_place(instance))].append(instance)
    found = []
    for members in grouped.values():
        times = [i.acquired_s for i in members if i.acquired_s is not None]
        places = tuple(sorted({_place(instance) for instance in members}))
        found.append(
            _Study(
                uid=members[0].study_uid,
                # Exams without any PatientID are told apart by where they lie.
                patient=max(i.patient for i in members) or places[0].stem,
                date=max(i.study_date for i in members),
                start=min(times, default=float("inf")),
                places=places,
                unfit=_unfit(members, places[0]),
            )
        )
    return sorted(found, key=lambda study: (study.patient, study.order))


def _place(instance: Instance) -> Path:
    file = instance.file
    return file.container.parent if file.member is None else file.container


def _unfit(members: Sequence[Instance], place: Path) -> str:
    """Why a study is no visit, or an empty string; one with a damaged dynamic exam is a visit."""
    series = group_series(members)
    if not any(each.kind is Kind.T1 for each in series):
        kinds = "; ".join(f"{each.name}: {each.why}" for each in series)
        return f"holds no T1-weighted volume ({kinds})"
    try:
        chosen = select_phases(series, str(place))
    except HcnetError:
        return ""
    return "" if len(chosen.phases) > 1 else f"has no dynamic exam: {chosen.why}"


def _of_patient(
    own: Sequence[_Study], studies: Sequence[_Study], options: Options
) -> Iterator[Item | Left]:
    """What becomes of one patient; `own` are the studies by date."""
    patient = own[0].patient
    case = safe_name(patient)
    fit = [study for study in own if not study.unfit]
    unfit = [f"{study.root}: {study.unfit}" for study in own if study.unfit]
    if not fit:
        yield Left(case, f"has no study with a dynamic exam: {'; '.join(unfit)}.")
        return
    for number, why in enumerate(unfit, 1):
        yield Left(f"{case}_OTHER{number}", f"is no visit: {why}.")
    if options.visit is not None and options.visit > len(fit):
        yield Left(case, f"has {len(fit)} visit(s) with a dynamic exam, no visit {options.visit}.")
    visits = [(study.root, study.date, study.uid) for study in fit]
    for item in visit_items(patient, visits, options):
        mixed = _mixed(fit[item.parts["visit"] - 1], studies)
        yield Left(item.name, mixed) if mixed else item


def _mixed(study: _Study, studies: Sequence[_Study]) -> str:
    """Why an exam cannot be read apart from others, or an empty string."""
    if len(study.places) > 1 and any(place.is_file() for place in study.places):
        return f"lies in several zips ({study.places[0]}, ...); unpack them into one folder."
    root = study.root
    others = [o for o in studies if o is not study and any(_within(p, root) for p in o.places)]
    # Of one patient's studies that lie together, the reader takes the earliest by itself.
    if all(o.patient == study.patient and o.order > study.order for o in others):
        return ""
    return f"lies among the files of other exams in {root}; put each exam into a folder of its own."


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _decisions(item: Item, description: ExamDescription) -> Iterator[str]:
    parts = item.parts
    day = f" ({parts['date']})" if parts.get("date") else ", which has no date"
    yield f"Took visit {parts['visit']} of {parts['visits']}{day}."
    phases = description.phases[description.pre_index :]
    series = list(dict.fromkeys(str(phase.series_number) for phase in phases))
    yield f"Took {len(phases)} phases from series {', '.join(series)}: {description.dynamic_why}."
    for why in dict.fromkeys(phase.why for phase in phases):
        yield f"Split of the series: {why}."
    yield f"The pre-contrast phase is {description.pre_why}."
    yield f"Times: {description.times_why}."
    yield from (f"Look at this: {warning.removesuffix('.')}." for warning in description.warnings)


def _facts(item: Item, description: ExamDescription) -> dict[str, Any]:
    """What the headers say, in MAMA-MIA's terms where it has one."""
    given = description.facts
    first = description.phases[description.pre_index].source.stack.instances[0]
    age = str(given.get("patient_age", ""))
    clinical = {
        # A DICOM age is three digits and a unit; only years make sense here.
        "age": int(age[:-1]) if age[:-1].isdecimal() and age[-1:].upper() == "Y" else None,
        "sex": given.get("patient_sex"),
    }
    imaging = {
        "scanner_manufacturer": given.get("scanner_manufacturer"),
        "scanner_model": given.get("scanner_model"),
        "field_strength": given.get("field_strength"),
        "echo_time": first.echo_time,
        "repetition_time": first.repetition_time,
        "flip_angle": first.flip_angle,
        "laterality": given.get("laterality"),
        "study_description": given.get("study_description"),
        "study_date": description.study_date or None,
        "visit": item.parts["visit"],
    }
    return {
        "patient_id": safe_name(item.parts["patient"]),
        "clinical_data": {key: value for key, value in clinical.items() if value is not None},
        "imaging_data": {key: value for key, value in imaging.items() if value is not None},
    }
