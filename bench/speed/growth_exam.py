"""How preparing and segmenting grow: against voxels and phases, each over a decade.

Every point is a process of its own, timed by the processor's clock. Preparing reads NIfTI, finds
the breast and writes the cache's arrays; segmenting reads one NIfTI and writes all files, with the
bundle `phantom-tiny`, whose networks are small: what is asked for is the slope.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from growth import growth_row
from timing import Row, contender, processes, report

if TYPE_CHECKING:
    from run import Options

SPACING_MM = 3.0
AFFINE = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
EDGES = (64, 96, 138)  # 0.13, 0.44 and 1.3 million voxels at half the depth
PHASES = (2, 6, 20)
USUAL = {"edge": 96, "phases": 2}


def measure(options: "Options") -> list[Row]:
    """A row for each piece of work and what grows in it."""
    rounds = min(options.rounds, 3)
    voxels = [edge**2 * edge // 2 for edge in EDGES]
    return [
        _row("prepare", "edge", EDGES, voxels, "voxels", rounds),
        _row("prepare", "phases", PHASES, PHASES, "phases", rounds),
        _row("segment", "edge", EDGES, voxels, "voxels", rounds),
    ]


def _row(job, key, points, sizes, what, rounds) -> Row:
    runs = processes(
        {
            str(point): contender(__file__, job, *map(str, (USUAL | {key: point}).values()))
            for point in points
        },
        rounds,
    )
    seconds = {"time": [min(run.seconds for run in point) for point in runs.values()]}
    return growth_row(f"{job}, {what}", sizes, list(runs.values()), seconds)


def _exam(folder: Path, edge: int, phases: int) -> list[Path]:
    """A breast before a chest, brighter with every phase."""
    from hcnet.volumes.nifti import write_nifti
    from hcnet.volumes.volume import Volume

    shape = (edge // 2, edge, edge)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    breast = (x / 0.8) ** 2 + ((y + 0.2) / 0.7) ** 2 + (z / 0.7) ** 2 < 1
    body = breast | ((y < -0.5) & (np.abs(z) < 0.95) & (np.abs(x) < 2))
    noise = np.random.default_rng(0).normal(0, 15, shape)
    paths = []
    for phase in range(phases):
        image = np.where(body, 300 + 20 * phase, 10) + noise
        paths.append(folder / f"exam_{phase:04d}.nii.gz")
        write_nifti(Volume(image.astype(np.float32), AFFINE), paths[-1])
    mask = folder / "breast.nii.gz"
    write_nifti(Volume(breast.astype(np.uint8), AFFINE), mask)
    return [*paths, mask]


def _prepare(images: list[Path], folder: Path) -> None:
    from hcnet.cohorts.open import open_case
    from hcnet.prepare.cache import prepared_cases
    from hcnet.prepare.settings import PrepareConfig

    case = open_case(images, times=[60.0 * n for n in range(len(images))])
    prepared_cases([case], PrepareConfig(spacing_mm=(SPACING_MM,) * 3), folder / "cache")


def _segment(images: list[Path], mask: Path, folder: Path) -> None:
    from hcnet.cohorts.open import open_case
    from hcnet.inference.built_in import find_bundle
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.output import segment_to_folder

    case = open_case(images[:1], breast=mask)
    (folder / "out").mkdir()
    segment_to_folder(case, open_bundle(find_bundle("phantom-tiny")), folder / "out")


def main(job: str, edge: int, phases: int) -> None:
    """One point: processor seconds, and memory beyond what a first small piece of work took."""
    from hcnet.runtime import peak_memory_mb

    def once(folder: Path, edge: int, phases: int) -> float:
        *images, mask = _exam(folder, edge, phases)
        started = time.process_time()
        if job == "prepare":
            _prepare(images, folder)
        else:
            _segment(images, mask, folder)
        spent = time.process_time() - started
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return spent

    with tempfile.TemporaryDirectory() as name:
        once(Path(name), 40, 2)  # imports
        before = peak_memory_mb() or 0
        seconds = once(Path(name), edge, phases)
    report(seconds, grown_mb=max((peak_memory_mb() or 0) - before, 1.0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
