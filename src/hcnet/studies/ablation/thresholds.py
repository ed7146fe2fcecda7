"""A threshold for each fold, chosen on the cases that the other folds held out.

The arms end in different layers, so a fixed 0.5 would compare how they are calibrated rather than
what they see. No case takes part in the choice of the threshold that decides its own mask.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.config import Config
from hcnet.evaluation.evaluate import read_mask
from hcnet.evaluation.threshold import best_threshold, dsc_curve
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.records import TUNED, ArmRecord, read_record
from hcnet.studies.ablation.seed import PROBABILITIES
from hcnet.studies.material import Material
from hcnet.studies.score import score_network
from hcnet.training.validate import native_prediction
from hcnet.volumes.volume import to_canonical


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
    curves = [_curves(fold, folder) for fold, folder in zip(folds, folders, strict=True)]
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


def _curves(fold: Material, folder: Path) -> list[NDArray[np.float64]]:
    """DSC of each held-out case at each threshold."""
    curves = []
    for case in fold.hold:
        found, breast = map(to_canonical, native_prediction(case, _stored(folder, case)))
        truth = read_mask(fold.split.references[case.name].tumour)
        curves.append(dsc_curve(found.data, breast.data, truth.data))
    return curves


def _stored(folder: Path, case: CachedCase) -> NDArray[Any]:
    stored: NDArray[Any] = np.load(folder / PROBABILITIES / f"{case.name}.npy")
    return stored
