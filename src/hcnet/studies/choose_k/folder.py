"""The folder of a study of K: what it was started with, so that the same command goes on."""

from pathlib import Path
from typing import Any

from hcnet.cohorts.case import Case
from hcnet.config import Config
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json, write_json
from hcnet.prepare.cache import CachedCase
from hcnet.studies.choose_k.held_out import VOXELS
from hcnet.studies.choose_k.plan import Plan


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else than a study.

    Raises:
        InputError: it does, or is a file.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for the study.")
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    # A study that was stopped while preparing has its cache only.
    if there - {"cache"} and "settings.json" not in there:
        raise InputError(f"{out}: is not empty and not a study; give another folder.")


def study_record(
    config: Config, plan: Plan, prepared: dict[str, CachedCase], again: dict[str, Case]
) -> dict[str, Any]:
    """All that the fits depend on but for their own scale, method, K and seed."""
    return {
        "seed": config.seed,
        "validation_share": config.validation_share,
        "prepare": config.prepare.model_dump(mode="json"),
        "kinetics": config.kinetics.model_dump(mode="json", exclude={"k", "scale"}),
        "max_points": plan.max_points,
        "epochs": plan.epochs,
        "voxels": VOXELS,
        "cases": {name: case.folder.name for name, case in prepared.items()},
        "retest": {name: [phase.digest() for phase in case.phases] for name, case in again.items()},
    }


def same_study(out: Path, record: dict[str, Any]) -> None:
    """Note what a study depends on, or check that it is still the same.

    Raises:
        ConfigError: the folder's study was started with other settings or cases.
    """
    path = out / "settings.json"
    if not path.exists():
        write_json(path, record)
        return
    stored = read_json(path)
    different = [
        key for key in record if not isinstance(stored, dict) or stored.get(key) != record[key]
    ]
    if different:
        raise ConfigError(
            f"{out}: holds a study that differs in {', '.join(different)}; give another folder."
        )
