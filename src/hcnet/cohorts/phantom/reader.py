"""What a reader makes of a tumour: an outline that strays from the truth, and a box."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.cohorts.phantom.fields import Frame, gaussian, random_field
from hcnet.cohorts.phantom.parameters import ReaderParameters
from hcnet.cohorts.phantom.tissue import voxel_width

Bounds = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def outline(
    rng: np.random.Generator, frame: Frame, tumour: NDArray[np.bool_], reader: ReaderParameters
) -> NDArray[np.bool_]:
    """The tumour as one reader would outline it: holes filled, the surface moved in and out.

    Args:
        rng: where the reader's errors come from.
        frame: of the image.
        tumour: (X, Y, Z) exact mask.
        reader: how far the surface strays.

    Returns:
        (X, Y, Z) mask; empty where the tumour is, and never empty elsewhere.
    """
    drawn = np.zeros_like(tumour)
    if not tumour.any():
        return drawn
    radius = (3000 * np.count_nonzero(tumour) * frame.voxel_ml / (4 * np.pi)) ** (1 / 3)
    spread = reader.jitter_share * radius
    box = _padded(tumour, [int(np.ceil((3 * spread + 2) / step)) for step in frame.spacing])
    inside = ndimage.binary_fill_holes(tumour[box])
    # Distances run between voxel centres; the surface lies half a voxel before them.
    half = 0.5 * voxel_width(frame.spacing)
    within = ndimage.distance_transform_edt(inside, frame.spacing) - half
    beyond = ndimage.distance_transform_edt(~inside, frame.spacing) - half
    depth = np.where(inside, within, -beyond)
    error = random_field(rng, 2.5, gaussian(reader.jitter_correlation_mm)).on(frame.crop(box))
    # Half of the error moves the whole outline: some readers draw generously, some tightly.
    whole = float(np.clip(rng.standard_normal(), -2, 2))
    moved = depth + spread * (np.sqrt(0.5) * error + np.sqrt(0.5) * whole)
    drawn[box] = moved > 0
    return drawn if drawn.any() else tumour.copy()


def box_around(
    rng: np.random.Generator, frame: Frame, mask: NDArray[np.bool_], reader: ReaderParameters
) -> Bounds | None:
    """A reader's box: first and one past the last voxel along each axis; None for no lesion."""
    if not mask.any():
        return None
    bounds = []
    for axis, (size, step) in enumerate(zip(mask.shape, frame.spacing, strict=True)):
        others = tuple(a for a in range(3) if a != axis)
        found = np.flatnonzero(mask.any(axis=others))
        before, after = (round(reader.box_margin_mm.draw(rng) / step) for _ in range(2))
        bounds.append((max(int(found[0]) - before, 0), min(int(found[-1]) + 1 + after, size)))
    return bounds[0], bounds[1], bounds[2]


def _padded(mask: NDArray[np.bool_], by: list[int]) -> tuple[slice, slice, slice]:
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    x, y, z = (
        slice(max(s.start - pad, 0), min(s.stop + pad, n))
        for s, pad, n in zip(found, by, mask.shape, strict=True)
    )
    return x, y, z
