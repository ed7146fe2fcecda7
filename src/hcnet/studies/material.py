"""The cases of a study: splits by patient, and one cache for all trainings."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
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
from hcnet.training.split import folds_of, patient_of, split_patients

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


def check_cohorts(cohort: Cohort, extra: Cohort | None) -> None:
    """Check that a study can be made of them.

    Raises:
        InputError: a case of one phase, a case of the cohort without a mask, or an exam that is in
            both cohorts.
        ConfigError: both cohorts are phantoms of the same seed, so of the same patients, or a mask
            is a pseudo-label.
    """
    both = [cohort] if extra is None else [cohort, extra]
    for case in (case for each in both for case in each.cases):
        if len(case.phases) < 2:
            raise InputError(
                f"{case.pre.location}: {case.name} has a single phase; a study needs a "
                "pre-contrast and at least one post-contrast phase."
            )
    pseudo = [case.name for case in cohort.cases if case.tumour_is_pseudo]
    if pseudo:
        raise ConfigError(
            f"{cohort.root}: the tumour mask of {pseudo[0]} is a pseudo-label, and a study learns "
            "from references only; leave its source out of --segmentation."
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


def split_cohorts(cohort: Cohort, extra: Cohort | None, config: Config) -> Split:
    """Split the cohort by patient, and strip the extra cases of their masks.

    Raises:
        InputError: too few patients; else as `check_cohorts`.
        ConfigError: as `check_cohorts`.
    """
    check_cohorts(cohort, extra)
    train, test = split_patients(cohort.cases, config.validation_share, config.seed)
    return _split(cohort, extra, train, test)


def split_into_folds(
    cohort: Cohort, extra: Cohort | None, config: Config, folds: int
) -> list[Split]:
    """Hold out every patient once; the same seed and names give the same folds.

    Raises:
        InputError: fewer patients than folds; else as `check_cohorts`.
        ConfigError: as `check_cohorts`.
    """
    check_cohorts(cohort, extra)
    parts = folds_of(cohort.cases, folds, config.seed)
    return [split_by_name(cohort, extra, {case.name for case in part}) for part in parts]


def split_by_name(
    cohort: Cohort,
    extra: Cohort | None,
    test: AbstractSet[str],
    train: AbstractSet[str] | None = None,
) -> Split:
    """Split the cohort by the names of cases, and strip the extra cases of their masks.

    Args:
        cohort: as `check_cohorts` allows it.
        extra: the same.
        test: held-out cases.
        train: cases to learn from; None takes all others.

    Raises:
        InputError: a patient has cases on both sides.
    """
    rest = {case.name for case in cohort.cases} - test if train is None else train
    learn = [case for case in cohort.cases if case.name in rest]
    held = [case for case in cohort.cases if case.name in test]
    both = sorted({patient_of(case) for case in learn} & {patient_of(case) for case in held})
    if both:
        raise InputError(
            f"{cohort.root}: patient {both[0]} has cases on both sides of the split; keep all "
            "exams of a patient on one side."
        )
    return _split(cohort, extra, learn, held)


def _split(
    cohort: Cohort, extra: Cohort | None, train: Sequence[Case], test: Sequence[Case]
) -> Split:
    others = [] if extra is None else [
        replace(case, name=EXTRA + case.name, tumour=None) for case in extra.cases
    ]  # fmt: skip
    return Split(
        cohort.root, tuple(train), tuple(test), tuple(others), references(cohort.root, test)
    )


def prepare_folds(
    splits: Sequence[Split], config: Config, cache: Path, progress: Progress = SILENT
) -> list[Material]:
    """Prepare the cases of several splits of one cohort, each once; errors as `prepared_cases`."""
    every = {c.name: c for split in splits for c in (*split.train, *split.test, *split.extra)}
    prepared = prepared_cases(every.values(), config.prepare, cache, progress)
    ready = dict(zip(every, prepared, strict=True))
    return [
        Material(
            split, *(tuple(ready[case.name] for case in side) for side in
                     (split.train, split.test, split.extra))
        )
        for split in splits
    ]  # fmt: skip
