"""Masses in the breast: tumours with rim, core and necrosis, and decoys that are none.

A mass displaces fat and gland alike; what it changes in a pre-contrast image follows from that and
from its own relaxation. In a *null* cohort it displaces nothing: it is the gland that was there,
inside the mass's surface, given another uptake. Before contrast it cannot be told from gland.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hcnet.cohorts.phantom.anatomy import Anatomy
from hcnet.cohorts.phantom.fields import Float, Frame, gaussian, random_field
from hcnet.cohorts.phantom.parameters import LesionParameters
from hcnet.cohorts.phantom.shape import Shape, draw_shape
from hcnet.cohorts.phantom.tissue import Fractions, Tissue, replace, soft_step, voxel_width

Kind = Literal["malignant", "fibroadenoma", "cyst", "nodule"]
Slices = tuple[slice, slice, slice]

_DECOY = {
    "fibroadenoma": Tissue.FIBROADENOMA,
    "cyst": Tissue.CYST,
    "nodule": Tissue.NODULE,
}
_SOFT = (Tissue.FAT, Tissue.GLAND, Tissue.LIGAMENT, Tissue.DUCT, Tissue.VESSEL)
_MARGIN_MM = 1.5  # tissue left between a mass and skin or muscle


@dataclass(frozen=True, eq=False)
class Mass:
    """One mass, given inside a box around it.

    Attributes:
        kind: what it is.
        slices: the box in the image.
        depth_mm: signed distance to its surface in the box, positive inside; approximate.
        radius_mm: of the sphere of the same volume.
        pattern: of its uptake (tumours).
        spiculated: whether it has spicules.
        foci: how many.
    """

    kind: Kind
    slices: Slices
    depth_mm: Float
    radius_mm: float
    pattern: str
    spiculated: bool
    foci: int

    def inside(self, frame: Frame) -> Float:
        """Share of each voxel of the box that lies in the mass."""
        return soft_step(self.depth_mm, voxel_width(frame.spacing))


def place_mass(
    rng: np.random.Generator,
    frame: Frame,
    anatomy: Anatomy,
    kind: Kind,
    volume_ml: float,
    lesion: LesionParameters,
    *,
    null: bool,
) -> Mass:
    """Draw a mass's shape, choose its centre, and fit its volume into the room there.

    Args:
        rng: where it comes from.
        frame: of the breast.
        anatomy: the breast without masses; masses do not see each other.
        kind: what it is.
        volume_ml: of the mass; less where there is no room.
        lesion: parameters.
        null: centres lie in gland only, since the mass will consist of it.
    """
    shape = draw_shape(rng, lesion, volume_ml)
    rough = random_field(rng, 2.5, gaussian(3.0))
    pattern = lesion.pattern.draw(rng)
    gland = anatomy.fractions[Tissue.GLAND]
    weight = (
        np.where(gland > 0.5, gland, 0) if null else gland + 0.15 * anatomy.fractions[Tissue.FAT]
    )
    centre = _centre(rng, frame, anatomy, weight, shape)
    slices = _box(frame, centre, shape.reach_mm)
    box = frame.crop(slices)
    axes = (axis - np.float32(c) for axis, c in zip((box.x, box.y, box.z), centre, strict=True))
    points = np.stack(np.broadcast_arrays(*np.meshgrid(*axes, indexing="ij", sparse=True)))
    room = anatomy.room_mm[slices] - _MARGIN_MM
    depth = np.minimum(shape.distance(points) + shape.noise_mm * rough.on(box), room)
    # Shift the surface until the volume is the one that was drawn, as far as there is room.
    wanted = min(round(volume_ml / frame.voxel_ml), int(np.count_nonzero(room > 0)))
    last = depth.size - max(wanted, 1)
    depth = depth - np.partition(depth.ravel(), last)[last]
    if len(shape.spicules):
        depth = np.maximum(depth, shape.spicule_distance(points))
    depth = np.minimum(depth, room).astype(np.float32)
    return Mass(
        kind, slices, depth, shape.radius_mm, pattern, len(shape.spicules) > 0, len(shape.radii)
    )


def insert(
    rng: np.random.Generator,
    frame: Frame,
    fractions: Fractions,
    mass: Mass,
    lesion: LesionParameters,
    *,
    null: bool,
) -> None:
    """Put a mass in place of the tissue that was there (in place)."""
    box = mass.slices
    here = {tissue: fraction[box] for tissue, fraction in fractions.items()}
    over = (Tissue.GLAND,) if null else _SOFT
    if mass.kind == "malignant":
        parts = _tumour_parts(rng, frame, mass, lesion, null=null)
    else:
        parts = {_DECOY[mass.kind]: mass.inside(frame)}
    left = np.ones_like(mass.depth_mm)
    for tissue, part in parts.items():
        # Each part takes its share of what the parts before it have left of the old tissue.
        share = np.clip(part / np.maximum(left, np.float32(1e-6)), 0, 1).astype(np.float32)
        replace(here, tissue, share, over)
        left -= part
        if tissue not in fractions:
            fractions[tissue] = np.zeros(frame.shape, np.float32)
        fractions[tissue][box] = here[tissue]


def _tumour_parts(
    rng: np.random.Generator, frame: Frame, mass: Mass, lesion: LesionParameters, *, null: bool
) -> Fractions:
    """Shares of rim, core, necrosis and, where fat is kept, none of them."""
    width = voxel_width(frame.spacing)
    field = random_field(rng, 2.5, gaussian(3.0)).on(frame.crop(mass.slices))
    inside = mass.inside(frame)
    if mass.pattern == "mixed":
        core = inside * soft_step(3.0 * field, width)
    else:
        rim_mm = lesion.rim_share.draw(rng) * mass.radius_mm
        core = np.minimum(inside, soft_step(mass.depth_mm - rim_mm * (1 + 0.4 * field), width))
    necrosis = np.zeros_like(core)
    dies = rng.random() < lesion.necrosis_probability
    if dies and 2 * mass.radius_mm > lesion.necrosis_from_mm and not null:
        from_mm = rng.uniform(0.5, 0.75) * float(mass.depth_mm.max())
        necrosis = np.minimum(inside, soft_step(mass.depth_mm - from_mm + 1.5 * field, width))
    core = np.minimum(core, inside - necrosis)
    # Fat that the tumour has grown around stays as islands of up to twice the mean share.
    kept = 1.0 if null else 1 - lesion.residual_fat.draw(rng) * np.clip(1 + field, 0, 2)
    return {
        Tissue.NECROSIS: necrosis,
        Tissue.TUMOUR_CORE: core * kept,
        Tissue.TUMOUR_RIM: (inside - core - necrosis) * kept,
    }


def _centre(
    rng: np.random.Generator, frame: Frame, anatomy: Anatomy, weight: Float, shape: Shape
) -> list[float]:
    every = tuple(slice(None, None, max(1, round(3.0 / step))) for step in frame.spacing)
    room = anatomy.room_mm[every]
    allowed = np.where(anatomy.breast[every] & (room > _MARGIN_MM), weight[every], 0)
    # A mass wants its radius of room; the roomiest twentieth serves where none is enough.
    needed = min(shape.radius_mm, float(np.quantile(room[allowed > 0], 0.95)))
    chance = np.cumsum(np.where(room >= needed, allowed, 0).astype(np.float64).ravel())
    chosen = int(np.searchsorted(chance, rng.random() * chance[-1], side="right"))
    index = np.unravel_index(min(chosen, chance.size - 1), room.shape)
    axes = (frame.x, frame.y, frame.z)
    return [float(axis[s][i]) for axis, s, i in zip(axes, every, index, strict=True)]


def _box(frame: Frame, centre: list[float], reach_mm: float) -> Slices:
    starts_stops = [
        np.searchsorted(axis, [c - reach_mm, c + reach_mm])
        for axis, c in zip((frame.x, frame.y, frame.z), centre, strict=True)
    ]
    x, y, z = (slice(int(a), int(b)) for a, b in starts_stops)
    return x, y, z
