"""A collection for tests of the importers' frame: one JSON file a case, which says what happens.

A spawned worker knows nothing of a registry that a test has patched. It imports this module to
unpickle a `FakeItem`, so that is where it learns of this importer.
"""

import json
import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hcnet.cohorts.importers.importer import IMPORTERS, Findings, Imported, Item, Left, Options
from hcnet.errors import InputError
from hcnet.volumes.volume import Volume

NAME = "fake"
SHAPE = (5, 6, 7)
AFFINE = np.diag([-0.5, 2.0, 3.0, 1.0])
AFFINE[:3, 3] = (10.0, -20.0, 30.0)
MARKER = (3, 1, 4)
MARKER_MM = (8.5, -18.0, 42.0)

if multiprocessing.parent_process() is not None:
    IMPORTERS[NAME] = __name__  # type: ignore[index]


@dataclass(frozen=True)
class FakeItem(Item):
    """An item that brings this module along."""


def write_case(root: Path, name: str, **what: Any) -> None:
    """What `find` and `load` shall make of a case: see there."""
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{name.replace('/', '%')}.fake").write_text(json.dumps({"name": name, **what}))


def recognises(root: Path) -> bool:
    return root.is_dir() and any(path.suffix == ".fake" for path in root.iterdir())


def find(root: Path, options: Options) -> Findings:
    items, left = [], []
    for path in sorted(root.glob("*.fake")):
        what = json.loads(path.read_text())
        if "left" in what:
            left.append(Left(what["name"], what["left"]))
        else:
            items.append(FakeItem(what["name"], path, {**what, "visit": options.visit}))
    return Findings(tuple(items), tuple(left), ("a note on the collection",))


def load(item: Item) -> Imported:
    what = item.parts
    if "fails" in what:
        raise InputError(f"{item.place}: {what['fails']}.")
    phases = tuple(_volume(10 + i, 500 + i) for i in range(what.get("phases", 3)))
    masks = {source: _volume(0, value) for source, value in what.get("masks", {}).items()}
    moved = what.get("moved")
    if moved == "phase":
        phases = (*phases[:-1], _elsewhere(phases[-1]))
    elif moved is not None:
        masks = {moved: _elsewhere(masks[moved])}
    return Imported(
        phases=phases,
        times_s=tuple(what["times"]) if "times" in what else None,
        times_from="pre" if "times" in what else "unknown",
        masks=masks,
        breast=_volume(0, what["breast"]) if "breast" in what else None,
        facts=_facts(what),
        decisions=(f"took visit {what['visit']}", "a decision, with a comma"),
    )


def _facts(what: Mapping[str, Any]) -> dict[str, Any]:
    process = {"process": os.getpid()} if "tell_process" in what else {}
    return {"clinical_data": {"age": 50}, **process, **what.get("facts", {})}


def _volume(value: float, marker: float) -> Volume:
    whole = float(marker).is_integer()
    data = np.full(SHAPE, value, np.int16 if whole else np.float32)
    data[MARKER] = marker
    return Volume(data, AFFINE)


def _elsewhere(volume: Volume) -> Volume:
    affine = volume.affine.copy()
    affine[2, 3] += 0.5
    return Volume(volume.data, affine)
