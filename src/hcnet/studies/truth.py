"""What a phantom cohort knows beside its exams, and what takes its place in a real one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hcnet.cohorts.case import Case, NiftiSource, VolumeSource
from hcnet.errors import InputError

EXACT = "exact tumour of the phantom (truth/CASE/tumour.nii.gz)"
READER = "the cohort's own segmentation"


@dataclass(frozen=True)
class Reference:
    """What a held-out case is scored against.

    Attributes:
        tumour: the mask.
        redrawn: masks of other lesions drawn on the same anatomy, in null cohorts.
        tissue: tissue labels, in phantoms.
    """

    tumour: VolumeSource
    redrawn: tuple[VolumeSource, ...] = ()
    tissue: VolumeSource | None = None


def is_phantom(root: Path) -> bool:
    """Whether a cohort is synthetic."""
    return (root / "phantom.json").is_file()


def tissue_file(root: Path, case: str) -> Path:
    """Where the true tissue labels of a phantom lie."""
    return root / "truth" / case / "labels.nii.gz"


def references(root: Path, cases: Sequence[Case]) -> dict[str, Reference]:
    """The reference of each case by name.

    Phantoms are scored against the exact tumour, whatever mask they are learned from; other cases
    against their own segmentation.

    Raises:
        InputError: a phantom has no exact tumour, or a case no segmentation.
    """
    return {case.name: _reference(root, case) for case in cases}


def _reference(root: Path, case: Case) -> Reference:
    if not is_phantom(root):
        if case.tumour is None:
            raise InputError(f"{root}: {case.name} has no tumour mask to be scored against.")
        return Reference(case.tumour)
    folder = root / "truth" / case.name
    exact, tissue = folder / "tumour.nii.gz", tissue_file(root, case.name)
    if not exact.is_file():
        raise InputError(f"{exact}: there is no such file; make the phantom cohort anew.")
    return Reference(
        NiftiSource(exact),
        tuple(NiftiSource(path) for path in sorted(folder.glob("redrawn_*.nii.gz"))),
        NiftiSource(tissue) if tissue.is_file() else None,
    )
