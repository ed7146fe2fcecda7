import cc3d
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.open import open_case
from hcnet.errors import GeometryError, InputError
from hcnet.prepare.breast_mask import SMALLEST_ML, breast_mask
from hcnet.volumes.volume import Volume, to_canonical

BRIGHT_FAT, DARK_FAT = 1.2, 0.15


def part_volumes_ml(mask: np.ndarray, volume: Volume) -> np.ndarray:
    labels = cc3d.connected_components(mask, connectivity=26)
    return np.bincount(labels.ravel())[1:] * volume.grid.voxel_ml


@pytest.mark.parametrize("fat", [BRIGHT_FAT, DARK_FAT, 0.06])
@pytest.mark.parametrize("bias", [0.0, 4.0])
def test_both_breasts_are_found_without_the_chest(torso, fat, bias):
    scene = torso(fat, bias=bias)
    mask = breast_mask(scene.image)
    assert (mask & scene.breast).sum() / scene.breast.sum() > 0.99
    assert not (mask & scene.lung).any()
    assert mask.sum() < 1.9 * scene.breast.sum()  # the inner margin and the skin above and below
    left, right = mask[: mask.shape[0] // 2], mask[mask.shape[0] // 2 :]
    assert 0.9 < left.sum() / right.sum() < 1.1
    assert len(part_volumes_ml(mask, scene.image)) == 2  # the sternum parts them


def test_one_breast_of_two_is_found_on_its_side(torso):
    scene = torso(DARK_FAT, sides=(1,))
    mask = breast_mask(scene.image)
    assert (mask & scene.breast).sum() / scene.breast.sum() > 0.99
    assert not mask[: mask.shape[0] // 3].any()


@pytest.mark.parametrize("fat", [BRIGHT_FAT, DARK_FAT])
def test_sagittal_stack_of_one_breast(torso, fat):
    scene = torso(fat, sides=(1,), x_mm=(20.0, 140.0), spacing=(4.0, 1.5, 1.5))
    mask = breast_mask(scene.image)
    assert (mask & scene.breast).sum() / scene.breast.sum() > 0.99
    assert not (mask & scene.lung).any()


def test_masked_air_needs_no_noise(torso):
    scene = torso(DARK_FAT, noise=0.0)
    mask = breast_mask(scene.image)
    assert (mask & scene.breast).sum() / scene.breast.sum() > 0.99


def test_scale_of_the_intensities_does_not_matter(torso):
    scene = torso(DARK_FAT)
    scaled = scene.image.with_data(scene.image.data * 8)
    assert_array_equal(breast_mask(scaled), breast_mask(scene.image))


def test_zero_edges_of_the_field_of_view_do_not_matter(torso):
    scene = torso(DARK_FAT)
    data = scene.image.data.copy()
    data[:, -6:] = 0
    data[:, :, :1] = 0
    mask = breast_mask(scene.image.with_data(data))
    assert (mask & scene.breast)[:, :, 2:].sum() / scene.breast[:, :, 2:].sum() > 0.99


def test_no_air_before_the_skin_and_no_crumbs(torso):
    scene = torso(BRIGHT_FAT)
    mask = breast_mask(scene.image)
    air = scene.image.data < 0.05
    assert (mask & air).sum() / mask.sum() < 0.03
    assert part_volumes_ml(mask, scene.image).min() > SMALLEST_ML


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((40, 40, 40), np.float32),
        np.ones((40, 40, 40), np.float32),
        np.random.default_rng(0).rayleigh(1, (40, 40, 40)).astype(np.float32),
    ],
    ids=["zeros", "ones", "noise"],
)
def test_an_image_without_a_breast_is_refused(data):
    with pytest.raises(InputError, match="no breast found"):
        breast_mask(Volume(data, np.diag([3.0, 3.0, 3.0, 1.0])))


def test_a_flat_chest_wall_is_refused():
    data = np.zeros((40, 50, 40), np.float32)
    data[:, :30] = 1
    with pytest.raises(InputError, match="stands out"):
        breast_mask(Volume(data, np.diag([3.0, 3.0, 3.0, 1.0])))


def test_other_orientations_are_refused(torso):
    flipped = Volume(torso(DARK_FAT).image.data, np.diag([-3.0, 3.0, 3.0, 1.0]))
    with pytest.raises(GeometryError, match="LAS"):
        breast_mask(flipped)


@pytest.mark.slow
def test_real_tumours_lie_inside(shared_data):
    dice, covered = [], []
    for case in read_cohort(shared_data / "ispy1_pe").cases:
        assert case.tumour is not None
        assert case.breast is not None
        tumour, reference = (to_canonical(s.load()).data > 0 for s in (case.tumour, case.breast))
        mask = breast_mask(to_canonical(case.pre.load()))
        covered.append((mask & tumour).sum() / tumour.sum())
        dice.append(2 * (mask & reference).sum() / (mask.sum() + reference.sum()))
    assert min(covered) > 0.999
    assert np.mean(dice) > 0.89  # the reference is itself such a line, 2 to 9 mm less deep
    assert min(dice) > 0.7


@pytest.mark.slow
def test_a_real_exam_with_liver_and_heart(shared_data):
    """The breast is in; the mask ends at about the chest wall, and the stack's ends hold no gap."""
    case = open_case(shared_data / "ispy1_1002" / "ISPY1_1002.zip")
    volume = to_canonical(case.pre.load())
    mask = breast_mask(volume)
    assert mask.any(axis=(1, 2)).all()
    assert part_volumes_ml(mask, volume).size == 1
    assert 1200 < mask.sum() * volume.grid.voxel_ml < 2000
    # The ribs lie 40 to 65 mm from the back of this picture, liver and heart behind them.
    behind = mask & (np.arange(volume.shape[1]) * volume.spacing[1] < 30)[None, :, None]
    assert behind.sum() < 0.02 * mask.sum()
