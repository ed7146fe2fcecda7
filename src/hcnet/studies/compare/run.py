"""A comparison from cohort to table, resumable, and shared by any number of processes.

OUT/config.json, cohort.json         settings and cases; another run in the folder is refused
OUT/cache/, inputs/                  prepared cases and what networks see of them, shared by all
OUT/measured/ENTRY.json              time and memory of a few steps
OUT/seed<i>/fold<j>/ENTRY/           a folder for each leg, masks/ (or maps/), scores.json when done
OUT/seed<i>/fold<j>/method/          stages 1 and 2 of the method
OUT/table1.*, comparisons.csv, cases.csv, results.json, figure.*, panel_*.png     the results
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hcnet.config import Config
from hcnet.inference.device import Device
from hcnet.progress import SILENT, Progress
from hcnet.runtime import best_precision
from hcnet.studies.claims import claimed
from hcnet.studies.compare.entries import Entry
from hcnet.studies.compare.estimate import Estimated, estimate
from hcnet.studies.compare.plan import Plan
from hcnet.studies.compare.records import MapRecord, TumourRecord
from hcnet.studies.compare.trainings import METHOD, Place, predict_kinds, segment_tumours
from hcnet.studies.map_stages import Maps, label_cases
from hcnet.studies.material import Material, prepare_folds
from hcnet.training.descent import training_device
from hcnet.training.folder import RunFolder, open_run, same_cases

Record = TumourRecord | MapRecord


@dataclass(frozen=True, eq=False)
class Comparison:
    """A comparison whose cases are prepared.

    Attributes:
        plan: what is trained.
        materials: the cases of each fold.
        config: settings.
        out: its folder.
        estimated: time and memory.
    """

    plan: Plan
    materials: tuple[Material, ...]
    config: Config
    out: Path
    estimated: Estimated

    def lines(self) -> list[str]:
        """What will be done, to read."""
        sides = [f"{len(each.learn)} / {len(each.hold)}" for each in self.materials]
        extra = len(self.materials[0].extra)
        return [
            f"cases to learn from / held out: {', '.join(sides)}"
            + (f"; {extra} extra cases for the method's stages 1 and 2" if extra else ""),
            *self.estimated.lines(),
        ]

    def folder(self, entry: Entry, seed: int, fold: int) -> Path:
        """Of one training."""
        return self.out / f"seed{seed}" / f"fold{fold}" / entry.name


def open_comparison(
    plan: Plan, config: Config, out: Path, progress: Progress = SILENT
) -> Comparison:
    """Prepare the cases and measure a few steps of each entry; nothing is trained yet.

    Args:
        plan: what to train.
        config: settings.
        out: folder of the results; that of an earlier, interrupted comparison is taken up.
        progress: listener.

    Raises:
        ConfigError: `out` holds a run with other settings or on other cases.
        InputError: a case cannot be used, or `out` holds something else.
    """
    precision = best_precision() if config.precision == "auto" else config.precision
    open_run(out, config)
    config = config.model_copy(update={"precision": precision})
    materials = prepare_folds(plan.splits, config, out / "cache", progress)
    keys = {case.name: case.folder.name for each in materials for case in (*each.own, *each.extra)}
    sides = {f"fold {i}": ", ".join(c.name for c in each.hold) for i, each in enumerate(materials)}
    same_cases(RunFolder(out), keys | sides)
    estimated = estimate(plan, materials, config, out / "measured", progress)
    return Comparison(plan, tuple(materials), config, out, estimated)


def train_all(comparison: Comparison, progress: Progress = SILENT) -> list[Record]:
    """Train what is not trained yet; other processes may do the same in the same folder.

    Each training is done by one process. When nothing is left to start, this waits for those that
    others are at, and takes over any whose process dies.

    Returns:
        the records of all trainings, in the order of the plan.
    """
    device = training_device(comparison.config.precision)
    everything = list(_trainings(comparison))
    for wait in (False, True):
        for entry, seed, fold in everything:
            folder = comparison.folder(entry, seed, fold)
            if _read(comparison.plan, folder) is not None:
                continue
            with claimed(folder, wait=wait) as ours:
                if ours and _read(comparison.plan, folder) is None:
                    done = len(finished(comparison))
                    progress.message(
                        f"{entry.title}, seed {seed}, fold {fold} "
                        f"({done} of {len(everything)} trainings done)"
                    )
                    _train(comparison, entry, seed, fold, device, progress).write(folder)
    return finished(comparison)


def finished(comparison: Comparison) -> list[Record]:
    """The records that there are so far, in the order of the plan."""
    found = (_read(comparison.plan, comparison.folder(*place)) for place in _trainings(comparison))
    return [record for record in found if record is not None]


def _train(
    comparison: Comparison,
    entry: Entry,
    seed: int,
    fold: int,
    device: Device,
    progress: Progress,
) -> Record:
    root = comparison.out / f"seed{seed}" / f"fold{fold}"
    place = Place(
        comparison.materials[fold],
        fold,
        comparison.out / "inputs",
        root,
        comparison.config.model_copy(update={"seed": comparison.config.seed + seed}),
        device,
    )
    if comparison.plan.task == "tumour":
        return segment_tumours(entry, place, progress)
    with claimed(root / METHOD, wait=True):  # labels are made once for all networks
        label_cases(Maps(), place.material, RunFolder(root / METHOD), place.config, progress)
    return predict_kinds(entry, place, progress)


def _trainings(comparison: Comparison) -> Iterator[tuple[Entry, int, int]]:
    for seed in range(comparison.plan.seeds):
        for fold in range(len(comparison.materials)):
            for entry in comparison.plan.entries:
                yield entry, seed, fold


def _read(plan: Plan, folder: Path) -> Record | None:
    return TumourRecord.read(folder) if plan.task == "tumour" else MapRecord.read(folder)
