"""Masses in the breast: irregular, sometimes in several foci, with rim, core and necrosis.

Tumours and benign masses come from one sampler, so that shape alone does not tell them apart more
than it does in patients.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hcnet.cohorts.phantom.anatomy import Anatomy
from hcnet.cohorts.phantom.distributions import Uniform
from hcnet.cohorts.phantom.fields import Field, Float, Frame, gaussian, random_field
from hcnet.cohorts.phantom.parameters import LesionParameters
from hcnet.cohorts.phantom.tissue import TUMOUR, Fractions, Tissue, soft_step, total, voxel_width

Slices = tuple[slice, slice, slice]
_WAVES = 12
_MARGIN_MM = 1.5  # tissue left between a mass and skin or muscle


@dataclass(frozen=True, eq=False)
class Mass:
    """One mass, given inside a box around it.

    Attributes:
        slices: the box in the image.
        depth_mm: signed distance to its surface in the box, positive inside; approximate.
        radius_mm: of the sphere of the same volume.
    """

    slices: Slices
    depth_mm: Float
    radius_mm: float


def add_lesions(
    rng: np.random.Generator, frame: Frame, anatomy: Anatomy, lesion: LesionParameters
) -> Fractions:
    """The anatomy's fractions with a tumour, and in some cases a benign mass, in place of tissue.

    The tumour displaces fat and gland alike; what it changes in a pre-contrast image follows from
    that and from its own relaxation alone.
    """
    tumour_rng, benign_rng = rng.spawn(2)
    fractions = {tissue: fraction.copy() for tissue, fraction in anatomy.fractions.items()}
    rough = random_field(rng, 2.5, gaussian(3.0))
    breast_ml = float(np.count_nonzero(anatomy.breast)) * frame.voxel_ml
    cap = lesion.largest_share_of_breast * breast_ml

    volume = min(lesion.tumour_ml.draw(tumour_rng), cap)
    foci = lesion.n_foci.draw(tumour_rng)
    shape = _Shape.draw(tumour_rng, lesion, lesion.lobulation, volume, foci)
    weight = anatomy.fractions[Tissue.GLAND] + 0.15 * anatomy.fractions[Tissue.FAT]
    tumour = _place(tumour_rng, frame, anatomy, weight, shape, rough)
    _insert(fractions, tumour, _tumour_parts(tumour_rng, frame, tumour, rough, lesion))

    if benign_rng.random() < lesion.benign_probability:
        volume = min(lesion.benign_ml.draw(benign_rng), 0.1 * cap)
        shape = _Shape.draw(benign_rng, lesion, lesion.benign_lobulation, volume, 1)
        taken = total(fractions, TUMOUR)
        mass = _place(benign_rng, frame, anatomy, weight * (taken == 0), shape, rough)
        inside = soft_step(mass.depth_mm, voxel_width(frame.spacing))
        inside *= 1 - np.minimum(taken[mass.slices], 1)
        _insert(fractions, mass, {Tissue.BENIGN: inside})
    return fractions


@dataclass(frozen=True, eq=False)
class _Shape:
    """A mass before it has a place: lobed ellipsoids about a few centres."""

    volume_ml: float
    centres: NDArray[np.float64]  # (F, 3) mm from the mass's own centre
    radii: NDArray[np.float64]  # (F,) mm
    turned: NDArray[np.float64]  # (3, 3) mm to a frame where the ellipsoid is a unit sphere
    waves: NDArray[np.float64]  # (W, 3) on the unit sphere
    phases: NDArray[np.float64]  # (W,)
    lobulation: float
    noise_mm: float

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        lesion: LesionParameters,
        lobulation: Uniform,
        volume_ml: float,
        foci: int,
    ) -> "_Shape":
        shares = np.array([1.0, *rng.uniform(0.1, 0.5, foci - 1)])
        radii = (3000 * volume_ml * shares / shares.sum() / (4 * np.pi)) ** (1 / 3)
        directions = rng.standard_normal((foci, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        # Touching or a little apart, so that a multifocal tumour is long for its volume.
        reach = np.where(np.arange(foci) > 0, radii[0] + rng.uniform(0.4, 1.2, foci) * radii, 0)
        axes = np.exp(lesion.axis_ln_sd * np.clip(rng.standard_normal(3), -2, 2))
        axes /= axes.prod() ** (1 / 3)
        # Plane waves read on the unit sphere: |wave| bounds the degree of their harmonics.
        waves = rng.standard_normal((_WAVES, 3))
        lengths = lesion.highest_degree ** rng.uniform(0.4, 1.0, (_WAVES, 1))
        waves *= lengths / np.linalg.norm(waves, axis=1, keepdims=True)
        noise = lesion.surface_noise_mm.draw(rng)
        return cls(
            volume_ml=volume_ml,
            centres=directions * reach[:, None],
            radii=radii,
            turned=Rotation.random(rng=rng).as_matrix() / axes[:, None],
            waves=waves,
            phases=rng.uniform(0, 2 * np.pi, _WAVES),
            lobulation=lobulation.draw(rng),
            noise_mm=min(noise, 0.25 * float(radii[0])),
        )

    @property
    def radius_mm(self) -> float:
        return float((3000 * self.volume_ml / (4 * np.pi)) ** (1 / 3))

    @property
    def reach_mm(self) -> float:
        """How far from its centre the mass may extend."""
        ends = np.linalg.norm(self.centres, axis=1) + self.radii
        return float(1.5 * ends.max() + 2 * self.noise_mm)

    def distance(self, points: NDArray[np.float32]) -> Float:
        """Signed distance of (3, ...) points from the mass's centre; positive inside."""
        best: Float | None = None
        for centre, radius in zip(self.centres, self.radii, strict=True):
            offset = points - centre.reshape(3, 1, 1, 1)
            local = np.tensordot(self.turned, offset, 1)
            length = np.linalg.norm(local, axis=0)
            unit = local / np.maximum(length, 1e-3)
            lobes = np.zeros(length.shape)
            for wave, phase in zip(self.waves, self.phases, strict=True):
                lobes += np.cos(np.tensordot(wave, unit, 1) + phase)
            lobes *= self.lobulation * np.sqrt(2 / _WAVES)
            here = (radius * np.exp(lobes) - length).astype(np.float32)
            best = here if best is None else np.maximum(best, here)
        assert best is not None  # noqa: S101  # there is always a first focus
        return best


def _place(
    rng: np.random.Generator,
    frame: Frame,
    anatomy: Anatomy,
    weight: Float,
    shape: _Shape,
    rough: Field,
) -> Mass:
    """Choose a centre by tissue and depth, then fit the mass's volume into the room there."""
    every = tuple(slice(None, None, max(1, round(3.0 / step))) for step in frame.spacing)
    room = anatomy.room_mm[every]
    allowed = np.where(anatomy.breast[every], weight[every], 0)
    # A mass wants its radius of room; the roomiest twentieth serves where none is enough.
    needed = min(shape.radius_mm, float(np.quantile(room[allowed > 0], 0.95)))
    chance = np.cumsum(np.where(room >= needed, allowed, 0).astype(np.float64).ravel())
    chosen = int(np.searchsorted(chance, rng.random() * chance[-1], side="right"))
    index = np.unravel_index(min(chosen, chance.size - 1), room.shape)
    centre = [
        axis[s][i] for axis, s, i in zip((frame.x, frame.y, frame.z), every, index, strict=True)
    ]

    slices = _box(frame, centre, shape.reach_mm)
    box = frame.crop(slices)
    points = np.stack(
        np.broadcast_arrays(
            (box.x - centre[0])[:, None, None],
            (box.y - centre[1])[None, :, None],
            (box.z - centre[2])[None, None, :],
        )
    )
    room = anatomy.room_mm[slices] - _MARGIN_MM
    depth = np.minimum(shape.distance(points) + shape.noise_mm * rough.on(box), room)
    # Shift the surface until the volume is the one that was drawn, as far as there is room.
    wanted = min(round(shape.volume_ml / frame.voxel_ml), int(np.count_nonzero(room > 0)))
    last = depth.size - max(wanted, 1)
    level = np.partition(depth.ravel(), last)[last]
    return Mass(slices, np.minimum(depth - level, room), shape.radius_mm)


def _tumour_parts(
    rng: np.random.Generator, frame: Frame, mass: Mass, rough: Field, lesion: LesionParameters
) -> Fractions:
    width = voxel_width(frame.spacing)
    wobble = rough.on(frame.crop(mass.slices))
    inside = soft_step(mass.depth_mm, width)
    rim_mm = lesion.rim_share.draw(rng) * mass.radius_mm
    core = np.minimum(inside, soft_step(mass.depth_mm - rim_mm * (1 + 0.4 * wobble), width))
    necrosis = np.zeros_like(core)
    dies = rng.random() < lesion.necrosis_probability
    if dies and 2 * mass.radius_mm > lesion.necrosis_from_mm:
        from_mm = rng.uniform(0.5, 0.75) * float(mass.depth_mm.max())
        necrosis = np.minimum(core, soft_step(mass.depth_mm - from_mm + 1.5 * wobble, width))
    # Fat that the tumour has grown around stays as islands of up to twice the mean share.
    kept = 1 - lesion.residual_fat.draw(rng) * np.clip(1 + wobble, 0, 2)
    return {
        Tissue.TUMOUR_RIM: (inside - core) * kept,
        Tissue.TUMOUR_CORE: (core - necrosis) * kept,
        Tissue.NECROSIS: necrosis,
        Tissue.FAT: (inside - necrosis) * (1 - kept),
    }


def _insert(fractions: Fractions, mass: Mass, parts: Fractions) -> None:
    """Put the parts in place of the fat and gland that were there."""
    box = mass.slices
    taken = total(parts, parts)
    soft = fractions[Tissue.FAT][box] + fractions[Tissue.GLAND][box]
    for tissue in (Tissue.FAT, Tissue.GLAND):
        fractions[tissue][box] *= 1 - taken
    for tissue, part in parts.items():
        whole = fractions.setdefault(tissue, np.zeros_like(fractions[Tissue.FAT]))
        whole[box] += part * soft


def _box(frame: Frame, centre: list[np.float32], reach_mm: float) -> Slices:
    starts_stops = [
        np.searchsorted(axis, [c - reach_mm, c + reach_mm])
        for axis, c in zip((frame.x, frame.y, frame.z), centre, strict=True)
    ]
    x, y, z = (slice(int(a), int(b)) for a, b in starts_stops)
    return x, y, z
