"""Case: one exam, its phases read only when asked for."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from hcnet.errors import InputError
from hcnet.files import sha256_file
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume

TimesFrom = Literal["injection", "pre", "unknown"]


class VolumeSource(Protocol):
    """A volume that is not read until asked for."""

    @property
    def location(self) -> str:
        """Where it comes from, for messages."""
        ...

    def load(self) -> Volume:
        """Read it."""
        ...

    def digest(self) -> str:
        """SHA-256 of the content."""
        ...


@dataclass(frozen=True)
class NiftiSource:
    """A NIfTI file, or one volume of a 4-D one."""

    path: Path
    index: int | None = None

    @property
    def location(self) -> str:
        """The path, with the volume's number where the file is 4-D."""
        return str(self.path) if self.index is None else f"{self.path} (volume {self.index})"

    def load(self) -> Volume:
        """Read it; errors as `read_nifti`."""
        return read_nifti(self.path, self.index)

    def digest(self) -> str:
        """SHA-256 of the file and the index."""
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file.")
        return f"{sha256_file(self.path)}:{self.index}"


@dataclass(frozen=True, eq=False)
class ArraySource:
    """A volume that is already in memory."""

    volume: Volume
    name: str = "array"

    @property
    def location(self) -> str:
        """The given name."""
        return self.name

    def load(self) -> Volume:
        """The volume itself."""
        return self.volume

    def digest(self) -> str:
        """SHA-256 of values, type, shape and affine."""
        array = np.ascontiguousarray(self.volume.data)
        head = f"{array.dtype.str}{array.shape}".encode()
        return hashlib.sha256(head + self.volume.affine.tobytes() + array.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Case:
    """One exam.

    Attributes:
        name: identifier within its cohort.
        phases: the T1-weighted volumes, pre-contrast first.
        times_s: acquisition time of each phase in seconds, or None where unknown.
        times_from: what time zero is: the contrast injection, or the pre-contrast phase.
        tumour: reference tumour mask.
        breast: breast mask; where absent it is computed.
        facts: subject and imaging facts, JSON values.
        tumour_is_pseudo: the tumour mask was made by a rule, so it is no reference to score
            against, and nothing learns from it unless told to.
        doubt: why the first phase may not be from before contrast; None where nothing says so.

    Raises:
        InputError: no phase, or times that do not match the phases or do not rise.
    """

    name: str
    phases: tuple[VolumeSource, ...]
    times_s: tuple[float, ...] | None = None
    times_from: TimesFrom = "unknown"
    tumour: VolumeSource | None = None
    breast: VolumeSource | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    tumour_is_pseudo: bool = False
    doubt: str | None = None

    def __post_init__(self) -> None:
        if not self.phases:
            raise InputError(f"{self.name}: the case has no image.")
        if self.times_s is None:
            return
        if len(self.times_s) != len(self.phases):
            raise InputError(
                f"{self.name}: {len(self.times_s)} acquisition times "
                f"for {len(self.phases)} phases; give one for each."
            )
        times = np.array(self.times_s, dtype=float)
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise InputError(f"{self.name}: acquisition times must rise: {self.times_s}.")

    @property
    def pre(self) -> VolumeSource:
        """The pre-contrast phase."""
        return self.phases[0]
