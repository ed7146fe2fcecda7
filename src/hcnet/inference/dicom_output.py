"""The results of a segmentation as DICOM objects beside the exam that they were made from.

Imported only where the input is DICOM: highdicom takes half a second to load.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

import hcnet
from hcnet.errors import InputError
from hcnet.files import write_aside
from hcnet.inference.segmentation import Segmentation
from hcnet.kinetics.palette import TUMOUR, class_colours
from hcnet.volumes.dicom.out.objects import Caption, Maker, Segment, parametric_map, segmentation
from hcnet.volumes.dicom.stacks import Stack

SCHEME = "99HCNET"
"""Designator of codes that no standard has; 99 marks a private scheme."""

_USE = "(research use only)"
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_SPATIAL = Code("309825002", "SCT", "Spatial and Relational Concept")
_NEOPLASM = Code("108369006", "SCT", "Neoplasm")
_BREAST = Code("76752008", "SCT", "Breast")
_PROBABILITY = Code("TUMOUR-PROB", SCHEME, "Tumour probability")

# Scanners and workstations number their series below this; what a source's number adds keeps the
# results of two series of one study apart.
_NUMBERS_FROM = 100_000
_LARGEST_SOURCE_NUMBER = 10_000_000


@dataclass(frozen=True)
class Origin:
    """What made the results, as far as their objects tell it.

    Attributes:
        bundle: name of the trained networks.
        digest: SHA-256 of the bundle, in hexadecimal.
        threshold: tumour probability from which a voxel is tumour.
    """

    bundle: str
    digest: str
    threshold: float


def write_dicom(
    result: Segmentation, stack: Stack, folder: Path, origin: Origin
) -> tuple[list[dict[str, Any]], str | None]:
    """Write `tumour.dcm` and `heterogeneity.dcm` (SEG) and `probability.dcm` (parametric map).

    All or none: where the exam's headers do not allow it, nothing is written and the reason is
    returned, since a result without DICOM is still a result. Every run has UIDs of its own and
    three series of its own, since two objects of one UID must not differ.

    Args:
        result: on the stack's grid.
        stack: the pre-contrast phase; its instances become the source images.
        folder: where the files go.
        origin: what made the results.

    Returns:
        what was written, JSON values (`file`, `what`, `series_number`, `series_uid`, `sop_uid`),
        and a sentence if nothing could be.
    """
    try:
        objects = list(_objects(result, stack, origin))
    except InputError as error:
        return [], f"No DICOM results were written, the exam's headers do not allow it: {error}"
    written = []
    for name, dataset in objects:
        with write_aside(folder / name) as aside:
            dataset.save_as(aside, enforce_file_format=True)
        written.append(
            {
                "file": name,
                "what": str(dataset.SeriesDescription),
                "series_number": int(dataset.SeriesNumber),
                "series_uid": str(dataset.SeriesInstanceUID),
                "sop_uid": str(dataset.SOPInstanceUID),
            }
        )
    return written, None


def _objects(result: Segmentation, stack: Stack, origin: Origin) -> Iterator[tuple[str, Dataset]]:
    maker = Maker(
        name="hcnet",
        version=hcnet.__version__,
        serial=origin.digest[:16],
        scheme=SCHEME,
        parameters={
            "bundle": origin.bundle,
            "bundle SHA-256": origin.digest,
            "threshold": f"{origin.threshold:g}",
        },
        created=datetime.datetime.now(),
    )
    tumour, heterogeneity, probability = _captions(stack)
    mask, labels = result.tumour, result.heterogeneity
    classes = _classes(result.class_probabilities.shape[-1])
    yield "tumour.dcm", segmentation(stack, mask, [_TUMOUR], tumour, maker)
    yield "heterogeneity.dcm", segmentation(stack, labels, classes, heterogeneity, maker)
    shares = result.probability
    yield "probability.dcm", parametric_map(stack, shares, _PROBABILITY, probability, maker)


def _captions(stack: Stack) -> tuple[Caption, ...]:
    source = stack.instances[0].series_number or 0
    first = _NUMBERS_FROM + (10 * source if 0 < source < _LARGEST_SOURCE_NUMBER else 0)
    words = (
        ("TUMOUR", "tumour mask", "Tumour found in the pre-contrast image"),
        ("HETEROGENEITY", "heterogeneity map", "Predicted enhancement classes"),
        ("PROBABILITY", "tumour probability", "Probability of tumour, 0 to 1"),
    )
    return tuple(
        Caption(label, f"hcnet {name} {_USE}", f"{content} {_USE}", first + number)
        for number, (label, name, content) in enumerate(words, 1)
    )


_TUMOUR = Segment("Tumour", _ABNORMAL, _NEOPLASM, _BREAST, TUMOUR)


def _classes(k: int) -> list[Segment]:
    """The classes of the map, numbered as in `heterogeneity.nii.gz`, in the report's colours."""
    return [
        Segment(
            f"Class {number} of {k}",
            _SPATIAL,
            Code(f"CLASS-{number}-OF-{k}", SCHEME, f"Predicted enhancement class {number} of {k}"),
            _BREAST,
            colour,
        )
        for number, colour in enumerate(class_colours(k), 1)
    ]
