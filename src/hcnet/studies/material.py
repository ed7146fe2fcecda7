"""The cases of an ablation: one split and one cache for all arms and seeds."""

from dataclasses import dataclass, replace
from pathlib import Path

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json
from hcnet.prepare.cache import CachedCase, prepared_cases
from hcnet.progress import SILENT, Progress
from hcnet.studies.truth import Reference, is_phantom, references
from hcnet.training.split import split_patients

EXTRA = "EXTRA_"
"""Put before the names of extra cases, since two cohorts may use the same ones."""


@dataclass(frozen=True, eq=False)
class Split:
    """Who learns and who is held out.

    Attributes:
        root: of the cohort.
        train: cases with masks to learn from.
        test: held-out cases.
        extra: cases without masks, to learn from.
        references: what each held-out case is scored against.
    """

    root: Path
    train: tuple[Case, ...]
    test: tuple[Case, ...]
    extra: tuple[Case, ...]
    references: dict[str, Reference]


@dataclass(frozen=True, eq=False)
class Material:
    """A split with its prepared cases, in the same order."""

    split: Split
    learn: tuple[CachedCase, ...]
    hold: tuple[CachedCase, ...]
    extra: tuple[CachedCase, ...]

    @property
    def own(self) -> tuple[CachedCase, ...]:
        """All cases of the cohort itself."""
        return self.learn + self.hold


def split_cohorts(cohort: Cohort, extra: Cohort | None, config: Config) -> Split:
    """Split the cohort by patient, and strip the extra cases of their masks.

    Raises:
        InputError: too few patients, a case of one phase, a case of the cohort without a mask, or
            an exam that is in both cohorts.
        ConfigError: both cohorts are phantoms of the same seed, so of the same patients.
    """
    _check(cohort, extra)
    train, test = split_patients(cohort.cases, config.validation_share, config.seed)
    others = [] if extra is None else [
        replace(case, name=EXTRA + case.name, tumour=None) for case in extra.cases
    ]  # fmt: skip
    return Split(
        cohort.root, tuple(train), tuple(test), tuple(others), references(cohort.root, test)
    )


def prepare_material(
    split: Split, config: Config, cache: Path, progress: Progress = SILENT
) -> Material:
    """Prepare all cases; errors as `prepared_cases`."""
    every = [*split.train, *split.test, *split.extra]
    ready = tuple(prepared_cases(every, config.prepare, cache, progress))
    first, second = len(split.train), len(split.train) + len(split.test)
    return Material(split, ready[:first], ready[first:second], ready[second:])


def _check(cohort: Cohort, extra: Cohort | None) -> None:
    both = [cohort] if extra is None else [cohort, extra]
    for case in (case for each in both for case in each.cases):
        if len(case.phases) < 2:
            raise InputError(
                f"{case.pre.location}: {case.name} has a single phase; an ablation needs a "
                "pre-contrast and at least one post-contrast phase."
            )
    bare = [case.name for case in cohort.cases if case.tumour is None]
    if bare:
        raise InputError(
            f"{cohort.root}: {bare[0]} has no tumour mask; leave such cases out, or give them in a "
            "cohort of their own by --extra."
        )
    if extra is None:
        return
    if is_phantom(cohort.root) and is_phantom(extra.root):
        seeds = {read_json(each.root / "phantom.json")["seed"] for each in both}
        if len(seeds) == 1:
            raise ConfigError(
                f"{extra.root}: is a phantom cohort of the same seed as {cohort.root}, so of the "
                "same patients; make it with another seed."
            )
    known = {case.pre.digest(): case.name for case in cohort.cases}
    for case in extra.cases:
        if case.pre.digest() in known:
            raise InputError(
                f"{extra.root}: {case.name} is also in {cohort.root} as "
                f"{known[case.pre.digest()]}; extra cases must be other exams."
            )
