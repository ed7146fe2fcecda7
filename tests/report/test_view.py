import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hcnet.errors import GeometryError
from hcnet.report.view import aligned, pick_slices, view_of
from hcnet.volumes.volume import Grid, Volume


def grid(*spacing: float) -> Grid:
    return Grid((10, 20, 30), np.diag([*spacing, 1.0]))


@pytest.mark.parametrize(
    ("spacing", "name"),
    [
        ((3.0, 1.0, 1.0), "sagittal"),
        ((1.0, 3.0, 1.0), "coronal"),
        ((1.0, 1.0, 3.0), "axial"),
        ((1.0, 1.0, 1.0), "axial"),
        ((1.01, 1.0, 1.0), "axial"),
    ],
)
def test_the_plane_of_the_finest_resolution_is_shown(
    spacing: tuple[float, float, float], name: str
) -> None:
    assert view_of(grid(*spacing)).name == name


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_images_stand_as_radiologists_see_them(axis: int) -> None:
    # The value of each voxel is its place along one axis of the patient: R, A or S.
    places = dict(zip("RAS", np.indices((10, 20, 30)).astype(float), strict=True))
    view = view_of(grid(1, 1, 1), axis)
    left, right, top, bottom = view.letters
    opposite = {"R": "L", "A": "P", "S": "I"}
    across, up = view.cut(places[left], 4), view.cut(places[top], 4)
    assert (np.diff(across, axis=1) < 0).all()  # towards R or A on the left
    assert (np.diff(up, axis=0) < 0).all()  # towards A or S at the top
    assert (opposite[left], opposite[top]) == (right, bottom)
    assert np.ptp(view.cut(places["RAS"[axis]], 4)) == 0


def test_sentences() -> None:
    axial = view_of(grid(1, 1, 3))
    assert axial.convention == (
        "Axial, radiological display: patient's right on the left, anterior up."
    )
    sagittal = view_of(grid(3, 1, 1))
    assert (
        sagittal.convention == "Sagittal, radiological display: anterior on the left, superior up."
    )
    assert sagittal.counting == "Slices are counted from the patient's left."


def test_size_in_mm() -> None:
    view = view_of(grid(0.5, 2.0, 4.0))
    assert view.pixel_mm == (0.5, 2.0)
    assert view.size_mm == (5.0, 40.0)
    assert view.cut(np.zeros((10, 20, 30)), 0).shape == (20, 10)


def test_box_around_a_mask() -> None:
    view = view_of(grid(1.0, 2.0, 4.0))
    mask = np.zeros((10, 20, 30), dtype=bool)
    mask[2:4, 5:8, 10] = True
    # Columns run from high to low x: x 2..3 are columns 6..7. Rows: y 5..7 are rows 12..14.
    assert view.box(mask, 0.0) == (6.0, 8.0, 24.0, 30.0)
    assert view.box(mask, 1.0) == (5.0, 9.0, 23.0, 31.0)
    assert view.box(mask, 0.0, least_mm=6.0) == (4.0, 10.0, 24.0, 30.0)
    # What would stick out is pushed back in: 8 mm wide, but the image ends at 10 mm.
    assert view.box(mask, 0.0, least_mm=8.0)[:2] == (2.0, 10.0)
    assert view.box(mask, 100.0) == (0.0, 10.0, 0.0, 40.0)


@given(hnp.arrays(bool, (6, 5, 9)), st.integers(0, 2), st.integers(1, 5))
def test_slices_show_the_mask(mask: np.ndarray, axis: int, count: int) -> None:
    others = tuple(a for a in range(3) if a != axis)
    area = mask.sum(axis=others)
    chosen = pick_slices(mask, axis, count)
    assert chosen == sorted(set(chosen))
    if not mask.any():
        assert len(chosen) == min(count, mask.shape[axis])
        return
    assert len(chosen) == min(count, np.count_nonzero(area))
    assert all(area[index] > 0 for index in chosen)
    assert max(area[index] for index in chosen) == area.max()


def test_slices_are_spread() -> None:
    mask = np.zeros((3, 3, 100), dtype=bool)
    mask[:, :, 10:90] = True
    chosen = pick_slices(mask, 2, 3)
    assert np.diff(chosen).min() > 10


def test_volumes_are_brought_to_one_orientation() -> None:
    data = np.random.default_rng(0).random((3, 4, 5))
    flip = np.diag([-1.0, -1.0, 2.0, 1.0])
    image, (other, absent) = aligned(Volume(data, flip), Volume(data > 0.5, flip), None)
    np.testing.assert_array_equal(image.data, data[::-1, ::-1])
    np.testing.assert_array_equal(other, data[::-1, ::-1] > 0.5)
    assert absent is None
    with pytest.raises(GeometryError, match="different grids"):
        aligned(Volume(data, flip), Volume(data, np.eye(4)))
