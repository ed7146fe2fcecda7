"""What is kept of one trained entry: its scores and what it took."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.files import read_json, write_json
from hcnet.studies.score import TestScores

RECORD = "scores.json"


@dataclass(frozen=True)
class Took:
    """What a training took.

    Attributes:
        parameters: of all networks between image and result.
        updates: of all networks that were trained, HIPMs of the folds too, stage 1 not.
        training_s: seconds of these trainings and of stage 1.
        inference_s: seconds from the prepared image to the probabilities, for each held-out case.
        final_loss: mean training loss of the last epoch.
    """

    parameters: int
    updates: int
    training_s: float
    inference_s: tuple[float, ...]
    final_loss: float


@dataclass(frozen=True)
class TumourRecord:
    """An entry that segments, trained with one seed on one fold.

    Attributes:
        entry: its name.
        seed: of weights, patches and, for the method, folds and clustering.
        fold: which patients were held out.
        rows: scores of the held-out cases.
        took: what it took.
    """

    entry: str
    seed: int
    fold: int
    rows: tuple[TestScores, ...]
    took: Took

    def write(self, folder: Path) -> None:
        """Keep it; an entry that has it is done."""
        rows = [row.as_json() for row in self.rows]
        write_json(folder / RECORD, {**asdict(self), "rows": rows})

    @classmethod
    def read(cls, folder: Path) -> "TumourRecord | None":
        """The record of an entry, or None where it is not done.

        Raises:
            InputError: the file is damaged.
        """
        stored = _stored(folder)
        if stored is None:
            return None
        rows = tuple(TestScores.from_json(row) for row in stored.pop("rows"))
        return cls(**{**stored, "rows": rows})


@dataclass(frozen=True, eq=False)
class MapRow:
    """One held-out case: (K, K + 1) counts as `confusion_matrix` gives."""

    name: str
    confusion: NDArray[np.int64]


@dataclass(frozen=True)
class MapRecord:
    """An entry that predicts maps, trained with one seed on one fold; see `TumourRecord`."""

    entry: str
    seed: int
    fold: int
    rows: tuple[MapRow, ...]
    took: Took

    def write(self, folder: Path) -> None:
        """Keep it; an entry that has it is done."""
        rows = [{"name": row.name, "confusion": row.confusion.tolist()} for row in self.rows]
        took = asdict(self.took)
        write_json(
            folder / RECORD,
            {"entry": self.entry, "seed": self.seed, "fold": self.fold, "rows": rows, "took": took},
        )

    @classmethod
    def read(cls, folder: Path) -> "MapRecord | None":
        """The record of an entry, or None where it is not done.

        Raises:
            InputError: the file is damaged.
        """
        stored = _stored(folder)
        if stored is None:
            return None
        rows = tuple(
            MapRow(row["name"], np.array(row["confusion"], np.int64)) for row in stored.pop("rows")
        )
        return cls(**{**stored, "rows": rows})


def _stored(folder: Path) -> dict[str, Any] | None:
    if not (folder / RECORD).exists():
        return None
    stored: dict[str, Any] = read_json(folder / RECORD)
    took = stored["took"]
    stored["took"] = Took(**{**took, "inference_s": tuple(took["inference_s"])})
    return stored
