"""I-SPY1 from TCIA: DICOM exams with the maps, outlines and boxes that UCSF computed from them.

    ISPY1_1002/11-02-1984-868859-MR BREASTUNI UE-60097/3.000000-Dynamic-3dfgre-86604/1-001.dcm

Objects derived from series S0 have the numbers S0 * 10000 + 1000 (SER), + 1001 (PE1), + 2000 (PE
segmentation of the whole image), + 2001 (tissue), + 2100 and + 2101 (the same two within the
reader's box, VOI). Philips numbers its series in hundreds; there S0 is the number divided by 100.
The box and the functional tumour volume (FTV) are in UCSF's private elements of these objects.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.tag import Tag

from hcnet.cohorts.dicom_exam import DerivedMap, ExamDescription, Segmentation
from hcnet.cohorts.importers import dicom
from hcnet.cohorts.importers.importer import Findings, Imported, Item, Left, Options, safe_name
from hcnet.errors import HcnetError, InputError
from hcnet.kinetics.functional import BOX_KEYS
from hcnet.volumes.dicom.files import DicomFile, list_files
from hcnet.volumes.dicom.pixels import read_objects
from hcnet.volumes.dicom.sources import DicomMask
from hcnet.volumes.dicom.stacks import Stack
from hcnet.volumes.dicom.values import floats, integer, items_of, number, text, value_of
from hcnet.volumes.volume import Volume

MASK = "functional"
"""Source of the mask: a reader's box and thresholds on enhancement, no outline by an expert."""

_PATIENT = re.compile(r"ISPY1_\d{4}", re.IGNORECASE)
_VISIT = re.compile(r"(\d{2}-\d{2}-\d{4})-")
_VOI_PE = re.compile(r"\bVOI\b.*\bPE\b.*segm", re.IGNORECASE)
_THRESHOLD = re.compile(r"thresh\w*\s*=?\s*(\d+)", re.IGNORECASE)
_VOI_PE_OFFSET = 2100
_DEPTH = 3  # of folders above the patients: manifest-*/ISPY1/ISPY1_1002

_CREATOR = Tag(0x01170010)
_BOX_START, _BOX_END = Tag(0x011710A1), Tag(0x011710A2)
_VOLUMES = Tag(0x011710B0)
_VOXELS, _ML, _CRITERION = Tag(0x011710B3), Tag(0x011710B4), Tag(0x011710B5)


@dataclass(frozen=True)
class _Box:
    """First and last column, row and slice, counted from 0; slices in order of InstanceNumber."""

    first: tuple[int, int, int]
    last: tuple[int, int, int]


@dataclass(frozen=True)
class _Told:
    """What the headers of the derived objects say; None where they do not."""

    box: _Box | None = None
    voxels: int | None = None
    ml: float | None = None
    time_point: str = ""
    time_point_name: str = ""
    site: str = ""


def recognises(root: Path) -> bool:
    """Whether there are patients ISPY1_nnnn with folders of visits named by date, or zips of them.

    The same patients in NIfTI (MAMA-MIA, ISPY1-Tumor-SEG-Radiomics) have no such folders.
    """
    return any(_is_patient(path) for path in _patients(root))


def find(root: Path, options: Options) -> Findings:
    """The visits of each patient by the dates of their folders; no file is opened.

    Where the names do not tell the visits apart (zips, renamed folders, two on one day), the
    headers of that patient do, as in `dicom.find`.

    Args:
        root: the collection, a patient's folder or a zip of it.
        options: which visit.

    Raises:
        InputError: there is no such patient.
    """
    items: list[Item] = []
    left: list[Left] = []
    notes: list[str] = []
    for path in _patients(root):
        visits = _visits(path)
        found = _by_names(path, visits, options) if visits else _by_headers(path, options)
        items.extend(found.items)
        left.extend(found.left)
        notes.extend(found.notes)
    if not items and not left:
        raise InputError(f"{root}: holds no folder or zip of a patient named ISPY1_nnnn.")
    return Findings(tuple(items), tuple(left), tuple(notes))


def load(item: Item) -> Imported:
    """Read one visit: the phases, the functional tumour mask and the reader's box.

    Raises:
        HcnetError: the exam is damaged or makes no volumes.
    """
    description = dicom.describe(item)
    imported = dicom.read(item, description)
    told = _told(description)
    decisions = [*imported.decisions, *_of_headers(item, description, told)]
    mask = _functional(description, imported.phases[0], told, decisions)
    box = _box(description, told.box, mask, decisions)
    decisions += _left(description)
    facts = _facts(imported.facts, told, box, _threshold(description))
    masks = {} if mask is None else {MASK: mask}
    return replace(imported, masks=masks, facts=facts, decisions=tuple(decisions))


def _patients(root: Path) -> list[Path]:
    """Folders and zips of patients, at most `_DEPTH` folders down."""
    if _named(root) and (root.is_file() or _is_patient(root)):
        return [root]
    level = [root] if root.is_dir() else []
    for _ in range(_DEPTH):
        below = [path for folder in level for path in sorted(folder.iterdir())]
        found = [path for path in below if _named(path)]
        if found:
            return found
        level = [path for path in below if path.is_dir() and not path.name.startswith(".")]
    return []


def _named(path: Path) -> bool:
    """Whether this is a folder or zip with a patient's name."""
    if path.suffix.lower() == ".zip":
        return bool(_PATIENT.fullmatch(path.stem)) and path.is_file()
    return bool(_PATIENT.fullmatch(path.name)) and path.is_dir()


def _is_patient(path: Path) -> bool:
    if path.is_dir():
        return any(_VISIT.match(visit.name) and visit.is_dir() for visit in path.iterdir())
    try:
        members = list_files(path)
    except HcnetError:
        return False
    return any(
        _VISIT.match(part)
        for file in islice(members, 100)
        for part in (file.member or "").split("/")
    )


def _visits(path: Path) -> list[tuple[str, Path]] | None:
    """Date and folder of each visit, by date; None where the names do not tell."""
    if not path.is_dir():
        return None
    visits = []
    for folder in path.iterdir():
        if folder.name.startswith("."):
            continue
        match = _VISIT.match(folder.name)
        day = _day(match[1]) if match and folder.is_dir() else None
        if day is None:
            return None
        visits.append((day, folder))
    days = {day for day, _ in visits}
    return sorted(visits) if visits and len(days) == len(visits) else None


def _day(american: str) -> str | None:
    try:
        return datetime.strptime(american, "%m-%d-%Y").strftime("%Y%m%d")
    except ValueError:
        return None


def _by_names(path: Path, visits: Sequence[tuple[str, Path]], options: Options) -> Findings:
    found = [(folder, day, "") for day, folder in visits]
    items = dicom.visit_items(path.name.upper(), found, options)
    if items:
        return Findings(tuple(items))
    why = f"has {len(visits)} visit(s), no visit {options.visit}."
    return Findings((), (Left(safe_name(path.name), why),))


def _by_headers(path: Path, options: Options) -> Findings:
    try:
        return dicom.find(path, options)
    except InputError as error:
        return Findings((), (Left(safe_name(path.stem), str(error)),))


def _told(description: ExamDescription) -> _Told:
    """What the derived objects say; a box or volume from the first object that has it."""
    told = _Told()
    for file in _derived_files(description):
        try:
            (dataset,) = read_objects([file])
        except HcnetError:
            continue  # a damaged object is met, and told of, where it is used
        told = _Told(
            box=told.box or _box_of(dataset),
            voxels=_volume(dataset)[0] if told.voxels is None else told.voxels,
            ml=_volume(dataset)[1] if told.ml is None else told.ml,
            time_point=told.time_point or text(dataset, "ClinicalTrialTimePointID"),
            time_point_name=told.time_point_name
            or text(dataset, "ClinicalTrialTimePointDescription"),
            site=told.site or text(dataset, "ClinicalTrialSiteID"),
        )
    return told


def _derived_files(description: ExamDescription) -> Iterator[DicomFile]:
    for found in _maps(description):
        yield found.source.stack.instances[0].file
    for outline in _voi_outlines(description):
        yield outline.file
    yield description.phases[0].source.stack.instances[0].file  # has the time point and the site


def _maps(description: ExamDescription) -> list[DerivedMap]:
    """The derived maps, first those that were made from the series used, by their number."""
    made = {_derived_number(series, 0) // 10000 for series in _used(description)}
    return sorted(
        description.maps, key=lambda found: (found.series_number or 0) // 10000 not in made
    )


def _used(description: ExamDescription) -> list[int]:
    return sorted({phase.series_number or 0 for phase in description.phases})


def _voi_outlines(description: ExamDescription) -> list[Segmentation]:
    return [each for each in description.segmentations if _VOI_PE.search(each.name)]


def _is_ucsf(dataset: FileDataset) -> bool:
    return text(dataset, _CREATOR).startswith("UCSF")


def _box_of(dataset: FileDataset) -> _Box | None:
    if not _is_ucsf(dataset):
        return None
    corners = [_whole(value_of(dataset, tag)) for tag in (_BOX_START, _BOX_END)]
    if None in corners:
        return None
    first, last = corners
    return _Box(first, last)  # type: ignore[arg-type]


def _whole(value: Any) -> tuple[int, int, int] | None:
    """Three unsigned numbers; with implicit VR they are bytes, as private types are not known."""
    if isinstance(value, bytes):
        value = np.frombuffer(value, "<u2").tolist() if len(value) % 2 == 0 else None
    found = [int(part) for part in floats(value)]
    return (found[0], found[1], found[2]) if len(found) == 3 else None


def _volume(dataset: FileDataset) -> tuple[int | None, float | None]:
    """Voxels and ml of the functional tumour volume without a limit on SER."""
    if _is_ucsf(dataset):
        for entry in items_of(value_of(dataset, _VOLUMES)):
            if "FTVpe" in text(entry, _CRITERION):
                return integer(entry, _VOXELS), number(entry, _ML)
    return None, None


def _of_headers(item: Item, description: ExamDescription, told: _Told) -> Iterator[str]:
    known = safe_name(item.parts["patient"])
    if description.patient and safe_name(description.patient) != known:
        yield f"The headers name the patient {description.patient}, the folder {known}."
    if not told.time_point:
        return
    stands = f"time point {told.time_point} of the trial"
    if told.time_point_name:
        stands += f" ({told.time_point_name})"
    if told.time_point.upper() == f"T{item.parts['visit']}":
        yield f"The headers call the exam {stands}."
    else:
        yield (
            f"Look at this: visit {item.parts['visit']} by date is {stands}; an exam before it is "
            "not there."
        )


def _functional(
    description: ExamDescription, pre: Volume, told: _Told, decisions: list[str]
) -> Volume | None:
    """The PE segmentation within the reader's box, or None with the reason in `decisions`."""
    outline = _chosen(description, decisions)
    if outline is None:
        return None
    name = f"series {outline.series_number} ({outline.name})"
    try:
        if _has_no_frames(outline.file):
            voxels = 0
        else:
            mask = DicomMask(outline.file, description.grid).load()
            voxels = int(mask.data.sum())
    except HcnetError as error:
        decisions.append(f"Left the functional mask {name}: {error}")
        return None
    if not voxels:
        decisions.append(f"Left the functional mask {name}: it is empty.")
        return None
    threshold = _threshold(description)
    limit = "a threshold that its name does not tell" if threshold is None else f"PE {threshold} %"
    decisions.append(
        f"Took the functional mask ({limit}, within the reader's box) from {name}: {voxels} voxels."
    )
    if told.voxels is not None and told.voxels != voxels:
        decisions.append(
            f"Look at this: the headers state a functional volume of {told.voxels} voxels, the "
            f"mask has {voxels}."
        )
    return pre.with_data(mask.data)


def _chosen(description: ExamDescription, decisions: list[str]) -> Segmentation | None:
    """The outline that was made from the series used, by its number."""
    outlines = _voi_outlines(description)
    if not outlines:
        decisions.append("There is no VOI PE segmentation, so no functional mask.")
        return None
    expected = {_derived_number(series, _VOI_PE_OFFSET) for series in _used(description)}
    fitting = [each for each in outlines if each.series_number in expected]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"series {each.series_number} ({each.name})" for each in outlines)
    numbers = ", ".join(str(series) for series in _used(description))
    if len(outlines) == 1:
        decisions.append(
            f"Look at this: {listed} was not made from series {numbers} by its number; it is the "
            "only VOI PE segmentation and is taken if it fits the grid."
        )
        return outlines[0]
    decisions.append(
        f"Left the functional masks {listed}: their numbers do not tell which of them was made "
        f"from series {numbers}."
    )
    return None


def _derived_number(series: int, offset: int) -> int:
    """Number of the object that UCSF derived from a series."""
    return (series // 100 if series >= 100 else series) * 10000 + offset


def _has_no_frames(file: DicomFile) -> bool:
    """Whether an outline was written without any pixel, as some empty ones are."""
    (dataset,) = read_objects([file])
    return "PixelData" not in dataset or integer(dataset, "NumberOfFrames") == 0


def _threshold(description: ExamDescription) -> int | None:
    for outline in _voi_outlines(description):
        match = _THRESHOLD.search(outline.name)
        if match:
            return int(match[1])
    return None


def _box(
    description: ExamDescription, box: _Box | None, mask: Volume | None, decisions: list[str]
) -> dict[str, int] | None:
    """The reader's box in half-open voxel indices of the phases, or None with the reason."""
    if box is None:
        decisions.append("The headers hold no reader's box.")
        return None
    ends = _on_grid(description, box)
    told = f"columns, rows and slices {box.first} to {box.last}"
    if ends is None:
        decisions.append(f"Left the reader's box: {told} do not fit the images.")
        return None
    if mask is not None:
        inside = np.argwhere(mask.data)
        if (inside.min(0) < ends[:, 0]).any() or (inside.max(0) >= ends[:, 1]).any():
            decisions.append(f"Left the reader's box: the mask reaches outside {told}.")
            return None
    checked = "it holds the whole mask" if mask is not None else "no mask confirms it"
    decisions.append(f"Took the reader's box from the private headers ({told}); {checked}.")
    return dict(zip(BOX_KEYS, (int(end) for end in ends.ravel()), strict=True))


def _on_grid(description: ExamDescription, box: _Box) -> np.ndarray[Any, Any] | None:
    """(3, 2) half-open ends; slices go by InstanceNumber, which may run against the array."""
    stack = _numbered(description)
    slices = [i.instance_number for i in stack.instances]
    if None in slices:
        return None
    order = sorted(range(len(slices)), key=lambda k: slices[k] or 0)
    if not 0 <= box.first[2] <= box.last[2] < len(order):
        return None
    depth = sorted((order[box.first[2]], order[box.last[2]]))
    low = np.array([*box.first[:2], depth[0]])
    high = np.array([*box.last[:2], depth[1]])
    if (low < 0).any() or (low > high).any() or (high >= description.grid.shape).any():
        return None
    return np.stack([low, high + 1], axis=1)


def _numbered(description: ExamDescription) -> Stack:
    """The stack whose numbering the box follows: a derived map of the same slices, or the pre."""
    for found in _maps(description):
        if description.grid.difference(found.source.stack.grid, 0.1) is None:
            return found.source.stack
    return description.phases[description.pre_index].source.stack


def _left(description: ExamDescription) -> Iterator[str]:
    """What is there and not imported."""
    for found in description.maps:
        yield (
            f"Left the map series {found.series_number} ({found.name}): the phases give it anew."
        )
    for outline in description.segmentations:
        name = f"series {outline.series_number} ({outline.name})"
        if "tissue" in outline.name.lower():
            yield f"Left {name}: it marks tissue by a threshold, neither a tumour nor the breast."
        elif not _VOI_PE.search(outline.name):
            yield f"Left {name}: it is not limited to the reader's box."


def _facts(
    facts: Any, told: _Told, box: dict[str, int] | None, threshold: int | None
) -> dict[str, Any]:
    imaging = {**facts["imaging_data"], "dataset": "ISPY1"}
    if told.site:
        imaging["site"] = told.site
    if told.time_point:
        imaging["time_point"] = told.time_point
    lesion = {
        "tumour_box": box,
        "functional_ml": told.ml,
        "functional_threshold": threshold,
    }
    return {
        **facts,
        "imaging_data": imaging,
        "primary_lesion": {key: value for key, value in lesion.items() if value is not None},
    }
