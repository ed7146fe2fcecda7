"""Numbers of a heterogeneity map inside a tumour: known answers, and laws that must hold."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.heterogeneity import Heterogeneity, heterogeneity, rim_of
from hcnet.volumes.mask_shape import depth_mm, diameter
from hcnet.volumes.volume import Grid, Volume, to_canonical

UNIT = (1.0, 1.0, 1.0)
UNEVEN = (0.7, 1.3, 2.5)
K = 3
MAPS = hnp.arrays(np.uint8, (5, 4, 6), elements=st.integers(0, K))
SIZES = st.floats(0.3, 4.0)


def grid(shape, spacing=UNIT):
    return Grid(shape, np.diag([*spacing, 1.0]))


def measure(labels, spacing=UNIT, k=K, tumour=None, **options) -> Heterogeneity:
    """Of a map that is 0 outside the tumour, unless a mask is given."""
    labels = np.asarray(labels)
    tumour = labels > 0 if tumour is None else tumour
    return heterogeneity(tumour, labels, grid(labels.shape, spacing), k, **options)


def box(size, label=1, margin=2):
    return np.pad(np.full(size, label, np.uint8), margin)


def halves(side):
    labels = np.ones((side,) * 3, np.uint8)
    labels[side // 2 :] = 2
    return np.pad(labels, 1)


def checkerboard(side):
    return np.pad((np.indices((side,) * 3).sum(axis=0) % 2 + 1).astype(np.uint8), 1)


def ball(radius_mm, spacing):
    counts = [2 * math.ceil(radius_mm / size) + 3 for size in spacing]
    middle = [(n - 1) / 2 for n in counts]
    where = (np.indices(counts).T - middle) * np.array(spacing)
    return (np.linalg.norm(where, axis=-1) <= radius_mm).T.astype(np.uint8)


def numbers(result):
    """All of a result as a flat array, None as NaN."""
    whole = result.as_dict()
    rows = [list(part.values()) for part in whole.pop("classes")]
    return np.array([*whole.values(), *(v for row in rows for v in row)], dtype=float)


# Size


def test_a_box_by_hand():
    found = measure(box((10, 4, 2)), (0.5, 1.5, 3.0))
    assert found.volume_ml == pytest.approx(80 * 2.25 / 1000)
    assert found.diameter_mm == pytest.approx(math.hypot(5.0, 6.0, 6.0), rel=1e-12)
    assert found.extent_mm == found.diameter_mm
    assert (found.foci, found.unclassed_ml) == (1, 0.0)
    assert found.smallest_focus_ml == found.volume_ml


def test_a_single_voxel_has_its_own_diagonal_for_a_diameter():
    assert measure(box((1, 1, 1)), UNEVEN).diameter_mm == pytest.approx(math.hypot(*UNEVEN))


@pytest.mark.parametrize("spacing", [UNIT, UNEVEN, (2.0, 0.5, 1.0)])
def test_a_ball_is_as_wide_as_two_radii_within_a_voxel(spacing):
    found = diameter(ball(9.0, spacing) > 0, grid(ball(9.0, spacing).shape, spacing))
    assert abs(found - 18.0) <= math.hypot(*spacing)


def test_the_diameter_does_not_run_along_the_axes():
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[tuple(np.arange(1, 11) for _ in range(3))] = 1  # ten voxels along the diagonal
    assert measure(labels).diameter_mm == pytest.approx(10 * math.sqrt(3))


def test_an_oblique_or_sheared_grid_is_measured_in_its_own_mm():
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * UNEVEN
    labels = box((4, 3, 2))
    turned = heterogeneity(labels, labels, Grid(labels.shape, affine), K)
    assert numbers(turned) == pytest.approx(numbers(measure(labels, UNEVEN)), nan_ok=True)
    affine[:3, 1] = [1.0, 1.3, 0.0]  # the second axis leans over the first, of which a voxel is 0.7
    affine[:3, 0] = [0.7, 0.0, 0.0]
    leaning = diameter(labels > 0, Grid(labels.shape, affine))
    assert leaning == pytest.approx(math.hypot(4 * 0.7 + 3 * 1.0, 3 * 1.3, 2 * 2.5))


def test_foci_are_told_apart():
    labels = np.zeros((20, 6, 6), np.uint8)
    labels[1:4, 1:4, 1:4] = 1
    labels[4, 4, 4] = 2  # touches the first by a corner, so it belongs to it
    labels[17:19, 1, 1] = 3
    found = measure(labels)
    assert found.foci == 2
    assert found.smallest_focus_ml == pytest.approx(0.002)
    assert found.diameter_mm == pytest.approx(math.sqrt(3) * 4)
    # from (19, 1, 1), the far corner of the second, to (1, 4, 4) of the first's 3 x 3 x 3 part
    assert found.extent_mm == pytest.approx(math.hypot(18, 3, 3))


def test_small_foci_can_be_left_out_of_everything():
    labels = np.zeros((20, 6, 6), np.uint8)
    labels[1:4, 1:4, 1:4] = 1
    labels[17:19, 1, 1] = 3
    kept = measure(labels, least_focus_ml=0.003)
    labels[17:19] = 0
    assert numbers(kept) == pytest.approx(numbers(measure(labels)), nan_ok=True)
    assert measure(labels, least_focus_ml=0.028) == measure(np.zeros_like(labels))


# Mixture


def test_shares_and_entropy_by_hand():
    labels = box((8, 1, 1))
    labels[labels > 0] = [1, 1, 1, 1, 2, 2, 3, 3]
    found = measure(labels, UNEVEN, k=4)
    assert [part.share for part in found.classes] == [0.5, 0.25, 0.25, 0.0]
    assert [part.label for part in found.classes] == [1, 2, 3, 4]
    assert found.classes[0].volume_ml == pytest.approx(4 * 0.7 * 1.3 * 2.5 / 1000)
    assert found.entropy_bits == pytest.approx(1.5)
    assert found.entropy == pytest.approx(0.75)


def test_one_class_has_no_entropy_and_equal_ones_have_all():
    assert str(measure(box((3, 3, 3))).entropy_bits) == "0.0"
    assert measure(box((3, 3, 3)), k=1).entropy is None
    labels = box((1, 1, 4))
    labels[labels > 0] = [1, 2, 3, 4]
    assert measure(labels, k=4).entropy == pytest.approx(1.0)


def test_voxels_of_the_tumour_without_a_class_count_for_size_alone():
    labels = box((4, 1, 1))
    tumour = labels > 0
    labels[labels > 0] = [1, 1, 2, 0]
    found = measure(labels, tumour=tumour)
    assert found.volume_ml == pytest.approx(0.004)
    assert found.unclassed_ml == pytest.approx(0.001)
    assert [part.share for part in found.classes] == pytest.approx([2 / 3, 1 / 3, 0])


def test_the_map_outside_the_tumour_does_not_matter():
    labels, other = halves(4), halves(4)
    other[labels == 0] = 3
    assert measure(other, tumour=labels > 0) == measure(labels)


def test_ith_by_hand():
    # class 1: regions of 4 and 2; class 2: one of 3; class 3: a lone voxel, which counts for none
    labels = box((10, 1, 1))
    labels[labels > 0] = [1, 1, 1, 1, 2, 2, 2, 1, 1, 3]
    found = measure(labels)
    assert found.ith == pytest.approx(1 - (4 / 2 + 3 / 1 + 0) / 10)
    assert [part.regions for part in found.classes] == [2, 1, 0]
    assert [part.largest_region_ml for part in found.classes] == pytest.approx([0.004, 0.003, 0])


def test_ith_is_0_for_classes_in_one_piece_each_and_1_for_lone_voxels():
    assert measure(box((4, 4, 4))).ith == 0.0
    assert measure(halves(6)).ith == 0.0
    labels = box((5, 1, 1))
    labels[labels > 0] = [1, 2, 1, 2, 1]
    assert measure(labels).ith == 1.0
    assert measure(box((1, 1, 1))).ith is None


def test_regions_touch_by_their_corners():
    assert [part.regions for part in measure(checkerboard(4)).classes] == [1, 1, 0]


@pytest.mark.parametrize("side", [2, 4, 6])
def test_a_checkerboard_clusters_as_little_as_can_be(side):
    # no join lies within a class; of n voxels in two equal classes, E = (n - 2) / (2 (n - 1))
    n = side**3
    assert measure(checkerboard(side)).clustering == pytest.approx(-(n - 2) / n)


@pytest.mark.parametrize("side", [4, 10, 20])
def test_halves_cluster_nearly_as_much_as_can_be(side):
    # of 3 side^2 (side - 1) joins, side^2 cross
    n, apart = side**3, 1 / (3 * (side - 1))
    assert measure(halves(side)).clustering == pytest.approx(1 - apart * 2 * (n - 1) / n)


def test_classes_dealt_out_at_random_do_not_cluster():
    labels = np.random.default_rng(3).integers(1, K + 1, (24, 24, 24)).astype(np.uint8)
    # the share within a class varies by sqrt(p (1 - p) / joins) = .0023 or so, .0035 of 1 - p
    assert abs(measure(labels).clustering) < 0.014


def test_joins_across_thick_slices_weigh_less():
    # 3 x 3 x 3 voxels; slices alternate, so 36 joins within and 18 across, 1 / d each
    labels = np.ones((3, 3, 3), np.uint8)
    labels[..., 1] = 2
    expected = (18 * 17 + 9 * 8) / (27 * 26)
    for thick in (1.0, 5.0):
        within = 36 / (36 + 18 / thick)
        found = measure(labels, (1.0, 1.0, thick)).clustering
        assert found == pytest.approx((within - expected) / (1 - expected))


def test_without_joins_or_with_one_class_there_is_no_clustering():
    assert measure(box((4, 4, 4))).clustering is None
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[0, 0, 0], labels[2, 2, 2] = 1, 2
    assert measure(labels).clustering is None


# Rim and core


def test_the_rim_of_a_large_cube_is_3_mm_thick():
    found = measure(box((30, 30, 30)))
    assert found.core_ml == pytest.approx(24**3 / 1000)
    assert found.rim_ml == pytest.approx((30**3 - 24**3) / 1000)


def test_the_rim_of_a_small_cube_is_a_third_of_its_depth():
    # the middle lies 4.5 mm deep; layers at 0.5 and 1.5 mm are rim
    assert measure(box((9, 9, 9))).core_ml == pytest.approx(0.125)


def test_rounding_does_not_move_the_rim():
    # of 3 x 3 x 3 voxels the middle is exactly three times as deep as the rest
    for size in np.linspace(0.3, 2.0, 35):
        rim = rim_of(np.ones((3, 3, 3), int), (size, size, size))
        assert rim.sum() == 26, size


def test_the_rim_counts_in_mm_along_each_axis():
    labels = box((60, 30, 12))
    rim = rim_of((labels > 0).astype(int), (0.5, 1.0, 2.5))
    # layers whose centre lies at most 3 mm deep: six of .5 mm, three of 1 mm, one of 2.5 mm
    core = np.zeros(labels.shape, bool)
    core[2 + 6 : -8, 2 + 3 : -5, 2 + 1 : -3] = True
    np.testing.assert_array_equal(~rim & (labels > 0), core)


def test_depth_is_measured_to_the_surface_and_not_to_a_voxel_centre():
    # on the diagonal of an L the nearest surface is the line of its inner corner
    labels = np.ones((21, 21, 21), np.uint8)
    labels[14:, 14:] = 0
    rim = rim_of((labels > 0).astype(int), UNIT)
    depth = {i: math.sqrt(2) * (14 - (i + 0.5)) for i in (11, 12)}
    third = math.sqrt(2) * (14 - 8.5) / 3  # (8, 8) lies deepest
    assert depth[12] < third < depth[11]
    assert rim[12, 12, 10]
    assert not rim[11, 11, 10]


def test_the_edge_of_the_image_is_a_surface():
    labels = np.ones((9, 9, 9), np.uint8)
    assert measure(labels).core_ml == measure(box((9, 9, 9))).core_ml


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 2, 2), (1, 1, 9), (2, 2, 9)])
def test_a_focus_too_thin_for_a_core_is_all_rim(size):
    found = measure(box(size), UNEVEN)
    assert found.core_ml == 0.0
    assert found.rim_ml == pytest.approx(found.volume_ml)
    assert found.classes[0].core_share is None


def test_each_focus_has_a_rim_of_its_own():
    labels = np.zeros((50, 34, 34), np.uint8)
    labels[1:31, 1:31, 1:31] = 1
    labels[36:45, 1:10, 1:10] = 1
    assert measure(labels).core_ml == pytest.approx((24**3 + 5**3) / 1000)


def test_composition_of_rim_and_core():
    labels = box((9, 9, 9), label=2)
    labels[4:9, 4:9, 4:9] = 1
    labels[6, 6, 6] = 3
    found = measure(labels)
    assert [part.rim_share for part in found.classes] == [0.0, 1.0, 0.0]
    assert [part.core_share for part in found.classes] == pytest.approx([124 / 125, 0, 1 / 125])


# Laws


@settings(max_examples=40, deadline=None)
@given(MAPS, st.permutations(range(1, K + 1)))
def test_renaming_the_classes_only_reorders_them(labels, order):
    before, after = measure(labels), measure(np.array([0, *order], np.uint8)[labels])
    moved = [after.classes[order[part.label - 1] - 1] for part in before.classes]
    for part, other in zip(before.classes, moved, strict=True):
        assert {**vars(part), "label": 0} == {**vars(other), "label": 0}
    for name in ("entropy_bits", "entropy", "ith", "clustering", "rim_ml", "diameter_mm"):
        assert getattr(before, name) == pytest.approx(getattr(after, name), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(MAPS, st.permutations(range(3)), st.tuples(*[st.booleans()] * 3), st.tuples(*[SIZES] * 3))
def test_turning_and_mirroring_the_array_with_its_affine_changes_nothing(
    labels, order, mirrored, spacing
):
    affine = np.diag([*spacing, 1.0])
    turned, turned_affine = labels.transpose(order), affine[:, [*order, 3]].copy()
    for axis in np.flatnonzero(mirrored):
        turned = np.flip(turned, axis)
        turned_affine[:3, 3] += (turned.shape[axis] - 1) * turned_affine[:3, axis]
        turned_affine[:3, axis] *= -1
    volume = Volume(turned, turned_affine)
    np.testing.assert_array_equal(to_canonical(volume).data, labels)
    found = heterogeneity(turned > 0, turned, volume.grid, K)
    assert numbers(found) == pytest.approx(numbers(measure(labels, spacing)), nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(MAPS, st.tuples(*[SIZES] * 3))
def test_twice_the_spacing_is_twice_the_length_and_eight_times_the_volume(labels, spacing):
    one, two = measure(labels, spacing), measure(labels, tuple(2 * size for size in spacing))
    for name in ("diameter_mm", "extent_mm"):
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name))
    for name in ("volume_ml", "unclassed_ml"):
        assert getattr(two, name) == pytest.approx(8 * getattr(one, name))
    for name in ("entropy_bits", "ith", "clustering", "foci"):
        assert getattr(two, name) == pytest.approx(getattr(one, name))


@settings(max_examples=60, deadline=None)
@given(MAPS, st.tuples(*[SIZES] * 3))
def test_every_number_stays_within_its_range(labels, spacing):
    found = measure(labels, spacing)
    assert found.rim_ml + found.core_ml == pytest.approx(found.volume_ml)
    assert sum(part.volume_ml for part in found.classes) == pytest.approx(found.volume_ml)
    assert found.diameter_mm <= found.extent_mm * (1 + 1e-12)
    assert found.extent_mm <= math.hypot(*np.multiply(labels.shape, spacing)) * (1 + 1e-12)
    if found.foci:
        assert 0 <= found.entropy <= 1 + 1e-12
        assert found.smallest_focus_ml * found.foci <= found.volume_ml * (1 + 1e-12)
    assert found.ith is None or 0 <= found.ith <= 1
    assert found.clustering is None or found.clustering <= 1


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(bool, (4, 5, 3)), st.tuples(*[SIZES] * 3))
def test_the_diameter_is_that_of_all_pairs_of_corners(mask, spacing):
    corners = np.array(
        [c for v in np.argwhere(mask) for c in v + np.indices((2,) * 3).reshape(3, -1).T]
    )
    apart = 0.0
    if len(corners):
        points = np.unique(corners, axis=0) * spacing
        apart = np.linalg.norm(points[:, None] - points[None], axis=2).max()
    assert diameter(mask, grid(mask.shape, spacing)) == pytest.approx(apart)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(bool, (4, 5, 3)), st.tuples(*[SIZES] * 3))
def test_depth_is_the_distance_to_the_nearest_point_of_the_nearest_outside_voxel(mask, spacing):
    padded = np.pad(mask, 1)
    outside, expected = np.argwhere(~padded), np.zeros(padded.shape)
    for voxel in np.argwhere(padded):
        gaps = np.maximum(np.abs(outside - voxel) - 0.5, 0.0) * spacing
        expected[tuple(voxel)] = np.linalg.norm(gaps, axis=1).min()
    assert depth_mm(mask, spacing) == pytest.approx(expected[1:-1, 1:-1, 1:-1], rel=1e-5)


# Bad and empty input


def test_an_empty_mask_has_a_defined_result():
    found = measure(np.zeros((4, 4, 4), np.uint8))
    assert (found.volume_ml, found.diameter_mm, found.extent_mm, found.foci) == (0, 0, 0, 0)
    assert (found.rim_ml, found.core_ml, found.unclassed_ml) == (0, 0, 0)
    for name in ("smallest_focus_ml", "entropy_bits", "entropy", "ith", "clustering"):
        assert getattr(found, name) is None
    assert [part.label for part in found.classes] == [1, 2, 3]
    assert all(part.share is None and part.volume_ml == 0 for part in found.classes)


def test_a_tumour_without_any_class_has_a_size_and_no_mixture():
    labels = np.zeros((4, 4, 4), np.uint8)
    found = measure(labels, tumour=np.ones((4, 4, 4), bool))
    assert found.volume_ml == found.unclassed_ml == pytest.approx(0.064)
    assert (found.entropy_bits, found.ith, found.clustering) == (None, None, None)


def test_the_result_is_json():
    for labels in (halves(4), np.zeros((4, 4, 4), np.uint8)):
        told = json.loads(json.dumps(measure(labels).as_dict(), allow_nan=False))
        assert len(told["classes"]) == K


def test_input_that_does_not_fit():
    with pytest.raises(GeometryError, match="must be the same"):
        heterogeneity(np.ones((4, 4, 5)), np.ones((4, 4, 4), int), grid((4, 4, 4)), K)
    with pytest.raises(InputError, match="labels 0 to 4; they must be 0 to 3"):
        measure(np.pad(np.full((1, 1, 1), 4), 1))
    with pytest.raises(InputError, match="labels -1 to"):
        measure(np.full((2, 2, 2), -1))
    with pytest.raises(InputError, match="whole numbers, not float64"):
        measure(np.ones((2, 2, 2)))
    with pytest.raises(InputError, match="at least one class"):
        measure(np.zeros((2, 2, 2), int), k=0)
