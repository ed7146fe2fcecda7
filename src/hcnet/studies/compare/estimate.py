"""How long a comparison will take and how much memory it needs, from a few measured steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hcnet.config import Config
from hcnet.nets.registry import NETWORKS
from hcnet.progress import SILENT, Progress
from hcnet.studies.compare.entries import OURS, Entry
from hcnet.studies.compare.inputs import input_channels
from hcnet.studies.compare.measure import Measured, Spec, measured, windows
from hcnet.studies.compare.plan import Plan, Task, network_settings
from hcnet.studies.material import Material

HIPM = "HIPM"
"""Name under which the map network of the method is measured."""


@dataclass(frozen=True)
class Estimated:
    """What a comparison takes.

    Attributes:
        measured: by the entry's name; that of the method's map network by `HIPM`.
        seconds: of one training of each entry, scoring included, by the entry's name.
        trainings: how often each entry is trained.
        updates: of each network.
    """

    measured: Mapping[str, Measured]
    seconds: Mapping[str, float]
    trainings: int
    updates: int

    def lines(self) -> list[str]:
        """The estimate to read."""
        total = self.trainings * sum(self.seconds.values())
        largest = max(self.measured.values(), key=lambda each: each.training_mb)
        found = [
            f"{name}: {self.updates} updates of {self.measured[name].step_s:.2f} s, "
            f"{clock(seconds)} a training, {self.measured[name].training_mb} MB"
            for name, seconds in self.seconds.items()
        ]
        return [
            *found,
            f"estimate: {len(self.seconds)} entries x {self.trainings} = "
            f"{len(self.seconds) * self.trainings} trainings, {clock(total)} in one process, "
            f"up to {largest.training_mb} MB ({largest.device})",
        ]


def estimate(
    plan: Plan,
    materials: Sequence[Material],
    config: Config,
    folder: Path,
    progress: Progress = SILENT,
) -> Estimated:
    """Measure each entry and reckon with it.

    Args:
        plan: what is trained.
        materials: prepared cases of each fold.
        config: settings.
        folder: keeps what was measured.
        progress: listener.
    """
    phases = max(case.phases.shape[0] for each in materials for case in each.own)
    specs = {entry.name: spec_of(entry, plan.task, phases, config) for entry in plan.entries}
    with_maps = plan.task == "tumour" and OURS in plan.entries
    if with_maps:
        specs[HIPM] = Spec(config.hipm.network, "map", 1, None, 0, config.kinetics.k + 1, config)
    found = {
        name: measured(spec, folder / f"{plan.task}-{name}.json")
        for name, spec in progress.track(list(specs.items()), "measuring a few steps")
    }
    held = [case for each in materials for case in each.hold]
    covered = sum(
        windows(case.grid.shape, config.kis.patch, config.inference.overlap) for case in held
    ) / len(materials)  # fmt: skip

    def seconds(name: str) -> float:
        return plan.updates * found[name].step_s + covered * found[name].window_s

    by_entry = {entry.name: seconds(entry.name) for entry in plan.entries}
    if with_maps:
        by_entry[OURS.name] += len(config.hipm.trainings) * plan.updates * found[HIPM].step_s
        by_entry[OURS.name] += 2 * covered * found[HIPM].window_s
    return Estimated(found, by_entry, plan.seeds * len(materials), plan.updates)


def spec_of(entry: Entry, task: Task, phases: int, config: Config) -> Spec:
    """What has to be measured of an entry."""
    channels = input_channels(entry.inputs, phases)
    classes = config.kinetics.k + 1
    guide = NETWORKS[entry.network].guide
    guides = {"maps": classes, "phases": channels}
    return Spec(
        network_settings(entry.network, config),
        task,
        channels,
        guide,
        0 if guide is None else guides[guide],
        1 if task == "tumour" else classes,
        config,
    )


def clock(seconds: float) -> str:
    """A duration to read."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
