"""What a comparison will train, checked before anything is computed."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json
from hcnet.nets.registry import network_options, network_recipe
from hcnet.settings import NetworkSettings
from hcnet.studies.budget import updates_of
from hcnet.studies.compare.entries import OURS, Entry
from hcnet.studies.material import (
    Split,
    check_cohorts,
    split_by_name,
    split_cohorts,
    split_into_folds,
)
from hcnet.training.split import folds_of
from hcnet.training.stage_kis import baseline_network

Task = Literal["tumour", "map"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained.

    Attributes:
        task: segmenting the tumour (Table 1) or predicting the map (Fig. 3).
        entries: the rows.
        splits: who learns and who is held out, fold by fold.
        seeds: how many times everything is trained.
        updates: of each network.
    """

    task: Task
    entries: tuple[Entry, ...]
    splits: tuple[Split, ...]
    seeds: int
    updates: int

    @property
    def trainings(self) -> int:
        """How many entries are trained, over all folds and seeds."""
        return len(self.entries) * len(self.splits) * self.seeds


def make_plan(
    task: Task,
    entries: Sequence[Entry],
    cohort: Cohort,
    extra: Cohort | None,
    config: Config,
    *,
    seeds: int,
    folds: int = 1,
    split: Path | None = None,
) -> Plan:
    """Plan a comparison.

    Args:
        task: what is compared.
        entries: the rows.
        cohort: cases with masks and at least two phases.
        extra: contrast-enhanced cases whose masks are not read, for stages 1 and 2 of the method.
        config: settings.
        seeds: how many times everything is trained, with `config.seed`, `config.seed` + 1, ...
        folds: 1 holds out `config.validation_share` of the patients; more hold out every patient
            once.
        split: file that names who learns and who is held out; see `read_split`.

    Raises:
        ConfigError: settings that do not fit a comparison, or both `folds` and `split`.
        InputError: the cohort or the split file cannot be used.
    """
    if folds > 1 and split is not None:
        raise ConfigError("a split file already says who is held out; leave --folds out.")
    check_cohorts(cohort, extra)
    updates = updates_of(config)
    for entry in entries:
        network_settings(entry.network, config)
        legs = len(network_recipe(entry.network).legs) if task == "tumour" else 1
        if config.kis.epochs < legs:
            raise ConfigError(
                f"kis.epochs is {config.kis.epochs}, but {entry.network} is trained in {legs} "
                "legs; give it at least one epoch each."
            )
    if folds > 1:
        splits = split_into_folds(cohort, extra, config, folds)
    elif split is not None:
        splits = [split_by_name(cohort, extra, *read_split(split, cohort))]
    else:
        splits = [split_cohorts(cohort, extra, config)]
    if task == "tumour" and OURS in entries:
        for each in splits:
            folds_of(each.train, config.hipm.folds, config.seed)
    return Plan(task, tuple(entries), tuple(splits), seeds, updates)


def network_settings(network: str, config: Config) -> NetworkSettings:
    """A network with its options: those of `config.networks`, else the published ones.

    KIS-Net is that of stage 3, and ResUNet is by default as wide as the one inside it.

    Raises:
        ConfigError: unknown options or values that do not fit.
    """
    if network == OURS.network:
        if network in config.networks:
            raise ConfigError("networks.kisnet: set kis.network.options instead.")
        return config.kis.network
    options: Mapping[str, Any]
    if network == "resunet" and network not in config.networks:
        options = baseline_network(config).options
    else:
        options = config.networks.get(network, {})
    checked: BaseModel = network_options(network, options)
    return NetworkSettings(name=network, options=checked.model_dump(mode="json"))


def read_split(file: Path, cohort: Cohort) -> tuple[set[str], set[str]]:
    """Names of the held-out cases and of those to learn from.

    Args:
        file: JSON with the lists `train` and `test`, or MAMA-MIA's CSV with the columns
            `train_split` and `test_split`.
        cohort: whose cases are named; letter case does not matter.

    Raises:
        InputError: the file cannot be read, names no cases, a case that the cohort does not have,
            or a case on both sides.
    """
    sides = _read_csv(file) if file.suffix.lower() == ".csv" else _read_json(file)
    known = {case.name.lower(): case.name for case in cohort.cases}
    found = []
    for side, names in zip(("test", "train"), sides, strict=True):
        unknown = [name for name in names if name.lower() not in known]
        if not names or unknown:
            problem = f"{unknown[0]} is not in {cohort.root}" if unknown else "it names no cases"
            raise InputError(f"{file}: {side}: {problem}; correct the split.")
        found.append({known[name.lower()] for name in names})
    both = sorted(found[0] & found[1])
    if both:
        raise InputError(f"{file}: {both[0]} is on both sides; correct the split.")
    return found[0], found[1]


def _read_json(file: Path) -> tuple[list[str], list[str]]:
    value = read_json(file)
    if not isinstance(value, dict) or not all(
        isinstance(value.get(side), list) and all(isinstance(name, str) for name in value[side])
        for side in ("train", "test")
    ):
        raise InputError(f"{file}: is no split; give a JSON object with lists train and test.")
    return value["test"], value["train"]


def _read_csv(file: Path) -> tuple[list[str], list[str]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as CSV ({error}).") from error
    columns = ("test_split", "train_split")
    if not rows or any(column not in rows[0] for column in columns):
        raise InputError(f"{file}: is no split; it needs the columns train_split and test_split.")
    test, train = ([row[c].strip() for row in rows if (row[c] or "").strip()] for c in columns)
    return test, train
