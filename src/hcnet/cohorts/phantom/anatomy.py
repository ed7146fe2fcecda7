"""A breast on its chest wall: outline, skin, muscle, ribs, fat, ligaments, gland, ducts, vessels.

Every breast is drawn as a right one; a left one is its mirror image. The breast's frame has its
origin where its base is centred on the pectoral muscle: x lateral, y anterior, z superior, in mm.
Heights are measured from the tilted, curved chest wall, so the breast follows it. Two breasts of
one patient share the outline, so that they meet at the midline; their gland is drawn apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hcnet.cohorts.phantom.fields import Float, Frame, gaussian, power_law, random_field
from hcnet.cohorts.phantom.parameters import (
    BreastParameters,
    GlandParameters,
    TubeParameters,
)
from hcnet.cohorts.phantom.tissue import (
    Fractions,
    Real,
    Tissue,
    replace,
    soft_step,
    voxel_width,
)
from hcnet.cohorts.phantom.tubes import grow

_SIDE_RADIUS_MM = 110.0  # of the chest where it turns to the side
_RIB_PERIOD_MM = 26.0
_RIB_HALF_MM = (5.5, 8.0)  # half-axes of a rib's section, through the wall and along it
_RIB_LAYER_MM = 12.0
_NIPPLE_MM = 5.0
_RIM = 1.15  # squared distance from the axis, in half-widths, where the breast ends
_FINE_MM = 1.6
_TRACE = np.float32(0.01)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One breast without lesions, lateral towards +x.

    Attributes:
        fractions: tissue fractions of each voxel, (X, Y, Z).
        breast: (X, Y, Z) bool, the breast with its skin, in front of the muscle.
        room_mm: (X, Y, Z) distance to the nearest of skin, muscle and the breast's rim, positive
            in the breast's own tissue; approximate away from them.
        to_nipple_mm: (X, Y, Z) depth below the level of the nipple along y.
        height_mm: (X, Y, Z) above the chest wall.
        premenopausal: which also decides the background enhancement.
        density: grade a to d.
    """

    fractions: Fractions
    breast: NDArray[np.bool_]
    room_mm: Float
    to_nipple_mm: Float
    height_mm: Float
    premenopausal: bool
    density: str


@dataclass(frozen=True)
class Build:
    """What both breasts of a patient have in common.

    Attributes:
        outline_seed: of the outline's stream.
        skin_mm: thickness.
        pectoral_mm: thickness of the muscle.
        premenopausal: decides density and background enhancement.
        density: grade a to d.
        gland_share: of the breast's tissue.
    """

    outline_seed: int
    skin_mm: float
    pectoral_mm: float
    premenopausal: bool
    density: str
    gland_share: float


def draw_build(rng: np.random.Generator, breast: BreastParameters, gland: GlandParameters) -> Build:
    """Draw one patient."""
    premenopausal = bool(rng.random() < gland.premenopausal_probability)
    density = (gland.density_pre if premenopausal else gland.density_post).draw(rng)
    spread = float(np.exp(gland.fraction_ln_sd * np.clip(rng.standard_normal(), -2, 2)))
    return Build(
        outline_seed=int(rng.integers(2**32)),
        skin_mm=breast.skin_mm.draw(rng),
        pectoral_mm=breast.pectoral_mm.draw(rng),
        premenopausal=premenopausal,
        density=density,
        gland_share=gland.fraction["abcd".index(density)] * spread,
    )


def draw_anatomy(
    rng: np.random.Generator,
    frame: Frame,
    build: Build,
    breast: BreastParameters,
    gland: GlandParameters,
    tubes: TubeParameters,
) -> Anatomy:
    """Draw one breast of a patient and lay it on `frame`."""
    gland_rng, ligament_rng, tube_rng = rng.spawn(3)
    outline = _draw_outline(np.random.default_rng(build.outline_seed), frame, breast)
    width = voxel_width(frame.spacing)
    # The pectoralis is thick above and thins out below the breast.
    above = 1 / (1 + np.exp(-(frame.z[None, None, :] + 10) / 12))
    muscle_mm = build.pectoral_mm * (0.3 + 0.9 * above)
    fractions = _chest(outline, muscle_mm, build.skin_mm, frame.z[None, None, :], width)
    under_skin = outline.inside_mm - build.skin_mm
    room = np.minimum(np.minimum(under_skin, outline.height_mm), outline.to_rim_mm)
    tissue = soft_step(under_skin, width) * soft_step(outline.height_mm, width)
    mask = (outline.inside_mm > 0) & (outline.height_mm > 0) & (outline.to_rim_mm > 0)

    score = _gland_score(gland_rng, frame, outline, under_skin, gland)
    threshold = np.quantile(score[mask & (tissue > 0.5)], max(0.02, 1 - build.gland_share))
    # A voxel on the boundary holds both tissues: the field's change across it softens the edge.
    slopes = np.gradient(score, *frame.spacing)
    across_voxel = 0.25 * width * np.sqrt(sum(slope**2 for slope in slopes))
    softness = np.hypot(gland.edge_softness, across_voxel)
    soft = expit((score - threshold) / softness).astype(np.float32)
    # No endless tails: a trace of gland in every voxel would cost time and change nothing.
    soft = np.clip((soft - _TRACE) / (1 - 2 * _TRACE), 0, 1)
    fractions[Tissue.GLAND] = tissue * soft
    fractions[Tissue.FAT] += tissue - fractions[Tissue.GLAND]

    sheets = _ligaments(ligament_rng, frame, gland, width) * (room > 0)
    replace(fractions, Tissue.LIGAMENT, sheets.astype(np.float32), (Tissue.FAT,))
    _add_tubes(tube_rng, frame, outline, fractions, tubes, mask)
    return Anatomy(
        fractions=fractions,
        breast=mask,
        room_mm=room.astype(np.float32),
        to_nipple_mm=(outline.depth_mm - outline.height_mm).astype(np.float32),
        height_mm=outline.height_mm.astype(np.float32),
        premenopausal=build.premenopausal,
        density=build.density,
    )


def _ligaments(
    rng: np.random.Generator, frame: Frame, gland: GlandParameters, width: float
) -> Float:
    """Cooper's ligaments as thin sheets: where a smooth random field changes its sign."""
    spacing = gland.ligament_spacing_mm.draw(rng)
    thickness = gland.ligament_mm.draw(rng)
    field = random_field(rng, 4.0, gaussian(spacing)).on(frame)
    # The field's mean slope turns its value into a distance in mm.
    distance = np.abs(field) * spacing / np.sqrt(3)
    inside = np.clip((thickness / 2 + width / 2 - distance) / width, 0, 1)
    return np.asarray(np.minimum(inside, thickness / width), np.float32)


def _add_tubes(
    rng: np.random.Generator,
    frame: Frame,
    outline: "_Outline",
    fractions: Fractions,
    tubes: TubeParameters,
    mask: NDArray[np.bool_],
) -> None:
    """Vessels from the chest wall through the fat, ducts from the nipple into the gland."""
    vessel_rng, duct_rng = rng.spawn(2)
    nipple = np.array([outline.nipple_mm])
    inside = np.argwhere(mask)
    axes = (frame.x, frame.y, frame.z)

    def some(generator: np.random.Generator, of: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = of[generator.integers(len(of), size=24)]
        return np.stack([axis[rows[:, i]] for i, axis in enumerate(axes)], 1).astype(np.float64)

    deep = inside[outline.height_mm[tuple(inside.T)] < 15]
    in_gland = np.argwhere((fractions[Tissue.GLAND] > 0.5) & mask)
    soft = (Tissue.FAT, Tissue.GLAND, Tissue.LIGAMENT)
    if len(deep):
        count = round(tubes.vessels.draw(vessel_rng))
        roots, aims = some(vessel_rng, deep), np.concatenate([nipple, some(vessel_rng, inside)])
        drawn = grow(vessel_rng, roots, aims, count, tubes.vessel_radius_mm).on(frame)
        replace(fractions, Tissue.VESSEL, drawn * mask, soft)
    if len(in_gland):
        count = round(tubes.ducts.draw(duct_rng))
        aims = some(duct_rng, in_gland)
        drawn = grow(duct_rng, nipple, aims, count, tubes.duct_radius_mm).on(frame)
        replace(fractions, Tissue.DUCT, drawn * mask, (Tissue.FAT, Tissue.GLAND))


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
    nipple_mm: tuple[float, float, float]


def _draw_outline(rng: np.random.Generator, frame: Frame, breast: BreastParameters) -> _Outline:
    depth = breast.depth_mm.draw(rng)
    half_width = breast.half_width_mm.draw(rng)
    half_height = half_width * breast.height_to_width.draw(rng)
    tilt = breast.chest_tilt.draw(rng)
    bulge = 2 * breast.chest_radius_mm.draw(rng)
    x, y, z = frame.x[:, None, None], frame.y[None, :, None], frame.z[None, None, :]
    to_side = np.maximum(x + 10, 0)
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
    # On the axis, at the nipple's height, the level z is minus the drop: y follows from the height.
    nipple = (0.0, float(depth - 100 / (2 * _SIDE_RADIUS_MM)), float(-drop))
    return _Outline(inside, height, base, to_rim, forward, from_nipple, depth, nipple)


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
