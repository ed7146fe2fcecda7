"""Thin branching tubes, vessels and milk ducts: grown as random walks, drawn as soft cylinders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.phantom.distributions import Uniform
from hcnet.cohorts.phantom.fields import Float, Frame
from hcnet.cohorts.phantom.tissue import soft_step, voxel_width

_STEP_MM = 0.6
_TURN = 0.12  # how far a step's direction strays from the one before


@dataclass(frozen=True, eq=False)
class Tubes:
    """Points along tubes.

    Attributes:
        points: (N, 3) mm in the breast's frame.
        radii: (N,) mm.
    """

    points: NDArray[np.float64]
    radii: NDArray[np.float64]

    def on(self, frame: Frame) -> Float:
        """Share of each voxel that the tubes fill, of the frame's shape.

        A tube thinner than a voxel fills about its cross-section's share of it.
        """
        spacing = np.array(frame.spacing)
        width = voxel_width(frame.spacing)
        covered = np.zeros(frame.shape, np.float32)
        if not len(self.points):
            return covered
        origin = np.array([frame.x[0], frame.y[0], frame.z[0]])
        reach = np.ceil((self.radii.max() + 0.5 * width) / spacing).astype(int)
        steps = np.stack(
            np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1
        ).reshape(-1, 3)
        nearest = np.rint((self.points - origin) / spacing).astype(int)
        voxels = nearest[:, None, :] + steps
        apart = np.linalg.norm(origin + voxels * spacing - self.points[:, None, :], axis=-1)
        # Below a voxel's width the soft edge alone would overstate a tube; its area decides.
        thin = np.minimum(1.0, np.pi * self.radii**2 / width**2)[:, None]
        share = soft_step(self.radii[:, None] - apart, width) * np.maximum(thin, 0.2)
        inside = ((voxels >= 0) & (voxels < np.array(frame.shape))).all(axis=-1) & (share > 0)
        flat = np.ravel_multi_index(tuple(voxels[inside].T), frame.shape)
        np.maximum.at(covered.reshape(-1), flat, share[inside].astype(np.float32))
        return covered


def grow(
    rng: np.random.Generator,
    roots: NDArray[np.float64],
    aims: NDArray[np.float64],
    branches: int,
    radius_mm: Uniform,
) -> Tubes:
    """Grow branches from roots towards aims; later branches leave from earlier ones, thinner.

    Args:
        rng: where they come from.
        roots: (R, 3) mm, where the first branches start.
        aims: (A, 3) mm, what each branch bends towards.
        branches: how many.
        radius_mm: of the branches at their roots.
    """
    points: list[NDArray[np.float64]] = []
    radii: list[NDArray[np.float64]] = []
    for number in range(branches):
        radius = radius_mm.draw(rng)
        start = roots[rng.integers(len(roots))]
        if number >= len(roots) and points and rng.random() < 0.7:
            parent = int(rng.integers(len(points)))
            place = int(rng.integers(len(points[parent])))
            start = points[parent][place]
            radius = min(radius, 0.8 * float(radii[parent][place]))
        path = _walk(rng, start, aims[rng.integers(len(aims))])
        points.append(path)
        radii.append(np.linspace(radius, 0.5 * radius, len(path)))
    if not points:
        return Tubes(np.empty((0, 3)), np.empty(0))
    return Tubes(np.concatenate(points), np.concatenate(radii))


def _walk(
    rng: np.random.Generator, start: NDArray[np.float64], aim: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, 3) points of a walk that bends towards `aim` and stops there or at its length."""
    place, path = start.astype(np.float64), [start.astype(np.float64)]
    towards = aim - start
    distance = float(np.linalg.norm(towards))
    direction = towards / max(distance, 1e-6) + rng.normal(0, 0.6, 3)
    direction /= np.linalg.norm(direction)
    for _ in range(int(1.3 * distance / _STEP_MM)):
        towards = aim - place
        left = float(np.linalg.norm(towards))
        if left < 2 * _STEP_MM:
            break
        direction += 0.03 * towards / left + rng.normal(0, _TURN, 3)
        direction /= np.linalg.norm(direction)
        place = place + _STEP_MM * direction
        path.append(place)
    return np.array(path)
