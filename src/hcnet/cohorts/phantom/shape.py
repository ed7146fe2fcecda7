"""The shape of a mass: lobed ellipsoids about a few foci, with or without spicules.

Tumours and decoys come from this one sampler, so that shape alone does not tell them apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hcnet.cohorts.phantom.fields import Float
from hcnet.cohorts.phantom.parameters import LesionParameters

_WAVES = 12
_LONGEST_SPICULE_MM = 20.0


@dataclass(frozen=True, eq=False)
class Shape:
    """A mass before it has a place; all in mm from its own centre.

    Attributes:
        volume_ml: to be reached, as far as there is room.
        centres: (F, 3) of its foci.
        radii: (F,) of its foci.
        turned: (3, 3) to a frame where the ellipsoid is a sphere.
        waves: (W, 3) plane waves read on the unit sphere; their length bounds the lobes' degree.
        phases: (W,) of the waves.
        lobulation: share of the radius.
        noise_mm: roughness of the surface.
        spicules: (S, 4) direction times length from the first centre, and radius at the root.
    """

    volume_ml: float
    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    turned: NDArray[np.float64]
    waves: NDArray[np.float64]
    phases: NDArray[np.float64]
    lobulation: float
    noise_mm: float
    spicules: NDArray[np.float64]

    @property
    def radius_mm(self) -> float:
        """Of the sphere of the same volume."""
        return float((3000 * self.volume_ml / (4 * np.pi)) ** (1 / 3))

    @property
    def reach_mm(self) -> float:
        """How far from its centre the mass may extend."""
        ends = float((np.linalg.norm(self.centres, axis=1) + self.radii).max())
        longest = float(np.linalg.norm(self.spicules[:, :3], axis=1).max(initial=0.0))
        return max(1.5 * ends + 2 * self.noise_mm, longest + 3.0)

    def distance(self, points: NDArray[np.float32]) -> Float:
        """Signed distance to the surface of (3, X, Y, Z) points; positive inside; approximate."""
        best = np.full(points.shape[1:], -np.inf, np.float32)
        for centre, radius in zip(self.centres, self.radii, strict=True):
            local = np.tensordot(self.turned, points - centre.reshape(3, 1, 1, 1), 1)
            local = local.astype(np.float32)
            length = np.sqrt(np.einsum("i...,i...->...", local, local))
            unit = local / np.maximum(length, np.float32(1e-3))
            lobes = np.zeros(length.shape, np.float32)
            for wave, phase in zip(self.waves.astype(np.float32), self.phases, strict=True):
                lobes += np.cos(np.tensordot(wave, unit, 1) + np.float32(phase))
            lobes *= np.float32(self.lobulation * np.sqrt(2 / _WAVES))
            np.maximum(best, np.float32(radius) * np.exp(lobes) - length, out=best)
        return best

    def spicule_distance(self, points: NDArray[np.float32]) -> Float:
        """Signed distance to the nearest spicule, a tapering cone; positive inside."""
        best = np.full(points.shape[1:], -np.inf, np.float32)
        for *direction, root in self.spicules:
            length = float(np.linalg.norm(direction))
            unit = (np.array(direction) / length).astype(np.float32)
            along = np.clip(np.tensordot(unit, points, 1), 0, np.float32(length))
            off = points - unit.reshape(3, 1, 1, 1) * along
            apart = np.sqrt(np.einsum("i...,i...->...", off, off))
            thickness = np.float32(root) * (1 - along / np.float32(1.5 * length))
            np.maximum(best, thickness - apart, out=best)
        return best


def draw_shape(rng: np.random.Generator, lesion: LesionParameters, volume_ml: float) -> Shape:
    """Draw the shape of one mass."""
    foci = lesion.n_foci.draw(rng)
    shares = np.array([1.0, *rng.uniform(0.1, 0.5, foci - 1)])
    radii = (3000 * volume_ml * shares / shares.sum() / (4 * np.pi)) ** (1 / 3)
    directions = rng.standard_normal((foci, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # Touching or a little apart, so that a multifocal tumour is long for its volume.
    reach = np.where(np.arange(foci) > 0, radii[0] + rng.uniform(0.4, 1.4, foci) * radii, 0)
    axes = np.exp(lesion.axis_ln_sd * np.clip(rng.standard_normal(3), -2, 2))
    axes /= axes.prod() ** (1 / 3)
    waves = rng.standard_normal((_WAVES, 3))
    lengths = lesion.highest_degree ** rng.uniform(0.4, 1.0, (_WAVES, 1))
    waves *= lengths / np.linalg.norm(waves, axis=1, keepdims=True)
    noise = min(lesion.surface_noise_mm.draw(rng), 0.25 * float(radii[0]))
    return Shape(
        volume_ml=volume_ml,
        centres=directions * reach[:, None],
        radii=radii,
        turned=Rotation.random(rng=rng).as_matrix() / axes[:, None],
        waves=waves,
        phases=rng.uniform(0, 2 * np.pi, _WAVES),
        lobulation=lesion.lobulation.draw(rng),
        noise_mm=noise,
        spicules=_draw_spicules(rng, lesion, float(radii[0])),
    )


def _draw_spicules(
    rng: np.random.Generator, lesion: LesionParameters, radius_mm: float
) -> NDArray[np.float64]:
    if rng.random() >= lesion.spicule_probability:
        return np.empty((0, 4))
    count = round(lesion.spicules.draw(rng))
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    beyond = [lesion.spicule_length.draw(rng) * radius_mm for _ in range(count)]
    lengths = radius_mm + np.minimum(beyond, _LONGEST_SPICULE_MM)
    roots = [min(lesion.spicule_radius_mm.draw(rng), 0.3 * radius_mm) for _ in range(count)]
    return np.concatenate([directions * lengths[:, None], np.array(roots)[:, None]], axis=1)
