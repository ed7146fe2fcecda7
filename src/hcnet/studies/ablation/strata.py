"""Facts that held-out cases are told apart by: size, site, density, contrast before the agent."""

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

SMALL_ML = 8.0
"""Lesions below it are hard to find without contrast in I-SPY1; our own cut."""

FEWEST_OF_A_SITE = 5
"""Sites with fewer lesion cases are one stratum together."""


@dataclass(frozen=True)
class CaseFacts:
    """What is known of a held-out case.

    Attributes:
        lesion: whether its reference holds a voxel.
        density: breast density, a to d; empty where unknown.
        cnr: contrast of the lesion before the agent; NaN without a lesion or anything beside it.
        ml: volume of the lesion.
        site: where the exam was made; empty where unknown.
    """

    lesion: bool
    density: str
    cnr: float
    ml: float = 0.0
    site: str = ""


def case_facts(folds: Sequence[Material], progress: Progress = SILENT) -> dict[str, CaseFacts]:
    """Facts of the cases that any of the folds holds out, by name."""
    found = {}
    held = [
        (case, ready, material.split.references[case.name])
        for material in folds
        for case, ready in zip(material.split.test, material.hold, strict=True)
    ]
    for case, ready, reference in progress.track(held, "strata"):
        breast = ready.frame.to_native(np.asarray(ready.breast, np.float32), "linear")
        mask = read_mask(reference.tumour)
        lesion = mask.data
        cnr = lesion_cnr(*_signals(case, reference, lesion, to_canonical(breast).data >= 0.5))
        ml = float(lesion.sum() * mask.grid.voxel_ml)
        found[case.name] = CaseFacts(bool(lesion.any()), _density(case), cnr, ml, _site(case))
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

    Density in two groups; CNR in tertiles of the lesion cases that have one; size in two groups;
    sites where there are several.
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
    groups[f"< {SMALL_ML:g} ml"] = [n for n, f in lesions.items() if f.ml < SMALL_ML]
    groups[f">= {SMALL_ML:g} ml"] = [n for n, f in lesions.items() if f.ml >= SMALL_ML]
    return groups | _sites(lesions)


def _sites(lesions: Mapping[str, CaseFacts]) -> dict[str, list[str]]:
    """The cases of each site, small sites together; nothing where there is but one."""
    by_site: dict[str, list[str]] = {}
    for name, fact in lesions.items():
        if fact.site:
            by_site.setdefault(f"site {fact.site}", []).append(name)
    if len(by_site) < 2:
        return {}
    large = {s: names for s, names in sorted(by_site.items()) if len(names) >= FEWEST_OF_A_SITE}
    rest = [name for site, names in by_site.items() if site not in large for name in names]
    return large | ({"other sites": rest} if rest else {})


def stratum_values(
    values: NDArray[np.float64], names: Sequence[str], members: Sequence[str]
) -> NDArray[np.float64]:
    """The columns of an (S, N) table of cases `names` that belong to a stratum."""
    return values[:, [name in set(members) for name in names]]


def _density(case: Case) -> str:
    clinical = case.facts.get("clinical_data")
    value = clinical.get("breast_density") if isinstance(clinical, dict) else None
    return str(value).lower() if value is not None else ""


def _site(case: Case) -> str:
    imaging = case.facts.get("imaging_data")
    value = imaging.get("site") if isinstance(imaging, dict) else None
    return str(value) if value is not None else str(case.facts.get("site") or "")


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
