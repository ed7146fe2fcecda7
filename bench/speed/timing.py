"""Measuring two ways of doing one piece of work, in turn, so that a machine's moods hit both.

Seconds are those of the clock on the wall, or, where `HCNET_BENCH_CLOCK` is `cpu`, of the
processor: on a machine with other work on it only the latter mean anything.

What depends on how a process was started (its allocator, its imports, its peak memory) is measured
in child processes, the rest in this one.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One execution.

    Attributes:
        seconds: of the work, or of the whole process where `processes` says so.
        peak_mb: largest resident size of the process; None where it shares one with others.
        answer: what a child process printed as its last line, JSON.
    """

    seconds: float
    peak_mb: float | None = None
    answer: Any = None


@dataclass(frozen=True)
class Row:
    """A line of the table: one piece of work, done by a reference and by us.

    Attributes:
        work: what was done.
        reference: what did it for comparison; "" where there is none.
        ours: our way, where there are several.
        reference_runs: in the order measured.
        our_runs: as many, each right after the reference's.
        goal: how often our time should go into the reference's; for a row without reference, the
            most seconds.
        agreement: how far the two results are apart, in words.
        gflop: of one execution, where the work is arithmetic; for the share of the ceiling.
        note: anything a reader must know.
    """

    work: str
    reference: str
    ours: str
    reference_runs: Sequence[Run]
    our_runs: Sequence[Run]
    goal: float
    agreement: str = ""
    gflop: float | None = None
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference_s(self) -> float | None:
        """Median seconds of the reference."""
        return median_s(self.reference_runs) if self.reference_runs else None

    @property
    def ours_s(self) -> float:
        """Median seconds of ours."""
        return median_s(self.our_runs)

    @property
    def ratios(self) -> list[float]:
        """Reference over ours, pair by pair, ascending; empty without a reference."""
        pairs = zip(self.reference_runs, self.our_runs, strict=bool(self.reference_runs))
        return sorted(a.seconds / b.seconds for a, b in pairs) if self.reference_runs else []

    @property
    def memory_ratio(self) -> float | None:
        """Our median peak memory as a share of the reference's."""
        theirs = [run.peak_mb for run in self.reference_runs if run.peak_mb]
        ours = [run.peak_mb for run in self.our_runs if run.peak_mb]
        return statistics.median(ours) / statistics.median(theirs) if theirs and ours else None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self) | {"ratios": self.ratios, "memory_ratio": self.memory_ratio}


def clock() -> float:
    """Seconds so far, by the chosen clock; the processor's counts children that have ended, too."""
    if on_cpu_clock():
        return sum(os.times()[:4])
    return time.perf_counter()


def on_cpu_clock() -> bool:
    """Whether processor seconds are measured."""
    return os.environ.get("HCNET_BENCH_CLOCK") == "cpu"


def median_s(runs: Sequence[Run]) -> float:
    """Median seconds of some runs."""
    return statistics.median(run.seconds for run in runs)


def in_turn(
    contenders: Mapping[str, Callable[[], Any]], rounds: int, warm_up: int = 1
) -> dict[str, list[Run]]:
    """Time functions of this process in turn: A B A B ...

    Args:
        contenders: by name.
        rounds: counted executions of each.
        warm_up: executions of each before those that count.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(warm_up + rounds):
        for name, work in contenders.items():
            gc.collect()
            started = clock()
            work()
            seconds = clock() - started
            if number >= warm_up:
                runs[name].append(Run(seconds))
    return runs


def processes(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    *,
    warm_up: int = 0,
    environment: Mapping[str, str] | None = None,
) -> dict[str, list[Run]]:
    """Run commands as child processes in turn: A B A B ...

    A command whose last line of output is a JSON object with `seconds` is timed by that number
    (it knows when its work began), any other by its whole life. Peak memory is that of the process
    itself and of the largest of its own children, as the kernel tells.

    Raises:
        SystemExit: a command failed; its last words are shown.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(warm_up + rounds):
        for name, command in commands.items():
            run = _child(command, environment or {})
            if number >= warm_up:
                runs[name].append(run)
    return runs


def contender(script: str, name: str, *arguments: str) -> list[str]:
    """The command that runs a contender of a bench script in a process of its own."""
    return [sys.executable, str(Path(script).resolve()), name, *arguments]


def report(seconds: float, **facts: Any) -> None:
    """Last words of a contender: what `processes` reads."""
    print(json.dumps({"seconds": seconds, **facts}))


def _child(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment}
    ) as child:
        # Not communicate(): wait4 tells the peak memory of this very child.
        assert child.stdout is not None  # noqa: S101
        assert child.stderr is not None  # noqa: S101
        output, errors = _drain(child)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if on_cpu_clock():
        seconds = usage.ru_utime + usage.ru_stime
    if child.returncode:
        words = errors.decode(errors="replace")[-2000:]
        sys.exit(f"{' '.join(command)}: exit code {child.returncode}\n{words}")
    answer = _answer(output)
    if isinstance(answer, dict) and "seconds" in answer:
        seconds = float(answer["seconds"])
    return Run(seconds, usage.ru_maxrss / 1024, answer)


def _drain(child: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """All that a child says on both channels, read side by side so that neither blocks it."""
    from threading import Thread

    said: dict[str, bytes] = {}
    channels = {"output": child.stdout, "errors": child.stderr}
    threads = [
        Thread(target=lambda n=name, c=channel: said.update({n: c.read() if c else b""}))
        for name, channel in channels.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said["output"], said["errors"]


def _answer(output: bytes) -> Any:
    lines = output.decode(errors="replace").strip().splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        return None
