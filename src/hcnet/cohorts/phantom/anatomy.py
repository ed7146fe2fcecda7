"""A breast on its chest wall: outline, skin, muscle, ribs, fat and gland.

The patient's frame has its origin where the breast's base is centred on the pectoral muscle: x to
the patient's right, y anterior, z superior, in mm. Heights are measured from the tilted, curved
chest wall, so the breast follows it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hcnet.cohorts.phantom.fields import Float, Frame, gaussian, power_law, random_field
from hcnet.cohorts.phantom.parameters import BreastParameters, GlandParameters
from hcnet.cohorts.phantom.tissue import Fractions, Real, Tissue, soft_step, voxel_width

_SIDE_RADIUS_MM = 110.0  # of the chest where it turns to the side
_RIB_PERIOD_MM = 26.0
_RIB_HALF_MM = (5.5, 8.0)  # half-axes of a rib's section, through the wall and along it
_RIB_LAYER_MM = 12.0
_NIPPLE_MM = 5.0
_RIM = 1.15  # squared distance from the axis, in half-widths, where the breast ends
_FINE_MM = 1.6


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One breast without lesions.

    Attributes:
        fractions: tissue fractions of each voxel, (X, Y, Z).
        breast: (X, Y, Z) bool, the breast with its skin, in front of the muscle.
        room_mm: (X, Y, Z) distance to the nearest of skin, muscle and the breast's rim, positive
            in the breast's own tissue; approximate away from them.
        to_nipple_mm: (X, Y, Z) depth below the level of the nipple along y.
        side: +1 for the right breast, -1 for the left.
        density: grade a to d.
        premenopausal: which also decides the background enhancement.
    """

    fractions: Fractions
    breast: NDArray[np.bool_]
    room_mm: Float
    to_nipple_mm: Float
    side: int
    density: str
    premenopausal: bool


def draw_anatomy(
    rng: np.random.Generator, frame: Frame, breast: BreastParameters, gland: GlandParameters
) -> Anatomy:
    """Draw one breast and lay it on `frame`."""
    outline_rng, gland_rng = rng.spawn(2)
    side = 1 if rng.random() < 0.5 else -1
    outline = _draw_outline(outline_rng, frame, breast, side)
    width = voxel_width(frame.spacing)
    skin_mm = breast.skin_mm.draw(rng)
    # The pectoralis is thick above and thins out below the breast.
    above = 1 / (1 + np.exp(-(frame.z[None, None, :] + 10) / 12))
    muscle_mm = breast.pectoral_mm.draw(rng) * (0.3 + 0.9 * above)
    fractions = _chest(outline, muscle_mm, skin_mm, frame.z[None, None, :], width)
    under_skin = outline.inside_mm - skin_mm
    room = np.minimum(np.minimum(under_skin, outline.height_mm), outline.to_rim_mm)
    tissue = soft_step(under_skin, width) * soft_step(outline.height_mm, width)
    mask = (outline.inside_mm > 0) & (outline.height_mm > 0) & (outline.to_rim_mm > 0)

    premenopausal = bool(gland_rng.random() < gland.premenopausal_probability)
    density = (gland.density_pre if premenopausal else gland.density_post).draw(gland_rng)
    share = gland.fraction["abcd".index(density)] * float(
        np.exp(gland.fraction_ln_sd * np.clip(gland_rng.standard_normal(), -2, 2))
    )
    score = _gland_score(gland_rng, frame, outline, under_skin, gland)
    threshold = np.quantile(score[mask & (tissue > 0.5)], max(0.02, 1 - share))
    # A voxel on the boundary holds both tissues: the field's change across it softens the edge.
    slopes = np.gradient(score, *frame.spacing)
    across_voxel = 0.25 * width * np.sqrt(sum(slope**2 for slope in slopes))
    softness = np.hypot(gland.edge_softness, across_voxel)
    fractions[Tissue.GLAND] = tissue * expit((score - threshold) / softness).astype(np.float32)
    fractions[Tissue.FAT] += tissue - fractions[Tissue.GLAND]
    return Anatomy(
        fractions=fractions,
        breast=mask,
        room_mm=room.astype(np.float32),
        to_nipple_mm=(outline.depth_mm - outline.height_mm).astype(np.float32),
        side=side,
        density=density,
        premenopausal=premenopausal,
    )


@dataclass(frozen=True, eq=False)
class _Outline:
    """The body's surface, (X, Y, Z) each."""

    inside_mm: Real  # signed distance, positive inside; exact near the surface
    height_mm: Real  # above the chest wall
    base: Real  # squared distance from the breast's axis, 1 at the edge of its base
    to_rim_mm: Real  # to where the breast's own tissue is said to end, on the chest's fat
    forward: Real  # height over the depth of the breast
    from_nipple_mm: Real
    depth_mm: float


def _draw_outline(
    rng: np.random.Generator, frame: Frame, breast: BreastParameters, side: int
) -> _Outline:
    depth = breast.depth_mm.draw(rng)
    half_width = breast.half_width_mm.draw(rng)
    half_height = half_width * breast.height_to_width.draw(rng)
    tilt = breast.chest_tilt.draw(rng)
    bulge = 2 * breast.chest_radius_mm.draw(rng)
    x, y, z = frame.x[:, None, None], frame.y[None, :, None], frame.z[None, None, :]
    to_side = np.maximum(side * x + 10, 0)
    drop = breast.droop.draw(rng) * depth
    # The wall leans about the nipple's level, so that the nipple stays within the field of view.
    level_z = z + drop
    height = y + tilt * level_z + level_z**2 / bulge + to_side**2 / (2 * _SIDE_RADIUS_MM)
    forward = np.clip(height / depth, 0, 1.2)
    lowered = z + drop * forward**1.5

    power = breast.profile_exponent.draw(rng)
    base = (x / half_width) ** 2 + (lowered / half_height) ** 2
    level = 1 - base - forward**power
    slope = np.sqrt(
        4 * (x / half_width**2) ** 2
        + 4 * (lowered / half_height**2) ** 2
        + (power * forward ** (power - 1) / depth) ** 2
    )
    mound = level / np.maximum(slope, 1 / min(depth, half_width, half_height))
    from_nipple = np.sqrt(x**2 + lowered**2 + (height - depth) ** 2)
    mound = _smooth_max(mound, _NIPPLE_MM - from_nipple, 5.0)
    inside = _smooth_max(mound, breast.subcutaneous_mm.draw(rng) - height, 18.0)
    uneven = random_field(rng, 8.0, gaussian(18.0)).on(frame)
    inside = inside + breast.outline_noise_mm * uneven
    to_rim = (_RIM - base) * half_width / 2
    return _Outline(inside, height, base, to_rim, forward, from_nipple, depth)


def _chest(outline: _Outline, muscle_mm: Real, skin_mm: float, z: Real, width: float) -> Fractions:
    """Skin, and what lies behind the breast: muscle and ribs with their fatty marrow."""
    height = outline.height_mm
    body = soft_step(outline.inside_mm, width)
    behind = 1 - soft_step(height, width)
    skin = body - soft_step(outline.inside_mm - skin_mm, width)
    muscle = np.minimum(behind, soft_step(height + muscle_mm, width))
    ribs = np.minimum(behind - muscle, soft_step(height + muscle_mm + _RIB_LAYER_MM, width))
    along = (z + 0.2 * height) % _RIB_PERIOD_MM - _RIB_PERIOD_MM / 2
    across = height + muscle_mm + _RIB_LAYER_MM / 2
    thick, tall = _RIB_HALF_MM
    off_axis = np.sqrt((across / thick) ** 2 + (along / tall) ** 2)
    marrow = soft_step(thick * (1 - off_axis), width)
    # Beyond the ribs lies the lung, which gives no signal and so has no fraction.
    covered = body - skin
    return {
        Tissue.SKIN: skin,
        Tissue.MUSCLE: covered * (muscle + ribs * (1 - marrow)),
        Tissue.FAT: covered * ribs * marrow,
    }


def _gland_score(
    rng: np.random.Generator,
    frame: Frame,
    outline: _Outline,
    under_skin: Real,
    gland: GlandParameters,
) -> Float:
    """A random field, lowered where gland is rare: near skin, muscle and the outskirts."""
    spectrum = power_law(gland.spectrum_exponent.draw(rng), gland.outer_scale_mm)
    stretch = (1.0, gland.stretch_to_nipple.draw(rng), 1.0)
    texture = random_field(rng, _FINE_MM, spectrum, stretch).on(frame)
    behind_nipple = np.exp(-((outline.from_nipple_mm / 22) ** 2))
    near_skin = np.exp(-np.maximum(under_skin, 0) / 5) * (1 - behind_nipple)
    near_muscle = np.exp(-np.maximum(outline.height_mm, 0) / 7)
    cone = np.minimum(outline.base / np.maximum(1.05 - outline.forward, 0.1), 2)
    score = texture - 4 * near_skin - 3 * near_muscle - 1.6 * cone
    return np.asarray(score, dtype=np.float32)


def _smooth_max(a: Real, b: Real, radius: float) -> Real:
    """Union of two signed distances with a fillet of about `radius` mm."""
    blend = np.clip(0.5 + 0.5 * (a - b) / radius, 0, 1)
    return b + (a - b) * blend + radius * blend * (1 - blend)
