"""Score predicted tumour masks against reference masks, case by case and as a whole."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.case import VolumeSource
from hcnet.errors import GeometryError, InputError
from hcnet.evaluation.overlap import overlap
from hcnet.evaluation.statistics import (
    DRAWS,
    Estimate,
    PairedComparison,
    Proportion,
    bootstrap_mean,
    detection_rate,
    paired_comparison,
)
from hcnet.evaluation.surface import surface_distance
from hcnet.progress import SILENT, Progress
from hcnet.volumes.volume import Grid, Volume, to_canonical

METRICS = ("dsc", "ppv", "sen", "asd_mm", "hd95_mm")


@dataclass(frozen=True)
class MaskPair:
    """A predicted mask and its reference, not read until scored."""

    name: str
    prediction: VolumeSource
    reference: VolumeSource


@dataclass(frozen=True)
class CaseScores:
    """Scores of one case; see `Overlap` and `SurfaceDistance` for what is undefined (NaN) when.

    Attributes:
        name: the case.
        dsc: Dice similarity coefficient.
        ppv: positive predictive value.
        sen: sensitivity.
        asd_mm: symmetric average surface distance in mm.
        hd95_mm: 95th percentile Hausdorff distance in mm.
        prediction_ml: volume of the predicted mask in ml.
        reference_ml: volume of the reference mask in ml.
    """

    name: str
    dsc: float
    ppv: float
    sen: float
    asd_mm: float
    hd95_mm: float
    prediction_ml: float
    reference_ml: float


@dataclass(frozen=True)
class EvaluationTable:
    """Scores of a set of cases.

    Attributes:
        cases: one row a case, in the order given.
        summary: for each of `METRICS`, the mean with interval and the count of undefined cases.
        detection: share of the cases with a lesion whose DSC is above 0.1.
        draws: bootstrap samples behind the intervals.
        seed: of the bootstrap.
        patients: who each case belongs to; None where each is its own patient.
    """

    cases: tuple[CaseScores, ...]
    summary: Mapping[str, Estimate]
    detection: Proportion
    draws: int
    seed: int
    patients: tuple[Hashable, ...] | None = None

    def values(self, metric: str) -> NDArray[np.float64]:
        """(N,) values of one metric, in the order of `cases`."""
        return np.array([getattr(case, metric) for case in self.cases], dtype=np.float64)


def score_case(
    name: str, prediction: NDArray[np.bool_], reference: NDArray[np.bool_], grid: Grid
) -> CaseScores:
    """Score one case from masks in memory.

    Args:
        name: of the case.
        prediction: (X, Y, Z) boolean mask on `grid`.
        reference: (X, Y, Z) boolean mask on `grid`.
        grid: gives spacing and voxel volume.

    Raises:
        GeometryError: the shapes differ.
        TypeError: a mask is not boolean.
    """
    shared = overlap(prediction, reference)
    distance = surface_distance(prediction, reference, grid.spacing)
    return CaseScores(
        name=name,
        dsc=shared.dsc,
        ppv=shared.ppv,
        sen=shared.sen,
        asd_mm=distance.asd_mm,
        hd95_mm=distance.hd95_mm,
        prediction_ml=int(prediction.sum()) * grid.voxel_ml,
        reference_ml=int(reference.sum()) * grid.voxel_ml,
    )


def tabulate(
    cases: Iterable[CaseScores],
    patients: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> EvaluationTable:
    """Gather scored cases into a table with its summary.

    Args:
        cases: scored cases.
        patients: who each case belongs to, where a patient has several exams.
        draws: bootstrap samples.
        seed: of the bootstrap.

    Raises:
        InputError: there is no case, or two bear the same name.
    """
    rows = tuple(cases)
    if not rows:
        raise InputError("there is no case to evaluate.")
    twice = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    if twice:
        raise InputError(f"{', '.join(twice)}: evaluated more than once; give each case one name.")
    summary = {
        metric: bootstrap_mean(
            [getattr(row, metric) for row in rows], patients, draws=draws, seed=seed
        )
        for metric in METRICS
    }
    detection = detection_rate([row.dsc for row in rows], [row.reference_ml > 0 for row in rows])
    owners = None if patients is None else tuple(patients)
    return EvaluationTable(rows, summary, detection, draws, seed, owners)


def evaluate_masks(
    pairs: Sequence[MaskPair],
    patients: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = SILENT,
) -> EvaluationTable:
    """Read and score pairs of masks, one at a time.

    The two masks of a pair may be stored in different axis orders as long as they are one grid.

    Args:
        pairs: what to compare.
        patients: who each pair belongs to, where a patient has several exams.
        draws: bootstrap samples.
        seed: of the bootstrap.
        progress: told case by case.

    Raises:
        InputError: no pair, or a file that cannot be read or is not a binary mask.
        GeometryError: prediction and reference lie on different grids.
    """
    tracked = progress.track(pairs, "Evaluating", total=len(pairs))
    return tabulate([_score_pair(pair) for pair in tracked], patients, draws=draws, seed=seed)


def compare(first: EvaluationTable, second: EvaluationTable, metric: str) -> PairedComparison:
    """Compare two methods on the same cases, `first` minus `second`, with `first`'s draws and seed.

    Raises:
        InputError: the tables hold different cases.
    """
    others = {case.name: case for case in second.cases}
    names = [case.name for case in first.cases]
    if set(others) != set(names):
        unpaired = ", ".join(sorted(set(others) ^ set(names)))
        raise InputError(f"the two methods were not evaluated on the same cases: {unpaired}.")
    return paired_comparison(
        first.values(metric),
        [getattr(others[name], metric) for name in names],
        first.patients,
        draws=first.draws,
        seed=first.seed,
    )


def read_mask(source: VolumeSource) -> Volume:
    """Read a binary mask in canonical orientation.

    Returns:
        a boolean volume; whatever single value is not 0 counts as tumour.

    Raises:
        InputError: the file cannot be read, or holds more than two values (a probability or label
            map) or something that is not a number.
    """
    volume = to_canonical(source.load())
    values = np.unique(volume.data)
    if not np.isfinite(values).all():
        raise InputError(f"{source.location}: holds values that are not numbers; give a mask.")
    if np.count_nonzero(values) > 1:
        raise InputError(
            f"{source.location}: is not a binary mask, since it holds {len(values)} different "
            "values; give a mask of 0 and 1."
        )
    return volume.with_data(volume.data != 0)


def _score_pair(pair: MaskPair) -> CaseScores:
    prediction, reference = read_mask(pair.prediction), read_mask(pair.reference)
    difference = reference.grid.difference(prediction.grid)
    if difference:
        raise GeometryError(
            f"{pair.prediction.location}: does not lie on the grid of its reference "
            f"{pair.reference.location}: {difference} (reference first); give masks on one grid."
        )
    return score_case(pair.name, prediction.data, reference.data, reference.grid)
