"""Masks of a result: at a threshold, beside a reference, corrected by hand."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np

from hcnet.errors import InputError
from hcnet.evaluation.overlap import overlap
from hcnet.evaluation.surface import surface_distance
from hcnet.files import sha256_file, write_json
from hcnet.inference.decide import tumour_mask
from hcnet.inference.names import MANIFEST
from hcnet.server.models import Comparison, Correction, MaskFacts
from hcnet.server.results import CORRECTED, CORRECTED_FACTS, Result, finite
from hcnet.settings import InferenceSettings
from hcnet.volumes.checks import checked_mask
from hcnet.volumes.components import components
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.volume import Volume


def mask_at(result: Result, threshold: float) -> Volume:
    """The tumour mask at a threshold, decided as `hcnet segment` does.

    Raises:
        InputError: a file is missing or damaged.
    """
    probability, breast = _image(result, "tumour_probability"), _image(result, "breast")
    rule = InferenceSettings(
        threshold=threshold, smallest_component_ml=result.facts().smallest_component_ml
    )
    return probability.with_data(tumour_mask(probability.data, breast.data, probability.grid, rule))


def mask_facts(result: Result, threshold: float) -> MaskFacts:
    """The size of the mask at a threshold."""
    mask = mask_at(result, threshold)
    voxels = int(np.count_nonzero(mask.data))
    return MaskFacts(
        threshold=threshold,
        tumour_ml=voxels * mask.grid.voxel_ml,
        foci=len(components(mask.data, mask.grid)),
        voxels=voxels,
    )


def compare(mask: Volume, reference: Volume, name: str) -> Comparison:
    """Set a mask beside a reference on the same grid.

    Raises:
        GeometryError: the reference lies on another grid.
        InputError: it has other values than a mask.
    """
    predicted = mask.data > 0
    expected = checked_mask(reference, mask, name, "the segmented image")
    alike = overlap(predicted, expected)
    apart = surface_distance(predicted, expected, mask.spacing)
    return Comparison(
        mask_ml=float(predicted.sum() * mask.grid.voxel_ml),
        reference_ml=float(expected.sum() * mask.grid.voxel_ml),
        dsc=finite(alike.dsc),
        ppv=finite(alike.ppv),
        sen=finite(alike.sen),
        asd_mm=finite(apart.asd_mm),
        hd95_mm=finite(apart.hd95_mm),
    )


def chosen_mask(result: Result, name: str, threshold: float | None) -> Volume:
    """The mask to compare: at a threshold where one is given, else as stored.

    Raises:
        InputError: there is none.
    """
    if threshold is not None:
        return mask_at(result, threshold)
    return _image(result, name)


def save_correction(result: Result, drawn: Path, threshold: float | None) -> Correction:
    """Keep a mask that a person corrected, on the grid of the image, and who made what of what.

    Args:
        result: what was corrected.
        drawn: NIfTI file with values 0 and 1.
        threshold: that of the mask that the person began with; None for the stored mask.

    Raises:
        GeometryError: the mask lies on another grid.
        InputError: it is no mask.
    """
    pre = _image(result, "pre")
    mask = checked_mask(read_nifti(drawn), pre, "the corrected mask", "the segmented image")
    before = chosen_mask(result, "tumour", threshold).data > 0
    added, removed = mask & ~before, before & ~mask
    ml = pre.grid.voxel_ml
    told = Correction(
        file=CORRECTED,
        tumour_ml=float(mask.sum() * ml),
        added_ml=float(added.sum() * ml),
        removed_ml=float(removed.sum() * ml),
    )
    target = result.folder / CORRECTED
    write_nifti(pre.with_data(mask.astype(np.uint8)), target)
    write_json(result.folder / CORRECTED_FACTS, _provenance(result, told, threshold, target))
    return told


def _provenance(
    result: Result, told: Correction, threshold: float | None, target: Path
) -> dict[str, Any]:
    return {
        "what": "tumour mask corrected by hand in the viewer of hcnet",
        "corrected": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "from": {
            "file": "tumour.nii.gz" if threshold is None else "tumour_probability.nii.gz",
            "threshold": result.facts().threshold if threshold is None else threshold,
            "manifest_sha256": sha256_file(result.folder / MANIFEST),
        },
        "sha256": sha256_file(target),
        **told.model_dump(exclude={"file"}),
    }


def _image(result: Result, name: str) -> Volume:
    path = result.file(f"{name}.nii.gz")
    if path is None:
        raise InputError(f"{result.folder}: has no {name}.nii.gz; segment the exam again.")
    return read_nifti(path)
