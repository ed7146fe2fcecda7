"""Logbook: one JSON line an epoch, and the same numbers for TensorBoard."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"


class Logbook:
    """Writes a stage's numbers as they come.

    Args:
        folder: the stage's folder.
        epoch: first epoch to come; lines of later epochs, left by a run that was stopped after its
            last checkpoint, are dropped.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        self.path = folder / LOG
        kept = [line for line in read_log(folder) if line["epoch"] < epoch]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=epoch)

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Add one epoch."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"epoch": epoch, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, epoch)

    def close(self) -> None:
        """Flush what TensorBoard holds back."""
        self._board.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a stage's log, oldest first; a last line cut short by a kill is left out."""
    path = folder / LOG
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


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
