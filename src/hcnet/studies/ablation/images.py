"""What the networks see in place of, or beside, the pre-contrast image; seeds share these files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcnet.arrays import write_array
from hcnet.kinetics.functional import functional_tumour, lesion_box
from hcnet.kinetics.tic import kinetic_clock
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.arms import Image
from hcnet.studies.material import Material
from hcnet.studies.phase_images import enhancement
from hcnet.volumes.resample import resample

CHANNELS: dict[Image, int] = {"pre": 1, "breast": 1, "dce": 3}
"""Of each kind of image."""


def image_files(
    kind: Image, cases: Sequence[CachedCase], folder: Path, progress: Progress = SILENT
) -> dict[str, Path]:
    """The image of each case by name; made in `folder` where the cache does not hold it.

    `breast` is the breast mask as 0 and 1; `dce` is `dce_channels`.
    """
    if kind == "pre":
        return {case.name: case.files["image"] for case in cases}
    files = {case.name: folder / kind / f"{case.name}.npy" for case in cases}
    for case in _without_file(cases, files, progress, f"{kind} images"):
        image = np.asarray(case.breast, np.float32) if kind == "breast" else dce_channels(case)
        write_array(files[case.name], image)
    return files


def dce_channels(case: CachedCase) -> NDArray[np.float32]:
    """Pre, first post - pre and last post - pre, in the units of the normalised pre image.

    Returns:
        (3, X, Y, Z).
    """
    image = np.asarray(case.image, np.float32)
    return np.concatenate([image[None], enhancement(case, (1, -1))])


def pseudo_masks(material: Material, folder: Path, progress: Progress = SILENT) -> dict[str, Path]:
    """A tumour mask of each extra case by functional tumour volume, on the prepared grid.

    Enhancement is judged on the exam's own grid, where the rule was made for. A case without a box
    has no lesion and gets an empty mask.

    Raises:
        InputError: a box that cannot be used, or times that are no kinetic clock.
    """
    files = {case.name: folder / f"{case.name}.npy" for case in material.extra}
    sources = {case.name: case for case in material.split.extra}
    for ready in _without_file(material.extra, files, progress, "FTV masks"):
        case = sources[ready.name]
        pre = case.pre.load()
        box = lesion_box(case.facts, pre.shape, case.pre.location)
        mask = np.zeros(ready.grid.shape, np.uint8)
        if box is not None:
            later = [resample(p.load(), pre.grid, "linear").data for p in case.phases[1:]]
            clock = kinetic_clock(case.times_s, case.times_from, len(case.phases))
            found = functional_tumour(np.stack([pre.data, *later]), clock, box)
            share = ready.frame.to_prepared(pre.with_data(found.astype(np.float32)), "linear")
            mask = (share >= 0.5).astype(np.uint8)
        write_array(files[ready.name], mask)
    return files


def _without_file(
    cases: Sequence[CachedCase], files: dict[str, Path], progress: Progress, text: str
) -> Iterator[CachedCase]:
    yield from progress.track([case for case in cases if not files[case.name].exists()], text)
