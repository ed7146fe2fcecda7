"""Volume geometry: canonical orientation and back, for every orientation there is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hcnet.errors import GeometryError
from hcnet.volumes.volume import Grid, Volume, canonical_grid, from_canonical, to_canonical

SHAPE = (3, 4, 5)


def affine_of(permutation, signs, spacing=(1.5, 2.0, 3.0), turn=None, origin=(7.0, -8.0, 9.0)):
    matrix = np.zeros((3, 3))
    for axis, (target, sign) in enumerate(zip(permutation, signs, strict=True)):
        matrix[target, axis] = sign * spacing[axis]
    if turn is not None:
        matrix = turn @ matrix
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = origin
    return affine


ALL_48 = [
    (p, s) for p in itertools.permutations(range(3)) for s in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize(("permutation", "signs"), ALL_48)
def test_every_axis_order_comes_back_exactly(permutation, signs):
    data = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    volume = Volume(data, affine_of(permutation, signs))
    canonical = to_canonical(volume)
    assert canonical.grid.axis_codes == "RAS"
    back = from_canonical(canonical, volume.grid)
    np.testing.assert_array_equal(back.data, data)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-12)


@given(
    st.sampled_from(ALL_48),
    st.tuples(*[st.floats(-40, 40)] * 3),
    st.tuples(*[st.integers(0, n - 1) for n in SHAPE]),
)
def test_a_voxel_keeps_its_place_in_millimetres(order, degrees, index):
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    data = np.zeros(SHAPE, dtype=np.uint8)
    data[index] = 1
    volume = Volume(data, affine_of(*order, turn=turn))
    canonical = to_canonical(volume)
    (there,) = np.argwhere(canonical.data == 1)
    np.testing.assert_allclose(
        canonical.affine @ [*there, 1], volume.affine @ [*index, 1], atol=1e-9
    )
    back = from_canonical(canonical, volume.grid)
    np.testing.assert_array_equal(back.data, data)
    assert canonical_grid(volume.grid).difference(canonical.grid) is None


def test_from_canonical_refuses_another_grid():
    volume = Volume(np.zeros(SHAPE), np.eye(4))
    moved = Grid(SHAPE, affine_of((0, 1, 2), (1, 1, 1)))
    with pytest.raises(GeometryError, match="does not belong"):
        from_canonical(volume, moved)


def test_crop_keeps_millimetres():
    grid = Grid((10, 11, 12), affine_of((2, 0, 1), (1, -1, 1)))
    crop = grid.crop((slice(2, 5), slice(3, 9), slice(4, 12)))
    assert crop.shape == (3, 6, 8)
    np.testing.assert_allclose(crop.affine @ [0, 0, 0, 1], grid.affine @ [2, 3, 4, 1])


def test_spacing_and_voxel_volume():
    grid = Grid((2, 2, 2), affine_of((1, 2, 0), (-1, 1, -1)))
    assert grid.spacing == pytest.approx((1.5, 2.0, 3.0))
    assert grid.voxel_ml == pytest.approx(0.009)


def test_difference_names_what_differs():
    grid = Grid(SHAPE, np.eye(4))
    moved = np.eye(4)
    moved[0, 3] = 0.5
    assert grid.difference(Grid(SHAPE, np.eye(4))) is None
    assert "0.5 mm" in str(grid.difference(Grid(SHAPE, moved)))
    assert "shape" in str(grid.difference(Grid((3, 4, 6), np.eye(4))))


@pytest.mark.parametrize(
    "affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1.0, 1.0, 0.0, 1.0]), np.eye(3)]
)
def test_unusable_affines_are_refused(affine):
    with pytest.raises(GeometryError):
        Volume(np.zeros(SHAPE), affine)


def test_wrong_number_of_axes_is_refused():
    with pytest.raises(GeometryError, match="three axes"):
        Volume(np.zeros((3, 4)), np.eye(4))
