"""MAMA-MIA as downloaded: nearly a cohort; it is copied with checks and completed facts.

images/DUKE_001/duke_001_0000.nii.gz        names in either case, also in one collection
segmentations/{expert,automatic}/duke_001.nii.gz
patient_info_files/duke_001.json            facts
clinical_and_imaging_info.xlsx              sheet dataset_info: more facts, acquisition times
train_test_splits.csv                       columns train_split, test_split, of unequal length

Facts of the layout: LidiaGarrucho/MAMA-MIA. Where an image lies is what its affine says.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hcnet.cohorts.case import TimesFrom
from hcnet.cohorts.importers.importer import Findings, Imported, Item, Left, Options, safe_name
from hcnet.cohorts.importers.nifti import read_mask
from hcnet.cohorts.importers.tables import Row, by_key, check_columns, read_table
from hcnet.cohorts.naming import nifti_by_stem, phase_of
from hcnet.errors import InputError
from hcnet.files import read_json
from hcnet.volumes.nifti import is_nifti, read_nifti
from hcnet.volumes.volume import Shape

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d+)?(e-?\d{1,2})?", re.IGNORECASE)
SHEET = "dataset_info"
ENDS = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")

_LESION = {"pcr", "tumor_subtype", "hr", "er", "pr", "her2", "mammaprint", "oncotype_score",
           "nottingham_grade", "multifocal_cancer"}  # fmt: skip
_IMAGING = {"dataset", "view", "bilateral_mri", "num_phases", "fat_suppressed", "field_strength",
            "image_rows", "image_columns", "num_slices", "pixel_spacing", "slice_thickness", "site",
            "manufacturer", "scanner_model", "high_bit", "window_center", "window_width",
            "echo_time", "repetition_time", "acquisition_times", "acquisition_date",
            "tcia_series_uid"}  # fmt: skip
_RENAMED = {"menopause": "menopausal_status", "bilateral_mri": "bilateral",
            "manufacturer": "scanner_manufacturer"}  # fmt: skip


def recognises(root: Path) -> bool:
    """Whether a folder has `images/CASE/case_0000.nii.gz`; looks at the first few cases."""
    images = _folder(root, "images")
    if images is None:
        return False
    folders = [path for path in sorted(images.iterdir())[:20] if path.is_dir()]
    return any(0 in _phases(folder)[0] for folder in folders)


def find(root: Path, options: Options) -> Findings:  # noqa: ARG001 - every patient has one visit
    """The cases of `images/`, with what the other folders and tables have for each.

    Raises:
        InputError: there is no `images/`, or a table cannot be used.
        MissingExtraError: the table is there and openpyxl is not.
    """
    images = _folder(root, "images")
    if images is None:
        raise InputError(f"{root}: is no MAMA-MIA download; it has no folder images/.")
    beside = _beside(root)
    items: list[Item] = []
    left: list[Left] = []
    for folder in sorted(images.iterdir(), key=lambda path: path.name.lower()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        phases, why = _phases(folder)
        name = safe_name(folder.name)
        if why is not None:
            left.append(Left(name, why))
            continue
        ordered = [str(phases[number]) for number in sorted(phases)]
        items.append(Item(name, folder, {"phases": ordered, **beside.of(folder.name)}))
    known = {item.place.name.lower() for item in items}
    notes = list(beside.notes)
    missing = len(set(beside.rows) - known)
    if beside.rows and missing:
        notes.append(f"{missing} patients of the table have no images here.")
    return Findings(tuple(items), tuple(left), tuple(notes))


def load(item: Item) -> Imported:
    """Read one case; a mask on another grid and times that do not fit are left, with a sentence.

    Raises:
        HcnetError: an image, a mask or the facts cannot be read.
    """
    parts = item.parts
    phases = tuple(read_nifti(Path(path)) for path in parts["phases"])
    decisions: list[str] = []
    masks = {}
    for source, path in parts["masks"].items():
        mask, said = read_mask(Path(path), phases[0].grid)
        decisions += said
        if mask is not None:
            masks[source] = mask
    breast = None
    if parts["breast"]:
        breast, said = read_mask(Path(parts["breast"]), phases[0].grid)
        decisions += said
    facts, said = _facts(parts)
    decisions += said
    times, times_from, said = _times(facts, len(phases))
    decisions += said
    decisions += _breast_box(facts, phases[0].shape)
    return Imported(phases, times, times_from, masks, breast, facts, tuple(decisions))


@dataclass(frozen=True)
class _Beside:
    """What lies beside the images, by the name of the case in lower case."""

    masks: Mapping[str, Mapping[str, Path]]
    breast: Mapping[str, Path]
    facts: Mapping[str, Path]
    rows: Mapping[str, Row]
    splits: Mapping[str, str]
    notes: tuple[str, ...]

    def of(self, name: str) -> dict[str, Any]:
        """The parts of one case, as JSON values."""
        key = name.lower()
        breast, facts = self.breast.get(key), self.facts.get(key)
        return {
            "masks": {s: str(by_name[key]) for s, by_name in self.masks.items() if key in by_name},
            "breast": breast and str(breast),
            "facts": facts and str(facts),
            "row": self.rows.get(key),
            "table": bool(self.rows),
            "split": self.splits.get(key),
        }


def _beside(root: Path) -> _Beside:
    sources = _folder(root, "segmentations")
    masks: dict[str, dict[str, Path]] = {}
    notes: list[str] = []
    for folder in sorted(sources.iterdir()) if sources else []:
        if folder.is_dir() and not folder.name.startswith("."):
            masks.setdefault(safe_name(folder.name).lower(), {}).update(nifti_by_stem(folder))
        elif is_nifti(folder):
            notes.append(f"left {folder}: a mask lies in a folder of its source, as expert/.")
    facts = _folder(root, "patient_info_files")
    tables = [_file(root, f"clinical_and_imaging_info.{kind}") for kind in ("xlsx", "csv")]
    table = next((path for path in tables if path is not None), None)
    rows = by_key(table, read_table(table, SHEET), "patient_id") if table else {}
    splits, said = _splits(_file(root, "train_test_splits.csv"))
    infos = [p for p in facts.iterdir() if p.suffix.lower() == ".json"] if facts else []
    breast = _folder(root, "breast")
    return _Beside(
        masks,
        nifti_by_stem(breast) if breast else {},
        {path.stem.lower(): path for path in sorted(infos) if not path.name.startswith(".")},
        rows,
        splits,
        (*notes, *said),
    )


def _splits(path: Path | None) -> tuple[dict[str, str], list[str]]:
    if path is None:
        return {}, []
    rows = read_table(path)
    check_columns(path, rows, "train_split", "test_split")
    train, test = (
        {row[c].lower() for row in rows if row[c]} for c in ("train_split", "test_split")
    )
    both = sorted(train & test)
    said = [f"{path.name}: {name} is in both splits, so it gets none." for name in both]
    splits = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    return {name: split for name, split in splits.items() if name not in both}, said


def _phases(folder: Path) -> tuple[dict[int, Path], str | None]:
    """The files of a case by phase, and why they are not its phases, if so."""
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        name, number = phase_of(path) or ("", 0)
        if name.lower() != folder.name.lower():
            continue
        if number in found:
            return (
                found,
                f"{folder} has phase {number:04d} twice: {found[number].name}, {path.name}.",
            )
        found[number] = path
    if 0 not in found:
        return found, f"{folder} has no pre-contrast image {folder.name.lower()}_0000.nii.gz."
    gap = next((number for number in range(max(found)) if number not in found), None)
    return found, None if gap is None else f"{folder}: phase {gap:04d} is missing."


def _facts(parts: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The JSON facts, completed by the table; where both know something the JSON is right."""
    facts: dict[str, Any] = {}
    if parts["facts"]:
        read = _finite(read_json(Path(parts["facts"])))
        if not isinstance(read, dict):
            raise InputError(f"{parts['facts']}: holds no JSON object.")
        facts = read
    for section in ("primary_lesion", "clinical_data", "imaging_data"):
        if facts.get(section) is None:
            facts[section] = {}
        if not isinstance(facts[section], dict):
            raise InputError(f"{parts['facts']}: its {section} is no JSON object.")
    said = [] if parts["facts"] else ["there is no JSON file of facts."]
    if parts["table"] and parts["row"] is None:
        said.append("the table has no row for the case.")
    said += _merge(facts, parts["row"] or {})
    if parts["split"]:
        facts["imaging_data"]["split"] = parts["split"]
    return facts, said


def _merge(facts: dict[str, Any], row: Row) -> list[str]:
    added, against = [], []
    for column, text in row.items():
        if not text or column == "patient_id":
            continue
        lesion = "primary_lesion" if column in _LESION else "clinical_data"
        section = facts["imaging_data" if column in _IMAGING else lesion]
        name = _RENAMED.get(column, column)
        value = _value(text)
        if section.get(name) is None:
            section[name] = value
            added.append(name)
        elif not _same(section[name], value):
            against.append(f"{name} is {section[name]} in the JSON, {text} in the table")
    said = [f"from the table: {', '.join(added)}."] if added else []
    return said + ([f"the JSON's facts are kept: {'; '.join(against)}."] if against else [])


def _value(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _same(a: Any, b: Any) -> bool:
    try:
        return math.isclose(float(a), float(b), rel_tol=1e-6)
    except (TypeError, ValueError, OverflowError):
        return str(a).strip().lower() == str(b).strip().lower()


def _finite(value: Any) -> Any:
    """JSON as it may be written again: the published files hold NaN, which JSON has not."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _times(
    facts: dict[str, Any], phases: int
) -> tuple[tuple[float, ...] | None, TimesFrom, list[str]]:
    """The acquisition times, taken out of the facts; the frame writes those that are used."""
    imaging = facts["imaging_data"]
    told = imaging.pop("acquisition_times", None)
    origin = imaging.pop("times_from", "pre")
    if told is None:
        return None, "unknown", ["the acquisition times are not known."]
    why = None
    times: tuple[float, ...] = ()
    try:
        times = tuple(float(t) for t in (json.loads(told) if isinstance(told, str) else told))
    except (ValueError, TypeError, OverflowError, RecursionError):
        why = "they are no list of seconds"
    else:
        if len(times) != phases:
            why = f"there are {len(times)} for {phases} phases"
        elif not all(map(math.isfinite, times)) or any(b <= a for a, b in pairwise(times)):
            why = "they do not rise"
        elif origin not in ("pre", "injection"):
            why = f"they count from {origin!r}"
    if why is not None:
        imaging["acquisition_times_left"] = told
        return None, "unknown", [f"left the acquisition times {told}: {why}."]
    if origin == "injection":
        return times, "injection", []
    said = [] if times[0] == 0 else [f"the acquisition times start at {times[0]:g} s: now at 0."]
    return tuple(t - times[0] for t in times), "pre", said


def _breast_box(facts: dict[str, Any], shape: Shape) -> list[str]:
    """Add the breast's box as voxel indices (x, y, z) of the stored array, half-open.

    The published coordinates index the array of SimpleITK, whose axes are (z, y, x): their x is
    the stored array's last axis.
    """
    told = facts["primary_lesion"].get("breast_coordinates")
    if told is None:
        return []
    if not isinstance(told, dict) or not all(
        isinstance(told.get(key), int | float) and told[key] == told[key] // 1 for key in ENDS
    ):
        return ["left the breast_coordinates: they are not six whole numbers."]
    low, high = ([int(told[f"{axis}_{end}"]) for axis in "zyx"] for end in ("min", "max"))
    if not all(0 <= a < b <= n for a, b, n in zip(low, high, shape, strict=True)):
        return [f"left the breast_coordinates {told}: they leave the image of shape {shape}."]
    ends = [end for pair in zip(low, high, strict=True) for end in pair]
    facts["imaging_data"]["breast_box"] = dict(zip(ENDS, ends, strict=True))
    return ["imaging_data.breast_box is breast_coordinates in voxels (x, y, z) of the stored file."]


def _folder(root: Path, name: str) -> Path | None:
    return next((path for path in _called(root, name) if path.is_dir()), None)


def _file(root: Path, name: str) -> Path | None:
    return next((path for path in _called(root, name) if path.is_file()), None)


def _called(root: Path, name: str) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.name.lower() == name)
