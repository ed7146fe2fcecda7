"""BreastDCEDL: I-SPY 1, I-SPY 2 and Duke as NIfTI that has lost its geometry.

ISPY1_1001_spy1_vis1_acq0.nii.gz         phases, in folders of any name (spt1_dce, dce/PID, ...)
ISPY2-100899_spy2_vis1_dce_aqc_0.nii.gz  "aqc" is the collection's spelling
Breast_MRI_001_duke_aqc_0.nii.gz
..._spy1_vis1_mask.nii.gz, ..._spy2_vis1_mask.nii.gz, ..._duke_mask.nii.gz (a box)
*metadata*.csv                           spacing, phases, box, clinical facts, by pid

Images and masks are arrays (slice, row, column) under an identity affine: they were saved by
`nib.Nifti1Image(array, np.eye(4))`. The spacing is in the tables; the directions are nowhere and
are assumed, see `_DIRECTIONS`. Facts of the layout: bubbysolway/BreastDCEDL,
naomifridman/BreastDCEDL (masks and tables seen), javaapplesauce/BreastDCEDL-4-GILM.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.importers.importer import Findings, Imported, Item, Left, Options, safe_name
from hcnet.cohorts.importers.nifti import binary, read_mask
from hcnet.cohorts.importers.tables import Row, read_table
from hcnet.errors import GeometryError, InputError
from hcnet.volumes.nifti import is_nifti, read_nifti, stem
from hcnet.volumes.volume import Volume

_NAME = re.compile(
    r"^(?P<pid>.+?)_(?P<cohort>spy1|spy2|duke)(_vis(?P<visit>\d{1,2}))?_"
    r"(?P<what>mask|(dce_)?a(cq|qc)_?(?P<phase>\d{1,3}))$"
)
_DEPTH, _LOOKED_AT = 5, 20_000
"""How deep folders are searched, and how many names `recognises` looks at before it says no."""

_DIRECTIONS = {"spy1": "LIP", "spy2": "SPL", "duke": "IPL"}
"""Where slices, rows and columns are taken to run to.

spy1: checked on ISPY1_1002, whose published mask bounds and voxel count are those of the TCIA
segmentation in this order. spy2: axial as the trial's protocol has it, with slices by position as
in spy1. duke: axial; its boxes number the slices by file, which in the case seen is head to feet.
"""

_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
_ASSUMED = {
    "spy1": "sagittal slices from right to left, rows to the feet, columns to the back",
    "spy2": "axial slices from feet to head, rows to the back, columns to the left",
    "duke": "axial slices from head to feet, rows to the back, columns to the left",
}
_SOURCES = {"spy1": "functional", "spy2": "functional", "duke": "box"}
"""What the masks are. None is an expert's outline: those of spy1 are TCIA's thresholded enhancement
in a reader's box (ISPY1_1002: 4350 voxels, as in its series 32100), those of spy2 are taken to be.
"""
_SLICE_DISTANCE = ("voxel_z", "slice_space", "slice_thick")
_PHASES = ("pre", "post_early", "post_late")


def recognises(root: Path) -> bool:
    """Whether a file with a name of this collection is in a folder, or not far below it."""
    for looked_at, path in enumerate(_files(root)):
        if looked_at > _LOOKED_AT:
            return False
        if is_nifti(path) and _NAME.match(stem(path).lower()):
            return True
    return False


def find(root: Path, options: Options) -> Findings:
    """The cases by the names of their files, with the rows that the tables have for each.

    Raises:
        InputError: a table cannot be read.
    """
    rows, notes = _tables(root)
    exams: dict[tuple[str, int], _Exam] = {}
    for path in _files(root):
        match = _NAME.match(stem(path).lower()) if is_nifti(path) else None
        if match is None:
            continue
        key = match["pid"], int(match["visit"] or 1)
        exam = exams.setdefault(key, _Exam(stem(path)[: len(match["pid"])], match["cohort"]))
        exam.files.setdefault(-1 if match["what"] == "mask" else int(match["phase"]), []).append(
            path
        )
    items: list[Item] = []
    left: list[Left] = []
    for (pid, visit), exam in sorted(exams.items()):
        visits = sorted(number for other, number in exams if other == pid)
        if options.visit is not None and visits.index(visit) + 1 != options.visit:
            continue
        name = safe_name(exam.pid) + (f"_V{visit}" if len(visits) > 1 and not options.visit else "")
        why = exam.unusable()
        if why is not None:
            left.append(Left(name, why))
            continue
        items.append(exam.item(name, rows.get(pid, [])))
    without = sum(not item.parts["rows"] for item in items)
    if without:
        notes.append(f"{without} cases have no row in a metadata table.")
    return Findings(tuple(items), tuple(left), tuple(notes))


def load(item: Item) -> Imported:
    """Read one case and give it the spacing of its table and the directions of its cohort.

    Raises:
        HcnetError: a file cannot be read, its spacing is not known, or its axes are not.
    """
    parts = item.parts
    cohort, rows = parts["cohort"], parts["rows"]
    numbers, said = _used_phases(parts["phases"], rows)
    stored = [read_nifti(Path(parts["phases"][str(number)])) for number in numbers]
    decisions = [f"the phases are those numbered {', '.join(map(str, numbers))}.", *said]
    decisions.append("the acquisition times are not known: the collection does not tell them.")
    row = _best_row(rows, stored[0])
    lost = all(_lost(volume) for volume in stored)
    if lost:
        affine, said = _affine(item, row, cohort, stored[0])
        phases = tuple(Volume(_turned(volume.data), affine) for volume in stored)
        decisions += said
    else:
        phases = tuple(stored)
        decisions.append("the images have an affine, which is trusted.")
    facts = _facts(cohort, row, numbers)
    masks = {}
    if parts["mask"]:
        mask, said = _mask(Path(parts["mask"]), phases[0], lost, row)
        decisions += said
        source = _SOURCES[cohort]
        if mask is not None:
            masks[source] = mask
            decisions.append(f"{Path(parts['mask']).name} is the tumour mask of source {source}.")
    else:
        decisions.append("there is no mask.")
    if cohort == "duke" and lost:
        decisions += _tumour_box(facts, row, phases[0])
    return Imported(phases, masks=masks, facts=facts, decisions=tuple(decisions))


@dataclass
class _Exam:
    """The files of one visit; the mask has the number -1."""

    pid: str
    cohort: str
    files: dict[int, list[Path]] = field(default_factory=dict)

    def unusable(self) -> str | None:
        """Why the files are no case."""
        for number, paths in self.files.items():
            if len(paths) > 1:
                what = "its mask" if number < 0 else f"phase {number}"
                return f"{paths[0].parent}: {what} is there twice: {paths[0]} and {paths[1]}."
        if not any(number >= 0 for number in self.files):
            return f"{self.files[-1][0]}: this mask has no images."
        return None

    def item(self, name: str, rows: Sequence[Row]) -> Item:
        """What `load` gets."""
        phases = {str(n): str(paths[0]) for n, paths in sorted(self.files.items()) if n >= 0}
        mask = self.files.get(-1)
        parts = {
            "cohort": self.cohort,
            "phases": phases,
            "mask": str(mask[0]) if mask else None,
            "rows": list(rows),
        }
        return Item(name, Path(next(iter(phases.values()))).parent, parts)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        deep = len(Path(folder).relative_to(root).parts) >= _DEPTH
        folders[:] = (
            [] if deep else sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        )
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _tables(root: Path) -> tuple[dict[str, list[Row]], list[str]]:
    """Rows by pid in lower case; a patient may be in several tables, each row keeps its own."""
    found: dict[str, list[Row]] = {}
    notes = []
    for path in _files(root):
        if path.suffix.lower() != ".csv" or "metadata" not in path.name.lower():
            continue
        table = read_table(path)
        if not table or "pid" not in table[0]:
            notes.append(f"{path}: has no column pid and is not used.")
            continue
        for row in table:
            found.setdefault(row["pid"].lower(), []).append({**row, "table": path.name})
    if not found:
        notes.append("there is no table *metadata*.csv; without it the spacing is not known.")
    return found, notes


def _number(row: Row, column: str) -> float | None:
    try:
        value = float(row.get(column, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(row: Row, column: str) -> int | None:
    value = _number(row, column)
    return int(value) if value is not None and value.is_integer() else None


def _used_phases(phases: Mapping[str, str], rows: Sequence[Row]) -> tuple[list[int], list[str]]:
    """Phase numbers from the pre-contrast one on."""
    numbers = sorted(int(number) for number in phases)
    told = sorted({pre for row in rows if (pre := _whole(row, "pre")) is not None})
    if len(told) > 1:
        return numbers, [f"the tables name several pre-contrast phases {told}: the first is taken."]
    if not told or told[0] == numbers[0]:
        return numbers, []
    pre = told[0]
    if pre not in numbers:
        raise InputError(
            f"{next(iter(phases.values()))}: the table says that phase {pre} is pre-contrast; "
            "there is no file of it."
        )
    return [n for n in numbers if n >= pre], [
        f"the phases before {pre} are left: the table says that it is pre-contrast."
    ]


def _best_row(rows: Sequence[Row], volume: Volume) -> Row:
    """The row that knows most of these images: there is a table of cropped images, too."""

    def rank(row: Row) -> tuple[bool, bool, bool]:
        fits = _whole(row, "n_z") == volume.shape[0 if _lost(volume) else 2]
        distance = any(_number(row, column) is not None for column in _SLICE_DISTANCE[:2])
        return fits, _number(row, "xy_spacing") is not None, distance

    return max(rows, key=rank, default={})


def _lost(volume: Volume) -> bool:
    """Whether the geometry was lost: the affine is the identity, with no place either."""
    return bool(np.array_equal(volume.affine, np.eye(4)))


def _turned(data: NDArray[Any]) -> NDArray[Any]:
    """(slice, row, column) as (column, row, slice): x, y, z."""
    return np.ascontiguousarray(data.transpose(2, 1, 0))


def _affine(
    item: Item, row: Row, cohort: str, volume: Volume
) -> tuple[NDArray[np.float64], list[str]]:
    """Of the turned array, with the reasons; the first voxel is put at the origin."""
    slices, n_rows, columns = volume.shape
    told = _whole(row, "n_z")
    if n_rows != columns and slices != told:
        raise GeometryError(
            f"{item.place}: {item.name} of shape {volume.shape} has no affine and is not an array "
            "(slice, row, column) of square slices, so its axes are not known."
        )
    said = []
    if told is not None and told != slices:
        said.append(f"the table {row['table']} says {told} slices, the images have {slices}.")
    in_plane = _number(row, "xy_spacing")
    column = next((c for c in _SLICE_DISTANCE if _number(row, c) is not None), None)
    distance = _number(row, column) if column else None
    if in_plane is None or distance is None:
        raise GeometryError(
            f"{item.place}: the images of {item.name} have no affine and no *metadata*.csv tells "
            "its xy_spacing and slice_thick; put BreastDCEDL_metadata.csv beside them."
        )
    if not (0.05 <= in_plane <= 10 and 0.05 <= distance <= 30):
        raise GeometryError(
            f"{item.place}: the table {row['table']} gives {item.name} voxels of {in_plane:g} x "
            f"{in_plane:g} x {distance:g} mm; correct it."
        )
    said.append(
        f"the images have no affine: the voxels are {in_plane:g} x {in_plane:g} x {distance:g} mm "
        f"by xy_spacing and {column} of {row['table']}."
    )
    thick = _number(row, "slice_thick")
    if thick is not None and thick != distance:
        said.append(f"slice_thick is {thick:g} mm, but {column} is how far slices lie apart.")
    elif column == "slice_thick" and cohort == "duke":
        said.append(
            "slice_thick may not be how far the slices lie apart: the Duke table has voxel_z."
        )
    said.append(
        f"the files tell no directions: taken as {_ASSUMED[cohort]}; "
        "left and right or head and feet may be swapped."
    )
    affine = np.eye(4)
    affine[:3, :3] = 0
    steps = (distance, in_plane, in_plane)
    for axis, letter, step in zip((2, 1, 0), _DIRECTIONS[cohort], steps, strict=True):
        towards, sign = _LETTERS[letter]
        affine[towards, axis] = sign * step
    return affine, said


def _mask(path: Path, image: Volume, lost: bool, row: Row) -> tuple[Volume | None, list[str]]:
    """The mask on the image's grid, or None with the reason.

    Args:
        path: of the mask.
        image: as it is imported.
        lost: whether the image was turned; then a mask of its shape has its order.
        row: of the table, which may tell where a mask with other slices belongs.
    """
    stored = read_nifti(path)
    if not _lost(stored):
        return read_mask(path, image.grid)
    data, said = binary(stored, path)
    wanted = image.shape[::-1]
    if not lost and stored.shape == image.shape:
        if image.shape == wanted:
            return None, [f"left the mask {path}: it has no affine and its axes can be either way."]
        said.append("the mask has no affine and the image's shape: it is taken in its order.")
        return Volume(data, image.affine), said
    if stored.shape[1:] == wanted[1:] and stored.shape[0] != wanted[0]:
        placed, why = _placed(data, wanted[0], row)
        said.append(f"{'' if placed is not None else f'left the mask {path}: '}{why}")
        if placed is None:
            return None, said
        data = placed
    elif stored.shape != wanted:
        return None, [
            f"left the mask {path}: its shape (slices, rows, columns) is {stored.shape}, the "
            f"image's is {wanted}."
        ]
    if not lost:
        said.append("the mask has no affine: its axes (slice, row, column) are turned to x, y, z.")
    return Volume(_turned(data), image.affine), said


def _placed(data: NDArray[np.uint8], slices: int, row: Row) -> tuple[NDArray[np.uint8] | None, str]:
    """A mask of another slice count on the image's slices, where the table tells how.

    The table counts `mask_start` and `mask_end`, both inside, in the slices of the image. Where it
    has only repeated the numbers of the mask's own file it does not tell where that file begins.
    """
    marked = np.flatnonzero(data.any(axis=(1, 2)))
    differ = f"it has {data.shape[0]} slices, the image {slices}"
    start, end = _whole(row, "mask_start"), _whole(row, "mask_end")
    if not marked.size or start is None or end is None or _whole(row, "n_z") != slices:
        return None, f"{differ}, and no table tells where it belongs."
    first, last = int(marked[0]), int(marked[-1])
    if end - start != last - first or not 0 <= start <= end < slices:
        return None, (
            f"{differ}; the table's slices {start} to {end} do not fit its {first} to {last}."
        )
    if start == first:
        return None, f"{differ}; the table only repeats the mask's own slices {start} to {end}."
    placed = np.zeros((slices, *data.shape[1:]), np.uint8)
    placed[start : end + 1] = data[first : last + 1]
    return placed, (
        f"the mask has {data.shape[0]} slices, the image {slices}: its slices {first} to {last} "
        f"are put at {start} to {end}, as mask_start and mask_end of the table say."
    )


def _tumour_box(facts: dict[str, Any], row: Row, image: Volume) -> list[str]:
    """Add the table's box to the facts, as half-open voxel indices of the stored array."""
    if _whole(row, "n_z") != image.shape[2]:
        return []
    columns = ("scol", "ecol"), ("sraw", "eraw"), ("mask_start", "mask_end")
    ends = [(_whole(row, a), _whole(row, b)) for a, b in columns]
    box = [(a, b) for a, b in ends if a is not None and b is not None]
    if len(box) < 3:
        return []
    if not all(0 <= a < b <= n for (a, b), n in zip(box, image.shape, strict=True)):
        return [f"left the table's box {box}: it leaves the image of shape {image.shape}."]
    keys = ((f"{axis}_min", f"{axis}_max") for axis in "xyz")
    facts["primary_lesion"]["tumour_box"] = {
        key: end for pair, pair_ends in zip(keys, box, strict=True)
        for key, end in zip(pair, pair_ends, strict=True)
    }  # fmt: skip
    return ["primary_lesion.tumour_box is the table's box, its ends taken as half-open."]


def _facts(cohort: str, row: Row, numbers: Sequence[int]) -> dict[str, Any]:
    """What the table tells in MAMA-MIA's terms, and its whole row as it is."""
    imaging: dict[str, Any] = {"dataset": cohort, "collection_phases": list(numbers)}
    for name in _PHASES:
        number = _whole(row, name)
        if number in numbers:
            imaging[name] = numbers.index(number)
    lesion = {
        name: value
        for name, column in (("pcr", "pCR"), ("hr", "HR"), ("her2", "HER2"))
        if (value := _whole(row, column)) is not None
    }
    age = _number(row, "age")
    return {
        "primary_lesion": lesion,
        "clinical_data": {} if age is None else {"age": age},
        "imaging_data": imaging,
        "breastdcedl": dict(row),
    }
