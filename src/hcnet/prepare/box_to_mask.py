"""Box to mask: a tumour pseudo-label from a reader's box and the contrast-enhanced phases.

For collections that have boxes and no outlines, such as Duke (paper, section 3, "Box-to-Mask"; how
is left open there). The steps: how much each voxel rises after the contrast; a threshold between
the two kinds of voxels in the box, at least what the tissue around the box reaches; a random walk
from what is certain to what is not; smoothing. `docs/method.md` has what it was measured to be
worth, and beside what.

A pseudo-label is no reference. Its folder says so (`source.json`), and with it every `Case` that
`read_cohort` makes of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import random_walker

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import SOURCE_FILE, Cohort, read_source
from hcnet.errors import ConfigError, HcnetError, InputError
from hcnet.files import write_json
from hcnet.kinetics.functional import Box, lesion_box
from hcnet.kinetics.tic import kinetic_clock
from hcnet.progress import SILENT, Progress
from hcnet.volumes.checks import check_image, check_same_frame
from hcnet.volumes.components import components, remove_small
from hcnet.volumes.nifti import is_nifti, write_nifti
from hcnet.volumes.resample import resample
from hcnet.volumes.volume import Grid, Volume

SOURCE = "box-to-mask"
"""Default name of the folder in `segmentations/`."""

VERSION = 1
"""Raise this whenever the same exam and box would give another mask than before."""

FACTS = {"kind": "pseudo-label", "method": "box-to-mask", "version": VERSION}
"""Content of the folder's `source.json`."""

SHELL_MM = 10.0
"""How far around the box background enhancement is looked at."""

SHELL_PERCENTILE = 95.0
"""Of the enhancement there: the threshold is never lower."""

TISSUE_SHARE = 0.2
"""Least pre-contrast signal of tissue, as a share of `BRIGHT_PERCENTILE` of the box: no air."""

BRIGHT_PERCENTILE = 95.0
TOP_PERCENTILE = 98.0
"""Of the enhancement in the box: the threshold is never higher, so that something is left."""

SEEDS = (0.5, 1.5)
"""Below the first a voxel is background, above the second tumour, between the walk decides; 0 is
the box's background and 1 the threshold. Half of what is above the threshold is tumour in any case:
where the background enhances strongly, the lesion itself may stay below the second."""

WALK_BETA = 30.0
"""How hard the walk finds it to cross an edge."""

WALK_TOLERANCE = 1e-8
"""Of the solver; with skimage's own 1e-3 some probabilities leave 0 to 1 by a tenth."""

SMOOTH_MM = 1.5
"""Radius of closing and opening."""

SMALLEST_PART = 0.1
"""Parts below this share of the largest one are dropped."""

MOST_VOXELS = 4_000_000
"""Of a box; the walk needs up to about 1 kB for each."""

Floats = NDArray[np.float64]
Status = Literal["written", "already there", "no box", "nothing found", "failed"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Outcome:
    """What became of a case, and why there is no mask where a box is."""

    name: str
    status: Status
    why: str = ""


def write_box_masks(
    cohort: Cohort, source: str = SOURCE, *, force: bool = False, progress: Progress = SILENT
) -> list[Outcome]:
    """Write `segmentations/<source>/case.nii.gz` for every case with a box, on the exam's own grid.

    A case without a box, or in whose box the signal rises nowhere, gets no file: an empty mask
    would say that there is no tumour. What cannot be read or used is told in its outcome, and the
    rest goes on.

    Args:
        cohort: its cases' facts hold the boxes, `primary_lesion.tumour_box`.
        source: name of the folder.
        force: make masks again that are there already.
        progress: listener.

    Raises:
        ConfigError: the name is no plain name, or the folder is a file or holds masks that are not
            from here, or from another version.
        InputError: the folder's source.json makes no sense.
    """
    folder = _opened(cohort.root, source)
    outcomes = []
    for case in progress.track(cohort.cases, "box to mask", len(cohort)):
        path = folder / f"{case.name.lower()}.nii.gz"
        if path.exists() and not force:
            outcomes.append(Outcome(case.name, "already there"))
            continue
        # An older mask does not outlive what has become of its case.
        path.unlink(missing_ok=True)
        try:
            outcomes.append(_write_one(case, path))
        except HcnetError as error:
            outcomes.append(Outcome(case.name, "failed", str(error)))
    return outcomes


def box_to_mask(case: Case) -> Volume | None:
    """The tumour pseudo-label of one exam.

    Args:
        case: at least two phases; the box is in its facts.

    Returns:
        uint8 mask on the grid of the pre-contrast phase, or None where the case has no box. The
        mask is empty where the signal rises nowhere in the box. It marks what stands out most, so
        of a lesion that hardly enhances it is not to be trusted.

    Raises:
        InputError: a phase cannot be read or used, the times are no kinetic clock, or the box is
            incomplete, empty, outside the image or larger than `MOST_VOXELS`.
        GeometryError: the phases do not show the same region.
    """
    pre = case.pre.load()
    box = lesion_box(case.facts, pre.shape, case.pre.location)
    if box is None:
        return None
    voxels = int(np.prod([side.stop - side.start for side in box]))
    if voxels > MOST_VOXELS:
        raise InputError(
            f"{case.pre.location}: its tumour_box has {voxels} voxels, and a lesion has at most "
            f"{MOST_VOXELS}; check the box."
        )
    check_image(pre, case.pre.location)
    try:
        clock = kinetic_clock(case.times_s, case.times_from, len(case.phases))
    except InputError as error:
        raise InputError(f"{case.pre.location}: {error}") from error
    region = _grown(box, pre.grid, SHELL_MM)
    phases = [pre.data[region].astype(np.float64)]
    for source in case.phases[1:]:
        phase = source.load()
        check_image(phase, source.location)
        check_same_frame(phase, pre, source.location, case.pre.location)
        phases.append(resample(phase, pre.grid.crop(region), "linear").data.astype(np.float64))
    mask = np.zeros(pre.shape, np.uint8)
    mask[region] = mask_in_box(np.stack(phases), clock, _within(box, region), pre.grid.crop(region))
    return pre.with_data(mask)


def mask_in_box(phases: NDArray[Any], clock: Floats, box: Box, grid: Grid) -> NDArray[np.bool_]:
    """Mark the tumour in a box.

    Args:
        phases: (P, X, Y, Z) signal, pre-contrast first; what lies around the box, up to
            `SHELL_MM`, tells what background enhancement is.
        clock: (P,) seconds on the kinetic clock (`tic.kinetic_clock`).
        box: where the lesion is, in voxels of the same grid.
        grid: of the phases.

    Returns:
        (X, Y, Z), False outside the box.
    """
    before = phases[clock <= 0].mean(axis=0, dtype=np.float64)
    # The mean of all later phases has less noise than the early one alone.
    rise = phases[clock > 0].mean(axis=0, dtype=np.float64) - before
    mask = np.zeros(grid.shape, dtype=bool)
    threshold = _threshold(before, rise, box, grid)
    background = float(np.median(rise[box][rise[box] <= threshold]))
    if threshold > max(background, 0.0):
        # One voxel more on each side, so that the walk knows that outside the box is background.
        around = _grown(box, grid, voxels=1)
        scaled = (rise[around] - background) / (threshold - background)
        inner = _within(box, around)
        mask[box] = _tidied(_walked(scaled, inner, grid), grid.crop(box))
    return mask


def _threshold(before: Floats, rise: Floats, box: Box, grid: Grid) -> float:
    """Otsu's between the two kinds of voxels in the box, within what `SHELL_` and `TOP_` allow."""
    inside = rise[box]
    threshold = float(threshold_otsu(inside.ravel()))
    shell = np.zeros(grid.shape, dtype=bool)
    shell[_grown(box, grid, SHELL_MM)] = True
    shell[box] = False
    shell &= before > TISSUE_SHARE * np.percentile(before[box], BRIGHT_PERCENTILE)
    if shell.any():
        threshold = max(threshold, float(np.percentile(rise[shell], SHELL_PERCENTILE)))
    return min(threshold, float(np.percentile(inside, TOP_PERCENTILE)))


def _walked(scaled: Floats, inner: Box, grid: Grid) -> NDArray[np.bool_]:
    """Decide the voxels of `inner` between the seeds; 0 is background and 1 the threshold."""
    low, high = SEEDS
    above = scaled[inner][scaled[inner] > 1.0]
    if above.size:
        high = min(high, float(np.median(above)))
    outside = np.ones(scaled.shape, dtype=bool)
    outside[inner] = False
    labels = np.zeros(scaled.shape, np.int32)
    labels[_without_specks((scaled > high) & ~outside, grid)] = 1
    labels[(scaled < low) | outside] = 2
    if not (labels == 1).any():
        return np.asarray(scaled[inner] > 1.0)
    if (labels == 0).any():
        steps = np.array(grid.spacing) / min(grid.spacing)
        # Clipped, since one very bright vessel would make all other edges look small.
        data = np.clip(scaled, -1.0, 4.0)
        labels = random_walker(
            data, labels, beta=WALK_BETA, mode="cg_j", tol=WALK_TOLERANCE, spacing=steps
        )
    return np.asarray(labels[inner] == 1)


def _tidied(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Close and open by `SMOOTH_MM`, fill holes, drop small parts."""
    ball = _ball(SMOOTH_MM, grid.spacing)
    pad = [(n, n) for n in ball.shape]  # closing must not be cut at the box's own border
    inner = tuple(slice(n, n + size) for n, size in zip(ball.shape, mask.shape, strict=True))
    closed = ndimage.binary_closing(np.pad(mask, pad), ball)
    opened = ndimage.binary_opening(closed, ball)
    # A lesion thinner than the ball would vanish.
    filled = ndimage.binary_fill_holes(opened if opened.any() else closed)
    return _without_specks(filled[inner], grid)


def _without_specks(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    found = components(mask, grid)
    largest = found[0].volume_ml if found else 0.0
    return remove_small(mask, grid, SMALLEST_PART * largest)


def _ball(radius_mm: float, spacing: Sequence[float]) -> NDArray[np.bool_]:
    axes = [np.arange(-int(radius_mm / s), int(radius_mm / s) + 1) * s for s in spacing]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.asarray(x**2 + y**2 + z**2 <= radius_mm**2)


def _grown(box: Box, grid: Grid, mm: float = 0.0, voxels: int = 0) -> Box:
    x, y, z = (
        slice(max(0, side.start - more), min(n, side.stop + more))
        for side, n, more in zip(
            box, grid.shape, [round(mm / s) + voxels for s in grid.spacing], strict=True
        )
    )
    return x, y, z


def _within(box: Box, region: Box) -> Box:
    """The box in voxels of `region`."""
    x, y, z = (
        slice(side.start - outer.start, side.stop - outer.start)
        for side, outer in zip(box, region, strict=True)
    )
    return x, y, z


def _write_one(case: Case, path: Path) -> Outcome:
    mask = box_to_mask(case)
    if mask is None:
        return Outcome(case.name, "no box")
    if not mask.data.any():
        return Outcome(case.name, "nothing found", "the signal rises nowhere in its box.")
    write_nifti(mask, path)
    return Outcome(case.name, "written")


def _opened(root: Path, source: str) -> Path:
    """The folder of the source, marked as pseudo-labels before the first mask is in it."""
    if not _NAME.fullmatch(source):
        raise ConfigError(
            f"--out {source}: give a plain name of letters, digits, dots, dashes and underscores."
        )
    folder = root / "segmentations" / source
    if folder.is_file():
        raise ConfigError(f"{folder}: is a file; give another name with --out.")
    if folder.is_dir() and any(is_nifti(path) for path in folder.iterdir()):
        facts = read_source(folder)
        if {key: facts.get(key) for key in FACTS} != FACTS:
            raise ConfigError(
                f"{folder}: holds masks that are not pseudo-labels of this version; give another "
                "name with --out."
            )
        return folder
    write_json(folder / SOURCE_FILE, FACTS)
    return folder
