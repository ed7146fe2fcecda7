"""The bundle of a method that was cross-validated: trained on all patients, judged on each once.

A cross-validation (`hcnet ablate --folds`) tells how well the method does on patients that it has
not seen; nobody uses its networks. Here the same trainings run once more on all patients, and the
predictions of the cross-validation give what needs held-out patients: scores, calibration and
threshold. The latter two are of the mean of as many seeds as the bundle has, where the
cross-validation has them; those of an ensemble of folds are of single networks, since no patient
is held out of all of them.

OUT/member<i>/           stages 1 to 3 with the i-th seed; stage 1 is that of the first
OUT/member<i>-shared/    or: stage 3 alone with the i-th seed, on the maps of the first
OUT/fold<i>/             or: stages 2 and 3 without the patients of the i-th fold; stage 1 of all
OUT/bundle/
"""

import dataclasses
import datetime
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import ConfigError, InputError
from hcnet.evaluation.calibration import CalibrationResult
from hcnet.evaluation.hierarchical import crossed_mean
from hcnet.files import read_json
from hcnet.inference.bundle import Bundle, WeightsForm, network_facts, write_bundle
from hcnet.inference.device import Device
from hcnet.inference.input_statistics import training_statistics
from hcnet.kinetics.clustering import Clustering
from hcnet.prepare.cache import CachedCase, prepared_cases
from hcnet.progress import SILENT, Progress
from hcnet.studies.ablation.arms import ARMS, BASELINE
from hcnet.studies.ablation.out_of_fold import METHOD, arm_folders, out_of_fold
from hcnet.studies.ablation.run import RESULTS
from hcnet.studies.ablation.segmenters import ArmFiles, train_arm
from hcnet.studies.map_stages import Maps, label_cases, predict_maps
from hcnet.studies.material import Material, Split, check_cohorts
from hcnet.studies.truth import references
from hcnet.training.descent import training_device
from hcnet.training.folder import COHORT, RunFolder, open_run, read_run_config, same_cases
from hcnet.training.stage_kis import stage3_channels


def make_bundle(
    cohort: Cohort,
    crossed: Path,
    out: Path,
    *,
    name: str,
    licence: str,
    members: int = 1,
    share_maps: bool = False,
    of_folds: bool = False,
    weights: WeightsForm = "float16",
    progress: Progress = SILENT,
) -> Bundle:
    """Train on all patients of a cross-validated cohort and write the bundle.

    Args:
        cohort: the cases of the cross-validation.
        crossed: folder of `hcnet ablate --folds` with the arm P.
        out: folder of the trainings and the bundle; the same folder resumes.
        name: of the bundle.
        licence: of the bundle, after that of the data.
        members: networks of as many seeds predict together, each trained on all patients.
        share_maps: the HIPM and the maps of the first member serve all.
        of_folds: instead a member for each fold, trained on the patients of the other folds; all
            have the same seed.
        weights: how they are stored.
        progress: listener.

    Raises:
        InputError: `crossed` is no finished cross-validation of the method, or a case cannot be
            used.
        ConfigError: it was of other cases, or `out` holds something else.
    """
    config, results = read_run_config(crossed), _read_results(crossed)
    check_cohorts(cohort, None)
    open_run(out, config)
    cases = prepared_cases(cohort.cases, config.prepare, crossed / "cache", progress)
    keys = {case.name: case.folder.name for case in sorted(cases, key=lambda case: case.name)}
    if read_json(crossed / COHORT) != keys:
        raise ConfigError(f"{crossed}: is a cross-validation of other cases than {cohort.root}.")
    same_cases(RunFolder(out), keys)

    truths = references(cohort.root, cohort.cases)
    seeds = 1 if of_folds else members
    predictions = out_of_fold(cases, truths, *arm_folders(crossed, seeds))
    result = predictions.calibrated(config.seed)
    threshold = predictions.threshold(result.calibration)
    ensemble = {}
    if 1 < seeds <= len(results["seeds"]):
        dsc = crossed_mean([predictions.dsc(config.inference.threshold)])
        ensemble = {"mean_of_seeds": {"seeds": seeds, "dsc": dataclasses.asdict(dsc)}}

    folds = results["folds"] if of_folds else ()
    learners = _learners(cohort, cases, members, folds)
    kind = "fold" if of_folds else "member"
    # Networks that learned from other maps are others: never taken up for each other.
    apart = "-shared" if share_maps else ""
    names = [f"{kind}{number}{apart if number else ''}" for number in range(len(learners))]
    folders = [RunFolder(out / each) for each in names]
    hipms, segmenters = _train(
        _material(cohort, cases), learners, folders, config, share_maps, of_folds, progress
    )
    return write_bundle(
        out / "bundle",
        hipm=hipms,
        kis=segmenters,
        hipm_network=network_facts(config.hipm, 1, config.kinetics.k + 1),
        kis_network=network_facts(config.kis, stage3_channels(config, with_maps=True), 1),
        clustering=Clustering.load(folders[0].kinetics),
        weights=weights,
        name=name,
        hcnet_version=version("hcnet"),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        licence=licence,
        training_data={
            "cohort": cohort.root.name,
            "cases": [case.name for case in cases],
            "ensemble": _ensemble(len(learners), kind, share_maps),
        },
        scores=_scores(results, result) | ensemble,
        maps=config.kis.maps,
        prepare=config.prepare,
        inference=config.inference.model_copy(update={"threshold": threshold}),
        calibration=result.calibration,
        input_statistics=training_statistics(cases, progress),
    )


def _learners(
    cohort: Cohort, cases: Sequence[CachedCase], members: int, folds: Sequence[dict[str, Any]]
) -> list[Material]:
    """What each member learns from: all cases, or all but those of its fold."""
    held = [set(fold["test"]) for fold in folds] or [set()] * members
    return [_material(cohort, [case for case in cases if case.name not in names]) for names in held]


def _material(cohort: Cohort, learn: Sequence[CachedCase]) -> Material:
    """Cases to learn from, and none to hold out."""
    names = {case.name for case in learn}
    train = tuple(case for case in cohort.cases if case.name in names)
    return Material(Split(cohort.root, train, (), (), {}), tuple(learn), (), ())


def _train(
    everyone: Material,
    learners: Sequence[Material],
    folders: Sequence[RunFolder],
    config: Config,
    share_maps: bool,
    same_seed: bool,
    progress: Progress,
) -> tuple[list[nn.Module], list[nn.Module]]:
    """HIPMs and KIS-Nets of all members; the classes of the first serve all."""
    device = training_device(config.precision)
    hipms: list[nn.Module] = []
    segmenters: list[nn.Module] = []
    for number, (material, folder) in enumerate(zip(learners, folders, strict=True)):
        count = len(material.learn)
        progress.message(f"member {number + 1} of {len(learners)}: {count} training cases")
        seed = config.seed + (0 if same_seed else number)
        own = config.model_copy(update={"seed": seed})
        stages = folders[0] if share_maps else folder
        if stages is not folders[0]:
            Clustering.load(folders[0].kinetics).save(stages.kinetics)
        own = label_cases(Maps(), everyone, stages, own, progress)
        if not hipms or not share_maps:
            hipms.append(predict_maps(Maps(), material, stages, own, device, progress).hipm)
        segmenters.append(_segmenter(material, folder, stages, own, device, progress))
    return hipms, segmenters


def _ensemble(members: int, kind: str, share_maps: bool) -> str:
    if members == 1:
        return "none"
    return f"{members} {kind}(s)" + (" with one HIPM" if share_maps else "")


def _segmenter(
    material: Material,
    folder: RunFolder,
    maps: RunFolder,
    config: Config,
    device: Device,
    progress: Progress,
) -> nn.Module:
    """KIS-Net of one member, on the maps that lie in a folder, its own or another's."""
    files = ArmFiles(
        {case.name: case.files["image"] for case in material.learn},
        {case.name: maps.maps(case.name) for case in material.learn},
    )
    method = next(arm for arm in ARMS if arm.name == METHOD)
    return train_arm(method, material, files, folder.kis, config, device, progress)


def _read_results(crossed: Path) -> dict[str, Any]:
    file = crossed / RESULTS
    if not file.is_file():
        raise InputError(f"{crossed}: has no {RESULTS}; give the folder of a finished ablation.")
    results: dict[str, Any] = read_json(file)
    if len(results.get("folds", ())) < 2 or METHOD not in results.get("arms", {}):
        raise InputError(
            f"{crossed}: is no cross-validation of the method; make one by "
            f"hcnet ablate COHORT --folds 5 --arms {METHOD}."
        )
    return results


def _scores(results: dict[str, Any], calibration: CalibrationResult) -> dict[str, Any]:
    """What the bundle tells of itself: the cross-validation's numbers, those of rivals too."""
    return {
        "cross_validation": {
            "folds": len(results["folds"]),
            "seeds": results["seeds"],
            **_told(results),
            "tuned": _told(results["tuned"]),
        },
        "calibration": {
            "ece_before": calibration.before.ece,
            "ece_after": calibration.after.ece,
        },
    }


def _told(results: dict[str, Any]) -> dict[str, Any]:
    """Means of every arm, and the comparisons with the baseline."""
    return {
        "threshold": results["threshold"],
        "arms": {
            name: {"isolates": arm["isolates"], "metrics": arm["metrics"]}
            for name, arm in results["arms"].items()
        },
        "compared": [
            each for each in results["compared"] if BASELINE in (each["first"], each["second"])
        ],
    }
