"""How time and memory grow: stage 1 against voxels, phases, cases and K, each over a decade.

Every point is a process of its own, timed by the processor's clock, which counts the work of all
threads and not the waiting for others. The exponent is the slope of log time over log size: 1 is
linear, and less means that a part does not grow. Settings are small, so that the whole takes a few
minutes; what is asked for is the slope, not the seconds.
"""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from timing import Row, Run, contender, processes, report

if TYPE_CHECKING:
    from run import Options

BASE = {"voxels": 200_000, "phases": 6, "cases": 2, "k": 10}
SIZES: dict[str, tuple[int, ...]] = {
    "voxels": (100_000, 300_000, 1_000_000),
    "phases": (3, 10, 30),
    "cases": (1, 3, 10),
    "k": (2, 6, 20),
}
PARTS = ("read", "fit", "label and measure")
FIT = {"epochs": 4, "batch_size": 4096, "max_points": 50_000}
PLANE = (100, 50)


def measure(options: "Options") -> list[Row]:
    """A row for each thing that grows: seconds of its largest size, exponents beside it."""
    rounds = min(options.rounds, 3)
    return [_row(what, sizes, rounds) for what, sizes in SIZES.items()]


def _row(what: str, sizes: tuple[int, ...], rounds: int) -> Row:
    runs = processes(
        {
            str(size): contender(__file__, *map(str, (BASE | {what: size}).values()))
            for size in sizes
        },
        rounds,
    )
    seconds = {part: [_least(runs[str(size)], part) for size in sizes] for part in PARTS}
    seconds["all"] = [min(run.seconds for run in runs[str(size)]) for size in sizes]
    return growth_row(f"stage 1, {what}", sizes, list(runs.values()), seconds)


def growth_row(
    work: str,
    sizes: Sequence[int],
    runs: Sequence[list[Run]],
    seconds: Mapping[str, list[float]],
) -> Row:
    """The exponents of time, part by part, and of memory.

    Args:
        work: what grows.
        sizes: of the points.
        runs: of each point; their answers have `grown_mb`.
        seconds: of each part at each point.
    """
    memory = [min(run.answer["grown_mb"] for run in point) for point in runs]
    exponents = {part: exponent(sizes, values) for part, values in seconds.items()}
    exponents["memory"] = exponent(sizes, memory)
    text = ", ".join(f"{part} {value:.2f}" for part, value in exponents.items())
    megabytes = "/".join(f"{value:.0f}" for value in memory)
    return Row(
        f"{work} {sizes[0]} to {sizes[-1]}",
        "",
        "exponents",
        [],
        runs[-1],
        goal=60.0,
        agreement=f"{text}; beyond imports {megabytes} MB",
        facts={"sizes": sizes, "seconds": seconds, "memory_mb": memory, "exponents": exponents},
    )


def exponent(sizes: Sequence[int], values: list[float]) -> float:
    """Slope of log values over log sizes, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-3)), 1)[0])


def _least(runs: list[Run], part: str) -> float:
    return min(float(run.answer[part]) for run in runs)


@dataclass(frozen=True)
class MadeSource:
    """A case made when it is looked at, so that memory shows what stage 1 itself keeps."""

    name: str
    seed: int
    voxels: int
    points: int

    @property
    def clock(self) -> NDArray[np.float64]:
        return np.arange(self.points) * 60.0

    @property
    def phases(self) -> NDArray[np.int16]:
        rng = np.random.default_rng([self.seed, self.points])
        shape = (self.voxels // int(np.prod(PLANE)), *PLANE)
        kind = rng.integers(0, 12, shape)
        times = np.arange(self.points) / (self.points - 1)
        made = np.empty((self.points, *shape), np.int16)
        for phase, moment in zip(made, times, strict=True):
            rise = 1 + 0.2 * kind * (1 - np.exp(-(1 + kind % 5) * moment))
            phase[:] = 300 * rise + rng.normal(0, 8, shape)
        return made

    @property
    def breast(self) -> NDArray[np.uint8]:
        return np.ones((self.voxels // int(np.prod(PLANE)), *PLANE), np.uint8)

    @property
    def tumour(self) -> NDArray[np.uint8]:
        return np.zeros_like(self.breast)


def main(sizes: Mapping[str, int]) -> None:
    """One point: time of each part of stage 1, and memory beyond what the imports took."""
    from hcnet.kinetics.settings import KineticsConfig
    from hcnet.kinetics.store import CurveStore
    from hcnet.runtime import peak_memory_mb
    from hcnet.training.stage_kinetics import fit_sample, judge_clustering

    sources: list[Any] = [
        MadeSource(f"case_{n}", n, sizes["voxels"], sizes["phases"]) for n in range(sizes["cases"])
    ]
    config = KineticsConfig(k=sizes["k"], **FIT)  # type: ignore[arg-type]
    before = peak_memory_mb() or 0
    marks = [time.process_time()]
    making = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        CurveStore(sources[0].clock, Path(folder)) as store,
    ):
        for source in sources:
            began = time.process_time()
            phases, breast = source.phases, source.breast
            making += time.process_time() - began
            store.add(phases, breast, source.clock)
            del phases
        marks.append(time.process_time())
        sample = store.sample(config.max_points, 0)
        clustering = fit_sample(sample, store.grid, config, 0, Path(folder))
        marks.append(time.process_time())
        maps: list[int] = []
        judge_clustering(
            clustering,
            sources,
            config,
            0,
            store=store,
            write=lambda _, labels: maps.append(int(labels.max())),
        )
        marks.append(time.process_time())
    spent = dict(zip(PARTS, map(float, np.diff(marks)), strict=True))
    spent["read"] -= making
    grown = (peak_memory_mb() or 0) - before
    report(sum(spent.values()), grown_mb=grown, **spent)


if __name__ == "__main__":
    main(dict(zip(BASE, map(int, sys.argv[1:]), strict=True)))
