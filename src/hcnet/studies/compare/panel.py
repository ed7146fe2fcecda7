"""Pictures of held-out cases, a column a method (the paper's Figs. 3 and 4)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from hcnet.arrays import read_array
from hcnet.evaluation.evaluate import read_mask
from hcnet.evaluation.map_metrics import map_scores
from hcnet.prepare.cache import CachedCase
from hcnet.report.panels import MapCase, MaskCase, map_panel, segmentation_panel
from hcnet.studies.compare.entries import OURS, Entry
from hcnet.studies.compare.records import MapRecord, TumourRecord
from hcnet.studies.compare.run import Comparison
from hcnet.studies.compare.trainings import MAPS, MASKS, METHOD
from hcnet.training.folder import RunFolder
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume

PANEL_CASES = 4

Group = Literal["pre", "post"]


def shown_entries(entries: Sequence[Entry], group: Group) -> list[Entry]:
    """The rows that see the pre-contrast image alone (`pre`), or those that see more (`post`).

    The method stands beside the latter, too, as in the paper's Fig. 4.
    """
    found = [entry for entry in entries if (entry.inputs == "pre") == (group == "pre")]
    return [*found, OURS] if group == "post" and found and OURS in entries else found


def mask_panel(comparison: Comparison, records: Sequence[TumourRecord], group: Group) -> Figure:
    """Masks of the first seed's networks beside the reference, with the DSC of each.

    Args:
        comparison: its folder holds the masks.
        records: of the same comparison.
        group: which rows.

    Raises:
        ValueError: there is no such row.
        InputError: a mask or an image cannot be read.
    """
    entries = shown_entries(comparison.plan.entries, group)
    if not entries:
        raise ValueError(f"no row of the comparison is of the group {group}")
    first = [record for record in records if record.seed == comparison.config.seed]
    scores = {(r.entry, row.scores.name): row.scores for r in first for row in r.rows}
    sizes = {name: each.reference_ml for (_, name), each in scores.items()}
    held = _held(comparison)
    cases = []
    for name in spread(sizes):
        fold, case = held[name]
        split = comparison.plan.splits[fold]
        predictions = {
            entry.title: (
                read_nifti(comparison.folder(entry, 0, fold) / MASKS / f"{name}.nii.gz"),
                scores[entry.name, name].dsc,
            )
            for entry in entries
        }
        image = next(each for each in split.test if each.name == name).pre.load()
        reference = read_mask(split.references[name].tumour)
        breast = case.frame.to_native(np.asarray(case.breast), "nearest")
        cases.append(MaskCase(name, image, reference, predictions, breast))
    return segmentation_panel(cases, _how(sizes))


def maps_panel(comparison: Comparison, records: Sequence[MapRecord]) -> Figure:
    """Maps that the first seed's networks predict beside the true one, with the IoU of each.

    Args:
        comparison: its folder holds the maps.
        records: of the same comparison.

    Raises:
        InputError: a case's entry in the cache is damaged.
    """
    first = [record for record in records if record.seed == comparison.config.seed]
    ious = {
        (r.entry, row.name): map_scores(row.confusion).mean_iou for r in first for row in r.rows
    }
    held = _held(comparison)
    sizes = {name: _tumour_ml(case) for name, (_, case) in held.items()}
    cases = []
    for name in spread(sizes):
        fold, case = held[name]
        predictions = {}
        for entry in comparison.plan.entries:
            folder = comparison.folder(entry, 0, fold)
            kinds = read_array(folder / MAPS / f"{name}.npy") * (np.asarray(case.breast) > 0)
            note = f"mean IoU {ious[entry.name, name]:.2f}"
            predictions[entry.title] = (_on_grid(case, kinds), note)
        method = RunFolder(comparison.folder(comparison.plan.entries[0], 0, fold).parent / METHOD)
        truth = _on_grid(case, read_array(method.labels(name)))
        tumour = None if case.tumour is None else _on_grid(case, case.tumour)
        cases.append(MapCase(name, _on_grid(case, case.image), truth, predictions, tumour))
    return map_panel(cases, comparison.config.kinetics.k, _how(sizes))


def spread(sizes: Mapping[str, float], count: int = PANEL_CASES) -> list[str]:
    """Cases from small to large lesions, at equal steps of rank.

    Args:
        sizes: lesion volume of each case; cases without a lesion are taken only if all are.
        count: how many at most.
    """
    order = sorted(sizes, key=lambda name: (sizes[name], name))
    order = [name for name in order if sizes[name] > 0] or order
    count = min(count, len(order))
    return [order[int((step + 0.5) * len(order) / count)] for step in range(count)]


def _how(sizes: Mapping[str, float]) -> str:
    """How the cases were chosen."""
    lesions = sum(size > 0 for size in sizes.values())
    if not lesions:
        return "No held-out case has a lesion. First seed."
    some = f"{PANEL_CASES} of {lesions} held-out cases with a lesion, at equal steps of rank"
    which = "All held-out cases with a lesion" if lesions <= PANEL_CASES else some
    return f"{which}, small lesions to large; none was chosen by its score. First seed."


def _held(comparison: Comparison) -> dict[str, tuple[int, CachedCase]]:
    """Fold and prepared case of each held-out case."""
    return {case.name: (fold, case) for fold, material in enumerate(comparison.materials)
            for case in material.hold}  # fmt: skip


def _tumour_ml(case: CachedCase) -> float:
    return 0.0 if case.tumour is None else float(np.sum(case.tumour > 0)) * case.grid.voxel_ml


def _on_grid(case: CachedCase, array: Any) -> Volume:
    return Volume(np.array(array), case.grid.affine)
