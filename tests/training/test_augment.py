"""Augmentation: the same functions and ranges as MONAI's transforms, and labels stay labels."""

import monai
import numpy as np
import pytest
import torch
from monai import transforms as mt

from hcnet.settings import AugmentSettings
from hcnet.training.augment import BIAS, GAMMA, NOISE, Augment, Changes, apply

SIZE = (12, 30, 21)
ISOTROPIC = (1.0, 1.0, 1.0)
ALL = AugmentSettings(
    flip=1, rotate=1, rotate_degrees=10, intensity=1, gamma=1, bias_field=1, noise=1
)
NONE = AugmentSettings(flip=0, rotate=0, intensity=0, gamma=0, bias_field=0, noise=0)


@pytest.fixture(autouse=True)
def _plain_tensors():
    tracked = monai.data.get_track_meta()
    monai.data.set_track_meta(False)
    yield
    monai.data.set_track_meta(tracked)


@pytest.fixture
def patch():
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randn(2, *SIZE, generator=generator),
        "maps": torch.rand(4, *SIZE, generator=generator).half(),
        "tumour": torch.randint(0, 2, (1, *SIZE), generator=generator).byte(),
        "labels": torch.randint(0, 7, (1, *SIZE), generator=generator).byte(),
    }


def changed(patch, **changes):
    kinds = {k: torch.float32 if a.is_floating_point() else a.dtype for k, a in patch.items()}
    out = {key: torch.full(a.shape, 99, dtype=kinds[key]) for key, a in patch.items()}
    apply(Changes(**changes), patch, out)
    return out


def test_nothing_drawn_changes_nothing(patch):
    assert Augment(NONE, ISOTROPIC).draw(np.random.default_rng(0)).flip == (False, False)
    for key, array in changed(patch).items():
        assert torch.equal(array, patch[key].to(array.dtype))


@pytest.mark.parametrize("flip", [(True, False), (False, True), (True, True)])
def test_a_flip_mirrors_all_arrays_alike(patch, flip):
    axes = [axis for axis, flips in zip((1, 3), flip, strict=True) if flips]
    for key, array in changed(patch, flip=flip).items():
        assert torch.equal(array, patch[key].flip(axes).to(array.dtype))


@pytest.mark.parametrize(
    "angles",
    [(0.17, 0, 0), (0, -0.1, 0), (0, 0, 0.12), (-0.15, 0, 0.1), (0.1, -0.15, 0.12)],
)
@pytest.mark.parametrize("flip", [(False, False), (True, False), (True, True)])
def test_a_rotation_is_monais_after_the_flip(patch, angles, flip):
    axes = [axis for axis, flips in zip((1, 3), flip, strict=True) if flips]
    for key, array in changed(patch, flip=flip, angles=angles).items():
        label = key in ("tumour", "labels")
        rotate = mt.Rotate(angles, mode="nearest" if label else "bilinear", padding_mode="border")
        expected = rotate(patch[key].float().flip(axes))
        if label:  # voxels half-way between two may go to either
            assert (array != expected).float().mean() < 0.002
            assert set(array.unique().tolist()) <= set(patch[key].unique().tolist())
        else:
            torch.testing.assert_close(array, expected, atol=3e-5, rtol=0)


def test_intensity_changes_are_monais(patch):
    image = patch["image"]
    coefficients = np.random.default_rng(0).uniform(0, BIAS, 10)
    bias = mt.RandBiasField(degree=2, prob=1)
    bias._do_transform, bias._coeff = True, coefficients.tolist()
    cases = {
        "gain": ({"gain": 1.15}, mt.ScaleIntensity(None, None, factor=0.15)(image)),
        "offset": ({"offset": -0.1}, mt.ShiftIntensity(-0.1)(image)),
        "gamma": ({"gamma": 1.3}, mt.AdjustContrast(1.3)(image)),
        "bias": ({"bias": coefficients}, bias(image, randomize=False)),
    }
    for name, (changes, expected) in cases.items():
        found = changed(patch, **changes)["image"]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, msg=name)


def test_noise_has_its_deviation_and_depends_on_its_seed(patch):
    first, again, other = (
        changed(patch, noise=0.07, noise_seed=seed)["image"] - patch["image"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.std().item() == pytest.approx(0.07, rel=0.03)
    assert abs(first.mean().item()) < 0.003


@pytest.mark.parametrize("size", [(6, 8, 8), (48, 57, 51)])
@pytest.mark.parametrize(
    "changes",
    [
        {"gain": 1.1, "offset": 0.13, "gamma": 1.2},
        {"bias": np.linspace(0.01, BIAS, 10)},
        {"noise": 0.07, "noise_seed": 5},
        {"angles": (0.1, 0.0, 0.0)},
        {"angles": (0.1, 0.2, 0.3), "flip": (True, True)},
    ],
)
def test_the_number_of_threads_changes_no_bit(changes, size):
    # Matrix libraries differ in small products; torch shares out large arrays, here unevenly.
    generator = torch.Generator().manual_seed(0)
    patch = {"image": torch.randn(1, *size, generator=generator)}
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(changed(patch, **changes)["image"])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_constant_image_stays_finite(patch):
    patch["image"].zero_()
    found = changed(patch, gamma=0.8, bias=np.full(10, BIAS))["image"]
    assert torch.equal(found, torch.zeros_like(found))


def test_intensity_changes_touch_the_image_only(patch):
    changes = {"gain": 1.1, "offset": 0.1, "gamma": 1.2, "bias": np.full(10, 0.1), "noise": 0.1}
    found = changed(patch, **changes)
    assert not torch.equal(found["image"], patch["image"])
    for key in ("maps", "tumour", "labels"):
        assert torch.equal(found[key], patch[key].to(found[key].dtype))


def test_draws_have_the_ranges_and_probabilities_of_the_settings():
    rng = np.random.default_rng(0)
    largest = np.deg2rad(10)
    for drawn in (Augment(ALL, ISOTROPIC).draw(rng) for _ in range(200)):
        assert drawn.flip == (True, True)
        assert all(0 < abs(angle) <= largest for angle in drawn.angles)
        assert 0.8 <= drawn.gain <= 1.2
        assert -0.2 <= drawn.offset <= 0.2
        assert GAMMA[0] <= drawn.gamma <= GAMMA[1]
        assert drawn.bias is not None
        assert np.all((drawn.bias >= 0) & (drawn.bias <= BIAS))
        assert 0 <= drawn.noise <= NOISE
    draws = [Augment(AugmentSettings(), ISOTROPIC).draw(rng) for _ in range(4000)]
    shares = {
        "left-right": (np.mean([d.flip[0] for d in draws]), 0.5),
        "head-foot": (np.mean([d.flip[1] for d in draws]), 0.5),
        "rotate": (np.mean([any(d.angles) for d in draws]), 0.2),
        "gain": (np.mean([d.gain != 1 for d in draws]), 0.3),
        "offset": (np.mean([d.offset != 0 for d in draws]), 0.3),
        "gamma": (np.mean([d.gamma != 1 for d in draws]), 0.2),
        "bias field": (np.mean([d.bias is not None for d in draws]), 0.2),
        "noise": (np.mean([d.noise > 0 for d in draws]), 0.2),
    }
    for name, (share, expected) in shares.items():
        assert share == pytest.approx(expected, abs=0.03), name


@pytest.mark.parametrize(
    ("spacing", "turns"),
    [((2.0, 1.6, 1.6), (True, False, False)), ((1.0, 1.0, 3.0), (False, False, True))],
)
def test_rotation_mixes_only_axes_of_one_spacing(spacing, turns):
    drawn = Augment(ALL, spacing).draw(np.random.default_rng(0))
    assert tuple(angle != 0 for angle in drawn.angles) == turns
