"""Loose NIfTI files: a folder a case, or a flat folder in which names tell the cases apart.

In a folder of its own a case is what `hcnet.cohorts.open` makes of that folder. In a flat folder
`name_0000`, `name_0001` ... are the phases of `name`, and every other file, 3-D or 4-D, is a case.
Masks lie beside the images or in a folder of their own (`labelsTr`, `masks`), named by the case.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hcnet.cohorts.case import NiftiSource
from hcnet.cohorts.importers.importer import Findings, Imported, Item, Left, Options, safe_name
from hcnet.cohorts.naming import phase_of
from hcnet.cohorts.open import named_as_mask, open_case
from hcnet.errors import InputError
from hcnet.volumes.nifti import is_nifti, read_nifti, stem
from hcnet.volumes.volume import Grid, Volume

_TUMOUR = re.compile(r"tumou?r|lesion")
_PRE = re.compile(r"(^|[^a-z])pre([^a-z]|$)")
_MASK_FOLDERS = ("mask", "seg", "label")


def recognises(root: Path) -> bool:
    """Whether a folder, or a folder in it, holds NIfTI files; it is the most general importer."""
    return root.is_dir() and any(_files(folder) for folder in (root, *_folders(root)))


def find(root: Path, options: Options) -> Findings:  # noqa: ARG001 - one exam has one visit here
    """The cases in a folder and in the folders in it, no deeper.

    Raises:
        InputError: it is not a folder.
    """
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; give the one that holds the cases.")
    mask_folders = [f for f in _folders(root) if f.name.lower().startswith(_MASK_FOLDERS)]
    items: list[Item] = []
    left: list[Left] = []
    notes: list[str] = []
    for folder in (root, *(f for f in _folders(root) if f not in mask_folders)):
        files = _files(folder)
        images = [path for path in files if not named_as_mask(path)]
        if not files:
            continue
        if not images:
            left.append(Left(safe_name(folder.name), f"{folder} holds only masks."))
        elif _is_one_case(folder, images, root):
            items.append(_item(folder.name, folder, [folder], _named(mask_folders, folder.name)))
        else:
            found, bad, unused = _flat(folder, images, files, mask_folders)
            items += found
            left += bad
            notes += [f"left {path}: no case has its name." for path in unused]
    taken = {path for item in items for path in item.parts["masks"]}
    for path in (path for folder in mask_folders for path in _files(folder)):
        if str(path) not in taken:
            notes.append(f"left {path}: its folder is taken for masks, and no case has its name.")
    return Findings(tuple(items), tuple(left), tuple(notes))


def load(item: Item) -> Imported:
    """Read one case; a mask on another grid is left, with a sentence.

    Raises:
        HcnetError: as `hcnet.cohorts.open.open_case`, or a mask cannot be read.
    """
    inputs = [Path(path) for path in item.parts["inputs"]]
    case = open_case(inputs if len(inputs) > 1 else inputs[0])
    phases = tuple(source.load() for source in case.phases)
    used = [source.path for source in case.phases if isinstance(source, NiftiSource)]
    masks = [Path(path) for path in item.parts["masks"]]
    if inputs[0].is_dir():
        masks += [path for path in _files(inputs[0]) if path not in used]
    names = [path.name for path in dict.fromkeys(used)]
    decisions = [
        f"the phases are, pre-contrast first: {', '.join(names)}"
        + (f", {len(phases)} volumes in one file." if len(names) < len(phases) else "."),
    ]
    if len(phases) > 1 and case.times_s is None:
        decisions.append("the acquisition times are not known: NIfTI files do not tell them.")
    tumours, breasts = _told_apart(masks, (case.name, item.name))
    found = {}
    for source, path in tumours.items():
        mask, said = read_mask(path, phases[0].grid)
        decisions += said
        if mask is not None:
            found[source] = mask
            decisions.append(f"{path.name} is the tumour mask of source {source}.")
    breast = None
    for path in breasts:
        if breast is not None:
            decisions.append(f"left the breast mask {path}: there is one already.")
            continue
        breast, said = read_mask(path, phases[0].grid)
        decisions += said
        if breast is not None:
            decisions.append(f"{path.name} is the breast mask.")
    return Imported(phases, case.times_s, case.times_from, found, breast, {}, tuple(decisions))


def read_mask(path: Path, grid: Grid) -> tuple[Volume | None, list[str]]:
    """Read a mask that shall lie on `grid`.

    Args:
        path: a 3-D NIfTI file; every value other than 0 counts as inside.
        grid: of the image.

    Returns:
        the mask as 0 and 1 on `grid`, or None where it lies on another one; and what there is to
        say about it, as sentences.

    Raises:
        InputError: the file cannot be read or holds values that are no numbers.
    """
    volume = read_nifti(path)
    difference = grid.difference(volume.grid)
    if difference:
        return None, [
            f"left the mask {path}: it lies on another grid than the image ({difference})."
        ]
    data, said = binary(volume, path)
    return Volume(data, grid.affine), said


def binary(
    volume: Volume, path: Path
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[str]]:
    """A mask as 0 and 1, and a sentence where it held other values.

    Raises:
        InputError: it holds values that are no numbers.
    """
    values = np.unique(volume.data)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: the mask holds values that are no numbers.")
    said = []
    if not set(values.tolist()) <= {0, 1}:
        shown = ", ".join(f"{value:g}" for value in values[:6].tolist())
        said.append(
            f"the mask {path.name} holds the values {shown}{', ...' if len(values) > 6 else ''}: "
            "all but 0 count as inside."
        )
    if not values.any():
        said.append(f"the mask {path.name} is empty.")
    return (volume.data != 0).astype(np.uint8), said


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and is_nifti(path) and not path.name.startswith(".")
    )


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _is_one_case(folder: Path, images: Sequence[Path], root: Path) -> bool:
    """A folder named for a case holds one case, unless its files are numbered for several."""
    names = {told[0].lower() for told in map(phase_of, images) if told}
    if any(_PRE.search(stem(path).lower()) for path in images) and len(names) < 2:
        return True
    return folder != root and len(names) < 2


def _item(name: str, place: Path, inputs: Iterable[Path], masks: Iterable[Path]) -> Item:
    parts = {"inputs": [str(path) for path in inputs], "masks": [str(path) for path in masks]}
    return Item(safe_name(name), place, parts)


def _flat(
    folder: Path, images: Sequence[Path], files: Sequence[Path], mask_folders: Sequence[Path]
) -> tuple[list[Item], list[Left], list[Path]]:
    """The cases of a flat folder, those that cannot be, and the masks that belong to none."""
    groups: dict[str, list[tuple[int, Path]]] = {}
    for path in images:
        name, phase = phase_of(path) or (stem(path), 0)
        groups.setdefault(name.lower(), []).append((phase, path))
    masks: dict[str, list[Path]] = {name: [] for name in groups}
    unused = []
    for path in (path for path in files if path not in images):
        # The longest name wins: case_1 is also a part of case_1_left_mask.
        owners = [name for name in groups if _is_part(name, stem(path).lower())]
        if owners:
            masks[max(owners, key=len)].append(path)
        else:
            unused.append(path)
    items = []
    left = []
    for name, members in groups.items():
        ordered = [path for _, path in sorted(members)]
        numbers = sorted(number for number, _ in members)
        place = ordered[0] if len(ordered) == 1 else folder
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            items.append(_item(name, place, ordered, masks[name] + _named(mask_folders, name)))
        else:
            told = ", ".join(f"{number:04d}" for number in numbers)
            left.append(
                Left(safe_name(name), f"{folder}: the phases of {name} do not count up: {told}.")
            )
    return items, left, unused


def _is_part(name: str, text: str) -> bool:
    """Whether a name stands in a text and no letter or digit touches it."""
    return bool(re.search(rf"(^|[^a-z0-9]){re.escape(name)}([^a-z0-9]|$)", text))


def _named(folders: Sequence[Path], name: str) -> list[Path]:
    """The masks that are named by a case in folders of masks."""
    return [
        path for folder in folders for path in _files(folder) if stem(path).lower() == name.lower()
    ]


def _told_apart(
    paths: Sequence[Path], names: Iterable[str]
) -> tuple[Mapping[str, Path], list[Path]]:
    """Tumour masks by source, and breast masks.

    A lone tumour mask has the source `mask`, whatever its name, so that all cases of a collection
    have the same source; of several each has what its name, or its folder's, says beside the case.
    """
    breasts = [p for p in paths if "breast" in _words(p) and not _TUMOUR.search(_words(p))]
    tumours = [path for path in paths if path not in breasts]
    if len(tumours) < 2:
        return dict(zip(["mask"], tumours, strict=False)), breasts
    found: dict[str, Path] = {}
    for path in tumours:
        text = stem(path).lower()
        for name in names:
            text = text.replace(name.lower(), "")
        source = safe_name(text or path.parent.name).lower()
        while source in found:
            source += "_"
        found[source] = path
    return found, breasts


def _words(path: Path) -> str:
    """What tells a breast mask: its own name, or that of its folder of masks."""
    folder = path.parent.name.lower()
    return stem(path).lower() + (f" {folder}" if folder.startswith(_MASK_FOLDERS) else "")
