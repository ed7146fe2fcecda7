"""How files of a cohort are named: `case_0000.nii.gz` is the first phase, `case.nii.gz` a mask."""

import re
from pathlib import Path

from hcnet.volumes.dicom.contrast import named_after
from hcnet.volumes.nifti import is_nifti, stem

_LATER = re.compile(r"\d_000[1-9]$")
"""`patient_017_0002`, not `patient_0002`, which may be the second patient."""
_PHASE = re.compile(r"^(?P<name>.+)_(?P<phase>\d{4})$")


def phase_of(path: Path) -> tuple[str, int] | None:
    """Case and number of the phase that a NIfTI file's name tells; None for other names."""
    match = _PHASE.match(stem(path)) if is_nifti(path) else None
    return None if match is None else (match["name"], int(match["phase"]))


def sign_of_contrast(path: Path) -> str | None:
    """Why a NIfTI file may be from after contrast, by its name; None where that says nothing."""
    name = stem(path)
    if named_after(name) or _LATER.search(name):
        return f"its name is {name}"
    return None


def nifti_by_stem(folder: Path) -> dict[str, Path]:
    """The NIfTI files of a folder by their names in lower case; none where there is no folder.

    Hidden files are left out: some systems put a `._case.nii.gz` beside each file.
    """
    if not folder.is_dir():
        return {}
    return {
        stem(path).lower(): path
        for path in sorted(folder.iterdir())
        if path.is_file() and is_nifti(path) and not path.name.startswith(".")
    }
