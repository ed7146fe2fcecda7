"""Facts that held-out cases are told apart by: breast density, and contrast before the agent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.case import Case
from hcnet.cohorts.phantom.tissue import Tissue
from hcnet.errors import GeometryError
from hcnet.evaluation.evaluate import read_mask
from hcnet.progress import SILENT, Progress
from hcnet.studies.material import Material
from hcnet.studies.truth import Reference
from hcnet.volumes.volume import to_canonical

TERTILES = ("low", "middle", "high")


@dataclass(frozen=True)
class CaseFacts:
    """What is known of a held-out case.

    Attributes:
        lesion: whether its reference holds a voxel.
        density: breast density, a to d; empty where unknown.
        cnr: contrast of the lesion before the agent; NaN without a lesion or anything beside it.
    """

    lesion: bool
    density: str
    cnr: float


def case_facts(material: Material, progress: Progress = SILENT) -> dict[str, CaseFacts]:
    """Facts of the held-out cases by name."""
    found = {}
    pairs = zip(material.split.test, material.hold, strict=True)
    for case, ready in progress.track(list(pairs), "strata"):
        reference = material.split.references[case.name]
        breast = ready.frame.to_native(np.asarray(ready.breast, np.float32), "linear")
        lesion = read_mask(reference.tumour).data
        cnr = lesion_cnr(*_signals(case, reference, lesion, to_canonical(breast).data >= 0.5))
        found[case.name] = CaseFacts(bool(lesion.any()), _density(case), cnr)
    return found


def lesion_cnr(lesion: NDArray[np.floating], rest: NDArray[np.floating]) -> float:
    """|mean of the lesion - mean of the rest| / standard deviation of the rest.

    Args:
        lesion: (N,) signal before the agent in the lesion.
        rest: (M,) in what lies beside it.

    Returns:
        NaN where one is empty or the rest is constant.
    """
    if not lesion.size or not rest.size or rest.std() == 0:
        return float("nan")
    return float(abs(lesion.mean() - rest.mean()) / rest.std())


def strata(facts: Mapping[str, CaseFacts]) -> dict[str, list[str]]:
    """The lesion cases of each stratum by the stratum's name; a stratum may be empty.

    Density in two groups; CNR in tertiles of the lesion cases that have one.
    """
    lesions = {name: fact for name, fact in facts.items() if fact.lesion}
    groups = {
        f"density {a}-{b}": [n for n, f in lesions.items() if f.density in (a, b)]
        for a, b in (("a", "b"), ("c", "d"))
    }
    measured = {name: fact.cnr for name, fact in lesions.items() if not np.isnan(fact.cnr)}
    cuts = np.quantile(list(measured.values()), [1 / 3, 2 / 3]) if measured else np.zeros(2)
    for third, label in enumerate(TERTILES):
        groups[f"CNR {label}"] = [
            name for name, cnr in measured.items() if np.searchsorted(cuts, cnr) == third
        ]
    return groups


def stratum_values(
    values: NDArray[np.float64], names: Sequence[str], members: Sequence[str]
) -> NDArray[np.float64]:
    """The columns of an (S, N) table of cases `names` that belong to a stratum."""
    return values[:, [name in set(members) for name in names]]


def _density(case: Case) -> str:
    clinical = case.facts.get("clinical_data")
    value = clinical.get("breast_density") if isinstance(clinical, dict) else None
    return str(value).lower() if value is not None else ""


def _signals(
    case: Case, reference: Reference, lesion: NDArray[np.bool_], breast: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pre-contrast signal of the lesion, and of the gland where it is known, else of the breast."""
    image = to_canonical(case.pre.load()).data.astype(np.float64)
    beside = breast
    if reference.tissue is not None:
        beside = to_canonical(reference.tissue.load()).data == Tissue.GLAND
    if not image.shape == lesion.shape == beside.shape:
        raise GeometryError(
            f"{case.pre.location}: its tumour mask or tissue labels lie on another grid; "
            "resample them to the image first."
        )
    return image[lesion], image[beside & ~lesion]
