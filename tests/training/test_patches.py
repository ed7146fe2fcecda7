"""Patches: where they are cut, and that each depends on its number alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hcnet.settings import AugmentSettings
from hcnet.training.augment import Augment
from hcnet.training.patches import Patches, PatchSource, cut_patch, patch_batches

SHAPE = (10, 20, 30)


@pytest.fixture
def sources(tmp_path):
    found = []
    for i in range(3):
        rng = np.random.default_rng(i)
        tumour = np.zeros(SHAPE, np.uint8)
        tumour[5, 10 + i, 15] = 1
        breast = np.zeros(SHAPE, np.uint8)
        breast[2:8, 4:16, 6:24] = 1
        arrays = {
            "image": rng.normal(size=SHAPE).astype(np.float32),
            "breast": breast,
            "tumour": tumour,
            "maps": rng.random((4, *SHAPE)).astype(np.float16),
        }
        for key, array in arrays.items():
            np.save(tmp_path / f"{i}-{key}.npy", array)
        paths = {key: tmp_path / f"{i}-{key}.npy" for key in arrays}
        found.append(PatchSource(f"case{i}", paths, paths["tumour"]))
    return found


@given(
    st.tuples(*[st.integers(0, n - 1) for n in SHAPE]),
    st.tuples(*[st.integers(1, 24) for _ in SHAPE]),
)
def test_a_patch_has_its_size_and_holds_its_centre(centre, patch):
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    piece = cut_patch(array, np.array(centre), patch)
    assert piece.shape == (1, *patch)
    assert array[centre] in piece
    smaller = tuple(min(p, n) for p, n in zip(patch, SHAPE, strict=True))
    assert len(np.unique(piece)) == np.prod(smaller)  # padding repeats, it invents nothing


def test_padding_repeats_the_border_on_both_sides():
    piece = cut_patch(np.arange(3).reshape(3, 1, 1), np.array([1, 0, 0]), (6, 1, 1))
    assert piece.ravel().tolist() == [0, 0, 1, 2, 2, 2]


def test_channels_stay_together(sources):
    maps = np.load(sources[0].arrays["maps"])
    piece = cut_patch(maps, np.array([5, 10, 15]), (4, 4, 4))
    np.testing.assert_array_equal(piece, maps[:, 3:7, 8:12, 13:17])


def test_lesion_patches_hold_the_lesion(sources):
    patches = Patches(sources, (4, 4, 4), 1.0, None, seed=0)
    assert all(patches[n]["tumour"].sum() == 1 for n in range(12))


def test_other_patches_are_centred_in_the_breast(sources):
    patches = Patches(sources, (1, 1, 1), 0.0, None, seed=0)
    assert all(patches[n]["breast"].item() == 1 for n in range(30))


def test_every_case_once_a_pass(sources):
    patches = Patches(sources, (1, 1, 1), 1.0, None, seed=0)
    images = [np.load(s.arrays["image"]) for s in sources]
    for turn in range(3):
        values = sorted(patches[3 * turn + place]["image"].item() for place in range(3))
        expected = sorted(float(image[5, 10 + i, 15]) for i, image in enumerate(images))
        assert values == pytest.approx(expected)


def test_patch_depends_on_its_number_and_the_seed_alone(sources):
    def build(seed):
        augment = Augment(
            AugmentSettings(rotate=1, noise=1, bias_field=1, gamma=1, intensity=1),
            ("image", "breast", "tumour", "maps"),
            (2.0, 1.6, 1.6),
        )
        return Patches(sources, (8, 12, 12), 0.5, augment, seed=seed)

    first, second, other = build(0), build(0), build(1)
    second[3]  # what was drawn before must not matter
    for key, tensor in first[7].items():
        assert torch.equal(tensor, second[7][key])
    assert not torch.equal(first[7]["image"], other[7]["image"])


def test_augmentation_moves_all_arrays_alike_and_keeps_labels(sources):
    settings = AugmentSettings(flip=1, rotate=0, intensity=0, gamma=0, bias_field=0, noise=0)
    keys = ("image", "breast", "tumour", "maps")
    plain = Patches(sources, (6, 8, 8), 1.0, None, seed=0)[0]
    flipped = Augment(settings, keys, (1.0, 1.0, 1.0))(plain, seed=0)
    for key in keys:
        torch.testing.assert_close(flipped[key], plain[key].flip(1).flip(3))
    rotated = Augment(AugmentSettings(rotate=1), keys, (1.0, 1.0, 1.0))(plain, seed=3)
    assert set(rotated["tumour"].unique().tolist()) <= {0, 1}
    assert rotated["image"].shape == plain["image"].shape


def test_intensity_changes_touch_the_image_only(sources):
    settings = AugmentSettings(flip=0, rotate=0, intensity=1, gamma=1, bias_field=1, noise=1)
    keys = ("image", "breast", "tumour", "maps")
    plain = Patches(sources, (6, 8, 8), 1.0, None, seed=0)[0]
    changed = Augment(settings, keys, (1.0, 1.0, 1.0))(plain, seed=0)
    assert not torch.equal(changed["image"], plain["image"])
    for key in keys[1:]:
        assert torch.equal(changed[key], plain[key])


def test_batches_go_on_where_they_stopped(sources):
    patches = Patches(sources, (4, 4, 4), 0.5, None, seed=0)
    whole = list(patch_batches(patches, 2, 0, 5, workers=0))
    rest = list(patch_batches(patches, 2, 3, 5, workers=0))
    assert len(whole) == 5
    for a, b in zip(whole[3:], rest, strict=True):
        assert torch.equal(a["image"], b["image"])
