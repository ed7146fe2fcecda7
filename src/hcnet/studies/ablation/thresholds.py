"""A threshold for each fold, chosen on the cases that the other folds held out.

The arms end in different layers, so at a fixed 0.5 it matters how they are calibrated, too. A case
takes no part in the choice of its own threshold, but **the networks whose predictions choose it
have learned from its mask**: the other folds train on it. So these scores stand beside those of the
fixed threshold, which no held-out mask has touched, and never in their place.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hcnet.arrays import read_array
from hcnet.config import Config
from hcnet.evaluation.threshold import best_threshold
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.out_of_fold import out_of_fold
from hcnet.studies.ablation.records import TUNED, ArmRecord, read_record
from hcnet.studies.ablation.seed import PROBABILITIES
from hcnet.studies.material import Material
from hcnet.studies.score import score_network


def tuned_records(
    records: Sequence[ArmRecord],
    folds: Sequence[Material],
    folders: Sequence[Path],
    config: Config,
    progress: Progress = SILENT,
) -> list[ArmRecord]:
    """Score one arm's held-out cases anew, each fold with the threshold that the others chose.

    Args:
        records: of the arm and one seed, fold by fold.
        folds: the cases.
        folders: of the arm in each fold, with the probabilities of its held-out cases; each gets
            the record with its threshold.
        config: smallest focus; the threshold in it is not used.
        progress: listener.
    """
    done = [read_record(folder, TUNED) for folder in folders]
    finished = [record for record in done if record is not None]
    if len(finished) == len(folders):
        return finished
    curves = [
        out_of_fold(fold.hold, fold.split.references, folder).curves()
        for fold, folder in zip(folds, folders, strict=True)
    ]
    tuned = []
    for place, (record, fold, folder) in enumerate(zip(records, folds, folders, strict=True)):
        others = [c for i, group in enumerate(curves) if i != place for c in group]
        threshold = best_threshold(others)
        chosen = config.inference.model_copy(update={"threshold": threshold})
        rows = score_network(
            partial(_stored, folder),
            fold,
            config.model_copy(update={"inference": chosen}),
            f"scoring {record.arm}, fold {place + 1}",
            progress,
        )
        tuned.append(replace(record, rows=tuple(rows), threshold=threshold))
        tuned[-1].write(folder, TUNED)
    return tuned


def _stored(folder: Path, case: CachedCase) -> NDArray[Any]:
    return read_array(folder / PROBABILITIES / f"{case.name}.npy")
