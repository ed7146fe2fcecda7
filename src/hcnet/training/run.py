"""A training run: the three stages in order, the validation, the bundle.

Whatever is finished is taken from the run's folder, so calling this again after an interruption
goes on where it stopped.
"""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import ConfigError, InputError
from hcnet.files import write_json
from hcnet.inference.bundle import JSON as BUNDLE_JSON
from hcnet.inference.bundle import network_facts, write_bundle
from hcnet.inference.input_statistics import training_statistics
from hcnet.prepare.cache import CachedCase, prepared_cases
from hcnet.progress import SILENT, Progress
from hcnet.runtime import best_precision, environment
from hcnet.training.descent import training_device
from hcnet.training.folder import open_run, same_cases
from hcnet.training.label_maps import run_kinetics
from hcnet.training.split import patient_of, split_patients
from hcnet.training.stage_hipm import score_maps, train_and_map
from hcnet.training.stage_kis import stage3_channels, train_kis
from hcnet.training.validate import Results, validate


def train_run(
    cohort: Cohort,
    config: Config,
    out: Path,
    *,
    baseline: bool = True,
    pseudo_labels: bool = False,
    progress: Progress = SILENT,
) -> Results:
    """Train all three stages on a cohort and score them on held-out patients.

    Args:
        cohort: cases with at least two phases; those of stage 3 need a tumour mask.
        config: settings.
        out: the run's folder; see `hcnet.training.folder`.
        baseline: also train a plain ResUNet on the same patches.
        pseudo_labels: let stage 3 learn from masks that are pseudo-labels. Stages 1 and 2 take such
            cases as cases without a mask, and nothing is ever scored against one.
        progress: listener.

    Returns:
        scores of the held-out patients, also written to `validation/`.

    Raises:
        InputError: too few patients, a case of one phase only, no tumour mask to learn from or to
            score against.
        ConfigError: `out` holds another run, or masks are pseudo-labels and `pseudo_labels` is not
            given.
    """
    _check(cohort, pseudo_labels)
    train, held_out = split_patients(cohort.cases, config.validation_share, config.seed)
    _check_masks(cohort, train, held_out)
    precision = best_precision() if config.precision == "auto" else config.precision
    device = training_device(precision)
    folder = open_run(out, config)
    cases = prepared_cases(cohort.cases, config.prepare, folder.cache, progress)
    same_cases(folder, {case.name: case.folder.name for case in cases})
    by_name = {case.name: case for case in cases}
    pseudo = {case.name for case in cohort.cases if case.tumour_is_pseudo}
    masked = [by_name[case.name] for case in train if case.tumour is not None]
    blind = {name: _without_tumour(case) if name in pseudo else case
             for name, case in by_name.items()}  # fmt: skip
    learn, hold = _named(train, blind), _named(held_out, blind)
    write_json(
        out / "manifest.json",
        {
            "cohort": {"root": str(cohort.root), "segmentation": cohort.segmentation},
            "train": [case.name for case in learn],
            "validation": [case.name for case in hold],
            "pseudo_labels": [case.name for case in masked if case.name in pseudo],
            "precision": precision,
            "environment": environment(),
        },
    )

    progress.message(f"stage 1 of 3: TIC clustering ({len(learn)} training cases)")
    clustering = run_kinetics(learn, hold, folder, config, progress)

    progress.message("stage 2 of 3: heterogeneity prediction (HIPM)")
    hipm = train_and_map(train, learn, hold, folder, config, device, progress)
    maps = score_maps(hipm, hold, folder, config, device)

    progress.message("stage 3 of 3: tumour segmentation (KIS-Net)")
    judged = [case for case in hold if "tumour" in case.files]
    networks = {"KIS-Net": train_kis(masked, judged, folder, config, device, progress)}
    if baseline:
        networks["ResUNet"] = train_kis(
            masked, judged, folder, config, device, progress, with_maps=False
        )
    references = {
        case.name: case.tumour
        for case in held_out
        if case.tumour is not None and not case.tumour_is_pseudo
    }
    patients = {case.name: patient_of(case) for case in held_out}
    results = validate(
        networks, judged, references, patients, maps, folder, config, device, progress
    )

    if not (folder.bundle / BUNDLE_JSON).exists():
        write_bundle(
            folder.bundle,
            hipm=[hipm],
            kis=[networks["KIS-Net"]],
            clustering=clustering,
            hipm_network=network_facts(config.hipm, 1, config.kinetics.k + 1),
            kis_network=network_facts(config.kis, stage3_channels(config, with_maps=True), 1),
            name=out.resolve().name,
            hcnet_version=version("hcnet"),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            licence="unstated: set by whoever distributes it, after the licence of the data",
            training_data={
                "cohort": cohort.root.name,
                "cases": [case.name for case in learn],
                "pseudo_labels": [case.name for case in masked if case.name in pseudo],
            },
            scores=results.as_json(),
            maps=config.kis.maps,
            prepare=config.prepare,
            inference=config.inference,
            input_statistics=training_statistics(learn, progress),
        )
    return results


def _check(cohort: Cohort, pseudo_labels: bool) -> None:
    short = [case.name for case in cohort.cases if len(case.phases) < 2]
    if short:
        raise InputError(
            f"{cohort.root}: {short[0]} has a single phase; time-intensity curves need a "
            "pre-contrast and at least one post-contrast phase."
        )
    pseudo = [case.name for case in cohort.cases if case.tumour_is_pseudo]
    if pseudo and not pseudo_labels:
        raise ConfigError(
            f"{cohort.root}: the tumour mask of {pseudo[0]} is a pseudo-label; leave its source "
            "out of --segmentation, so that such cases take part in stages 1 and 2 only, or give "
            "--pseudo-labels to let stage 3 learn from it."
        )


def _check_masks(cohort: Cohort, train: Sequence[Case], held_out: Sequence[Case]) -> None:
    """Told before the first stage, not after the last."""
    if all(case.tumour is None for case in train):
        raise InputError(f"{cohort.root}: no training case has a tumour mask for stage 3.")
    if all(case.tumour is None or case.tumour_is_pseudo for case in held_out):
        raise InputError(
            f"{cohort.root}: no held-out case has a reference tumour mask to score against; hold "
            "out more patients (validation_share), or take another seed."
        )


def _without_tumour(case: CachedCase) -> CachedCase:
    return replace(case, files={key: path for key, path in case.files.items() if key != "tumour"})


def _named(cases: Sequence[Case], by_name: dict[str, CachedCase]) -> list[CachedCase]:
    return [by_name[case.name] for case in cases]
