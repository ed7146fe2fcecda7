"""A cohort as a raw dataset of nnU-Net v2.

    DST/Dataset700_Breast/
      imagesTr/CASE_0000.nii.gz   pre-contrast; _0001, _0002 ... post-contrast, where asked for
      labelsTr/CASE.nii.gz        0 background, 1 the target
      imagesTs/, labelsTs/        the same of the held-out cases; nnU-Net does not read labelsTs
      splits_final.json           the folds, where asked for
      hcnet.json                  what was asked for, and which cases were left out and why
      dataset.json                written last: without it nnU-Net takes the folder for no dataset

nnU-Net looks at arrays and voxel sizes and not at directions, so an axial and a sagittal exam would
show it two different bodies. All volumes are therefore written in the canonical orientation (axes
closest to R, A, S; nothing is interpolated), and dataset.json says so: nnU-Net copies it beside the
trained model, where `hcnet breast-mask` reads it.

Facts of the layout: MIC-DKFZ/nnUNet, documentation/dataset_format.md.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hcnet.cohorts.case import Case, VolumeSource
from hcnet.cohorts.cohort import Cohort
from hcnet.errors import ConfigError, GeometryError, HcnetError, InputError
from hcnet.files import read_json, write_json
from hcnet.progress import SILENT, Progress
from hcnet.volumes.checks import check_image, check_same_frame, checked_mask
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.resample import resample
from hcnet.volumes.volume import Grid, Volume, to_canonical

Target = Literal["breast", "tumour"]
Status = Literal["written", "already there", "left", "failed"]

ENDING = ".nii.gz"
SPLITS = "splits_final.json"
REQUEST = "hcnet.json"
DATASET = "dataset.json"
AXES = "RAS"
"""Of every exported volume, as dataset.json says."""
SQUARE = 1e-3
"""Cosine up to which two axes are at right angles; ITK, nnU-Net's reader, knows no others."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_FOLDERS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}


@dataclass(frozen=True)
class Request:
    """What is exported.

    Attributes:
        number: of the dataset, 1 to 999.
        name: of the dataset: letters, digits, `_` and `-`.
        target: whose masks the labels are.
        phases: how many phases are channels, pre-contrast first; None takes all.
        pseudo_labels: export tumour masks that are pseudo-labels, to learn from.

    Raises:
        ConfigError: a value is out of range.
    """

    number: int
    name: str
    target: Target
    phases: int | None = 1
    pseudo_labels: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 999:
            raise ConfigError(f"dataset {self.number}: nnU-Net numbers datasets from 1 to 999.")
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"dataset name {self.name!r}: use letters, digits, _ and -, such as Breast."
            )
        if self.phases is not None and self.phases < 1:
            raise ConfigError(f"{self.phases} phases: give at least 1, the pre-contrast phase.")

    @property
    def folder(self) -> str:
        """Name of the dataset's folder."""
        return f"Dataset{self.number:03d}_{self.name}"


@dataclass(frozen=True)
class Row:
    """What became of one case, and why where it is not in the dataset."""

    name: str
    status: Status
    why: str = ""


@dataclass(frozen=True)
class Export:
    """What became of a cohort.

    Attributes:
        folder: the dataset.
        rows: one a case, by name.
        channels: how many phases each case has there.
        training: how many cases are there to learn from.
        held_out: how many cases are held out.
    """

    folder: Path
    rows: tuple[Row, ...]
    channels: int
    training: int
    held_out: int

    def count(self, status: Status) -> int:
        """How many cases ended so."""
        return sum(row.status == status for row in self.rows)


def export_nnunet(
    cohort: Cohort,
    dst: Path,
    request: Request,
    *,
    train: AbstractSet[str] | None = None,
    test: AbstractSet[str] = frozenset(),
    folds: Sequence[AbstractSet[str]] = (),
    progress: Progress = SILENT,
) -> Export:
    """Write a cohort as a raw dataset; cases that are there already are left.

    A case that cannot be used is told in its row and the others go on. The same cohort and request
    give the same bytes.

    Args:
        cohort: nothing of it is changed.
        dst: nnU-Net's folder of raw datasets, made if needed.
        request: what is exported.
        train: names of the cases to learn from; None takes all that are not in `test`.
        test: names of the held-out cases.
        folds: names of the cases that each fold validates on; others are ignored.
        progress: listener.

    Raises:
        ConfigError: the cases differ in their number of phases and all were asked for, or a fold
            has no case left to learn from or to validate on.
        InputError: no case to learn from is left, or the folder holds another dataset or a case
            that is not asked for.
    """
    channels = _channels(cohort, request)
    folder = dst / request.folder
    asked = {
        "cohort": str(cohort.root.resolve()),
        "target": request.target,
        "segmentation": cohort.segmentation if request.target == "tumour" else None,
        "phases": channels,
        "pseudo_labels": request.pseudo_labels,
        "test": sorted(test),
    }
    _open(folder, asked)
    rows: dict[str, Row] = {}
    there: dict[str, list[str]] = {"train": [], "test": []}
    for case in progress.track(cohort.cases, f"exporting {request.folder}", len(cohort)):
        side = "test" if case.name in test else "train"
        named = side == "test" or train is None or case.name in train
        why = _unwanted(case, request, channels, side) if named else "the split does not name it"
        row = Row(case.name, "left", why) if why else _export(case, folder, side, request, channels)
        rows[case.name] = row
        if row.status in ("written", "already there"):
            there[side].append(case.name)
    _check_strangers(folder, there)
    left = {row.name: row.why for row in rows.values() if row.why}
    write_json(folder / REQUEST, {"asked": asked, "left": left})
    if not there["train"]:
        name, why = next(iter(left.items()))
        raise InputError(
            f"{cohort.root}: no case to learn from could be exported ({name}: {why}); "
            f"{folder / REQUEST} has all of them."
        )
    if folds:
        write_json(folder / SPLITS, _splits(there["train"], folds))
    write_json(folder / DATASET, _dataset(request, channels, len(there["train"])))
    return Export(folder, tuple(rows.values()), channels, len(there["train"]), len(there["test"]))


def _channels(cohort: Cohort, request: Request) -> int:
    if request.phases is not None:
        return request.phases
    counts = {len(case.phases): case.name for case in cohort.cases}
    if len(counts) > 1:
        (few, first), (many, second) = min(counts.items()), max(counts.items())
        raise ConfigError(
            f"{cohort.root}: {first} has {few} phases and {second} has {many}, and nnU-Net needs "
            f"as many of every case; give a number, such as --phases {few}."
        )
    return next(iter(counts))


def _open(folder: Path, asked: dict[str, Any]) -> None:
    """Make the folder, or check that it holds this very dataset."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give another folder for the datasets.")
    if folder.is_dir() and any(folder.iterdir()):
        stored = read_json(folder / REQUEST) if (folder / REQUEST).is_file() else None
        known = stored.get("asked") if isinstance(stored, dict) else None
        if not isinstance(known, dict):
            raise InputError(
                f"{folder}: holds something that is not from `hcnet export`; give another --id or "
                "--name."
            )
        other = [key for key in asked if known.get(key) != asked[key]]
        if other:
            raise InputError(
                f"{folder}: was exported with another {other[0]} setting; give another --id or "
                "--name, or remove the folder."
            )
        # Until the export is complete again, nnU-Net shall not take it for a dataset.
        (folder / DATASET).unlink(missing_ok=True)
        return
    write_json(folder / REQUEST, {"asked": asked, "left": {}})


def _unwanted(case: Case, request: Request, channels: int, side: str) -> str:
    """Why a case is left out, as far as its files need not be read; or nothing."""
    if _mask_source(case, request.target) is None:
        return f"it has no {request.target} mask"
    if request.target == "tumour" and case.tumour_is_pseudo:
        if side == "test":
            return "its tumour mask is a pseudo-label, which is no reference to score against"
        if not request.pseudo_labels:
            return "its tumour mask is a pseudo-label; --pseudo-labels takes it"
    if len(case.phases) < channels:
        return f"it has {len(case.phases)} of {channels} phases"
    return ""


def _mask_source(case: Case, target: Target) -> VolumeSource | None:
    return case.breast if target == "breast" else case.tumour


def _export(case: Case, folder: Path, side: str, request: Request, channels: int) -> Row:
    images, labels = (folder / name for name in _FOLDERS[side])
    # The label is written last, so where it is, the case is complete.
    if (labels / f"{case.name}{ENDING}").is_file():
        return Row(case.name, "already there")
    try:
        volumes, label = _case_volumes(case, request.target, channels)
    except HcnetError as error:
        return Row(case.name, "failed", str(error))
    for channel, volume in enumerate(volumes):
        write_nifti(volume, images / f"{case.name}_{channel:04d}{ENDING}")
    write_nifti(label, labels / f"{case.name}{ENDING}")
    return Row(case.name, "written")


def _case_volumes(case: Case, target: Target, channels: int) -> tuple[list[Volume], Volume]:
    """The phases and the label (uint8, 0 and 1), all on the pre-contrast phase's canonical grid."""
    pre = case.pre.load()
    check_image(pre, case.pre.location)
    if not _has_right_angles(pre.grid):
        raise GeometryError(
            f"{case.pre.location}: its axes are not at right angles, which nnU-Net cannot read; "
            "resample the exam first."
        )
    source = _mask_source(case, target)
    assert source is not None  # noqa: S101 (`_unwanted` has seen to it)
    mask = checked_mask(source.load(), pre, source.location, case.pre.location)
    if target == "breast" and not mask.any():
        raise InputError(f"{source.location}: the breast mask is empty; correct or remove it.")
    volumes = [pre]
    for phase in case.phases[1:channels]:
        volume = phase.load()
        check_image(volume, phase.location)
        check_same_frame(volume, pre, phase.location, case.pre.location)
        same = pre.grid.difference(volume.grid) is None
        volumes.append(pre.with_data(volume.data) if same else resample(volume, pre.grid, "linear"))
    return [to_canonical(_storable(v)) for v in volumes], to_canonical(pre.with_data(mask))


def _has_right_angles(grid: Grid) -> bool:
    axes = grid.affine[:3, :3] / grid.spacing
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() <= SQUARE)


def _storable(volume: Volume) -> Volume:
    """NIfTI readers do not agree on 64-bit integers; nnU-Net computes in float32 anyway."""
    if volume.data.dtype.itemsize <= 4:
        return volume
    return volume.with_data(volume.data.astype(np.float32))


def _check_strangers(folder: Path, there: dict[str, list[str]]) -> None:
    """Refuse labels of cases that the cohort no longer has: nnU-Net would learn from them."""
    for side, names in there.items():
        labels = folder / _FOLDERS[side][1]
        found = {p.name.removesuffix(ENDING) for p in labels.glob(f"[!.]*{ENDING}")}
        strangers = sorted(found - set(names))
        if strangers:
            raise InputError(
                f"{labels / (strangers[0] + ENDING)}: belongs to no case that is exported now; "
                f"remove {folder} and export again."
            )


def _splits(names: Sequence[str], folds: Sequence[AbstractSet[str]]) -> list[dict[str, list[str]]]:
    splits = []
    for number, fold in enumerate(folds):
        split = {
            "train": [name for name in names if name not in fold],
            "val": [name for name in names if name in fold],
        }
        empty = [side for side in ("train", "val") if not split[side]]
        if empty:
            raise ConfigError(
                f"fold {number} has no exported case in its {empty[0]} part; give fewer --folds."
            )
        splits.append(split)
    return splits


def _dataset(request: Request, channels: int, training: int) -> dict[str, Any]:
    # Names that nnU-Net does not know (CT, noNorm ...) mean: each channel to mean 0, deviation 1.
    names = ["pre", *(f"post_{number}" for number in range(1, channels))]
    return {
        "name": request.name,
        "channel_names": {str(index): name for index, name in enumerate(names)},
        "labels": {"background": 0, request.target: 1},
        "numTraining": training,
        "file_ending": ENDING,
        "hcnet": {"axes": AXES, "target": request.target, "phases": channels},
    }
