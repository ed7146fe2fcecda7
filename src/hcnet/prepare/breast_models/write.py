"""Breast masks of many cases, written one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hcnet.cohorts.case import Case
from hcnet.errors import HcnetError
from hcnet.prepare.breast_models.finders import Finder
from hcnet.progress import SILENT, Progress
from hcnet.volumes.checks import check_image
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

Status = Literal["written", "already there", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a case; `error` where it has no mask, `volume_ml` where it was written."""

    name: str
    status: Status
    error: HcnetError | None = None
    volume_ml: float | None = None


def write_breast_masks(
    cases: Sequence[tuple[Case, Path]],
    finder: Finder,
    *,
    force: bool = False,
    progress: Progress = SILENT,
) -> list[Outcome]:
    """Find the breast in the pre-contrast phase of each case and write it on that phase's own grid.

    A case that cannot be read, or in which no breast is found, is told in its outcome, and the rest
    goes on. Only pre-contrast phases are read.

    Args:
        cases: each with the file for its mask (uint8, 0 and 1).
        finder: how.
        force: make masks again that are there already.
        progress: listener.

    Returns:
        one outcome a case, in the same order.

    Raises:
        InputError: the finder cannot work at all; masks written before stay.
    """
    outcomes = {
        case.name: Outcome(case.name, "already there")
        for case, path in cases
        if path.exists() and not force
    }
    todo = [(case, path) for case, path in cases if case.name not in outcomes]
    for outcome in progress.track(_made(todo, finder), "breast masks", len(todo)):
        outcomes[outcome.name] = outcome
    return [outcomes[case.name] for case, _ in cases]


def _made(todo: Sequence[tuple[Case, Path]], finder: Finder) -> Iterator[Outcome]:
    for start in range(0, len(todo), finder.batch):
        loaded: list[tuple[str, Path, Volume]] = []
        for case, path in todo[start : start + finder.batch]:
            try:
                image = case.pre.load()
                check_image(image, case.pre.location)
            except HcnetError as error:
                yield Outcome(case.name, "failed", error)
                continue
            loaded.append((case.name, path, image))
        found = finder.find([image for _, _, image in loaded]) if loaded else []
        for (name, path, _), mask in zip(loaded, found, strict=True):
            if isinstance(mask, HcnetError):
                yield Outcome(name, "failed", mask)
                continue
            write_nifti(mask, path)
            ml = float(mask.data.sum()) * mask.grid.voxel_ml
            yield Outcome(name, "written", volume_ml=ml)
