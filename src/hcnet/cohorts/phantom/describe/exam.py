"""One phantom exam with its truth, as the voxels of its breast."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from hcnet.cohorts.case import Case, NiftiSource, VolumeSource
from hcnet.errors import InputError
from hcnet.files import read_json
from hcnet.volumes.volume import Grid

Bool = NDArray[np.bool_]
Model = TypeVar("Model", bound=BaseModel)
MAPS = ("ktrans_per_min", "ve", "vp", "t1_ms")


class Mass(BaseModel):
    """One lesion or decoy that the generator put in."""

    kind: str


class Hidden(BaseModel):
    """What only the generator knows, as far as it is used here."""

    noise_sigma: float = Field(gt=0)
    background_enhancement: str
    masses: list[Mass]


class _Clinical(BaseModel):
    breast_density: str


class _Imaging(BaseModel):
    field_strength: float


class _Facts(BaseModel):
    clinical_data: _Clinical
    imaging_data: _Imaging


@dataclass(frozen=True, eq=False)
class Exam:
    """One exam; (N,) are the voxels of the breast, in the order of `where`.

    Attributes:
        name: of the case.
        grid: of the stored images.
        times_s: (T,) from the injection, pre-contrast first.
        density: grade a to d.
        field: field strength, as in "1.5 T".
        hidden: what only the generator knows.
        where: (X, Y, Z) bool, the breast and what there is of lesions beyond it.
        mask: (X, Y, Z) bool, the exact tumour.
        tumour: (N,) bool, the same.
        labels: (N,) uint8, `Tissue`.
        phases: (T, N) float32 stored values.
        noise_free: (T, N) float32 without noise, or None where the cohort has none.
        maps: (N,) float32 each, `MAPS`.
        redrawn: (N,) bool each, other lesions drawn on the same anatomy; null cohorts only.
        reader: (X, Y, Z) bool, the reader-like mask, where there is one.
    """

    name: str
    grid: Grid
    times_s: tuple[float, ...]
    density: str
    field: str
    hidden: Hidden
    where: Bool
    mask: Bool
    tumour: Bool
    labels: NDArray[np.uint8]
    phases: NDArray[np.float32]
    noise_free: NDArray[np.float32] | None
    maps: dict[str, NDArray[np.float32]]
    redrawn: tuple[Bool, ...]
    reader: Bool | None


def read_exam(case: Case, truth: Path, *, reader: bool) -> Exam:
    """Read one case.

    Args:
        case: of the cohort.
        truth: the case's folder of truth.
        reader: whether the case's tumour mask is a reader-like one.

    Raises:
        InputError: a file of the truth is missing, lies on another grid or lacks a fact, or the
            case lacks times from the injection or a second post-contrast phase.
    """
    grid = case.pre.load().grid
    if case.times_s is None or case.times_from != "injection":
        raise InputError(f"{case.name}: has no times from the injection; make the cohort anew.")
    if len(case.phases) < 3:
        raise InputError(
            f"{case.name}: has fewer than two post-contrast phases, which make no curve; make the "
            "cohort anew."
        )
    mask = _read(truth / "tumour.nii.gz", grid) != 0
    redrawn = [_read(path, grid) != 0 for path in sorted(truth.glob("redrawn_*.nii.gz"))]
    where = _read(truth / "breast.nii.gz", grid) != 0
    for lesion in (mask, *redrawn):
        where |= lesion
    clean = sorted(truth.glob("noise_free_*.nii.gz"))
    if clean and len(clean) != len(case.phases):
        raise InputError(
            f"{truth}: holds {len(clean)} noise-free phases for {len(case.phases)} phases; "
            "make the case anew."
        )
    facts = _parsed(_Facts, case.facts, case.name)
    return Exam(
        name=case.name,
        grid=grid,
        times_s=case.times_s,
        density=facts.clinical_data.breast_density,
        field=f"{facts.imaging_data.field_strength:.1f} T",
        hidden=_parsed(Hidden, read_json(truth / "hidden.json"), str(truth / "hidden.json")),
        where=where,
        mask=mask,
        tumour=mask[where],
        labels=_read(truth / "labels.nii.gz", grid)[where].astype(np.uint8),
        phases=_stacked([_on_grid(source, grid)[where] for source in case.phases]),
        noise_free=_stacked([_read(path, grid)[where] for path in clean]) if clean else None,
        maps={name: _read(truth / f"{name}.nii.gz", grid)[where] for name in MAPS},
        redrawn=tuple(lesion[where] for lesion in redrawn),
        reader=_on_grid(case.tumour, grid) != 0 if reader and case.tumour is not None else None,
    )


def _read(path: Path, grid: Grid) -> NDArray[Any]:
    return _on_grid(NiftiSource(path), grid)


def _on_grid(source: VolumeSource, grid: Grid) -> NDArray[Any]:
    volume = source.load()
    difference = grid.difference(volume.grid)
    if difference:
        raise InputError(
            f"{source.location}: lies on another grid than the first image ({difference}); make "
            "the case anew."
        )
    return volume.data


def _stacked(phases: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    return np.stack(phases).astype(np.float32)


def _parsed(model: type[Model], value: Any, place: str) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        missing = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{place}: {missing or 'its content'} is missing or unusable; make the cohort anew "
            "with this version of hcnet."
        ) from error
