"""Find which predicted mask belongs to which reference mask, by case name."""

from dataclasses import dataclass
from pathlib import Path

from hcnet.cohorts.case import NiftiSource
from hcnet.errors import InputError
from hcnet.evaluation.evaluate import MaskPair
from hcnet.volumes.nifti import SUFFIXES, is_nifti, stem

MASK_NAME = "tumour"


@dataclass(frozen=True)
class Pairing:
    """Matched masks and what is left over.

    Attributes:
        pairs: cases with both masks, sorted by name.
        without_prediction: references that no prediction belongs to.
        without_reference: predictions that no reference belongs to.
    """

    pairs: tuple[MaskPair, ...]
    without_prediction: tuple[Path, ...]
    without_reference: tuple[Path, ...]


def pair_masks(predictions: Path, references: Path) -> Pairing:
    """Match masks by case name, whatever its case of letters.

    Each side is a mask file or a folder. In a folder a mask is `CASE.nii.gz` (or `.nii`) or
    `CASE/tumour.nii.gz`; a folder that holds `tumour.nii.gz` itself is one case. Two files are a
    pair whatever they are called; a file against a folder is paired with the folder's mask of that
    case alone.

    Raises:
        InputError: a path does not exist, holds no mask, holds a case twice, or a single file's
            case is not in the folder.
    """
    predicted, expected = find_masks(predictions), find_masks(references)
    if predictions.is_file() and references.is_file():
        predicted = dict(zip(expected, predicted.values(), strict=True))
    elif predictions.is_file():
        expected = _only(expected, predicted, predictions, references)
    elif references.is_file():
        predicted = _only(predicted, expected, references, predictions)
    return Pairing(
        pairs=tuple(
            MaskPair(
                case_name(expected[key]), NiftiSource(predicted[key]), NiftiSource(expected[key])
            )
            for key in sorted(predicted.keys() & expected.keys())
        ),
        without_prediction=tuple(expected[key] for key in sorted(expected.keys() - predicted)),
        without_reference=tuple(predicted[key] for key in sorted(predicted.keys() - expected)),
    )


def find_masks(path: Path) -> dict[str, Path]:
    """The masks in a folder, or the one file, by lower-case case name.

    Raises:
        InputError: the path does not exist, holds no mask, or holds a case twice.
    """
    if path.is_file():
        if not is_nifti(path):
            raise InputError(f"{path}: is not a NIfTI file; give masks as .nii or .nii.gz.")
        return {case_name(path).lower(): path}
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder.")
    own = _mask_in(path)
    found = [own] if own else _masks_below(path)
    masks: dict[str, Path] = {}
    for mask in found:
        key = case_name(mask).lower()
        if key in masks:
            raise InputError(f"{path}: holds two masks of one case, {masks[key]} and {mask}.")
        masks[key] = mask
    if not masks:
        raise InputError(
            f"{path}: holds no mask; CASE.nii.gz or CASE/{MASK_NAME}.nii.gz is expected."
        )
    return masks


def _masks_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):  # what an operating system or an unfinished write leaves
            continue
        if entry.is_file() and is_nifti(entry):
            found.append(entry)
        elif entry.is_dir() and (mask := _mask_in(entry)):
            found.append(mask)
    return found


def _mask_in(folder: Path) -> Path | None:
    names = (folder / f"{MASK_NAME}{suffix}" for suffix in SUFFIXES)
    return next((path for path in names if path.is_file()), None)


def case_name(mask: Path) -> str:
    """The case of a mask file: its name, or its folder's where the file is `tumour.nii.gz`."""
    name = stem(mask)
    return mask.resolve().parent.name if name.lower() == MASK_NAME else name


def _only(
    masks: dict[str, Path], wanted: dict[str, Path], file: Path, folder: Path
) -> dict[str, Path]:
    (key,) = wanted
    if key not in masks:
        raise InputError(f"{file}: its case, {key}, is not in {folder}.")
    return {key: masks[key]}
