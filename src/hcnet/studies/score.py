"""Scores of one trained network on the held-out cases, each on its own grid."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hcnet.config import Config
from hcnet.evaluation.evaluate import CaseScores, read_mask, score_case
from hcnet.evaluation.overlap import overlap
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.material import Material
from hcnet.training.validate import native_mask
from hcnet.volumes.components import components
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import to_canonical


@dataclass(frozen=True)
class TestScores:
    """Scores of one held-out case.

    Attributes:
        scores: against the reference.
        components: connected parts of the prediction.
        redrawn_dsc: mean DSC against other lesions drawn on the same anatomy, in null cohorts;
            NaN elsewhere.
    """

    __test__ = False  # no test class, whatever its name says to pytest

    scores: CaseScores
    components: int
    redrawn_dsc: float

    def as_json(self) -> dict[str, Any]:
        """All numbers in one object; undefined values are None."""
        row = {**asdict(self.scores), "components": self.components,
               "redrawn_dsc": self.redrawn_dsc}  # fmt: skip
        return {key: None if value != value else value for key, value in row.items()}

    def value(self, metric: str) -> float:
        """One number by its name: a field of these scores or of `CaseScores`."""
        own = metric in {"components", "redrawn_dsc"}
        return float(getattr(self if own else self.scores, metric))

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "TestScores":
        """What `as_json` told."""
        values: dict[str, Any] = {k: float("nan") if v is None else v for k, v in row.items()}
        scores = CaseScores(**{f.name: values[f.name] for f in fields(CaseScores)})
        return cls(scores, int(values["components"]), float(values["redrawn_dsc"]))


class Scored(Protocol):
    """Scores of one training."""

    @property
    def seed(self) -> int:
        """That it was trained with."""
        ...

    @property
    def rows(self) -> Sequence[TestScores]:
        """One for each case that it was tried on."""
        ...


def score_table(
    records: Iterable[Scored], metric: str, cases: Sequence[str]
) -> NDArray[np.float64]:
    """(S, N) values of one network: a row a seed, a column a case, whatever fold held it out.

    Args:
        records: all its trainings.
        metric: as `TestScores.value`.
        cases: which cases, in this order.
    """
    by_seed: dict[int, dict[str, float]] = {}
    for record in records:
        found = by_seed.setdefault(record.seed, {})
        found |= {row.scores.name: row.value(metric) for row in record.rows}
    rows = [[by_seed[seed][name] for name in cases] for seed in sorted(by_seed)]
    return np.array(rows, np.float64).reshape(len(by_seed), len(cases))


def score_network(
    probability: Callable[[CachedCase], NDArray[Any]],
    material: Material,
    config: Config,
    text: str,
    progress: Progress = SILENT,
    *,
    masks: Path | None = None,
) -> list[TestScores]:
    """Segment and score every held-out case.

    Args:
        probability: (X, Y, Z) tumour probability of a prepared case.
        material: its held-out cases.
        config: threshold and smallest focus.
        text: shown in progress.
        progress: listener.
        masks: where the masks are kept as CASE.nii.gz; None keeps none.
    """
    rows = []
    for case in progress.track(material.hold, text):
        reference = material.split.references[case.name]
        native = native_mask(case, probability(case), config)
        if masks is not None:
            write_nifti(native, masks / f"{case.name}.nii.gz")
        mask = to_canonical(native)
        found = mask.data > 0
        truth = read_mask(reference.tumour)
        others = [overlap(found, read_mask(source).data).dsc for source in reference.redrawn]
        rows.append(
            TestScores(
                score_case(case.name, found, truth.data, truth.grid),
                len(components(found, mask.grid)),
                float(np.mean(others)) if others else float("nan"),
            )
        )
    return rows
