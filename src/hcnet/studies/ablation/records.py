"""What is kept of one trained arm: its scores and what it cost."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hcnet.files import read_json, write_json
from hcnet.studies.ablation.score import TestScores
from hcnet.training.logbook import read_log

RECORD = "scores.json"


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
    """

    arm: str
    seed: int
    rows: tuple[TestScores, ...]
    cost: Cost
    map_accuracy: float | None = None
    map_iou: float | None = None

    def write(self, folder: Path) -> None:
        """Keep it in the arm's folder; an arm that has it is done."""
        rows = [row.as_json() for row in self.rows]
        write_json(folder / RECORD, {**asdict(self), "rows": rows})


def read_record(folder: Path) -> ArmRecord | None:
    """The record of an arm, or None where it is not done.

    Raises:
        InputError: the file is damaged.
    """
    if not (folder / RECORD).exists():
        return None
    stored: dict[str, Any] = read_json(folder / RECORD)
    rows = tuple(TestScores.from_json(row) for row in stored.pop("rows"))
    return ArmRecord(**{**stored, "rows": rows, "cost": Cost(**stored["cost"])})


def trained_seconds(folders: Iterable[Path]) -> float:
    """Seconds that trainings took, by their logs.

    A log's clock starts anew whenever a training is resumed, so it counts what each session added.
    """
    total = 0.0
    for folder in folders:
        before = 0.0
        for line in read_log(folder):
            now = float(line["seconds"])
            total += now - before if now >= before else now
            before = now
    return total


def final_loss(folder: Path) -> float:
    """Mean training loss of the last epoch of a finished training."""
    return float(read_log(folder)[-1]["loss"])
