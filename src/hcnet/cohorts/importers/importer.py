"""What an importer is: it finds the cases of a collection, and loads one at a time.

A new collection is a file beside this one with the three functions of `Importer`, and a line in
`IMPORTERS`. An importer decides what is what; writing, resuming and reporting are not its business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from hcnet.cohorts.case import TimesFrom
from hcnet.volumes.volume import Volume


@dataclass(frozen=True)
class Options:
    """What a user can ask of an importer.

    Attributes:
        visit: which visit of a patient, from 1 for the earliest; None takes every visit as a case
            of its own.
    """

    visit: int | None = 1


@dataclass(frozen=True)
class Item:
    """A case that was found; it travels between processes, so it holds names and no volumes.

    Attributes:
        name: of the case in the cohort: letters, digits, `_` and `-`.
        place: where it lies, for messages.
        parts: what the importer needs to load it: JSON values and paths.
    """

    name: str
    place: Path
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Left:
    """Something that looked like a case and is none, with the reason as a sentence."""

    name: str
    why: str


@dataclass(frozen=True)
class Findings:
    """What a collection holds, and what was noticed about it as a whole."""

    items: tuple[Item, ...]
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Imported:
    """A case as it goes into the cohort; all volumes on one grid.

    Attributes:
        phases: pre-contrast first.
        times_s: acquisition times in seconds, or None where unknown.
        times_from: what time zero is.
        masks: tumour masks by their source, e.g. `expert`; 0 and 1.
        breast: breast mask.
        facts: JSON values in MAMA-MIA's terms; `patient_id` where several cases have one patient.
        decisions: each choice that was made, with its reason, as sentences.
    """

    phases: tuple[Volume, ...]
    times_s: tuple[float, ...] | None = None
    times_from: TimesFrom = "unknown"
    masks: Mapping[str, Volume] = field(default_factory=dict)
    breast: Volume | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()


class Importer(Protocol):
    """The functions of an importer's module."""

    def recognises(self, root: Path) -> bool:
        """Whether a folder looks like this collection, by names alone."""
        ...

    def find(self, root: Path, options: Options) -> Findings:
        """The cases of a collection; reads names and tables, no image.

        Raises:
            InputError: it is not this collection, or a table of it cannot be used.
        """
        ...

    def load(self, item: Item) -> Imported:
        """Read one case.

        Raises:
            HcnetError: the case cannot be used; the message is what the log will say.
        """
        ...


IMPORTERS: Mapping[str, str] = {
    "mama-mia": "hcnet.cohorts.importers.mama_mia",
    "breastdcedl": "hcnet.cohorts.importers.breastdcedl",
    "duke": "hcnet.cohorts.importers.duke",
    "ispy1-seg": "hcnet.cohorts.importers.ispy1_seg",
    "ispy1": "hcnet.cohorts.importers.ispy1",
    "dicom": "hcnet.cohorts.importers.dicom",
    "nifti": "hcnet.cohorts.importers.nifti",
}
"""Module by name, from the most to the least particular: `auto` takes the first that recognises."""


def importer(name: str) -> Importer:
    """An importer by its name."""
    return cast("Importer", import_module(IMPORTERS[name]))


def recognise(root: Path) -> str | None:
    """Name of the first importer that recognises a folder, or None."""
    return next((name for name in IMPORTERS if importer(name).recognises(root)), None)


def safe_name(text: str) -> str:
    """A name from outside as the name of a case: it may hold anything, also parts of a path."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in text)
    return kept.strip("_-").upper() or "CASE"


def same_case(names: Sequence[str]) -> list[str]:
    """Names that differ in nothing but letter case, so would be one case."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name.lower()] = seen.get(name.lower(), 0) + 1
    return sorted(name for name in seen if seen[name] > 1)
