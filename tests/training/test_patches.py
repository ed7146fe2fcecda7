"""Patches: where they are cut, and that each depends on its number alone."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hcnet.settings import AugmentSettings
from hcnet.training.augment import Augment
from hcnet.training.patches import OPEN_SOURCES, Patches, PatchSource, cut_patch, patch_batches

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
    # The mask is not cut itself; under another name it is an array like any other.
    shown = [
        replace(source, arrays=source.arrays | {"labels": source.arrays["breast"]})
        for source in sources
    ]
    patches = Patches(shown, (1, 1, 1), 0.0, None, seed=0)
    assert all(patches[n]["labels"].item() == 1 for n in range(30))
    assert "breast" not in patches[0]


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
            (2.0, 1.6, 1.6),
        )
        return Patches(sources, (8, 12, 12), 0.5, augment, seed=seed)

    first, second, other = build(0), build(0), build(1)
    second[3]  # what was drawn before must not matter
    for key, tensor in first[7].items():
        assert torch.equal(tensor, second[7][key])
    assert not torch.equal(first[7]["image"], other[7]["image"])


def test_a_patch_is_the_same_in_any_batch_and_from_any_thread(sources):
    settings = AugmentSettings(rotate=0.5, noise=0.5)

    def build():
        return Patches(sources, (6, 8, 8), 0.5, Augment(settings, (1.0, 1.0, 1.0)), seed=2)

    in_line = list(patch_batches(build(), 3, 1, 5, workers=0))
    threads = list(patch_batches(build(), 3, 1, 5, workers=3))
    assert len(in_line) == len(threads) == 4
    single = build()
    for step, (first, second) in enumerate(zip(in_line, threads, strict=True), start=1):
        for place in range(3):
            patch = single[3 * step + place]
            for key in ("image", "tumour", "maps"):
                assert torch.equal(first[key][place], patch[key])
                assert torch.equal(second[key][place], patch[key])


def test_patches_have_the_types_that_losses_take(sources):
    batch = Patches(sources, (4, 4, 4), 0.5, None, seed=0).batch(range(2))
    assert {key: (value.dtype, tuple(value.shape[:2])) for key, value in batch.items()} == {
        "image": (torch.float32, (2, 1)),
        "tumour": (torch.uint8, (2, 1)),
        "maps": (torch.float32, (2, 4)),
    }


def test_files_are_read_only_and_few_of_them_are_open(sources):
    before = [path.read_bytes() for path in sources[0].arrays.values()]
    settings = AugmentSettings(intensity=1, gamma=1, bias_field=1, noise=1)
    many = [sources[n % 3] for n in range(OPEN_SOURCES + 5)]
    patches = Patches(many, (4, 4, 4), 0.5, Augment(settings, (1.0, 1.0, 1.0)), seed=0)
    patches.batch(range(len(many)))
    assert patches._opened.cache_info().currsize == OPEN_SOURCES
    assert [path.read_bytes() for path in sources[0].arrays.values()] == before


def test_a_reader_that_stops_early_ends_the_threads(sources):
    before = threading.active_count()
    batches = patch_batches(Patches(sources, (4, 4, 4), 0.5, None, 0), 2, 0, 100, workers=2)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_what_goes_wrong_in_a_thread_is_told(sources, tmp_path):
    gone = [replace(sources[0], arrays=sources[0].arrays | {"image": tmp_path / "gone.npy"})]
    with pytest.raises(FileNotFoundError, match="gone"):
        list(patch_batches(Patches(gone, (4, 4, 4), 0.5, None, 0), 2, 0, 3, workers=1))


def test_batches_go_on_where_they_stopped(sources):
    patches = Patches(sources, (4, 4, 4), 0.5, None, seed=0)
    whole = list(patch_batches(patches, 2, 0, 5, workers=0))
    rest = list(patch_batches(patches, 2, 3, 5, workers=0))
    assert len(whole) == 5
    for a, b in zip(whole[3:], rest, strict=True):
        assert torch.equal(a["image"], b["image"])
