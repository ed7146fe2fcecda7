"""Duke-Breast-Cancer-MRI as it comes from TCIA: 922 DICOM exams, with boxes and no outlines.

    Breast_MRI_001/STUDY/SERIES/1-001.dcm       in folders of descriptive names or of UIDs
    Breast-Cancer-MRI-filepath_filename-mapping.xlsx    which series is pre, post_1, ...
    Annotation_Boxes.xlsx                       a box around the largest tumour
    Clinical_and_Other_Features.xlsx
    Segmentation_Masks_NRRD/Breast_MRI_002/Segmentation_Breast_MRI_002_Breast.seg.nrrd

Whatever of the tables and masks is in the folder, or in one of those above the patients', is used.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hcnet.cohorts.dicom_exam import ExamDescription, PhaseRow
from hcnet.cohorts.importers import dicom
from hcnet.cohorts.importers.duke_breast import read_breast
from hcnet.cohorts.importers.duke_phases import describe
from hcnet.cohorts.importers.duke_tables import (
    BOXES,
    CLINICAL,
    MAPPING,
    MappedSeries,
    box_of,
    find_table,
    read_boxes,
    read_clinical,
    read_mapping,
)
from hcnet.cohorts.importers.importer import Findings, Imported, Item, Left, Options, safe_name
from hcnet.errors import HcnetError, InputError
from hcnet.volumes.volume import Volume

_PATIENT = re.compile(r"breast_mri_\d{1,6}", re.IGNORECASE)
_DATED = re.compile(r"(\d\d)-(\d\d)-(\d{4})(?!\d)")
_MASKS = "segmentation_masks_nrrd"
_DEPTH = 3
"""How far below the given folder patients, tables and masks may lie."""


def recognises(root: Path) -> bool:
    """Whether a folder holds patients `Breast_MRI_nnn` with folders of their own."""
    return any(_is_patient(folder) and _subfolders(folder) for folder in _folders(root))


def find(root: Path, options: Options) -> Findings:
    """The patients of the collection, with what the tables say of each.

    Raises:
        InputError: the folder holds no patient of this collection, or a table cannot be used.
    """
    folders = list(_folders(root))
    patients = [folder for folder in folders if _is_patient(folder)]
    if not patients:
        raise InputError(f"{root}: holds no folder Breast_MRI_nnn; is it Duke-Breast-Cancer-MRI?")
    about, notes = _tables(root, [folder for folder in folders if not _is_patient(folder)])
    items, left = [], []
    for patient in patients:
        known = {name: table.get(patient.name.lower()) for name, table in about.items()}
        for case in _of_patient(patient, known["mapped"] or [], options):
            if isinstance(case, Left):
                left.append(case)
                continue
            # The tables speak of the exam before treatment.
            own = known if case.parts["visit"] == 1 else dict.fromkeys(known)
            items.append(replace(case, parts={**case.parts, **own}))
    return Findings(tuple(items), tuple(left), tuple(notes))


def load(item: Item) -> Imported:
    """Read one exam, with its box as a fact and its breast mask where there is one.

    Raises:
        HcnetError: the exam is damaged or holds no dynamic series.
    """
    description, told = describe(item)
    imported = dicom.read(item, description)
    decisions = [*told, *imported.decisions]
    if description.patient.lower() != item.parts["patient"].lower():
        decisions.append(
            f"Look at this: the files say patient {description.patient[:40]!r}, the folder "
            f"{item.parts['patient']}."
        )
    facts = _merged(
        imported.facts, {"imaging_data": {"dataset": "DUKE"}}, item.parts["clinical"] or {}
    )
    box = _box(item, description, decisions)
    if box is not None:
        facts = _merged(facts, {"primary_lesion": {"tumour_box": box}})
    breast = _breast(item, description, decisions)
    return replace(imported, facts=facts, breast=breast, decisions=tuple(decisions))


def _folders(root: Path) -> Iterator[Path]:
    """The folder and those below that may hold patients, tables or masks; the nearest first."""
    level = [root] if root.is_dir() else []
    for _ in range(_DEPTH + 1):
        yield from level
        level = [
            below
            for folder in level
            if not _is_patient(folder) and not _holds_masks(folder)
            for below in _subfolders(folder)
        ]


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _is_patient(folder: Path) -> bool:
    return bool(_PATIENT.fullmatch(folder.name))


def _holds_masks(folder: Path) -> bool:
    # The folders in it have the names of patients too, and are none.
    return folder.name.lower() == _MASKS


def _tables(root: Path, folders: Sequence[Path]) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """What is known beside the images, by patient in lower case, and what was noticed."""
    mapping, boxes, clinical = (find_table(folders, name) for name in (MAPPING, BOXES, CLINICAL))
    notes = [
        f"{root}: has no table {name}, so {lost}."
        for path, name, lost in (
            (mapping, MAPPING, "phases are chosen by the headers"),
            (boxes, BOXES, "no case gets a tumour box"),
            (clinical, CLINICAL, "clinical facts are missing"),
        )
        if path is None
    ]
    facts, remarks = ({}, []) if clinical is None else read_clinical(clinical)
    about: dict[str, Mapping[str, Any]] = {
        "mapped": {} if mapping is None else read_mapping(mapping),
        "box": {} if boxes is None else read_boxes(boxes),
        "clinical": facts,
        "breast": _breast_files(folders),
    }
    return about, notes + remarks


def _breast_files(folders: Sequence[Path]) -> dict[str, Path]:
    """Breast masks by patient in lower case."""
    found: dict[str, Path] = {}
    for masks in folders:
        if _holds_masks(masks):
            for patient in _subfolders(masks):
                for path in sorted(patient.iterdir()):
                    if path.name.lower().endswith("_breast.seg.nrrd"):
                        found.setdefault(patient.name.lower(), path)
    return found


def _of_patient(
    patient: Path, mapped: Sequence[MappedSeries], options: Options
) -> Iterator[Item | Left]:
    name = safe_name(patient.name)
    studies = [folder for folder in _subfolders(patient) if _subfolders(folder)]
    if not studies and _subfolders(patient):
        studies = [patient]  # the series lie in the patient's folder itself
    if not studies:
        yield Left(name, f"{patient}: holds no folder of a study.")
        return
    named = [study for study in studies if _holds_mapped(study, mapped)]
    if len(named) == 1 and len(studies) > 1:
        others = ", ".join(study.name for study in studies if study not in named)
        yield Left(f"{name}_OTHER", f"{patient}: the mapping file does not name the study {others}")
        studies = named
    dates = [_date(study) for study in studies]
    if len(studies) > 1 and ("" in dates or len(set(dates)) < len(dates)):
        yield Left(
            name,
            f"{patient}: the names of its {len(studies)} studies do not tell their order; import "
            "it by --from dicom, which reads the dates of the files.",
        )
        return
    if options.visit is not None and options.visit > len(studies):
        yield Left(name, f"{patient}: has {len(studies)} visit(s), no visit {options.visit}.")
    visits = sorted((date, study) for date, study in zip(dates, studies, strict=True))
    yield from dicom.visit_items(
        patient.name, [(study, date, "") for date, study in visits], options
    )


def _date(study: Path) -> str:
    """YYYYMMDD of a descriptive name, MM-DD-YYYY-..., or an empty string."""
    match = _DATED.match(study.name)
    return f"{match[3]}{match[1]}{match[2]}" if match else ""


def _holds_mapped(study: Path, mapped: Sequence[MappedSeries]) -> bool:
    names = {folder.name for folder in _subfolders(study)}
    return any(one.uid in names or one.folder in names for one in mapped)


def _box(
    item: Item, description: ExamDescription, decisions: list[str]
) -> Mapping[str, int] | None:
    """The tumour box in voxels of the stored array; a decision says how, or why there is none."""
    row = item.parts["box"]
    if row is None:
        decisions.append("No table has a tumour box of it.")
        return None
    try:
        order, why = _slice_order(description.phases[description.pre_index :])
        box = box_of(row, description.grid.shape, order)
    except InputError as error:
        decisions.append(f"Left the tumour box: {error}.")
        return None
    decisions.append(
        f"Took the tumour box as counted from 1 with its end included, in stored rows and columns; "
        f"slices by InstanceNumber, {why}."
    )
    return box


def _slice_order(phases: Sequence[PhaseRow]) -> tuple[list[int], str]:
    """For each slice in the order of InstanceNumber, its index along z of the stored array.

    Raises:
        InputError: slices are not numbered, or the phases are numbered differently.
    """
    orders = []
    for phase in phases:
        numbers = [instance.instance_number for instance in phase.source.stack.instances]
        known = [number for number in numbers if number is not None]
        if len(set(known)) < len(numbers):
            raise InputError("its slices are not numbered")
        orders.append(sorted(range(len(known)), key=known.__getitem__))
    order = orders[0]
    if any(other != order for other in orders):
        raise InputError("the slices of its phases are numbered differently")
    if order == sorted(order):
        return order, "which here rises along z"
    if order == sorted(order, reverse=True):
        return order, "which here falls along z"
    raise InputError("its slices are not numbered in the order in which they lie")


def _breast(item: Item, description: ExamDescription, decisions: list[str]) -> Volume | None:
    path = item.parts["breast"]
    if path is None:
        return None
    try:
        mask, why = read_breast(Path(path), description.grid)
    except HcnetError as error:
        decisions.append(f"Left the breast mask: {error}")
        return None
    decisions.append(f"Took the breast mask from {Path(path).name}: {why}.")
    return mask


def _merged(*facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of several sources; in their groups the later ones count."""
    merged: dict[str, Any] = {}
    for one in facts:
        for key, value in one.items():
            old = merged.get(key)
            grouped = isinstance(value, Mapping) and isinstance(old, Mapping)
            merged[key] = {**(old or {}), **value} if grouped else value
    return merged
