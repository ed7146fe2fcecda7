"""ISPY1-Tumor-SEG-Radiomics: expert outlines of I-SPY1 tumours, with images in two forms.

    NIfTI-Files/images_bias-corrected_nifti/ISPY1_1002/ISPY1_1002_DCE_0000_N3.nii.gz
    NIfTI-Files/images_bias-corrected_resampled_zscored_nifti/ISPY1_1002/
        ISPY1_1002_DCE_0000_N3_zscored.nii.gz
    NIfTI-Files/masks_stv_manual/ISPY1_1002.nii.gz      also masks_stv_resunet, masks_ftv (0, 255)

The masks lie on the grid of one of the two forms, as a rule on that of the resampled images. Images
are taken in the form that the masks fit; nothing is resampled here. Some copies of images are flat.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from hcnet.cohorts.case import NiftiSource
from hcnet.cohorts.importers.importer import Findings, Imported, Item, Left, Options, safe_name
from hcnet.cohorts.open import grid_of
from hcnet.errors import HcnetError, InputError
from hcnet.volumes.nifti import is_nifti, read_nifti, stem
from hcnet.volumes.volume import Grid, Volume

NATIVE, RESAMPLED = "bias-corrected native", "resampled z-scored"
_IMAGES: Mapping[str, str] = {
    NATIVE: "images_bias-corrected_nifti",
    RESAMPLED: "images_bias-corrected_resampled_zscored_nifti",
}
_MASKS: Mapping[str, str] = {
    "expert": "masks_stv_manual",
    "resunet": "masks_stv_resunet",
    "functional": "masks_ftv",
}
"""Folder by source of the mask, the one that decides first."""

_PHASE = re.compile(r"(?P<patient>.+)_DCE_(?P<number>\d{4})_N3(_zscored)?", re.IGNORECASE)
_SAME_GRID_MM = 0.1
"""Corner voxels may lie so far apart: copies of one grid went through float32 headers."""


def recognises(root: Path) -> bool:
    """Whether the folders of images in one of the two forms are there, with NIfTI files."""
    base = _base(root)
    if base is None:
        return False
    folders = [_folder(base, name) for name in _IMAGES.values()]
    return any(
        is_nifti(path)
        for folder in filter(None, folders)
        for path in islice(folder.glob("*/*"), 20)
    )


def find(root: Path, options: Options) -> Findings:
    """The patients by the names of folders and files.

    Args:
        root: the collection, or its folder `NIfTI-Files`.
        options: the collection has one visit, the first.

    Raises:
        InputError: the folders are not there, or another visit than the first is asked for.
    """
    base = _base(root)
    if base is None:
        raise InputError(
            f"{root}: has neither {' nor '.join(_IMAGES.values())}, also not in NIfTI-Files."
        )
    if options.visit not in (1, None):
        raise InputError(f"{root}: holds the first visit alone; ask for visit 1.")
    images = {form: _patients(_folder(base, name)) for form, name in _IMAGES.items()}
    masks = {source: _mask_files(_folder(base, name)) for source, name in _MASKS.items()}
    having = sorted(set().union(*images.values()))
    items = [
        Item(
            safe_name(patient),
            next(own[patient] for own in images.values() if patient in own),
            {
                "images": {form: own[patient] for form, own in images.items() if patient in own},
                "masks": {source: own[patient] for source, own in masks.items() if patient in own},
            },
        )
        for patient in having
    ]
    alone = sorted(set().union(*masks.values()) - set(having))
    left = [Left(safe_name(patient), "has masks and no images.") for patient in alone]
    return Findings(tuple(items), tuple(left))


def load(item: Item) -> Imported:
    """Read one patient's images in the form that the masks fit, and these masks.

    Raises:
        HcnetError: a form's phases are incomplete or flat in both forms, or no mask fits.
    """
    decisions: list[str] = []
    masks = _read_masks(item.parts["masks"], decisions)
    for form, mask_names in _forms(item, masks, decisions):
        phases = _read_phases(form, item.parts["images"][form], decisions)
        if phases is None:
            continue
        decisions += _of_form(form, len(phases), mask_names)
        decisions += _unfitting(masks, mask_names, phases[0].grid)
        if form == RESAMPLED:
            phases = _from_zero(phases, decisions)
        return Imported(
            phases=phases,
            masks={name: phases[0].with_data(masks[name].data) for name in mask_names},
            facts={"patient_id": item.name, "imaging_data": {"dataset": "ISPY1"}},
            decisions=tuple(decisions),
        )
    raise InputError(f"{item.place}: cannot be used. {' '.join(decisions)}")


def _base(root: Path) -> Path | None:
    """The folder that holds the folders of images."""
    for base in (root, _folder(root, "NIfTI-Files")):
        if base is not None and any(_folder(base, name) for name in _IMAGES.values()):
            return base
    return None


def _folder(parent: Path, name: str) -> Path | None:
    if not parent.is_dir():
        return None
    return next(
        (p for p in sorted(parent.iterdir()) if p.name.lower() == name.lower() and p.is_dir()), None
    )


def _patients(folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    return {
        path.name.upper(): path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def _mask_files(folder: Path | None) -> dict[str, Path]:
    """Masks by patient; of a packed and an unpacked copy the packed one."""
    if folder is None:
        return {}
    found = sorted(p for p in folder.iterdir() if is_nifti(p) and not p.name.startswith("."))
    return {stem(path).upper(): path for path in found}


def _read_masks(paths: Mapping[str, Path], decisions: list[str]) -> dict[str, Volume]:
    """The masks that can be used, as 0 and 1; what is wrong with others goes to `decisions`."""
    found = {}
    for source, path in paths.items():
        try:
            mask = read_nifti(Path(path))
        except HcnetError as error:
            decisions.append(f"Left the mask {source}: {error}")
            continue
        values = set(np.unique(mask.data).tolist())
        if not (values <= {0, 1} or values <= {0, 255}):
            decisions.append(f"Left the mask {source}: {path} holds other values than 0 and 1.")
        elif not values - {0}:
            decisions.append(f"Left the mask {source}: {path} is empty.")
        else:
            if 255 in values:
                decisions.append(f"The values 0 and 255 of the mask {source} became 0 and 1.")
            found[source] = mask.with_data((mask.data > 0).astype(np.uint8))
    return found


def _forms(
    item: Item, masks: Mapping[str, Volume], decisions: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """The forms whose phases can be used and which masks fit each, the best first.

    The expert mask decides, then the number of masks that fit, then the native form, whose signal
    is that of the scanner but for the bias.
    """
    found = []
    for form, folder in item.parts["images"].items():
        try:
            grid = _grid(_phase_files(Path(folder)))
        except HcnetError as error:
            decisions.append(f"Left the {form} images: {error}")
            continue
        fitting = [name for name in masks if not grid.difference(masks[name].grid, _SAME_GRID_MM)]
        if masks and not fitting:
            decisions.append(f"Left the {form} images: no mask fits their grid.")
            decisions += _unfitting(masks, (), grid)
            continue
        found.append((form, fitting))
    yield from sorted(
        found, key=lambda f: ("expert" in f[1], len(f[1]), f[0] == NATIVE), reverse=True
    )


def _phase_files(folder: Path) -> list[Path]:
    """The phases of a patient in order.

    Raises:
        InputError: there is none, or one is missing.
    """
    found = {}
    for path in sorted(folder.iterdir()):
        match = _PHASE.fullmatch(stem(path)) if is_nifti(path) else None
        if match and match["patient"].upper() == folder.name.upper():
            found[int(match["number"])] = path
    missing = sorted(set(range(max(found, default=0) + 1)) - set(found))
    if missing:
        raise InputError(f"{folder}: phase {missing[0]:04d} is missing.")
    return [found[number] for number in sorted(found)]


def _grid(paths: Sequence[Path]) -> Grid:
    """The grid of all phases, by their headers.

    Raises:
        InputError: a file cannot be read, or the phases differ.
    """
    first, *others = [(path, grid_of(NiftiSource(path))) for path in paths]
    for path, grid in others:
        difference = first[1].difference(grid, _SAME_GRID_MM)
        if difference:
            raise InputError(f"{path}: lies on another grid than {first[0].name} ({difference}).")
    return first[1]


def _read_phases(form: str, folder: str, decisions: list[str]) -> tuple[Volume, ...] | None:
    phases: list[Volume] = []
    for path in _phase_files(Path(folder)):
        try:
            phase = read_nifti(path)
        except HcnetError as error:
            decisions.append(f"Left the {form} images: {error}")
            return None
        if not np.isfinite(phase.data).all():
            decisions.append(f"Left the {form} images: {path} holds values that are no numbers.")
            return None
        if phase.data.min() == phase.data.max():
            decisions.append(
                f"Left the {form} images: {path} is flat, every voxel is {phase.data.flat[0]:g}."
            )
            return None
        phases.append(phase if not phases else phases[0].with_data(phase.data))
    return tuple(phases)


def _of_form(form: str, count: int, masks: Sequence[str]) -> Iterator[str]:
    fitting = (
        f"the masks {', '.join(masks)} fit their grid"
        if masks
        else "there is no mask that can be used"
    )
    yield f"Took the {form} images, {count} phases: {fitting}."
    yield "The acquisition times are not known."


def _from_zero(phases: Sequence[Volume], decisions: list[str]) -> tuple[Volume, ...]:
    """Z-scores moved up by one number, so that the lowest of all phases is 0.

    Curves need a signal that is not negative. All phases share one mean and deviation, and some
    voxel of air has no signal, so this is the signal again up to a factor.
    """
    low = min(float(phase.data.min()) for phase in phases)
    decisions.append(
        f"Look at this: added {-low:.4g} to the z-scores of all phases, so that the lowest is 0; "
        "ratios to the pre-contrast signal hold as far as that voxel had no signal."
    )
    return tuple(phase.with_data((phase.data - low).astype(np.float32)) for phase in phases)


def _unfitting(masks: Mapping[str, Volume], fitting: Sequence[str], grid: Grid) -> Iterator[str]:
    for name in masks:
        if name in fitting:
            continue
        difference = grid.difference(masks[name].grid, _SAME_GRID_MM)
        yield f"Left the mask {name}: the grids of image and mask differ ({difference})."
