"""The image of an exam: its grid, and which part of it each breast fills."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.phantom.fields import Float, Frame
from hcnet.cohorts.phantom.parameters import Like
from hcnet.cohorts.phantom.protocol import Protocol

Size = Literal["small", "full"]

_OFF_MIDLINE_MM = 90.0  # where a breast's own frame has its x = 0
_IN_FRONT_MM = 122.0  # of the chest wall, up to the edge of the image
_BEHIND_MM = 50.0  # how far tissue is made behind the chest wall; beyond is lung without signal
_DUKE_HEIGHT_MM = 190.0
# Shape (x, y, z) and, for `small`, voxel size in mm at the middle of the protocol's range.
_SHAPES: dict[tuple[Like, Size], tuple[int, int, int]] = {
    ("ispy1", "full"): (60, 256, 256),
    ("ispy1", "small"): (44, 64, 64),
    ("duke", "full"): (448, 448, 0),  # slices fill the height
    ("duke", "small"): (112, 112, 60),
}
_SMALL_MM: dict[Like, tuple[float, float, float]] = {
    "ispy1": (2.8, 2.4, 2.4),
    "duke": (3.0, 3.0, 3.0),
}
_MIDDLE_IN_PLANE_MM: dict[Like, float] = {"ispy1": 0.825, "duke": 0.72}


@dataclass(frozen=True, eq=False)
class Side:
    """Where one breast lies in the image.

    Attributes:
        side: +1 for the right breast, -1 for the left.
        slices: its part of the image.
        frame: of that part in the breast's own coordinates (x lateral); for a left breast its
            arrays run against the image's first axis.
        image_frame: the same voxels in the image's coordinates (x to the right of the midline), in
            the order of `frame`.
    """

    side: Literal[1, -1]
    slices: tuple[slice, slice, slice]
    frame: Frame
    image_frame: Frame

    def place(self, image: NDArray[Any], part: NDArray[Any]) -> None:
        """Put an array of this breast (..., X, Y, Z) into one of the image (in place)."""
        image[(..., *self.slices)] = part if self.side > 0 else part[..., ::-1, :, :]


@dataclass(frozen=True, eq=False)
class Layout:
    """An exam's image in RAS+.

    Attributes:
        shape: voxels along x, y, z.
        spacing: their size, mm.
        affine: (4, 4) voxel index to mm.
        sides: the breasts in it.
        in_plane: the two axes of a slice.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    sides: tuple[Side, ...]
    in_plane: tuple[int, int]

    @property
    def frame(self) -> Frame:
        """The whole image in its own coordinates."""
        x, y, z = (
            (self.affine[i, 3] + step * np.arange(n)).astype(np.float32)
            for i, (n, step) in enumerate(zip(self.shape, self.spacing, strict=True))
        )
        return Frame(x, y, z)


def lay_out(like: Like, size: Size, protocol: Protocol, side: Literal[1, -1]) -> Layout:
    """The image of an exam.

    Args:
        like: `ispy1` (sagittal, one breast) or `duke` (axial, both).
        size: `full`, or `small` for tests and small experiments.
        protocol: gives the voxel size.
        side: which breast, where only one is imaged.
    """
    shape = _SHAPES[like, size]
    if size == "small":
        # Coarser by a fixed factor; half of the spread of voxel sizes is kept.
        ratio = float(np.sqrt(protocol.in_plane_mm / _MIDDLE_IN_PLANE_MM[like]))
        spacing = _SMALL_MM[like]
        spacing = (spacing[0] * ratio, spacing[1] * ratio, spacing[2] * ratio)
    elif like == "ispy1":
        spacing = (protocol.slice_mm, protocol.in_plane_mm, protocol.in_plane_mm)
    else:
        spacing = (protocol.in_plane_mm, protocol.in_plane_mm, protocol.slice_mm)
        shape = (shape[0], shape[1], round(_DUKE_HEIGHT_MM / protocol.slice_mm))
    middle = side * _OFF_MIDLINE_MM if like == "ispy1" else 0.0
    x, y, z = (
        (np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2)) * np.float32(step)
        for n, step in zip(shape, spacing, strict=True)
    )
    x = x + np.float32(middle)
    y = y - y[-1] + np.float32(_IN_FRONT_MM)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = x[0], y[0], z[0]
    deep = slice(int(np.searchsorted(y, -_BEHIND_MM)), shape[1])
    everything = slice(0, shape[2])
    if like == "ispy1":
        one = _side(side, slice(0, shape[0]), deep, everything, x, y, z)
        return Layout(shape, spacing, affine, (one,), (1, 2))
    half = shape[0] // 2
    sides = (
        _side(1, slice(half, shape[0]), deep, everything, x, y, z),
        _side(-1, slice(0, half), deep, everything, x, y, z),
    )
    return Layout(shape, spacing, affine, sides, (0, 1))


def _side(
    side: Literal[1, -1], across: slice, deep: slice, high: slice, x: Float, y: Float, z: Float
) -> Side:
    here = x[across] if side > 0 else x[across][::-1]
    own = np.float32(side) * here - np.float32(_OFF_MIDLINE_MM)
    return Side(
        side, (across, deep, high), Frame(own, y[deep], z[high]), Frame(here, y[deep], z[high])
    )
