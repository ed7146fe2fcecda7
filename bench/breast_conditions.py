"""Scenes for `breast_mask.py`: exams with their truth, and what can go wrong with an exam.

Every condition changes the image without noise and its truth together; noise comes last. All
arrays are (X, Y, Z) in canonical orientation, y towards anterior, distances in mm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import is_cohort, read_cohort
from hcnet.cohorts.open import open_case
from hcnet.cohorts.phantom.tissue import Tissue
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume, to_canonical

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

BOTH_BREASTS_MM = 250.0
"""Exams wider than this show two breasts."""
RAYLEIGH_MEDIAN = 1.1774
"""Median of Rayleigh noise of standard deviation 1 (of each channel)."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One exam.

    Attributes:
        image: the pre-contrast image; of a phantom without noise.
        affine: (4, 4), voxel index to mm.
        breast: true or reference mask.
        tumour: true or reference mask.
        sigma: noise to be added, standard deviation of each of the two channels.
        labels: tissues of a phantom (`Tissue`), or None.
        void: the implant, if any; part of `breast`.
        foreign: arms, hands, wrapped tissue: in the image and of no breast.
    """

    image: Float
    affine: NDArray[np.float64]
    breast: Bool
    tumour: Bool
    sigma: float
    labels: NDArray[np.uint8] | None = None
    void: Bool | None = None
    foreign: Bool | None = None

    @property
    def spacing(self) -> Float:
        """Voxel size in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def bilateral(self) -> bool:
        """Whether both breasts are in the picture."""
        return self.image.shape[0] * self.spacing[0] > BOTH_BREASTS_MM

    @property
    def tissue(self) -> NDArray[np.uint8]:
        """The labels of a phantom."""
        if self.labels is None:
            raise ValueError("only a phantom has labels.")
        return self.labels

    @property
    def body(self) -> Bool:
        """Where the phantom has tissue, an implant counted in."""
        body = self.tissue > Tissue.AIR
        return body if self.void is None else body | self.void

    @property
    def gland_level(self) -> float:
        """Typical signal of what is bright in the breast."""
        return float(np.percentile(self.image[self.breast], 80))

    def axes(self) -> list[Float]:
        """Positions of the voxels along x, y and z in mm, shaped to broadcast."""
        shapes = [(-1, 1, 1), (1, -1, 1), (1, 1, -1)]
        return [
            (np.arange(n) * mm).reshape(shape)
            for n, mm, shape in zip(self.image.shape, self.spacing, shapes, strict=True)
        ]

    def measured(self, rng: np.random.Generator) -> Volume:
        """The image as a scanner would store it."""
        if not self.sigma:
            return Volume(self.image.astype(np.float32), self.affine)
        real, imaginary = self.sigma * rng.standard_normal((2, *self.image.shape))
        return Volume(np.hypot(self.image + real, imaginary).astype(np.float32), self.affine)


def phantom_scene(root: Path, case: Case) -> Scene:
    """A phantom with its truth; the noise is that of its image."""
    truth = root / "truth" / case.name
    named = ("noise_free_0000", "breast", "tumour", "labels")
    clean, breast, tumour, labels = (
        to_canonical(read_nifti(truth / f"{name}.nii.gz")) for name in named
    )
    noisy = to_canonical(case.pre.load()).data
    darkest = clean.data <= np.percentile(clean.data, 10)
    sigma = float(np.median(noisy[darkest])) / RAYLEIGH_MEDIAN
    return Scene(
        clean.data.astype(np.float64),
        clean.affine,
        breast.data > 0,
        tumour.data > 0,
        sigma,
        labels.data.astype(np.uint8),
    )


def real_scene(case: Case) -> Scene:
    """An exam with its reference masks; its noise is in the image already."""
    image = to_canonical(case.pre.load())
    masks = [
        to_canonical(mask.load()).data > 0 if mask else np.zeros(image.shape, bool)
        for mask in (case.breast, case.tumour)
    ]
    return Scene(image.data.astype(np.float64), image.affine, masks[0], masks[1], 0.0)


def scenes(root: Path) -> list[tuple[str, Callable[[], Scene]]]:
    """Name and reader of each case of a cohort, or of one exam (a DICOM folder or zip)."""
    if not is_cohort(root):
        case = open_case(root)
        return [(case.name, lambda: real_scene(case))]
    cases = read_cohort(root).cases
    if (root / "truth").is_dir():
        return [(case.name, lambda case=case: phantom_scene(root, case)) for case in cases]
    return [(case.name, lambda case=case: real_scene(case)) for case in cases]


# --- what happens to the image ---------------------------------------------------------------


def as_it_is(scene: Scene) -> Scene:
    return scene


def _fat_scaled(scene: Scene, where: Bool) -> Scene:
    """Fat dark where it was bright, and the other way round."""
    fat, gland = scene.tissue == Tissue.FAT, scene.tissue == Tissue.GLAND
    was, gland_level = np.median(scene.image[fat]), np.median(scene.image[gland])
    becomes = (0.12 if was > 0.5 * gland_level else 1.6) * gland_level
    return replace(scene, image=np.where(fat & where, scene.image * becomes / was, scene.image))


def fat_inverted(scene: Scene) -> Scene:
    return _fat_scaled(scene, np.ones(scene.image.shape, bool))


def fat_uneven(scene: Scene) -> Scene:
    """Fat suppression that works in the upper half only."""
    half = np.zeros(scene.image.shape, bool)
    half[:, :, : scene.image.shape[2] // 2] = True
    return _fat_scaled(scene, half)


def implant(scene: Scene) -> Scene:
    """An ellipsoid without signal in the breast without the tumour, or in the only one."""
    mine = scene.breast.copy()
    if scene.bilateral:
        middle = scene.image.shape[0] // 2
        left = scene.tumour[:middle].sum() < scene.tumour[middle:].sum()
        mine[middle:] &= not left
        mine[:middle] &= left
    depth = ndimage.distance_transform_edt(mine, sampling=scene.spacing)
    centre = np.argwhere(mine).mean(axis=0) * scene.spacing
    away = sum((axis - c) ** 2 for axis, c in zip(scene.axes(), centre, strict=True))
    void = (depth > 6) & (away < 48**2)
    return replace(
        scene, image=np.where(void, 0.0, scene.image), void=void, tumour=scene.tumour & ~void
    )


def implant_before_the_muscle(scene: Scene) -> Scene:
    """The same, but the void lies on the chest wall, with no tissue between."""
    inside = ndimage.distance_transform_edt(scene.body, sampling=scene.spacing)
    centre = np.argwhere(implant(scene).void).mean(axis=0) * scene.spacing - [0, 12, 0]
    away = sum((axis - c) ** 2 for axis, c in zip(scene.axes(), centre, strict=True))
    void = (away < 48**2) & (inside > 6) & scene.breast
    return replace(
        scene, image=np.where(void, 0.0, scene.image), void=void, tumour=scene.tumour & ~void
    )


def _padded(scene: Scene, left: float, front: float) -> Scene:
    """A wider field of view: `left` mm at both sides, `front` mm before the breast."""
    n, m = round(left / scene.spacing[0]), round(front / scene.spacing[1])
    by = [(n, n), (0, m), (0, 0)]
    affine = scene.affine.copy()
    affine[:3, 3] -= affine[:3, 0] * n
    labels = None if scene.labels is None else np.pad(scene.labels, by)
    return replace(
        scene,
        image=np.pad(scene.image, by),
        affine=affine,
        breast=np.pad(scene.breast, by),
        tumour=np.pad(scene.tumour, by),
        labels=labels,
    )


def _with_tissue(scene: Scene, place: Bool, level: float) -> Scene:
    """Put tissue where the phantom has none."""
    place = place & ~scene.body
    return replace(scene, image=np.where(place, level, scene.image), foreign=place)


def _chest_front(scene: Scene) -> float:
    """How far forward the chest reaches at the midline, in mm."""
    middle = scene.body[scene.image.shape[0] // 2]
    return float(np.flatnonzero(middle.any(axis=1))[-1]) * float(scene.spacing[1])


def arms_at_the_sides(scene: Scene) -> Scene:
    """Two cylinders along the flanks, somewhat behind the sternum."""
    scene = _padded(scene, 75.0, 0.0)
    x, y, z = scene.axes()
    wide, front = float(x.max()), _chest_front(scene)
    arms = np.zeros(scene.image.shape, bool)
    for centre in (38.0, wide - 38.0):
        arms |= (x - centre) ** 2 + (y - (front - 60.0)) ** 2 + 0 * z < 36.0**2
    return _with_tissue(scene, arms, 0.7 * scene.gland_level)


def arms_raised(scene: Scene) -> Scene:
    """Upper arms beside the shoulders, in the upper slices, at the level of the breast."""
    scene = _padded(scene, 60.0, 0.0)
    x, y, z = scene.axes()
    wide, high, front = float(x.max()), float(z.max()), _chest_front(scene)
    arms = np.zeros(scene.image.shape, bool)
    for centre in (40.0, wide - 40.0):
        lean = (high - z) * 0.3
        arms |= ((x - centre) ** 2 + (y - (front + 5.0 - lean)) ** 2 < 36.0**2) & (z > 0.6 * high)
    return _with_tissue(scene, arms, 0.7 * scene.gland_level)


def hand(scene: Scene) -> Scene:
    """A hand under the chin, before the chest, in the upper slices."""
    x, y, z = scene.axes()
    high, front = float(z.max()), _chest_front(scene)
    away = ((x - 0.5 * x.max()) / 45) ** 2 + ((y - front - 55) / 14) ** 2 + ((z - high) / 35) ** 2
    return _with_tissue(scene, away < 1, 0.7 * scene.gland_level)


def one_side_removed(scene: Scene) -> Scene:
    """Mastectomy on the side without the tumour: skin and a little fat remain on the muscle."""
    middle = scene.image.shape[0] // 2
    left = scene.tumour[:middle].sum() < scene.tumour[middle:].sum()
    side = _of(slice(0, middle) if left else slice(middle, None), scene)
    wall = scene.tissue == Tissue.MUSCLE
    far = ndimage.distance_transform_edt(~wall, sampling=scene.spacing) > 9
    # Only what lies before the wall; skin beside it is far from muscle as well.
    before = ~np.flip(np.maximum.accumulate(np.flip(wall, 1), axis=1), 1)
    gone = side & far & before
    return replace(
        scene,
        image=np.where(gone, 0.0, scene.image),
        labels=np.where(gone, np.uint8(0), scene.tissue),
        breast=scene.breast & ~side,
        tumour=scene.tumour & ~gone,
    )


def _of(side: slice, scene: Scene) -> Bool:
    mask = np.zeros(scene.image.shape, bool)
    mask[side] = True
    return mask


def low_snr(scene: Scene) -> Scene:
    """Gland eight times as bright as the noise in a voxel."""
    return replace(scene, sigma=max(scene.sigma, scene.gland_level / 8))


def strong_bias(scene: Scene) -> Scene:
    """Coil elements: eight times as bright at the nipple as at the chest, uneven sides."""
    x, y, z = scene.axes()
    ys = np.flatnonzero(scene.breast.any(axis=(0, 2))) * scene.spacing[1]
    along = np.clip((y - ys[0]) / (ys[-1] - ys[0]), -0.5, 1.0)
    across = x / x.max() - 0.5
    field = np.exp(np.log(8.0) * (along - 1) + np.log(3.0) * across + 0.3 * z / z.max())
    return replace(scene, image=scene.image * field)


def ghost(axis: int, share: float) -> Callable[[Scene], Scene]:
    """A share of the image again, half a field of view away along an axis."""

    def change(scene: Scene) -> Scene:
        again = np.roll(scene.image, scene.image.shape[axis] // 2, axis)
        return replace(scene, image=scene.image + share * again)

    return change


def wrap_in_front(scene: Scene) -> Scene:
    """The back appears at the front edge of the field of view."""
    labelled = scene.labels is not None
    scene = _padded(scene, 0.0, 45.0)
    x, y, z = scene.axes()
    bend = 15.0 * (2 * x / max(float(x.max()), 1.0) - 1) ** 2
    slab = (y + 0 * z > float(y.max()) - 20.0 + bend) & (np.abs(2 * x / x.max() - 1) < 0.8)
    if labelled:
        return _with_tissue(scene, slab, 0.4 * scene.gland_level)
    return replace(scene, image=np.where(slab, 0.4 * scene.gland_level, scene.image), foreign=slab)


def _cropped(scene: Scene, box: tuple[slice, slice, slice]) -> Scene:
    affine = scene.affine.copy()
    starts = np.array([s.start or 0 for s in box])
    affine[:3, 3] += affine[:3, :3] @ starts
    return replace(
        scene,
        image=scene.image[box],
        affine=affine,
        breast=scene.breast[box],
        tumour=scene.tumour[box],
        labels=None if scene.labels is None else scene.labels[box],
    )


def cut_in_front(scene: Scene) -> Scene:
    """The field of view ends 12 mm behind the nipple."""
    last = np.flatnonzero(scene.breast.any(axis=(0, 2)))[-1]
    stop = int(last - 12 / scene.spacing[1])
    return _cropped(scene, (slice(None), slice(0, stop), slice(None)))


def cut_below(scene: Scene) -> Scene:
    """The lowest quarter of the breast is outside, and so is the chest below it."""
    zs = np.flatnonzero(scene.breast.any(axis=(0, 1)))
    start = int(zs[0] + 0.25 * (zs[-1] - zs[0]))
    return _cropped(scene, (slice(None), slice(None), slice(start, None)))


def cut_above_and_below(scene: Scene) -> Scene:
    """The stack holds the middle half of the breast alone."""
    zs = np.flatnonzero(scene.breast.any(axis=(0, 1)))
    quarter = int(0.25 * (zs[-1] - zs[0]))
    return _cropped(
        scene, (slice(None), slice(None), slice(int(zs[0]) + quarter, int(zs[-1]) - quarter))
    )


def cut_behind(scene: Scene) -> Scene:
    """The field of view begins 20 mm behind the breast."""
    first = np.flatnonzero(scene.breast.any(axis=(0, 2)))[0]
    start = max(0, int(first - 20 / scene.spacing[1]))
    return _cropped(scene, (slice(None), slice(start, None), slice(None)))


def thin_stack(scene: Scene) -> Scene:
    """Eight sagittal slices through the middle of the breast, or of the tumour."""
    of = scene.tumour if scene.tumour.any() else scene.breast
    centre = round(float(np.flatnonzero(of.any(axis=(1, 2))).mean()))
    return _cropped(scene, (slice(max(0, centre - 4), centre + 4), slice(None), slice(None)))


def air_zero(scene: Scene) -> Scene:
    """The scanner has masked the air."""
    if scene.labels is None:
        # A mask of the body as a scanner draws it: of the smoothed image, holes filled.
        smooth = ndimage.gaussian_filter(scene.image, 4.0 / scene.spacing)
        body = ndimage.binary_fill_holes(smooth > 1.6 * np.percentile(smooth, 15))
        return replace(scene, image=np.where(body, scene.image, 0.0))
    return replace(scene, image=np.where(scene.body, scene.image, 0.0), sigma=0.0)


def coarse_slices(scene: Scene) -> Scene:
    """Slices of at least 5 mm."""
    axis = 2 if scene.bilateral else 0
    factor = int(np.ceil(5.0 / scene.spacing[axis]))
    n = scene.image.shape[axis] // factor * factor

    def blocks(array: NDArray[np.generic]) -> NDArray[np.generic]:
        array = np.moveaxis(array, axis, 0)[:n]
        return np.moveaxis(array.reshape(n // factor, factor, *array.shape[1:]), 1, 0)

    def mean(array: NDArray[np.generic]) -> Float:
        return np.moveaxis(blocks(array).mean(axis=0), 0, axis)

    labels = None
    if scene.labels is not None:
        labels = np.moveaxis(blocks(scene.labels)[factor // 2], 0, axis).astype(np.uint8)
    affine = scene.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (factor - 1) / 2
    affine[:3, axis] *= factor
    return replace(
        scene,
        image=mean(scene.image),
        affine=affine,
        breast=mean(scene.breast) >= 0.5,
        tumour=mean(scene.tumour) >= 0.5,
        labels=labels,
        sigma=scene.sigma / np.sqrt(factor),
    )


def filled_thorax(scene: Scene) -> Scene:
    """Liver and a bright heart against the chest wall in place of the lung."""
    behind = behind_the_chest(scene.body)
    x, y, z = scene.axes()
    image = np.where(behind & (z < 0.4 * z.max()), 0.5 * scene.gland_level, scene.image)
    heart = behind & (z >= 0.4 * z.max()) & (abs(x / x.max() - 0.4) < 0.25) & (y > -1)
    return replace(scene, image=np.where(heart, 1.2 * scene.gland_level, image))


def behind_the_chest(body: Bool) -> Bool:
    """What lies behind the last tissue of its column: lung, in the phantom."""
    seen_behind = np.maximum.accumulate(body, axis=1)
    return ~seen_behind & body.any(axis=1, keepdims=True)


@dataclass(frozen=True)
class Condition:
    """A change of the scene, and which exams it can be done to."""

    change: Callable[[Scene], Scene]
    labels: bool = False
    bilateral: bool | None = None


CONDITIONS: dict[str, Condition] = {
    "as it is": Condition(as_it_is),
    "fat: bright for dark, dark for bright": Condition(fat_inverted, labels=True),
    "fat: suppressed in one half only": Condition(fat_uneven, labels=True),
    "implant (void) in the gland": Condition(implant, labels=True),
    "implant (void) on the muscle": Condition(implant_before_the_muscle, labels=True),
    "arms at the sides": Condition(arms_at_the_sides, labels=True, bilateral=True),
    "arms raised": Condition(arms_raised, labels=True, bilateral=True),
    "hand before the chest": Condition(hand, labels=True, bilateral=True),
    "one breast missing": Condition(one_side_removed, labels=True, bilateral=True),
    "low signal to noise": Condition(low_snr),
    "strong coil bias": Condition(strong_bias, labels=True),
    "ghost of 4 % along y": Condition(ghost(1, 0.04)),
    "ghost of 4 % along z": Condition(ghost(2, 0.04)),
    "ghost of 10 % along y": Condition(ghost(1, 0.1)),
    "ghost of 10 % along z": Condition(ghost(2, 0.1)),
    "wrap at the front edge": Condition(wrap_in_front),
    "cut in front": Condition(cut_in_front),
    "cut below": Condition(cut_below),
    "cut above and below": Condition(cut_above_and_below, bilateral=True),
    "cut behind": Condition(cut_behind),
    "thin stack": Condition(thin_stack, bilateral=False),
    "air exactly zero": Condition(air_zero),
    "slices of 5 mm": Condition(coarse_slices),
    "liver and heart": Condition(filled_thorax, labels=True),
}


def applies(condition: Condition, scene: Scene) -> bool:
    """Whether a condition can be shown on this exam."""
    if condition.labels and scene.labels is None:
        return False
    if not scene.breast.any() and condition.change is not as_it_is:
        return False
    return condition.bilateral is None or condition.bilateral == scene.bilateral
