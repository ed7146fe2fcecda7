"""What is kept of one trained arm: its scores and what it cost."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hcnet.files import read_json, write_json
from hcnet.studies.score import TestScores

RECORD = "scores.json"
TUNED = "scores_tuned.json"
"""With the threshold that the other folds chose."""


@dataclass(frozen=True)
class Cost:
    """What one arm took.

    Attributes:
        parameters: of all networks between image and tumour.
        updates: of all networks that were trained for it, HIPMs of the folds too, stage 1 not.
        seconds: of these trainings and stage 1; shared maps count for each arm that uses them.
        final_loss: mean training loss of the last epoch of its tumour network.
    """

    parameters: int
    updates: int
    seconds: float
    final_loss: float


@dataclass(frozen=True)
class ArmRecord:
    """One arm trained with one seed.

    Attributes:
        arm: its name.
        seed: of weights, patches, folds and clustering.
        rows: scores of the held-out cases.
        cost: what it took.
        map_accuracy: Mean Accuracy of its HIPM on the held-out cases; None without one.
        map_iou: Mean IoU of the same.
        fold: whose cases were held out; 0 where there is one split only.
        threshold: probability from which a voxel was tumour.
        maps_seed: of stages 1 and 2, where that is another seed than the arm's own.
    """

    arm: str
    seed: int
    rows: tuple[TestScores, ...]
    cost: Cost
    map_accuracy: float | None = None
    map_iou: float | None = None
    fold: int = 0
    threshold: float = 0.5
    maps_seed: int | None = None

    def write(self, folder: Path, name: str = RECORD) -> None:
        """Keep it in the arm's folder; an arm that has it is done."""
        rows = [row.as_json() for row in self.rows]
        write_json(folder / name, {**asdict(self), "rows": rows})


def read_record(folder: Path, name: str = RECORD) -> ArmRecord | None:
    """The record of an arm, or None where it is not done.

    Raises:
        InputError: the file is damaged.
    """
    if not (folder / name).exists():
        return None
    stored: dict[str, Any] = read_json(folder / name)
    rows = tuple(TestScores.from_json(row) for row in stored.pop("rows"))
    return ArmRecord(**{**stored, "rows": rows, "cost": Cost(**stored["cost"])})
