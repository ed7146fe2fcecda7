import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hcnet.errors import GeometryError
from hcnet.volumes import resample as resample_module
from hcnet.volumes.resample import grid_with_spacing, resample
from hcnet.volumes.volume import Grid, Volume, canonical_grid, to_canonical

RAMP = np.array([0.3, -1.2, 0.7])


def rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        c, s = np.cos(angle), np.sin(angle)
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i] = turn[j, j] = c
        turn[i, j], turn[j, i] = -s, s
        matrix = matrix @ turn
    return matrix


def grid(shape, spacing, degrees=(0.0, 0.0, 0.0), centre=(0.0, 0.0, 0.0), order=(0, 1, 2)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = (rotation(degrees) @ np.diag(spacing))[:, list(order)]
    middle = (np.array(shape) - 1) / 2
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ middle
    return Grid(tuple(shape), affine)


def positions(of: Grid) -> np.ndarray:
    """Millimetre coordinates of all voxel centres, (X, Y, Z, 3)."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in of.shape], indexing="ij"), axis=-1)
    return index @ of.affine[:3, :3].T + of.affine[:3, 3]


def ramp(on: Grid) -> Volume:
    return Volume(positions(on) @ RAMP + 5.0, on.affine)


def extent_mm(of: Grid) -> np.ndarray:
    return np.array(of.shape) * of.spacing


angles = st.tuples(*[st.floats(-40, 40)] * 3)
spacings = st.tuples(*[st.floats(0.6, 3.0)] * 3)


@given(angles, spacings, angles, spacings)
def test_linear_ramp_is_exact_between_oblique_anisotropic_grids(turn, coarse, other_turn, fine):
    source = grid((12, 14, 11), coarse, turn)
    target = grid((3, 4, 3), np.array(fine) / 3, other_turn)
    found = resample(ramp(source), target, "linear")
    assert found.data.dtype == np.float32
    assert_allclose(found.data, positions(target) @ RAMP + 5.0, atol=2e-4)


def test_ramp_is_exact_through_flipped_and_permuted_axes():
    source = grid((12, 14, 11), (1.5, -1.1, -2.0), (5, 10, -20), order=(2, 0, 1))
    target = grid((4, 3, 5), (-1.0, 0.8, 1.2), (0, 0, 30), order=(1, 2, 0))
    found = resample(ramp(source), target, "linear")
    assert_allclose(found.data, positions(target) @ RAMP + 5.0, atol=1e-4)


@pytest.mark.parametrize("order", ["nearest", "linear"])
def test_own_grid_returns_the_data_unchanged(order):
    own = grid((5, 6, 4), (0.8, -0.9, 2.0), (3, 4, 5))
    data = np.random.default_rng(0).normal(size=own.shape).astype(np.float32)
    found = resample(Volume(data, own.affine), own, order)
    assert_array_equal(found.data, data)


def test_canonical_form_of_a_grid_is_only_a_reordering():
    own = grid((5, 6, 4), (0.8, -0.9, 2.0), (3, 4, 5), order=(2, 0, 1))
    volume = Volume(np.random.default_rng(1).normal(size=own.shape).astype(np.float32), own.affine)
    found = resample(volume, canonical_grid(own), "linear")
    assert_allclose(found.data, to_canonical(volume).data, atol=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, bool, ">i2", np.float64])
def test_nearest_keeps_labels_and_their_type(kind):
    own = grid((6, 5, 4), (1, 1, 2))
    labels = np.random.default_rng(2).integers(0, 2, own.shape).astype(kind)
    target = grid((9, 9, 9), (0.7, 0.7, 0.7), (0, 20, 0))
    found = resample(Volume(labels, own.affine), target, "nearest")
    assert found.data.dtype == np.dtype(kind)
    assert set(np.unique(found.data)) <= {0, 1}


def test_nearest_to_finer_voxels_and_back_returns_the_labels():
    own = grid((6, 5, 4), (1.5, 2.0, 3.0), (10, 20, 30))
    labels = np.random.default_rng(3).integers(0, 5, own.shape).astype(np.uint8)
    fine = grid_with_spacing(own, np.array(own.spacing) / 3)
    there = resample(Volume(labels, own.affine), fine, "nearest")
    assert_array_equal(there.data, np.kron(labels, np.ones((3, 3, 3), np.uint8)))
    assert_array_equal(resample(there, own, "nearest").data, labels)


def test_smooth_image_survives_the_way_to_an_oblique_grid_and_back():
    own = grid((20, 22, 18), (1.2, 1.0, 1.5))
    smooth = np.cos(positions(own) @ [0.15, 0.1, -0.12])
    other = grid((50, 50, 50), (0.7, 0.7, 0.7), (12, -8, 20))
    back = resample(resample(Volume(smooth, own.affine), other, "linear"), own, "linear")
    inner = (slice(3, -3),) * 3
    assert_allclose(back.data[inner], smooth[inner], atol=0.02)


@pytest.mark.parametrize("order", ["nearest", "linear"])
def test_fill_begins_at_the_edge_of_the_last_voxel(order):
    own = grid((4, 4, 4), (2, 2, 2))
    whole = Volume(np.full(own.shape, 7, np.int16), own.affine)
    far = grid((8, 8, 8), (2, 2, 2))
    found = resample(whole, far, order, fill=-1).data
    expected = np.full(far.shape, -1)
    expected[2:6, 2:6, 2:6] = 7
    assert_array_equal(found, expected)
    near_edge = grid((4, 1, 1), (1.96, 1, 1), centre=(1.0, 0, 0))  # last centre at 3.94 of 4 mm
    assert resample(whole, near_edge, order, fill=-1).data[-1] == 7


@given(
    st.tuples(*[st.integers(1, 30)] * 3),
    spacings,
    spacings,
    angles,
)
def test_new_spacing_covers_the_same_field_of_view(shape, old, new, turn):
    own = grid(shape, old, turn, centre=(10, -20, 30))
    made = grid_with_spacing(own, new)
    assert_allclose(made.spacing, new, rtol=1e-9)
    edge = np.array([-0.5, -0.5, -0.5, 1.0])
    assert_allclose(made.affine @ edge, own.affine @ edge, atol=1e-9)
    covered = np.array(made.shape) > 1  # one voxel is kept however large it is
    assert (
        abs(extent_mm(made) - extent_mm(own))[covered] <= np.array(new)[covered] / 2 + 1e-4
    ).all()
    there = (np.linalg.inv(own.affine) @ np.append(positions(made)[-1, -1, -1], 1))[:3]
    assert (there[covered] <= np.array(own.shape)[covered] - 0.5 + 1e-4).all()


def test_own_spacing_gives_the_own_grid():
    own = grid((7, 8, 9), (0.78125, 0.78125, 2.0), (1, 2, 3))
    assert grid_with_spacing(own, own.spacing).difference(own) is None


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (1, -1, 1), (1, float("nan"), 1)])
def test_impossible_spacing_is_refused(spacing):
    with pytest.raises(GeometryError, match="spacing"):
        grid_with_spacing(grid((4, 4, 4), (1, 1, 1)), spacing)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 2.9, 1.3), (4.0, 0.5, 2.5)])
@pytest.mark.parametrize("kind", [np.int16, np.float32, bool])
def test_axis_by_axis_is_what_itk_interpolates(monkeypatch, spacing, kind):
    """Coarser and finer, flipped, and beyond the edges, where both give the fill value."""
    values = np.random.default_rng(0).integers(0, 1000, (11, 9, 1 + 6)).astype(kind)
    source = Volume(values, np.diag([-1.4, 1.4, 2.0, 1.0]))
    target = grid_with_spacing(canonical_grid(source.grid), spacing)
    beyond = Grid((target.shape[0] + 5, *target.shape[1:]), target.affine)
    quick = resample(source, beyond, "linear", fill=-7.0).data
    monkeypatch.setattr(resample_module, "_has_same_axes", lambda *_: False)
    by_itk = resample(source, beyond, "linear", fill=-7.0).data
    assert_allclose(quick, by_itk, rtol=1e-5, atol=1e-4)
    assert (quick == -7.0).any()


def test_a_given_array_takes_the_result():
    source = ramp(grid((8, 7, 6), (1.0, 2.0, 1.5)))
    for target in (
        grid((9, 5, 6), (1.1, 2.0, 1.0)),
        source.grid,
        grid((5, 5, 5), (1, 1, 1), (9, 0, 0)),
    ):
        out = np.empty(target.shape, np.float32)
        assert resample(source, target, "linear", out=out).data is out
        assert_array_equal(out, resample(source, target, "linear").data)
