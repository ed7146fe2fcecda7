"""A training run: the three stages in order, the validation, the bundle.

Whatever is finished is taken from the run's folder, so calling this again after an interruption
goes on where it stopped.
"""

import datetime
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import InputError
from hcnet.files import write_json
from hcnet.inference.bundle import JSON as BUNDLE_JSON
from hcnet.inference.bundle import write_bundle
from hcnet.prepare.cache import CachedCase, prepared_cases
from hcnet.progress import SILENT, Progress
from hcnet.runtime import best_precision, environment, make_fabric
from hcnet.training.folder import open_run, same_cases
from hcnet.training.label_maps import run_kinetics
from hcnet.training.split import folds_of, patient_of, split_patients
from hcnet.training.stage_hipm import score_maps, train_hipm, write_maps
from hcnet.training.stage_kis import stage3_channels, train_kis
from hcnet.training.validate import Results, validate


def train_run(
    cohort: Cohort,
    config: Config,
    out: Path,
    *,
    baseline: bool = True,
    progress: Progress = SILENT,
) -> Results:
    """Train all three stages on a cohort and score them on held-out patients.

    Args:
        cohort: cases with at least two phases; those of stage 3 need a tumour mask.
        config: settings.
        out: the run's folder; see `hcnet.training.folder`.
        baseline: also train a plain ResUNet on the same patches.
        progress: listener.

    Returns:
        scores of the held-out patients, also written to `validation/`.

    Raises:
        InputError: too few patients, a case of one phase only, no tumour mask.
        ConfigError: `out` holds another run.
    """
    _check(cohort)
    precision = best_precision() if config.precision == "auto" else config.precision
    fabric = make_fabric(precision)
    folder = open_run(out, config)
    cases = prepared_cases(cohort.cases, config.prepare, folder.cache, progress)
    same_cases(folder, {case.name: case.folder.name for case in cases})
    by_name = {case.name: case for case in cases}
    train, held_out = split_patients(cohort.cases, config.validation_share, config.seed)
    learn, hold = _named(train, by_name), _named(held_out, by_name)
    masked = [case for case in learn if "tumour" in case.files]
    if not masked:
        raise InputError(f"{cohort.root}: no training case has a tumour mask for stage 3.")
    write_json(
        out / "manifest.json",
        {
            "cohort": {"root": str(cohort.root), "segmentation": cohort.segmentation},
            "train": [case.name for case in learn],
            "validation": [case.name for case in hold],
            "precision": precision,
            "environment": environment(),
        },
    )

    progress.message(f"stage 1 of 3: TIC clustering ({len(learn)} training cases)")
    clustering = run_kinetics(learn, hold, folder, config, progress)

    progress.message("stage 2 of 3: heterogeneity prediction (HIPM)")
    for number, fold in enumerate(folds_of(train, config.hipm.folds, config.seed)):
        inside = {case.name for case in fold}
        rest = [case for case in learn if case.name not in inside]
        here = [case for case in learn if case.name in inside]
        partial = train_hipm(rest, here, f"fold{number}", folder, config, fabric, progress)
        write_maps(partial, here, folder, config, fabric, progress)
    hipm = train_hipm(learn, hold, "final", folder, config, fabric, progress)
    write_maps(hipm, hold, folder, config, fabric, progress)
    maps = score_maps(hipm, hold, folder, config, fabric)

    progress.message("stage 3 of 3: tumour segmentation (KIS-Net)")
    judged = [case for case in hold if "tumour" in case.files]
    networks = {"KIS-Net": train_kis(masked, judged, folder, config, fabric, progress)}
    if baseline:
        networks["ResUNet"] = train_kis(
            masked, judged, folder, config, fabric, progress, with_maps=False
        )
    references = {case.name: case.tumour for case in held_out if case.tumour is not None}
    patients = {case.name: patient_of(case) for case in held_out}
    results = validate(
        networks, judged, references, patients, maps, folder, config, fabric, progress
    )

    if not (folder.bundle / BUNDLE_JSON).exists():
        write_bundle(
            folder.bundle,
            hipm=hipm,
            kis=networks["KIS-Net"],
            clustering=clustering,
            hipm_network=_stored(config.hipm, 1, config.kinetics.k + 1),
            kis_network=_stored(config.kis, stage3_channels(config, with_maps=True), 1),
            name=out.resolve().name,
            hcnet_version=version("hcnet"),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            licence="unstated: set by whoever distributes it, after the licence of the data",
            training_data={"cohort": cohort.root.name, "cases": [case.name for case in learn]},
            scores=results.as_json(),
            maps=config.kis.maps,
            prepare=config.prepare,
            inference=config.inference,
        )
    return results


def _check(cohort: Cohort) -> None:
    short = [case.name for case in cohort.cases if len(case.phases) < 2]
    if short:
        raise InputError(
            f"{cohort.root}: {short[0]} has a single phase; time-intensity curves need a "
            "pre-contrast and at least one post-contrast phase."
        )


def _named(cases: Sequence[Case], by_name: dict[str, CachedCase]) -> list[CachedCase]:
    return [by_name[case.name] for case in cases]


def _stored(stage: Any, in_channels: int, out_channels: int) -> dict[str, Any]:
    return {
        "network": stage.network,
        "patch": stage.patch,
        "in_channels": in_channels,
        "out_channels": out_channels,
    }
