"""The held-out predictions of a cross-validated arm: what they are worth as probabilities."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.arrays import read_array
from hcnet.errors import InputError
from hcnet.evaluation.calibration import CalibrationResult, calibrate
from hcnet.evaluation.evaluate import read_mask
from hcnet.evaluation.overlap import overlap
from hcnet.evaluation.threshold import best_threshold, dsc_curve
from hcnet.inference.calibration import Calibration
from hcnet.prepare.cache import CachedCase
from hcnet.studies.ablation.seed import PROBABILITIES
from hcnet.studies.truth import Reference
from hcnet.training.validate import native_prediction
from hcnet.volumes.volume import to_canonical

METHOD = "P"
"""The arm that becomes a bundle."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Held-out predictions, patient by patient; each pass reads them anew.

    Attributes:
        cases: prepared cases, each held out once.
        references: the true tumour of each.
        files: probability files of each case on the prepared grid, one a seed; their mean counts.
    """

    cases: Sequence[CachedCase]
    references: Mapping[str, Reference]
    files: Mapping[str, Sequence[Path]]

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]]:
        """Probability, truth and breast of each case, (X, Y, Z) on its own grid."""
        for case in self.cases:
            mean = np.mean(
                [read_array(file).astype(np.float32) for file in self.files[case.name]], 0
            )
            found, breast = map(to_canonical, native_prediction(case, mean))
            yield found.data, read_mask(self.references[case.name].tumour).data > 0, breast.data > 0

    def calibrated(self, seed: int) -> CalibrationResult:
        """Fit temperature and offset, and measure them on patients they were not fitted to."""
        return calibrate(self, seed=seed)

    def curves(self) -> list[NDArray[np.float64]]:
        """DSC of each case at each of `hcnet.evaluation.threshold.THRESHOLDS`."""
        return [dsc_curve(found, breast, truth) for found, truth, breast in self]

    def dsc(self, threshold: float) -> list[float]:
        """DSC of each case where the probability reaches `threshold` inside the breast."""
        return [overlap((found >= threshold) & breast, truth).dsc for found, truth, breast in self]

    def threshold(self, calibration: Calibration) -> float:
        """Of the calibrated probability: that of the best mean DSC.

        It is chosen before calibration, as each fold's is, and moved along: calibrated
        probabilities of something rare crowd near 0, where the candidates are few.
        """
        chosen = best_threshold(self.curves())
        return round(float(calibration.of(np.array([chosen]))[0]), 4)


def out_of_fold(
    cases: Sequence[CachedCase], references: Mapping[str, Reference], *folders: Path
) -> OutOfFold:
    """The predictions of `cases` that lie in the folders of an arm, one a seed and fold.

    Raises:
        InputError: those of a case are missing.
    """
    files = {}
    for case in cases:
        paths = [folder / PROBABILITIES / f"{case.name}.npy" for folder in folders]
        files[case.name] = [path for path in paths if path.is_file()]
        if not files[case.name]:
            raise InputError(
                f"{folders[0]}: has no held-out prediction of {case.name}; run it to its end."
            )
    return OutOfFold(cases, references, files)


def arm_folders(crossed: Path, seeds: int, arm: str = METHOD) -> list[Path]:
    """The folders of an arm in a cross-validation, of every fold.

    Args:
        crossed: folder of the cross-validation.
        seeds: how many seeds, the first ones; the folder may hold more, finished or not.
        arm: name of the arm.
    """
    return sorted(
        folder for number in range(seeds) for folder in crossed.glob(f"seed{number}/fold*/{arm}")
    )
