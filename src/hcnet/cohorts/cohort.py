"""Cohort: a folder of cases in the MAMA-MIA layout.

    images/CASE/case_0000.nii.gz        pre-contrast; _0001, _0002 ... post-contrast
    segmentations/SOURCE/case.nii.gz    tumour masks, one folder a source
    segmentations/SOURCE/source.json    what these masks are (our addition, optional)
    breast/case.nii.gz                  breast masks (our addition, optional)
    patient_info_files/case.json        facts; acquisition times in imaging_data
    cohort.csv                          more facts, a row a case, named by the column `patient`
                                        (our addition, optional)

Names are matched without regard to case, since the published collection itself mixes both.
Facts of the layout: LidiaGarrucho/MAMA-MIA.
"""

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hcnet.cohorts.case import Case, NiftiSource, TimesFrom
from hcnet.cohorts.naming import nifti_by_stem, phase_of
from hcnet.errors import InputError
from hcnet.files import read_json, write_json
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

logger = logging.getLogger(__name__)

TABLE_FILE = "cohort.csv"
SOURCE_FILE = "source.json"
"""Beside masks: `{"kind": "pseudo-label" or "reference", ...}`; without it they are references."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """A folder of cases, sorted by name.

    Attributes:
        root: the folder.
        cases: the cases; their volumes are read only when asked for.
        segmentation: which folder of `segmentations/` the tumour masks come from, if any; several
            are joined by "+".
    """

    root: Path
    cases: tuple[Case, ...]
    segmentation: str | None = None

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, name: str) -> Case:
        for case in self.cases:
            if case.name.lower() == name.lower():
                return case
        raise InputError(f"{self.root}: has no case named {name}.")


def is_cohort(root: Path) -> bool:
    """Whether `root` looks like a cohort: a folder with `images/` in it."""
    return (root / "images").is_dir()


def read_cohort(root: Path, segmentation: str | None = None, *, masks: bool = True) -> Cohort:
    """Read a cohort in place; only names and facts are read, no image.

    Args:
        root: the folder that holds `images/`.
        segmentation: which source of tumour masks to use; "expert+box-to-mask" takes the second
            for cases that the first has not. None takes the only one, or `expert` where there are
            several, and never pseudo-labels.
        masks: False leaves tumour masks out, whatever there is.

    Raises:
        InputError: no such folder, no case in it, an unknown or ambiguous segmentation source, a
            source.json or cohort.csv that makes no sense, or a case without a pre-contrast image
            or with a gap in its phases.
    """
    if not is_cohort(root):
        raise InputError(f"{root}: is not a cohort; a cohort is a folder with images/CASE/ in it.")
    sources = _segmentation_sources(root, segmentation) if masks else []
    tumours, pseudo = _masks(root, sources)
    breasts = nifti_by_stem(root / "breast")
    facts = {p.stem.lower(): p for p in _listed(root / "patient_info_files", ".json")}
    table = _read_table(root / TABLE_FILE)
    cases = [
        _read_case(folder, tumours, pseudo, breasts, facts, table)
        for folder in sorted((root / "images").iterdir(), key=lambda p: p.name.lower())
        if folder.is_dir() and not folder.name.startswith(".")
    ]
    if not cases:
        raise InputError(f"{root / 'images'}: holds no case folders.")
    unknown = sum(case.times_s is None and len(case.phases) > 2 for case in cases)
    if unknown:
        logger.warning(
            "%s: %d case(s) have no acquisition times; their phases count as equally spaced",
            root,
            unknown,
        )
    return Cohort(root, tuple(cases), "+".join(sources) or None)


def read_source(folder: Path) -> dict[str, Any]:
    """What the masks of a folder are: its `source.json`, or a plain reference where it has none.

    Raises:
        InputError: the file cannot be read, or its kind is neither reference nor pseudo-label.
    """
    path = folder / SOURCE_FILE
    if not path.exists():
        return {"kind": "reference"}
    facts = read_json(path)
    kind = facts.get("kind") if isinstance(facts, dict) else None
    if kind not in ("reference", "pseudo-label"):
        raise InputError(f'{path}: its "kind" must be reference or pseudo-label, not {kind!r}.')
    return dict(facts)


def write_case(
    root: Path,
    name: str,
    phases: Sequence[Volume],
    *,
    tumour: Volume | None = None,
    breast: Volume | None = None,
    times_s: Sequence[float] | None = None,
    times_from: TimesFrom = "unknown",
    facts: Mapping[str, Any] | None = None,
    segmentation: str = "expert",
) -> None:
    """Write one case into the layout; the facts file comes last, each file in one step.

    Args:
        root: the cohort's folder, made if needed.
        name: the case; upper case in folder names, lower case in file names.
        phases: pre-contrast first.
        tumour: tumour mask, written to `segmentations/<segmentation>/`.
        breast: breast mask.
        times_s: acquisition times in seconds.
        times_from: what time zero is.
        facts: further JSON values, merged into the facts file.
        segmentation: name of the source of the tumour mask.
    """
    low = name.lower()
    for phase, volume in enumerate(phases):
        write_nifti(volume, root / "images" / name.upper() / f"{low}_{phase:04d}.nii.gz")
    if tumour is not None:
        write_nifti(tumour, root / "segmentations" / segmentation / f"{low}.nii.gz")
    if breast is not None:
        write_nifti(breast, root / "breast" / f"{low}.nii.gz")
    info = json.loads(json.dumps(dict(facts or {})))
    info["patient_id"] = name.upper()
    imaging = info.setdefault("imaging_data", {})
    if times_s is not None:
        imaging["acquisition_times"] = [float(t) for t in times_s]
        imaging["times_from"] = times_from
    write_json(root / "patient_info_files" / f"{low}.json", info)


def _read_case(
    folder: Path,
    masks: Mapping[str, Path],
    pseudo: AbstractSet[str],
    breasts: Mapping[str, Path],
    facts: Mapping[str, Path],
    table: Mapping[str, Mapping[str, str]],
) -> Case:
    phases: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        name, phase = phase_of(path) or ("", 0)
        if name.lower() == folder.name.lower():
            phases[phase] = path
    if 0 not in phases:
        raise InputError(f"{folder}: has no pre-contrast image {folder.name.lower()}_0000.nii.gz.")
    missing = sorted(set(range(max(phases))) - set(phases))
    if missing:
        raise InputError(f"{folder}: phase {missing[0]:04d} is missing between the others.")
    key = folder.name.lower()
    info = read_json(facts[key]) if key in facts else {}
    if not isinstance(info, dict):
        raise InputError(f"{facts[key]}: holds no JSON object.")
    times, times_from = _times(info, facts.get(key))
    return Case(
        name=folder.name,
        phases=tuple(NiftiSource(phases[i]) for i in sorted(phases)),
        times_s=times,
        times_from=times_from,
        tumour=NiftiSource(masks[key]) if key in masks else None,
        breast=NiftiSource(breasts[key]) if key in breasts else None,
        facts={**table.get(key, {}), **info},
        tumour_is_pseudo=key in pseudo,
    )


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    """The rows of the table by case in lower case, without empty cells; none without a table."""
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}).") from error
    if rows and "patient" not in rows[0]:
        raise InputError(f"{path}: has no column patient to tell whose row is whose.")
    return {
        str(row["patient"]).lower(): {k: v for k, v in row.items() if k != "patient" and k and v}
        for row in rows
    }


def _times(
    info: Mapping[str, Any], path: Path | None
) -> tuple[tuple[float, ...] | None, TimesFrom]:
    imaging = info.get("imaging_data")
    if not isinstance(imaging, Mapping) or imaging.get("acquisition_times") is None:
        return None, "unknown"
    value = imaging["acquisition_times"]
    try:
        # The published table spells the list as a string: "[0, 584, 714]".
        listed = json.loads(value) if isinstance(value, str) else value
        times = tuple(float(t) for t in listed)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: acquisition_times is not a list of seconds.") from error
    origin = imaging.get("times_from", "pre")
    if origin == "injection":
        return times, "injection"
    if origin == "pre":
        return times, "pre"
    raise InputError(f"{path}: times_from must be injection or pre, not {origin!r}.")


def _segmentation_sources(root: Path, wanted: str | None) -> list[str]:
    folder = root / "segmentations"
    found = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if wanted is not None:
        return [_named_source(folder, found, name) for name in wanted.split("+")]
    references = [name for name in found if not _is_pseudo(folder / name)]
    if len(references) <= 1:
        return references
    if "expert" in references:
        return ["expert"]
    raise InputError(f"{folder}: has several sources, name one of: {', '.join(found)}.")


def _named_source(folder: Path, found: Sequence[str], wanted: str) -> str:
    match = [name for name in found if name.lower() == wanted.lower()]
    if not match:
        raise InputError(f"{folder}: has no source {wanted}; there are: {', '.join(found)}.")
    return match[0]


def _masks(root: Path, sources: Sequence[str]) -> tuple[dict[str, Path], set[str]]:
    """Each case's mask, from the first source that has one, and whose are pseudo-labels."""
    masks: dict[str, Path] = {}
    pseudo: set[str] = set()
    for source in sources:
        folder = root / "segmentations" / source
        more = {key: path for key, path in nifti_by_stem(folder).items() if key not in masks}
        masks |= more
        if _is_pseudo(folder):
            pseudo |= set(more)
    return masks, pseudo


def _is_pseudo(folder: Path) -> bool:
    return bool(read_source(folder)["kind"] == "pseudo-label")


def _listed(folder: Path, suffix: str = "") -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.name.lower().endswith(suffix) and p.is_file())
