"""What an exam can have beside two breasts: each scene has a known answer."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcnet.prepare.breast_mask import breast_mask
from hcnet.volumes.volume import Volume

BRIGHT_FAT, DARK_FAT = 1.2, 0.15
COARSE = (4.0, 4.0, 4.0)


def positions(volume: Volume) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = (
        volume.affine[i, 3] + volume.spacing[i] * np.arange(volume.shape[i]) for i in range(3)
    )
    return np.meshgrid(x, y, z, indexing="ij")


def with_tissue(volume: Volume, where: np.ndarray, level: float) -> Volume:
    """Tissue of that level, with the image's own texture of noise."""
    rng = np.random.default_rng(5)
    data = volume.data.copy()
    data[where] = (level + 0.01 * rng.standard_normal(int(where.sum()))).astype(np.float32)
    return volume.with_data(data)


def share(of: np.ndarray, within: np.ndarray) -> float:
    return float((of & within).sum() / of.sum())


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("fat", [BRIGHT_FAT, DARK_FAT])
@pytest.mark.parametrize("sagittal", [False, True])
def test_an_implant_without_signal_is_inside(torso, fat, sagittal):
    """Also where the stack cuts it, so that it is open to the side."""
    stack = (
        {"sides": (1,), "x_mm": (60.0, 140.0), "spacing": (4.0, 2.0, 2.0)}
        if sagittal
        else {"spacing": COARSE}
    )
    scene = torso(fat, **stack)
    x, y, z = positions(scene.image)
    void = ((x - 75) / 45) ** 2 + ((y - 105) / 36) ** 2 + (z / 55) ** 2 < 1
    mask = breast_mask(with_tissue(scene.image, void, 0.01))
    assert share(void, mask) > 0.99
    assert dice(mask, breast_mask(scene.image)) > 0.97


@pytest.mark.parametrize("raised", [False, True])
def test_arms_are_outside(torso, raised):
    scene = torso(BRIGHT_FAT, x_mm=(-230.0, 230.0), spacing=COARSE)
    x, y, z = positions(scene.image)
    arms = (np.abs(x) - 195) ** 2 + (y - (80 if raised else 20)) ** 2 < 30**2
    if raised:
        arms &= z > 40
    mask = breast_mask(with_tissue(scene.image, arms, 0.7))
    assert not (mask & arms).any()
    assert share(scene.breast, mask) > 0.99


def test_wrapped_tissue_at_the_front_edge_is_outside(torso):
    scene = torso(BRIGHT_FAT, spacing=COARSE)
    air = scene.image.data[:, -4:]  # before the nipples
    wider = Volume(np.concatenate([scene.image.data, air, air, air], 1), scene.image.affine)
    slab = np.zeros(wider.shape, bool)
    slab[20:60, -5:] = True
    mask = breast_mask(with_tissue(wider, slab, 0.5))
    assert not (mask & slab).any()
    assert dice(mask, breast_mask(wider)) > 0.97


@pytest.mark.parametrize("fat", [BRIGHT_FAT, DARK_FAT])
def test_noise_of_a_tenth_of_the_gland_hardly_matters(torso, fat):
    mask = breast_mask(torso(fat, noise=0.1, spacing=COARSE).image)
    scene = torso(fat, spacing=COARSE)
    assert share(scene.breast, mask) > 0.97
    assert dice(mask, breast_mask(scene.image)) > 0.85


def test_fat_suppression_that_fails_on_one_side(torso):
    scene, other = torso(BRIGHT_FAT, spacing=COARSE), torso(DARK_FAT, spacing=COARSE)
    data = scene.image.data.copy()
    half = data.shape[0] // 2
    data[half:] = other.image.data[half:]
    assert share(scene.breast, breast_mask(scene.image.with_data(data))) > 0.99


def test_the_outline_is_close(torso):
    """Little of the mask is air, even beside bright fat."""
    scene = torso(BRIGHT_FAT)
    mask = breast_mask(scene.image)
    body = torso(BRIGHT_FAT, noise=0.0).image.data > 0
    assert (mask & ~body).sum() / mask.sum() < 0.03


@pytest.mark.parametrize("cut", ["front", "side"])
def test_a_breast_that_the_picture_cuts(torso, cut):
    scene = torso(BRIGHT_FAT, sides=(1,), x_mm=(20.0, 140.0), spacing=(3.0, 2.0, 2.0))
    box = {
        "front": np.s_[:, : 100 - 5],
        "side": np.s_[: 40 - 14],
    }[cut]
    data, breast = scene.image.data[box], scene.breast[box]
    mask = breast_mask(Volume(data, scene.image.affine))
    assert share(breast, mask) > 0.97


def test_slices_of_5_mm(torso):
    scene = torso(DARK_FAT, spacing=(3.0, 3.0, 5.0))
    assert share(scene.breast, breast_mask(scene.image)) > 0.99


@given(
    factor=st.sampled_from([2.0**-20, 0.1, 3.0, 1e4]),
    fat=st.sampled_from([BRIGHT_FAT, DARK_FAT]),
)
@settings(max_examples=4)
def test_units_of_the_intensities_do_not_matter(
    torso: Callable[..., object], factor: float, fat: float
):
    image = torso(fat, spacing=COARSE).image
    scaled = image.with_data((image.data.astype(np.float64) * factor).astype(np.float32))
    assert dice(breast_mask(scaled), breast_mask(image)) > 0.999


@given(sides=st.sampled_from([(-1, 1), (1,)]), fat=st.sampled_from([BRIGHT_FAT, DARK_FAT]))
@settings(max_examples=4)
def test_the_mirror_image_has_the_mirrored_mask(
    torso: Callable[..., object], sides: tuple[int, ...], fat: float
):
    scene = torso(fat, sides=sides, spacing=COARSE)
    mirrored = scene.image.with_data(scene.image.data[::-1])
    assert dice(breast_mask(mirrored)[::-1], breast_mask(scene.image)) > 0.98
