"""An ablation from cohort to table: every arm with every seed, resumable at any point.

OUT/config.json, cohort.json         settings and cases; another run in the folder is refused
OUT/cache/                           prepared cases, shared by all arms and seeds
OUT/images/, pseudo/                 images and masks that some arms need, shared by all seeds
OUT/seed<i>/ARM/                     one training, and `scores.json` when it is done; for arms that
                                     own maps also kinetics/ and hipm/; with several folds
                                     OUT/seed<i>/fold<j>/ARM/, and there `scores_tuned.json`
OUT/results.json, table.*, figure.*, cases.csv     written after each complete seed
OUT/calibration.json                 of the method's mean prediction over the seeds, where every
                                     patient was held out once
"""

from collections.abc import Sequence
from pathlib import Path

from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import ConfigError
from hcnet.files import write_aside, write_json, write_text
from hcnet.progress import SILENT, Progress
from hcnet.report.study_page import CALIBRATION
from hcnet.runtime import Precision, best_precision, environment
from hcnet.studies.ablation.figure import forest_figure
from hcnet.studies.ablation.out_of_fold import METHOD, arm_folders, out_of_fold
from hcnet.studies.ablation.plan import Plan, make_plan
from hcnet.studies.ablation.records import ArmRecord
from hcnet.studies.ablation.seed import SeedTrainings
from hcnet.studies.ablation.strata import case_facts
from hcnet.studies.ablation.summary import Summary, summarise
from hcnet.studies.ablation.tables import (
    as_json,
    markdown,
    tuned_markdown,
    write_cases_csv,
    write_results_csv,
)
from hcnet.studies.ablation.thresholds import tuned_records
from hcnet.studies.material import (
    Material,
    Split,
    prepare_folds,
    split_cohorts,
    split_into_folds,
)
from hcnet.studies.truth import EXACT, READER, is_phantom
from hcnet.training.descent import training_device
from hcnet.training.folder import RunFolder, open_run, same_cases
from hcnet.training.split import patient_of

RESULTS = "results.json"


def plan_ablation(
    cohort: Cohort,
    extra: Cohort | None,
    config: Config,
    seeds: int,
    names: Sequence[str] | None = None,
    folds: int = 1,
    share_maps: bool = False,
) -> tuple[list[Split], Plan]:
    """Split the cases and choose the arms; nothing is computed or written yet.

    Args:
        cohort: cases with masks.
        extra: contrast-enhanced cases whose masks are not read, for the arms that learn from such.
        config: settings.
        seeds: how many times everything is trained, with `config.seed`, `config.seed` + 1, ...
        names: of arms; None takes all that the data allow.
        folds: 1 holds out `config.validation_share` of the patients; more hold out every patient
            once.
        share_maps: stages 1 and 2 of the first seed serve all seeds.

    Raises:
        InputError, ConfigError: as `split_cohorts` and `make_plan`.
    """
    splits = (
        split_into_folds(cohort, extra, config, folds)
        if folds > 1
        else [split_cohorts(cohort, extra, config)]
    )
    tests = [split.test for split in splits]
    return splits, make_plan(cohort, tests, extra, config, seeds, names, share_maps)


def run_ablation(
    splits: Sequence[Split], plan: Plan, config: Config, out: Path, progress: Progress = SILENT
) -> Summary:
    """Train and score what is planned; the same call goes on where an earlier one stopped.

    Args:
        splits: who learns and who is held out, fold by fold.
        plan: which arms, how many seeds.
        config: settings.
        out: folder of the results.
        progress: listener.

    Returns:
        the results, which are also written to `out`.

    Raises:
        ConfigError: `out` holds a run with other settings or on other cases.
        InputError: a case cannot be used, or `out` holds something else.
    """
    folds = _open(splits, config, out, progress)
    records: list[ArmRecord] = []
    tuned: list[ArmRecord] = []
    for number in range(plan.seeds):
        by_fold = _train_seed(number, folds, plan, config, out, progress)
        records += [record for group in by_fold for record in group]
        tuned += _tune_seed(number, by_fold, folds, plan, config, out, progress)
        summary = _write_results(records, tuned, folds, plan, config, out, progress)
    return summary


def train_part(
    number: int,
    fold: int | None,
    splits: Sequence[Split],
    plan: Plan,
    config: Config,
    out: Path,
    progress: Progress = SILENT,
) -> None:
    """Train one seed or one fold of it and write no table, so that several processes share work.

    No two of them may train the same part in the same folder. `run_ablation` then finds all parts
    done and writes the results. With shared maps the first seed goes before the others, which would
    else make its maps.

    Args:
        number: of the seed, from 0.
        fold: of the splits, from 0; None takes all.
        splits: see `run_ablation`, also for the errors.
        plan: which arms, how many seeds.
        config: settings.
        out: folder of the results.
        progress: listener.

    Raises:
        ConfigError: the plan has no such seed or fold; else as `run_ablation`.
    """
    if not 0 <= number < plan.seeds:
        raise ConfigError(f"there is no seed {number}; the seeds are 0 to {plan.seeds - 1}.")
    if fold is not None and not 0 <= fold < plan.splits:
        raise ConfigError(f"there is no fold {fold}; the folds are 0 to {plan.splits - 1}.")
    folds = _open(splits, config, out, progress)
    if fold is None:
        _train_seed(number, folds, plan, config, out, progress)
    else:
        _train_fold(number, fold, folds, plan, config, out, progress)


def _open(splits: Sequence[Split], config: Config, out: Path, progress: Progress) -> list[Material]:
    open_run(out, config)
    folds = prepare_folds(splits, config, out / "cache", progress)
    cases = {case.name: case for fold in folds for case in (*fold.own, *fold.extra)}
    same_cases(RunFolder(out), {name: cases[name].folder.name for name in sorted(cases)})
    return folds


def _train_seed(
    number: int,
    folds: Sequence[Material],
    plan: Plan,
    config: Config,
    out: Path,
    progress: Progress,
) -> list[list[ArmRecord]]:
    """The records of all arms in each fold of a seed."""
    return [
        _train_fold(number, fold, folds, plan, config, out, progress) for fold in range(len(folds))
    ]


def _tune_seed(
    number: int,
    by_fold: Sequence[Sequence[ArmRecord]],
    folds: Sequence[Material],
    plan: Plan,
    config: Config,
    out: Path,
    progress: Progress,
) -> list[ArmRecord]:
    """The records of a seed at thresholds that other folds chose; none with a single split."""
    if len(folds) == 1:
        return []
    roots = [_root(number, fold, folds, out) for fold in range(len(folds))]
    return [
        record
        for arm, group in zip(plan.arms, zip(*by_fold, strict=True), strict=True)
        for record in tuned_records(group, folds, [r / arm.name for r in roots], config, progress)
    ]


def _train_fold(
    number: int,
    fold: int,
    folds: Sequence[Material],
    plan: Plan,
    config: Config,
    out: Path,
    progress: Progress,
) -> list[ArmRecord]:
    """The records of all arms in one fold of a seed."""
    device = training_device(_precision(config))

    def of_seed(seed: int, first: SeedTrainings | None) -> SeedTrainings:
        own = config.model_copy(update={"seed": config.seed + seed})
        root = _root(seed, fold, folds, out)
        return SeedTrainings(folds[fold], plan, out, root, own, device, progress, fold, first)

    first = of_seed(0, None) if plan.share_maps and number else None
    trainings = of_seed(number, first)
    part = f", fold {fold + 1} of {len(folds)}" if len(folds) > 1 else ""
    records = []
    for place, arm in enumerate(plan.arms, start=1):
        progress.message(
            f"seed {number + 1} of {plan.seeds}{part}, arm {place} of {len(plan.arms)}: {arm.name}"
        )
        records.append(trainings.record(arm))
    return records


def _root(number: int, fold: int, folds: Sequence[Material], out: Path) -> Path:
    seed = out / f"seed{number}"
    return seed / f"fold{fold}" if len(folds) > 1 else seed


def _precision(config: Config) -> Precision:
    return best_precision() if config.precision == "auto" else config.precision


def _write_results(
    records: Sequence[ArmRecord],
    tuned: Sequence[ArmRecord],
    folds: Sequence[Material],
    plan: Plan,
    config: Config,
    out: Path,
    progress: Progress,
) -> Summary:
    splits = [material.split for material in folds]
    facts = case_facts(folds, progress)
    patients = {case.name: patient_of(case) for split in splits for case in split.test}
    summary = summarise(records, facts, patients, config.seed)
    also = summarise(tuned, facts, patients, config.seed) if tuned else None
    reference = EXACT if is_phantom(splits[0].root) else READER
    write_json(
        out / RESULTS,
        {
            **as_json(summary),
            "left_out": plan.left_out,
            "reference": reference,
            "seeds_planned": plan.seeds,
            "updates": plan.updates,
            "folds": [
                {
                    "train": [case.name for case in split.train],
                    "test": [case.name for case in split.test],
                }
                for split in splits
            ],
            "threshold": config.inference.threshold,
            "tuned": None
            if also is None
            else {
                **as_json(also),
                "threshold": {n: [r.threshold for r in tuned if r.arm == n] for n in also.arms},
            },
            "extra": len(splits[0].extra),
            "precision": _precision(config),
            "environment": environment(),
        },
    )
    table = markdown(summary, plan.left_out, reference)
    write_text(out / "table.md", table + ("" if also is None else tuned_markdown(also)))
    write_results_csv(summary, out / "table.csv")
    write_cases_csv(records, facts, out / "cases.csv")
    if len(folds) > 1 and METHOD in summary.arms:
        held = sorted((case for fold in folds for case in fold.hold), key=lambda case: case.name)
        truths = {name: each for split in splits for name, each in split.references.items()}
        result = out_of_fold(held, truths, *arm_folders(out, len(summary.seeds))).calibrated(
            config.seed
        )
        write_json(out / CALIBRATION, result.as_json())
    figure = forest_figure(summary)
    for suffix in ("png", "svg"):
        with write_aside(out / f"figure.{suffix}") as aside:
            figure.savefig(aside, dpi=160)
    return summary
