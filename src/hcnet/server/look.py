"""Looking at an exam once, so that showing it needs no decoder: facts, image, phases."""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from hcnet.arrays import write_array
from hcnet.cohorts.case import Case, TimesFrom
from hcnet.cohorts.open import kind_of, open_case
from hcnet.files import write_json, write_text
from hcnet.server.orders import LookOrder
from hcnet.volumes.checks import check_image, check_same_frame
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.resample import resample
from hcnet.volumes.volume import Volume

PRE = "pre.nii.gz"
REFERENCE = "reference.nii.gz"
FOUND = "found.json"
CURVES = "curves.json"


class CurveFacts(BaseModel):
    """What is needed to read a voxel's curve; `phases` tells how many arrays there are."""

    model_config = ConfigDict(extra="forbid")

    phases: int
    shape: tuple[int, int, int]
    times_s: tuple[float, ...] | None
    times_from: TimesFrom


def phase_file(index: int) -> str:
    """Name of the array of one phase."""
    return f"phase_{index:04d}.npy"


def look_at(order: LookOrder, folder: Path) -> None:
    """Read an exam and leave `FOUND`, `PRE`, the phases, and `CURVES`, the last to be written.

    Phases on another grid than the pre-contrast one are brought onto it.

    Raises:
        HcnetError: the exam cannot be read, as `open_case`.
    """
    paths = [Path(path) for path in order.paths]
    case = open_case(paths)
    write_json(folder / FOUND, _found(paths, case))
    pre = case.pre.load()
    check_image(pre, case.pre.location)
    write_nifti(pre, folder / PRE)
    for index, source in enumerate(case.phases):
        volume = pre if index == 0 else _on_grid(source.load(), pre, source.location, case)
        write_array(folder / phase_file(index), np.ascontiguousarray(volume.data))
    if case.tumour is not None and not case.tumour_is_pseudo:
        write_nifti(case.tumour.load(), folder / REFERENCE)
    facts = CurveFacts(
        phases=len(case.phases),
        shape=pre.shape,
        times_s=case.times_s,
        times_from=case.times_from,
    )
    write_text(folder / CURVES, facts.model_dump_json() + "\n")


def _found(paths: list[Path], case: Case) -> dict[str, Any]:
    from hcnet.cohorts.dicom_exam import describe_exam
    from hcnet.cohorts.facts import case_as_json, exam_as_json

    if kind_of(paths) == "dicom":
        return exam_as_json(describe_exam(paths[0]))
    return case_as_json(case)


def _on_grid(volume: Volume, pre: Volume, location: str, case: Case) -> Volume:
    if volume.grid.difference(pre.grid) is None:
        return volume
    check_same_frame(volume, pre, location, case.pre.location)
    return resample(volume, pre.grid, "linear")
