"""Mean Accuracy and Mean IoU of predicted heterogeneity maps (paper section 3.1, Fig. 3).

Maps hold 0 outside the breast and k + 1 for code k. Only voxels inside the breast of the true map
count, so the large and easy outside cannot flatter a score.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError, InputError


@dataclass(frozen=True, eq=False)
class MapScores:
    """Scores from one confusion matrix.

    Attributes:
        mean_accuracy: mean over the classes present in the truth of the share of the class's voxels
            that were given their class; NaN where no class is present.
        mean_iou: mean over the same classes of intersection over union.
        voxel_accuracy: share of all voxels given their class.
        accuracy: (K,) per class; NaN for classes absent from the truth.
        iou: (K,) per class; NaN for classes absent from the truth.
        absent: codes without a voxel in the truth, which took no part in the means.
        voxels: number of voxels compared.
    """

    mean_accuracy: float
    mean_iou: float
    voxel_accuracy: float
    accuracy: NDArray[np.float64]
    iou: NDArray[np.float64]
    absent: tuple[int, ...]
    voxels: int


@dataclass(frozen=True, eq=False)
class MapTable:
    """Scores of a cohort's maps.

    Attributes:
        pooled: from the confusion matrix summed over all cases: a voxel counts once.
        cases: name and scores of each case.
        confusion: (K, K + 1) the summed confusion matrix.
    """

    pooled: MapScores
    cases: tuple[tuple[str, MapScores], ...]
    confusion: NDArray[np.int64]


def confusion_matrix(
    truth: NDArray[Any], prediction: NDArray[Any], classes: int
) -> NDArray[np.int64]:
    """Count, inside the true map's breast, which class was predicted for which.

    Matrices of several cases add up.

    Args:
        truth: true map, integers 0..K of any shape; 0 is outside the breast and not counted.
        prediction: predicted map of the same shape.
        classes: K.

    Returns:
        (K, K + 1) counts: row k is true code k; column 0 is predicted as outside the breast (always
        an error here), column k + 1 is predicted code k.

    Raises:
        GeometryError: the shapes differ.
        InputError: a label that is not an integer from 0 to K.
    """
    if truth.shape != prediction.shape:
        raise GeometryError(f"the maps differ in shape: {truth.shape} against {prediction.shape}.")
    for name, labels in (("true", truth), ("predicted", prediction)):
        if labels.dtype.kind not in "iu" or (
            labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= classes
        ):
            raise InputError(f"the {name} map must hold integers from 0 to {classes} only.")
    inside = truth > 0
    rows = truth[inside].astype(np.int64) - 1
    pairs = rows * (classes + 1) + prediction[inside].astype(np.int64)
    return np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def map_scores(confusion: NDArray[np.int64]) -> MapScores:
    """Scores from a confusion matrix.

    Args:
        confusion: (K, K + 1) as `confusion_matrix` gives, or a sum of such.
    """
    truth = confusion.sum(axis=1).astype(float)
    predicted = confusion[:, 1:].sum(axis=0)
    right = np.diagonal(confusion, offset=1).astype(float)
    present = truth > 0
    accuracy = np.full(len(truth), np.nan)
    iou = np.full(len(truth), np.nan)
    accuracy[present] = right[present] / truth[present]
    iou[present] = right[present] / (truth + predicted - right)[present]
    voxels = int(truth.sum())
    return MapScores(
        mean_accuracy=float(accuracy[present].mean()) if voxels else float("nan"),
        mean_iou=float(iou[present].mean()) if voxels else float("nan"),
        voxel_accuracy=float(right.sum() / voxels) if voxels else float("nan"),
        accuracy=accuracy,
        iou=iou,
        absent=tuple(int(k) for k in np.flatnonzero(~present)),
        voxels=voxels,
    )


def evaluate_maps(
    cases: Iterable[tuple[str, NDArray[Any], NDArray[Any]]], classes: int
) -> MapTable:
    """Score predicted maps case by case and pooled.

    Args:
        cases: name, true map and predicted map of each case; read one at a time.
        classes: K.

    Raises:
        GeometryError: the two maps of a case differ in shape; the message names the case.
        InputError: a map holds other labels than 0..K; the message names the case.
    """
    total = np.zeros((classes, classes + 1), dtype=np.int64)
    rows: list[tuple[str, MapScores]] = []
    for name, truth, prediction in cases:
        try:
            confusion = confusion_matrix(truth, prediction, classes)
        except (GeometryError, InputError) as error:
            raise type(error)(f"{name}: {error}") from error
        total += confusion
        rows.append((name, map_scores(confusion)))
    return MapTable(map_scores(total), tuple(rows), total)
