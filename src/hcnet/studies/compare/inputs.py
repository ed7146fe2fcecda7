"""What the compared networks see: files of each case, shared by all trainings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcnet.arrays import write_array
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.compare.entries import Inputs
from hcnet.studies.phase_images import enhancement


@dataclass(frozen=True, eq=False)
class InputFiles:
    """What a network sees of each case, by the case's name.

    Attributes:
        channels: of the images.
        images: files (X, Y, Z) or (channels, X, Y, Z).
        guides: files of the second input; empty without one.
        guide: key of the second input in a batch: `maps` or `phases`; None without one.
        guide_channels: of the second input.
    """

    channels: int
    images: dict[str, Path]
    guides: dict[str, Path] = field(default_factory=dict)
    guide: str | None = None
    guide_channels: int = 0


def input_channels(inputs: Inputs, phases: int) -> int:
    """Channels of an input; `phases` is the largest number of phases that an exam has."""
    return {"pre": 1, "post": 1, "post+sub": 2, "pre+post": 2, "all-phases": phases}[inputs]


def input_files(
    inputs: Inputs,
    cases: Sequence[CachedCase],
    folder: Path,
    progress: Progress = SILENT,
    *,
    flags: bool = False,
) -> InputFiles:
    """The files of an input, made where they are not there yet.

    Args:
        inputs: which.
        cases: all cases, so that `all-phases` has channels for the exam with most phases.
        folder: for all inputs of a study.
        progress: listener.
        flags: whether the network is told which phases an exam has.
    """
    channels = input_channels(inputs, max(case.phases.shape[0] for case in cases))
    if inputs == "pre":
        images = {case.name: case.files["image"] for case in cases}
    else:
        images = {case.name: folder / inputs / f"{case.name}.npy" for case in cases}
        for case in _missing(cases, images, progress, f"{inputs} images"):
            write_array(images[case.name], input_image(inputs, case, channels))
    if not flags:
        return InputFiles(channels, images)
    present = {case.name: folder / f"{inputs} flags" / f"{case.name}.npy" for case in cases}
    for case in _missing(cases, present, progress, f"{inputs} flags"):
        write_array(present[case.name], phase_flags(case, channels))
    return InputFiles(channels, images, present, "phases", channels)


def input_image(inputs: Inputs, case: CachedCase, channels: int) -> NDArray[np.float32]:
    """(channels, X, Y, Z) in the units of the normalised pre-contrast image.

    In `all-phases`, a phase that the exam lacks is a copy of the first post-contrast phase.
    """
    pre = np.asarray(case.image, np.float32)[None]
    if inputs == "pre":
        return pre
    if inputs != "all-phases":
        sub = enhancement(case, (1,))
        parts = {"post": (pre + sub,), "post+sub": (pre + sub, sub), "pre+post": (pre, pre + sub)}
        return np.concatenate(parts[inputs])
    there = case.phases.shape[0]
    later = [number if number < there else 1 for number in range(1, channels)]
    return np.concatenate([pre, pre + enhancement(case, later)])


def phase_flags(case: CachedCase, channels: int) -> NDArray[np.float32]:
    """(channels, 1, 1, 1): 1 for each phase that the exam has, else 0.

    A patch of it is as large as any other patch, and constant.
    """
    there = np.arange(channels) < case.phases.shape[0]
    return there.astype(np.float32).reshape(-1, 1, 1, 1)


def _missing(
    cases: Sequence[CachedCase], files: dict[str, Path], progress: Progress, text: str
) -> Iterable[CachedCase]:
    todo = [case for case in cases if not files[case.name].exists()]
    return progress.track(todo, text) if todo else ()
