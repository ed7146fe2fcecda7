import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel import orientations
from numpy.testing import assert_allclose, assert_array_equal

from hcnet.cohorts.case import ArraySource, Case
from hcnet.errors import GeometryError, InputError
from hcnet.prepare.prepare import prepare_case, prepare_image
from hcnet.prepare.settings import PrepareConfig
from hcnet.volumes.volume import Volume, to_canonical

SHAPE = (18, 20, 14)
ORDERS = [
    np.array([[a, i], [b, j], [c, k]])
    for a, b, c in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2)]
    for i, j, k in [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)]
]
SETTINGS = PrepareConfig(spacing_mm=(2.0, 1.5, 1.8), margin_mm=4.0)


def oblique_affine() -> np.ndarray:
    c, s = np.cos(0.25), np.sin(0.25)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag([1.6, 1.2, 2.5])
    affine[:3, 3] = (-12, 30, 5)
    return affine


def exam(order: np.ndarray = ORDERS[0]) -> tuple[Volume, Volume]:
    """An image with texture and a breast mask in its middle, in any order of axes."""
    affine = oblique_affine()
    x, y, z = np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij")
    image = 100 + 20 * np.cos(x / 3) + 3.0 * y + 2.0 * z
    inside = ((x - 9) / 6) ** 2 + ((y - 10) / 7) ** 2 + ((z - 7) / 4) ** 2 < 1
    turned = affine @ orientations.inv_ornt_aff(order, SHAPE)
    return tuple(
        Volume(np.ascontiguousarray(orientations.apply_orientation(data, order)), turned)
        for data in (image.astype(np.float32), inside.astype(np.uint8))
    )


def case(phases: list[Volume], **parts: object) -> Case:
    sources = tuple(ArraySource(v, f"phase {i}") for i, v in enumerate(phases))
    return Case("case", sources, **parts)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_ones_come_back_onto_the_own_grid_and_zero_outside_the_box(order):
    image, breast = exam(order)
    prepared = prepare_image(image, SETTINGS, breast)
    assert prepared.grid.axis_codes == "RAS"
    assert_allclose(prepared.grid.spacing, SETTINGS.spacing_mm)
    for method in ("nearest", "linear"):
        back = prepared.to_native(np.ones(prepared.grid.shape, np.float32), method)
        assert back.grid.difference(image.grid) is None
        assert (back.data[breast.data > 0] == 1).all()
        assert (back.data == 0).any()


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_preparing_does_not_see_the_order_of_axes(order):
    first = prepare_image(*_with_mask(exam()))
    other = prepare_image(*_with_mask(exam(order)))
    assert other.grid.difference(first.grid) is None
    assert_allclose(other.image, first.image, atol=1e-4)
    assert_array_equal(other.breast, first.breast)


def _with_mask(pair: tuple[Volume, Volume]) -> tuple[Volume, PrepareConfig, Volume]:
    return pair[0], SETTINGS, pair[1]


@given(st.sampled_from(ORDERS), st.data())
@settings(max_examples=25)
def test_a_marker_returns_to_within_a_voxel(order, data):
    image, breast = exam(order)
    prepared = prepare_image(image, SETTINGS, breast)
    candidates = np.argwhere(prepared.breast)
    marked = tuple(candidates[data.draw(st.integers(0, len(candidates) - 1))])
    array = np.zeros(prepared.grid.shape, np.float32)
    array[marked] = 1
    back = prepared.to_native(array, "linear")
    found = np.unravel_index(back.data.argmax(), back.shape)
    there = image.affine @ [*found, 1]
    meant = prepared.grid.affine @ [*marked, 1]
    assert np.linalg.norm((there - meant)[:3]) < np.linalg.norm(image.spacing)


def test_native_spacing_keeps_the_voxels_themselves():
    image, breast = exam(ORDERS[4])
    prepared = prepare_image(image, PrepareConfig(spacing_mm=None, margin_mm=200), breast)
    assert prepared.grid.difference(prepared.canonical) is None
    assert_array_equal(prepared.breast, to_canonical(breast).data > 0)
    assert_array_equal(prepared.to_native(prepared.breast, "nearest").data, breast.data > 0)
    rank = np.argsort(to_canonical(image).data[prepared.breast])
    assert (np.diff(prepared.image[prepared.breast][rank]) >= 0).all()


@pytest.mark.parametrize("margin", [0.0, 5.0])
def test_the_box_is_the_breast_and_its_margin(margin):
    image, breast = exam()
    prepared = prepare_image(image, PrepareConfig(spacing_mm=None, margin_mm=margin), breast)
    inside = np.argwhere(prepared.breast)
    room = np.concatenate([inside.min(0), np.array(prepared.grid.shape) - 1 - inside.max(0)])
    expected = np.minimum(np.round(margin / np.array(image.spacing)), 99)
    assert (room <= np.tile(expected, 2)).all()
    assert room.max() == expected.max()


def test_zscore_holds_within_the_breast_of_the_prepared_grid():
    image, breast = exam()
    prepared = prepare_image(image, SETTINGS, breast)
    assert prepared.image.dtype == np.float32
    assert_allclose(prepared.image[prepared.breast].mean(), 0, atol=1e-4)
    assert_allclose(prepared.image[prepared.breast].std(), 1, atol=1e-4)


def test_without_a_mask_the_breast_is_found(torso):
    scene = torso(0.15, spacing=(4.0, 3.0, 3.0))
    prepared = prepare_image(scene.image, PrepareConfig(spacing_mm=(4, 4, 4)))
    back = prepared.to_native(prepared.breast, "nearest").data
    assert (back & scene.breast).sum() / scene.breast.sum() > 0.98


def test_prepared_case_holds_raw_phases_mask_and_times():
    image, breast = exam(ORDERS[7])
    post = image.with_data(image.data * 2 + 1)
    times = (0.0, 90.0)
    parts = {"times_s": times, "times_from": "pre"}
    sources = {"tumour": ArraySource(breast, "mask"), "breast": ArraySource(breast, "mask")}
    prepared = prepare_case(case([image, post], **parts, **sources), SETTINGS)
    assert prepared.phases.shape == (2, *prepared.image.grid.shape)
    assert prepared.phases.dtype == np.float32
    inside = prepared.image.breast
    assert_allclose(prepared.phases[1][inside], prepared.phases[0][inside] * 2 + 1, rtol=1e-4)
    assert 90 < prepared.phases[0][inside].mean() < 180
    assert_array_equal(prepared.tumour, inside)
    assert (prepared.times_s, prepared.times_from) == (times, "pre")


def test_one_phase_without_reference_is_a_case():
    image, breast = exam()
    prepared = prepare_case(case([image], breast=ArraySource(breast, "mask")), SETTINGS)
    assert prepared.phases.shape == (1, *prepared.image.grid.shape)
    assert prepared.tumour is None


def test_a_slightly_moved_phase_is_resampled_by_its_own_affine():
    image, breast = exam()
    affine = image.affine.copy()
    affine[:3, 3] -= affine[:3, 0]  # one voxel to the left, with the content one voxel on
    moved = Volume(np.roll(image.data, 1, axis=0), affine)
    prepared = prepare_case(case([image, moved], breast=ArraySource(breast, "mask")), SETTINGS)
    inside = prepared.image.breast
    assert_allclose(prepared.phases[1][inside], prepared.phases[0][inside], rtol=1e-3)


def test_an_empty_tumour_mask_is_allowed_with_a_warning(caplog):
    image, breast = exam()
    empty = ArraySource(breast.with_data(np.zeros(breast.shape, np.uint8)), "tumour.nii.gz")
    with caplog.at_level(logging.WARNING):
        prepared = prepare_case(
            case([image], breast=ArraySource(breast, "mask"), tumour=empty), SETTINGS
        )
    assert prepared.tumour is not None
    assert not prepared.tumour.any()
    assert "tumour.nii.gz: the tumour mask is empty" in caplog.text


@pytest.mark.parametrize("part", [(slice(7, 11), slice(17, 20)), (slice(0, 3), slice(0, 3))])
def test_a_tumour_outside_the_breast_mask_is_told(caplog, part):
    image, breast = exam()
    data = np.zeros(breast.shape, np.uint8)
    data[8:11, 9:12, 6:8] = 1
    data[*part, 6:8] = 1
    tumour = ArraySource(breast.with_data(data), "tumour.nii.gz")
    with caplog.at_level(logging.WARNING):
        prepare_case(case([image], breast=ArraySource(breast, "mask"), tumour=tumour), SETTINGS)
    assert "outside the breast mask" in caplog.text


def test_a_tumour_that_the_grid_cannot_hold_is_told(caplog):
    image, breast = exam()
    data = np.zeros(breast.shape, np.uint8)
    data[9, 10, 7] = 1
    tumour = ArraySource(breast.with_data(data), "tumour.nii.gz")
    coarse = PrepareConfig(spacing_mm=(6, 6, 6))
    with caplog.at_level(logging.WARNING):
        prepare_case(case([image], breast=ArraySource(breast, "mask"), tumour=tumour), coarse)
    assert "too small for the prepared grid" in caplog.text


def test_masks_of_0_and_255_and_booleans_are_the_same_as_0_and_1():
    image, breast = exam()
    first = prepare_image(image, SETTINGS, breast)
    for data in (breast.data * 255, breast.data.astype(bool), breast.data.astype(np.float32)):
        assert_array_equal(
            prepare_image(image, SETTINGS, breast.with_data(data)).breast, first.breast
        )


def broken(value: float) -> np.ndarray:
    data = exam()[0].data.copy()
    data[3, 4, 5] = value
    return data


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (broken(np.nan), "1 voxels are NaN or infinite"),
        (broken(np.inf), "1 voxels are NaN or infinite"),
        (np.full(SHAPE, 4), "every voxel has the value 4"),
        (np.arange(2 * 20 * 20).reshape(20, 20, 2), "at least 3 voxels"),
    ],
)
def test_an_unusable_image_is_refused_by_name(data, match):
    with pytest.raises(InputError, match=f"^pre.nii.gz: .*{match}"):
        prepare_image(Volume(data, oblique_affine()), SETTINGS, location="pre.nii.gz")


def test_an_image_without_a_breast_is_refused_by_name():
    with pytest.raises(InputError, match=r"^pre.nii.gz: no breast found"):
        prepare_image(exam()[0], SETTINGS, location="pre.nii.gz")


def test_an_unusable_breast_mask_is_refused_by_name():
    image, breast = exam()
    names = {"location": "pre.nii.gz", "breast_location": "breast.nii.gz"}
    shifted = breast.affine.copy()
    shifted[0, 3] += 1
    with pytest.raises(GeometryError, match=r"breast.nii.gz.* than pre.nii.gz .*mm apart"):
        prepare_image(image, SETTINGS, Volume(breast.data, shifted), **names)
    with pytest.raises(GeometryError, match=r"breast.nii.gz.* than pre.nii.gz .*shape"):
        prepare_image(image, SETTINGS, Volume(breast.data[1:], breast.affine), **names)
    labels = breast.data.copy()
    labels[9, 10, 7] = 2
    with pytest.raises(InputError, match=r"breast.nii.gz.*0, 1, 2;"):
        prepare_image(image, SETTINGS, breast.with_data(labels), **names)
    with pytest.raises(InputError, match=r"breast.nii.gz.*empty"):
        prepare_image(image, SETTINGS, breast.with_data(np.zeros(SHAPE)), **names)


def test_a_phase_of_another_shape_or_place_is_refused_by_name():
    image, breast = exam()
    masks = {"breast": ArraySource(breast, "mask")}
    shorter = Volume(image.data[:, :, :-1], image.affine)
    with pytest.raises(GeometryError, match=r"phase 1: has shape .* phase 0"):
        prepare_case(case([image, shorter], **masks), SETTINGS)
    away = image.affine.copy()
    away[1, 3] += 200
    with pytest.raises(GeometryError, match=r"phase 1: shows only 0 % of the region of phase 0"):
        prepare_case(case([image, Volume(image.data, away)], **masks), SETTINGS)
    with pytest.raises(InputError, match=r"phase 1: 1 voxels are NaN"):
        prepare_case(case([image, image.with_data(broken(np.nan))], **masks), SETTINGS)


def test_many_phases_keep_their_order_and_the_first_bad_one_is_named():
    image, breast = exam()
    masks = {"breast": ArraySource(breast, "mask")}
    phases = [image.with_data(image.data + 100 * number) for number in range(8)]
    prepared = prepare_case(case(phases, **masks), SETTINGS)
    alone = prepare_image(image, SETTINGS, breast)
    for number, phase in enumerate(phases):
        assert_array_equal(prepared.phases[number], alone.frame.to_prepared(phase, "linear"))
    told: list[int] = []

    def ready(found: np.ndarray, number: int) -> None:
        told.append(number)
        assert_array_equal(found[number], prepared.phases[number])

    prepare_case(case(phases, **masks), SETTINGS, ready)
    assert told == list(range(8))
    phases[3] = phases[5] = image.with_data(broken(np.nan))
    with pytest.raises(InputError, match="phase 3: 1 voxels are NaN"):
        prepare_case(case(phases, **masks), SETTINGS)


def test_a_tumour_mask_on_another_grid_is_refused_by_name():
    image, breast = exam()
    tumour = ArraySource(Volume(breast.data, breast.affine @ np.diag([1, 1, 1.1, 1])), "tumour")
    with pytest.raises(GeometryError, match="tumour: lies on another grid than phase 0"):
        prepare_case(case([image], breast=ArraySource(breast, "m"), tumour=tumour), SETTINGS)


def test_an_array_of_another_shape_does_not_come_back():
    prepared = prepare_image(*_with_mask(exam()))
    with pytest.raises(GeometryError, match="prepared grid"):
        prepared.to_native(np.zeros((3, 3, 3)), "nearest")
