"""Volume: a 3-D array that knows where it lies. The one place that knows about orientation.

Convention of the whole project: arrays are (x, y, z) as in nibabel, and the 4 x 4 affine maps voxel
indices (voxel centres) to millimetres in RAS+ (towards the patient's Right, Anterior, Superior).
"Canonical" means that the array's axes are those closest to R, A and S; an oblique exam stays
oblique, in its affine, so going to the canonical orientation and back never interpolates.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel import orientations
from numpy.typing import ArrayLike, NDArray

from hcnet.errors import GeometryError

Shape = tuple[int, int, int]
Slices = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Grid:
    """Geometry without data.

    Attributes:
        shape: number of voxels along each axis.
        affine: (4, 4) float64, voxel index to mm in RAS+.

    Raises:
        GeometryError: the affine is not finite or not invertible, or the shape is not 3-D.
    """

    shape: Shape
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"a volume needs three axes with at least one voxel: {self.shape}.")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("the affine is not a 4 x 4 matrix of finite numbers.")
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        # A determinant that is small beside the voxel volume means that two axes coincide.
        if (lengths <= 0).any() or abs(np.linalg.det(affine[:3, :3])) < 1e-3 * lengths.prod():
            raise GeometryError("the affine is singular: two of its axes coincide or one is zero.")
        affine.flags.writeable = False
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "affine", affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along each axis in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def axis_codes(self) -> str:
        """Where the axes point, as letters of R/L, A/P, S/I, e.g. "RAS" or "PIR"."""
        return "".join(orientations.aff2axcodes(self.affine))

    def difference(self, other: "Grid", tolerance_mm: float = 0.01) -> str | None:
        """Say how `other` differs, or None where both are the same grid.

        Args:
            other: the grid to compare with.
            tolerance_mm: how far the same corner voxel may lie apart.
        """
        if self.shape != other.shape:
            return f"shape {self.shape} against {other.shape}"
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        apart = np.linalg.norm(((self.affine - other.affine) @ corners)[:3], axis=0).max()
        if apart <= tolerance_mm:
            return None
        return f"corner voxels lie up to {apart:.3g} mm apart"

    def crop(self, slices: Slices) -> "Grid":
        """The grid of `data[slices]`; slices need explicit starts and stops and step 1."""
        starts = [s.start for s in slices]
        x, y, z = (s.stop - s.start for s in slices)
        affine = self.affine.copy()
        affine[:3, 3] = (self.affine @ np.array([*starts, 1.0]))[:3]
        return Grid((x, y, z), affine)


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D array with its affine.

    Attributes:
        data: (X, Y, Z) array.
        affine: (4, 4), voxel index to mm in RAS+.

    Raises:
        GeometryError: the array is not 3-D or the affine is not usable.
    """

    data: NDArray[Any]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise GeometryError(f"a volume needs three axes: this array has {self.data.ndim}.")
        object.__setattr__(self, "affine", Grid(self.data.shape, self.affine).affine)

    @property
    def shape(self) -> Shape:
        """Number of voxels along each axis."""
        x, y, z = self.data.shape
        return x, y, z

    @property
    def grid(self) -> Grid:
        """The geometry alone."""
        return Grid(self.shape, self.affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along each axis in mm."""
        return self.grid.spacing

    def with_data(self, data: ArrayLike) -> "Volume":
        """Another array on the same grid.

        Raises:
            GeometryError: the shape differs.
        """
        array = np.asarray(data)
        if array.shape != self.data.shape:
            raise GeometryError(f"array of shape {array.shape} on a grid of shape {self.shape}.")
        return Volume(array, self.affine)


def to_canonical(volume: Volume) -> Volume:
    """Permute and flip axes so that they run closest to R, A, S; never interpolates.

    Returns:
        a volume whose array is a view of the input's.
    """
    orientation = orientations.io_orientation(volume.affine)
    data = orientations.apply_orientation(volume.data, orientation)
    return Volume(data, canonical_grid(volume.grid).affine)


def canonical_grid(grid: Grid) -> Grid:
    """The grid that `to_canonical` gives to a volume on `grid`."""
    orientation = orientations.io_orientation(grid.affine)
    affine = grid.affine @ orientations.inv_ornt_aff(orientation, grid.shape)
    shape = [0, 0, 0]
    for axis, (target, _) in enumerate(orientation):
        shape[int(target)] = grid.shape[axis]
    return Grid((shape[0], shape[1], shape[2]), affine)


def from_canonical(volume: Volume, grid: Grid) -> Volume:
    """Undo `to_canonical`: lay a canonical volume back onto the original `grid`.

    Raises:
        GeometryError: `volume` does not lie on the canonical form of `grid`.
    """
    difference = canonical_grid(grid).difference(volume.grid)
    if difference:
        raise GeometryError(f"the volume does not belong to this grid: {difference}.")
    there = orientations.io_orientation(grid.affine)
    # `there` maps grid axes to canonical ones; its inverse maps canonical axes to grid axes.
    inverse = np.empty_like(there)
    for axis, (target, flip) in enumerate(there):
        inverse[int(target)] = [axis, flip]
    return Volume(orientations.apply_orientation(volume.data, inverse), grid.affine)
