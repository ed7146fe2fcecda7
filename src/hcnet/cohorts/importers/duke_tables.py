"""The tables beside Duke-Breast-Cancer-MRI: which series is which phase, boxes, clinical facts."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hcnet.cohorts.importers.tables import JOINED_BY, Row, by_key, check_columns, read_table
from hcnet.errors import InputError
from hcnet.kinetics.functional import BOX_KEYS

MAPPING = "Breast-Cancer-MRI-filepath_filename-mapping"
BOXES = "Annotation_Boxes"
CLINICAL = "Clinical_and_Other_Features"
CLINICAL_HEADER_ROWS = 3

MAPPING_BYTES = 2_000_000_000
"""Of the mapping file, unpacked: it has a row for each image, some 700 000."""

_BOX_COLUMNS = (
    ("Start Column", "End Column"), ("Start Row", "End Row"), ("Start Slice", "End Slice"),
)  # fmt: skip
"""Along x, y and z of the stored array."""

_PHASE = re.compile(r"pre|post_([1-9]\d?)", re.IGNORECASE)
_UNKNOWN = frozenset({"", "na", "n/a", "nc", "np"})
"""What the table writes where a value was not collected or does not apply."""

_LEGEND = re.compile(r"\{.*\}", re.DOTALL)
_DAYS_A_YEAR = 365.25


class MappedSeries(NamedTuple):
    """A series that the mapping file names.

    Attributes:
        label: `pre`, `post_1`, ...
        uid: SeriesInstanceUID, or "".
        folder: descriptive name of its folder, or "".
    """

    label: str
    uid: str
    folder: str


def find_table(folders: Iterable[Path], name: str) -> Path | None:
    """The table of a name in one of the folders, XLSX before CSV; `_`, `-` and case do not count.

    Args:
        folders: to look into, the most likely first.
        name: without suffix.
    """
    for folder in folders:
        for suffix in (".xlsx", ".csv"):
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() == suffix and _plain(path.stem) == _plain(name):
                    return path
    return None


def read_mapping(path: Path) -> dict[str, list[MappedSeries]]:
    """Which series make which phase, after the mapping file.

    Returns:
        for each patient, in lower case, the series of its phases in order of time. Only names are
        taken from the paths of the table; no file is looked up by them.

    Raises:
        InputError: the table cannot be read or has not the columns of the mapping.
    """
    rows = read_table(path, max_bytes=MAPPING_BYTES)
    check_columns(path, rows, "original_path_and_filename")
    if not {"classic_path", "descriptive_path"} & set(rows[0]):
        raise InputError(
            f"{path}: the table has neither a column classic_path nor descriptive_path."
        )
    found: dict[str, set[MappedSeries]] = {}
    for row in rows:
        original = _parts(row["original_path_and_filename"])
        if len(original) < 3 or not _PHASE.fullmatch(original[-2]):
            continue  # the file also maps series outside the dynamic exam
        uid, folder = (
            _parts(row.get(column, ""))[-2:-1] for column in ("classic_path", "descriptive_path")
        )
        series = MappedSeries(original[-2].lower(), "".join(uid), "".join(folder))
        found.setdefault(original[-3].lower(), set()).add(series)
    return {
        patient: sorted(series, key=lambda one: (_phase_number(one.label), one))
        for patient, series in found.items()
    }


def read_boxes(path: Path) -> dict[str, Row]:
    """The row of each patient, in lower case, of the table of boxes.

    Raises:
        InputError: the table cannot be read, has not its columns, or names a patient twice.
    """
    rows = read_table(path)
    check_columns(path, rows, *(name for pair in _BOX_COLUMNS for name in pair))
    return by_key(path, rows, "Patient ID")


def box_of(row: Row, shape: tuple[int, int, int], order: Sequence[int]) -> dict[str, int]:
    """A row of the table of boxes as half-open voxel indices of the stored array.

    The boxes were drawn in MATLAB, which counts from 1, with the end as part of the box; no start
    in the published table is 0. Public loaders read the same numbers as half-open from 0. The box
    taken here, [start - 1, end), is the first reading and contains the second.

    Args:
        row: of the table.
        shape: (columns, rows, slices) of the stored array.
        order: for each slice in the order of InstanceNumber, its index along z.

    Raises:
        InputError: a number is missing, or the box is empty or leaves the image.
    """
    sides = []
    for (start, end), size in zip(_BOX_COLUMNS, shape, strict=True):
        if not (row[start].isdecimal() and row[end].isdecimal()):
            raise InputError(f"{start} and {end} are {row[start]!r} and {row[end]!r}, no numbers")
        low, high = max(0, int(row[start][:9]) - 1), int(row[end][:9])
        if not low < high <= size:
            raise InputError(
                f"{start} {row[start]} to {end} {row[end]} is empty or leaves the {size} of the "
                "image"
            )
        sides.append((low, high))
    slices = [order[rank] for rank in range(*sides[2])]
    sides[2] = (min(slices), max(slices) + 1)
    return dict(zip(BOX_KEYS, (edge for side in sides for edge in side), strict=True))


def read_clinical(path: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Facts of each patient, in lower case, from the clinical table, and what was noticed.

    Raises:
        InputError: the table cannot be read, has no column Patient ID, or names a patient twice.
    """
    rows = read_table(path, header_rows=CLINICAL_HEADER_ROWS)
    columns = _titles(rows[0] if rows else {})
    if "patient id" not in columns:
        raise InputError(
            f"{path}: has no column Patient ID in its {CLINICAL_HEADER_ROWS} header rows; give "
            "the table as it was published."
        )
    known = {title: columns[title.lower()] for title in _FACTS if title.lower() in columns}
    notes = [
        f"{path}: has no column {title}, so the facts lack it."
        for title in _FACTS
        if title not in known
    ]
    notes += [
        f"Breast densities are the codes of {path.name}, where {match[0]}."
        for match in [_LEGEND.search(known.get("Breast Density", ""))]
        if match
    ]
    found = {}
    for patient, row in by_key(path, rows, columns["patient id"]).items():
        facts: dict[str, dict[str, Any]] = {}
        for title, column in known.items():
            group, key, convert = _FACTS[title]
            value = None if row[column].lower() in _UNKNOWN else convert(row[column])
            if value is not None:
                facts.setdefault(group, {})[key] = value
        found[patient] = facts
    return found, notes


def _phase_number(label: str) -> int:
    return 0 if label == "pre" else int(label.removeprefix("post_"))


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _titles(names: Iterable[str]) -> dict[str, str]:
    """Columns by each text of their header in lower case; the first column of a text counts."""
    found: dict[str, str] = {}
    for name in names:
        for text in name.split(JOINED_BY):
            found.setdefault(" ".join(text.split()).lower(), name)
    return found


def _age(text: str) -> int | None:
    """Years at diagnosis, from the day of birth counted from the diagnosis (negative)."""
    try:
        years = -float(text) / _DAYS_A_YEAR
    except ValueError:
        return None
    return int(years) if 0 < years < 120 else None


def _code(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,2}", text) else None


def _one_of(**names: str) -> Callable[[str], str | None]:
    return lambda text: names.get(f"c{text.upper()}")


_FACTS: Mapping[str, tuple[str, str, Callable[[str], Any]]] = {
    "Date of Birth (Days)": ("clinical_data", "age", _age),
    "Menopause (at diagnosis)": (
        "clinical_data", "menopausal_status", _one_of(c0="pre", c1="post"),
    ),
    "Breast Density": ("clinical_data", "breast_density", _code),
    "ER": ("primary_lesion", "er", _code),
    "PR": ("primary_lesion", "pr", _code),
    "HER2": ("primary_lesion", "her2", _code),
    "Mol Subtype": (
        "primary_lesion", "tumor_subtype",
        _one_of(c0="luminal-like", c1="ER/PR pos, HER2 pos", c2="her2", c3="triple negative"),
    ),
    "Tumor Location": ("primary_lesion", "side", _one_of(cL="left", cR="right")),
}  # fmt: skip
"""By the column's name: where the fact goes, and how it is read."""
