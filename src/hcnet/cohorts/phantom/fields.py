"""Random fields in the patient's frame, and reading them on an image grid.

A field is drawn once on a coarse lattice in millimetres and read wherever needed, so the same
patient looks the same at any voxel size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Float = NDArray[np.float32]
Spectrum = Callable[[Float], Float]

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

BOX_MM: Box = ((-94.0, 94.0), (-56.0, 144.0), (-124.0, 124.0))
"""The region that a breast's fields cover, about the middle of its base: (medial-lateral,
posterior-anterior, inferior-superior) in mm. What lies beyond sees the border's value."""

IMAGE_BOX_MM: Box = ((-192.0, 192.0), BOX_MM[1], BOX_MM[2])
"""The region of fields that belong to the scanner and so cover both breasts."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The voxel centres of an axis-aligned image in a breast's frame, mm along each axis."""

    x: Float
    y: Float
    z: Float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each axis."""
        return self.x.size, self.y.size, self.z.size

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along each axis, mm."""
        x, y, z = (float(axis[1] - axis[0]) for axis in (self.x, self.y, self.z))
        return x, y, z

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing)) / 1000.0

    def crop(self, slices: tuple[slice, slice, slice]) -> "Frame":
        """The frame of `array[slices]`."""
        return Frame(self.x[slices[0]], self.y[slices[1]], self.z[slices[2]])


@dataclass(frozen=True, eq=False)
class Field:
    """Values on a lattice of `spacing_mm` whose first node is the lower corner of `box`."""

    values: Float
    spacing_mm: float
    box: Box = BOX_MM

    def on(self, frame: Frame) -> Float:
        """Trilinear interpolation at the frame's voxel centres, of the frame's shape."""
        values = self.values
        for axis, (coordinates, (low, _)) in enumerate(
            zip((frame.x, frame.y, frame.z), self.box, strict=True)
        ):
            last = values.shape[axis] - 1
            position = np.clip((coordinates - low) / self.spacing_mm, 0, last)
            left = np.minimum(position.astype(np.int64), last - 1)
            shape = [1, 1, 1]
            shape[axis] = -1
            weight = (position - left).astype(np.float32).reshape(shape)
            lower = values.take(left, axis=axis)
            values = lower + weight * (values.take(left + 1, axis=axis) - lower)
        return values


def random_field(
    rng: np.random.Generator,
    spacing_mm: float,
    spectrum: Spectrum,
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    box: Box = BOX_MM,
) -> Field:
    """A Gaussian random field of mean 0 and standard deviation 1 over the box.

    Args:
        rng: where it comes from.
        spacing_mm: lattice spacing.
        spectrum: amplitude against spatial frequency in cycles/mm, not normalised.
        stretch: structures are longer by these factors along x, y and z.
        box: the region that it covers.
    """
    shape = [int(np.ceil((high - low) / spacing_mm)) + 1 for low, high in box]
    shape = [fft.next_fast_len(n, real=True) for n in shape]
    along = [fft.fftfreq(n, spacing_mm).astype(np.float32) for n in shape[:2]]
    along.append(fft.rfftfreq(shape[2], spacing_mm).astype(np.float32))
    x, y, z = ((f * s) ** 2 for f, s in zip(along, stretch, strict=True))
    frequency = np.sqrt(x[:, None, None] + y[None, :, None] + z[None, None, :])
    white = fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
    white *= spectrum(frequency)
    white[0, 0, 0] = 0
    values = fft.irfftn(white, shape, overwrite_x=True)
    values /= values.std()
    return Field(values.astype(np.float32, copy=False), spacing_mm, box)


def power_law(exponent: float, outer_mm: float) -> Spectrum:
    """Power falling as frequency^-exponent, flat below 1/outer: the texture of breast tissue."""
    return lambda f: (1 + (f * outer_mm) ** 2) ** np.float32(-exponent / 4)


def gaussian(correlation_mm: float) -> Spectrum:
    """Correlation falling as exp(-r^2 / (2 correlation^2))."""
    return lambda f: np.exp(-((np.pi * f * correlation_mm) ** 2)).astype(np.float32)
