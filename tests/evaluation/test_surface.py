import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

from hcnet.errors import GeometryError
from hcnet.evaluation.surface import bounding_box, surface_distance, surface_voxels

SPACING = (0.7, 1.3, 2.5)
MASKS = hnp.arrays(bool, (5, 6, 4))
SIZES = st.floats(0.2, 5.0)


def box(shape: tuple[int, ...], *ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*r) for r in ranges)] = True
    return mask


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radius_mm: float) -> np.ndarray:
    where = np.indices(shape).T * np.array(SPACING) - np.array(centre) * np.array(SPACING)
    return (np.linalg.norm(where, axis=-1) <= radius_mm).T


def test_parallel_planes_lie_their_gap_apart() -> None:
    first, second = (box((12, 6, 6), (i, i + 1), (0, 6), (0, 6)) for i in (2, 9))
    result = surface_distance(first, second, SPACING)
    assert result.asd_mm == pytest.approx(7 * 0.7)
    assert result.hd95_mm == pytest.approx(7 * 0.7)


def test_two_voxels_lie_their_diagonal_apart() -> None:
    first, second = box((5, 5, 5), *[(0, 1)] * 3), box((5, 5, 5), (3, 4), (4, 5), (2, 3))
    expected = math.hypot(3 * 0.7, 4 * 1.3, 2 * 2.5)
    result = surface_distance(first, second, SPACING)
    assert result.asd_mm == pytest.approx(expected)
    assert result.hd95_mm == pytest.approx(expected)


def test_shifted_cube() -> None:
    # A cube of 3 voxels shifted by one along x. Its surface is 26 voxels: all but the centre. Seen
    # from one, the other's nearest surface is away only for the 9 voxels that left (1 voxel) and
    # for the one that now is the other's centre (1 voxel); that holds both ways.
    first = box((8, 8, 8), (2, 5), (2, 5), (2, 5))
    second = box((8, 8, 8), (3, 6), (2, 5), (2, 5))
    result = surface_distance(first, second, (1.0, 1.0, 1.0))
    assert result.asd_mm == pytest.approx(10 / 26)
    assert result.hd95_mm == pytest.approx(1.0)


def test_concentric_balls_lie_their_radii_apart() -> None:
    shape, centre = (61, 33, 19), (30.0, 16.0, 9.0)
    inner, outer = ball(shape, centre, 9.0), ball(shape, centre, 17.0)
    result = surface_distance(inner, outer, SPACING)
    assert result.asd_mm == pytest.approx(8.0, abs=max(SPACING) / 2)
    assert result.hd95_mm == pytest.approx(8.0, abs=max(SPACING))


def test_hd95_is_the_larger_direction() -> None:
    # A far satellite of the prediction is seen from the prediction only.
    reference = box((40, 4, 4), (0, 2), (0, 2), (0, 2))
    prediction = reference | box((40, 4, 4), (30, 32), (0, 2), (0, 2))
    result = surface_distance(prediction, reference, (1.0, 1.0, 1.0))
    assert 28 <= result.hd95_mm <= 30
    swapped = surface_distance(reference, prediction, (1.0, 1.0, 1.0))
    assert swapped == result


# MONAI 1.6 calls one of its own functions with an argument that it deprecates.
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_monai(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shape = (30, 22, 14)
    masks = [
        ball(shape, tuple(generator.uniform(0.2, 0.8, 3) * shape), generator.uniform(3, 9))
        | ball(shape, tuple(generator.uniform(0.0, 1.0, 3) * shape), generator.uniform(2, 6))
        for _ in range(2)
    ]
    result = surface_distance(masks[0], masks[1], SPACING)
    tensors = [torch.from_numpy(mask)[None, None].float() for mask in masks]
    asd = compute_average_surface_distance(*tensors, symmetric=True, spacing=SPACING)
    hd95 = compute_hausdorff_distance(*tensors, percentile=95, spacing=SPACING)
    assert result.asd_mm == pytest.approx(float(asd), rel=1e-4)
    assert result.hd95_mm == pytest.approx(float(hd95), rel=1e-4)


@pytest.mark.parametrize("full", [(False, False), (True, False), (False, True)])
def test_empty_masks_have_no_distance(full: tuple[bool, bool]) -> None:
    first, second = (np.full((3, 3, 3), value) for value in full)
    result = surface_distance(first, second, SPACING)
    assert math.isnan(result.asd_mm)
    assert math.isnan(result.hd95_mm)


@settings(deadline=None)
@given(MASKS, MASKS, SIZES)
def test_invariants(a: np.ndarray, b: np.ndarray, factor: float) -> None:
    forth = surface_distance(a, b, SPACING)
    if math.isnan(forth.asd_mm):
        assert not (a.any() and b.any())
        return
    back = surface_distance(b, a, SPACING)
    assert forth.asd_mm == pytest.approx(back.asd_mm)
    assert forth.hd95_mm == pytest.approx(back.hd95_mm)
    scaled = surface_distance(a, b, tuple(factor * s for s in SPACING))
    assert scaled.asd_mm == pytest.approx(factor * forth.asd_mm)
    assert scaled.hd95_mm == pytest.approx(factor * forth.hd95_mm)
    assert forth.hd95_mm <= np.linalg.norm(np.array(a.shape) * SPACING)


@settings(deadline=None)
@given(MASKS)
def test_a_mask_lies_on_itself(mask: np.ndarray) -> None:
    result = surface_distance(mask, mask, SPACING)
    if mask.any():
        assert (result.asd_mm, result.hd95_mm) == (0, 0)


@given(MASKS)
def test_surface_voxels_have_a_face_neighbour_outside(mask: np.ndarray) -> None:
    found = {tuple(voxel) for voxel in surface_voxels(mask)}
    padded = np.pad(mask, 1)
    for voxel in np.argwhere(mask):
        at = voxel + 1
        neighbours = [
            at + sign * np.eye(3, dtype=int)[axis] for axis in range(3) for sign in (1, -1)
        ]
        on_surface = not all(padded[tuple(n)] for n in neighbours)
        assert (tuple(voxel) in found) == on_surface
    assert len(found) <= mask.sum()


def test_bounding_box() -> None:
    start, stop = bounding_box(box((9, 9, 9), (1, 4), (2, 3), (5, 9)))
    assert start.tolist() == [1, 2, 5]
    assert stop.tolist() == [4, 3, 9]


def test_shapes_are_checked() -> None:
    with pytest.raises(GeometryError, match="differ in shape"):
        surface_distance(np.ones((2, 2, 2), bool), np.ones((2, 2, 3), bool), SPACING)
