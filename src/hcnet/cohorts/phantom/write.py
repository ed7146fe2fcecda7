"""A phantom cohort on disk: the layout of a real one, with the truth beside it.

    images/, segmentations/truth/, patient_info_files/    as in any cohort
    truth/CASE/                                           what no real exam has
    phantom.json                                          what it was made with

Volumes are stored in the voxel order of a sagittal scan (posterior, inferior, right), as the exams
of I-SPY1 are.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.cohort import write_case
from hcnet.cohorts.phantom.generate import PhantomCase, PhantomSettings, case_name, generate_case
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json, write_json
from hcnet.progress import SILENT, Progress
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Grid, Volume, from_canonical

_RECORD = "phantom.json"


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
        processes: how many cases to make at once; each takes about 1 GB at full size.
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
    record = {"generator": "hcnet", "seed": seed, "settings": settings.model_dump(mode="json")}
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; give a folder for the phantom cohort.")
    if (root / _RECORD).is_file():
        if read_json(root / _RECORD) != record:
            raise ConfigError(
                f"{root}: holds a phantom cohort of another seed, version or settings; give these "
                "or another folder."
            )
        return
    if root.is_dir() and any(root.iterdir()):
        raise InputError(
            f"{root}: is not empty and holds no phantom cohort; give a new or an empty folder."
        )
    write_json(root / _RECORD, record)


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
        futures = [pool.submit(_write_one, root, index, seed, settings) for index in indices]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_one(root: Path, index: int, seed: int, settings: PhantomSettings) -> int:
    case = generate_case(seed, index, settings)
    _write_truth(root / "truth" / case.name, case)
    # The facts file comes last in `write_case`: where it is, the case is complete.
    write_case(
        root,
        case.name,
        [_as_scanned(phase, case.affine) for phase in case.phases],
        tumour=_as_scanned(case.tumour, case.affine),
        times_s=case.times_s,
        times_from="injection",
        facts=case.facts,
        segmentation="truth",
    )
    return index


def _write_truth(folder: Path, case: PhantomCase) -> None:
    volumes: dict[str, NDArray[Any]] = {"labels": case.labels, "breast": case.breast, **case.maps}
    if case.noise_free is not None:
        volumes |= {f"noise_free_{i:04d}": phase for i, phase in enumerate(case.noise_free)}
    for name, data in volumes.items():
        write_nifti(_as_scanned(data, case.affine), folder / f"{name}.nii.gz")
    write_json(folder / "hidden.json", case.hidden)


def _as_scanned(data: NDArray[Any], affine: NDArray[np.float64]) -> Volume:
    """Lay an (x, y, z) array out as a sagittal scan: posterior, inferior, right."""
    nx, ny, nz = data.shape
    scanned = np.eye(4)
    scanned[:3, 0] = -affine[:3, 1]
    scanned[:3, 1] = -affine[:3, 2]
    scanned[:3, 2] = affine[:3, 0]
    scanned[:3, 3] = (affine @ np.array([0, ny - 1, nz - 1, 1]))[:3]
    return from_canonical(Volume(data, affine), Grid((ny, nz, nx), scanned))


def _facts_file(root: Path, index: int) -> Path:
    return root / "patient_info_files" / f"{case_name(index).lower()}.json"
