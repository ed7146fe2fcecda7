"""A phantom cohort on disk: the layout of a real one, with the truth beside it.

    images/, patient_info_files/    as in any cohort; a box around the tumour in the facts
    segmentations/expert/           a reader's outline; `duke` has boxes only, as Duke has
    truth/CASE/                     what no real exam has: exact mask, tissues, parameter maps,
                                    phases without noise, and in a null cohort redrawn lesions
    phantom.json                    what it was made with

Volumes are stored in the voxel order of a scanner: sagittal (posterior, inferior, right) as the
exams of I-SPY1 are, axial (left, posterior, superior) as those of Duke.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.cohort import write_case
from hcnet.cohorts.phantom.freeze import identity
from hcnet.cohorts.phantom.generate import PhantomCase, PhantomSettings, case_name, generate_case
from hcnet.cohorts.phantom.parameters import Like
from hcnet.cohorts.phantom.reader import Bounds
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json, write_json
from hcnet.progress import SILENT, Progress
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Grid, Volume, from_canonical

RECORD = "phantom.json"

# The scanner's axes, each a direction of RAS+ and a sense.
_STORED: dict[Like, tuple[tuple[int, int], ...]] = {
    "ispy1": ((1, -1), (2, -1), (0, 1)),
    "duke": ((0, -1), (1, -1), (2, 1)),
}


def write_phantom_cohort(
    root: Path,
    n: int,
    seed: int = 0,
    settings: PhantomSettings | None = None,
    *,
    processes: int = 1,
    progress: Progress = SILENT,
) -> int:
    """Write cases 0 to n - 1, leaving alone those that are there already.

    A folder can so be resumed, or extended by a larger `n`; each case is the same either way.

    Args:
        root: the cohort's folder: absent, empty, or begun by the same seed and settings.
        n: number of cases that the folder shall hold at least.
        seed: of the cohort.
        settings: None for the defaults.
        processes: how many cases to make at once; at full size each takes about 1.2 GB (`ispy1`) or
            4.5 GB (`duke`).
        progress: told of each case.

    Returns:
        number of cases written now.

    Raises:
        InputError: `root` is a file or a folder with something else in it.
        ConfigError: `root` holds a phantom cohort of another seed, version or settings, or `n`,
            `seed` or `processes` is out of range.
    """
    settings = settings or PhantomSettings()
    if n < 1 or seed < 0 or processes < 1:
        raise ConfigError(
            f"A phantom cohort needs n >= 1, seed >= 0 and processes >= 1, not n = {n}, "
            f"seed = {seed} and processes = {processes}."
        )
    _claim(root, seed, settings)
    missing = [index for index in range(n) if not _facts_file(root, index).is_file()]
    made = _make(root, missing, seed, settings, processes)
    for _ in progress.track(made, "phantom cases", total=len(missing)):
        pass
    return len(missing)


def _claim(root: Path, seed: int, settings: PhantomSettings) -> None:
    record = {
        "generator": {"name": "hcnet", **identity()},
        "seed": seed,
        "settings": settings.model_dump(mode="json"),
    }
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; give a folder for the phantom cohort.")
    if (root / RECORD).is_file():
        if read_json(root / RECORD) != record:
            raise ConfigError(
                f"{root}: holds a phantom cohort of another seed, version or settings; give these "
                "or another folder."
            )
        return
    if root.is_dir() and any(root.iterdir()):
        raise InputError(
            f"{root}: is not empty and holds no phantom cohort; give a new or an empty folder."
        )
    write_json(root / RECORD, record)


def _make(
    root: Path, indices: Sequence[int], seed: int, settings: PhantomSettings, processes: int
) -> Iterator[int]:
    if processes == 1 or len(indices) < 2:
        for index in indices:
            yield _write_one(root, index, seed, settings)
        return
    # Spawned workers are alike on all systems and inherit no threads or locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(indices)), mp_context=context) as pool:
        # Settings travel as text: classes of parametrised models cannot be pickled.
        text = settings.model_dump_json()
        futures = [pool.submit(_write_from_text, root, index, seed, text) for index in indices]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_from_text(root: Path, index: int, seed: int, settings: str) -> int:
    return _write_one(root, index, seed, PhantomSettings.model_validate_json(settings))


def _write_one(root: Path, index: int, seed: int, settings: PhantomSettings) -> int:
    case = generate_case(seed, index, settings)
    scanned = _Scanned(case.affine, case.labels.shape, settings.like)
    _write_truth(root / "truth" / case.name, case, scanned)
    facts = {**case.facts, "primary_lesion": dict(case.facts["primary_lesion"])}
    if case.box is not None:
        facts["primary_lesion"]["tumour_box"] = scanned.box(case.box)
    # The facts file comes last in `write_case`: where it is, the case is complete.
    write_case(
        root,
        case.name,
        [scanned.volume(phase) for phase in case.phases],
        tumour=scanned.volume(case.reader) if settings.like == "ispy1" else None,
        times_s=case.times_s,
        times_from="injection",
        facts=facts,
        segmentation="expert",
    )
    return index


def _write_truth(folder: Path, case: PhantomCase, scanned: "_Scanned") -> None:
    volumes: dict[str, NDArray[Any]] = {
        "tumour": case.tumour,
        "labels": case.labels,
        "breast": case.breast,
        **case.maps,
    }
    volumes |= {f"noise_free_{i:04d}": phase for i, phase in enumerate(case.noise_free)}
    volumes |= {f"redrawn_{i}": mask for i, mask in enumerate(case.redrawn)}
    for name, data in volumes.items():
        write_nifti(scanned.volume(data), folder / f"{name}.nii.gz")
    write_json(folder / "hidden.json", case.hidden)


class _Scanned:
    """Lays (x, y, z) arrays out in the voxel order of a scanner."""

    def __init__(self, affine: NDArray[np.float64], shape: tuple[int, ...], like: Like) -> None:
        self._affine, self._shape, self._axes = affine, shape, _STORED[like]
        stored = np.eye(4)
        origin = np.array([0.0, 0.0, 0.0, 1.0])
        for column, (axis, sense) in enumerate(self._axes):
            stored[:3, column] = sense * affine[:3, axis]
            origin[axis] = 0 if sense > 0 else shape[axis] - 1
        stored[:3, 3] = (affine @ origin)[:3]
        x, y, z = (shape[axis] for axis, _ in self._axes)
        self._grid = Grid((x, y, z), stored)

    def volume(self, data: NDArray[Any]) -> Volume:
        """An array as a volume in the scanner's order."""
        return from_canonical(Volume(data, self._affine), self._grid)

    def box(self, bounds: Bounds) -> dict[str, int]:
        """Bounds as half-open voxel indices of the stored array."""
        box: dict[str, int] = {}
        for name, (axis, sense) in zip("xyz", self._axes, strict=True):
            start, stop = bounds[axis]
            if sense < 0:
                start, stop = self._shape[axis] - stop, self._shape[axis] - start
            box |= {f"{name}_min": start, f"{name}_max": stop}
        return box


def _facts_file(root: Path, index: int) -> Path:
    return root / "patient_info_files" / f"{case_name(index).lower()}.json"
