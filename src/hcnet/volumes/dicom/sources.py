"""Volumes of a DICOM exam that are not read until asked for (`hcnet.cohorts.case.VolumeSource`)."""

from dataclasses import dataclass

from hcnet.volumes.dicom.files import DicomFile, hash_files
from hcnet.volumes.dicom.pixels import load_stack
from hcnet.volumes.dicom.segmentation import read_segmentation
from hcnet.volumes.dicom.stacks import Stack, files_of
from hcnet.volumes.volume import Grid, Volume


@dataclass(frozen=True, eq=False)
class DicomPhase:
    """The slices of one phase or map; pixels are read by `load` alone, and only its own."""

    stack: Stack

    @property
    def location(self) -> str:
        """Container and series."""
        return f"{self.stack.instances[0].file.container} ({self.stack.name})"

    def load(self) -> Volume:
        """Read the pixels; errors as `load_stack`."""
        return load_stack(self.stack)

    def digest(self) -> str:
        """SHA-256 of the files of this stack, in slice order; of frames also their numbers."""
        state = hash_files(files_of(self.stack))
        frames = [i.frame for i in self.stack.instances if i.frame is not None]
        if frames:
            state.update(str(frames).encode())
        return state.hexdigest()


@dataclass(frozen=True, eq=False)
class DicomMask:
    """A segment of a DICOM segmentation object, read onto the grid of the exam's phases."""

    file: DicomFile
    grid: Grid
    segment: int | str | None = None

    @property
    def location(self) -> str:
        """The file."""
        return self.file.location

    def load(self) -> Volume:
        """Read it; errors as `read_segmentation`."""
        return read_segmentation(self.file, self.grid, self.segment)

    def digest(self) -> str:
        """SHA-256 of the file, the segment and the grid."""
        state = hash_files([self.file])
        state.update(f"{self.segment}{self.grid.shape}".encode() + self.grid.affine.tobytes())
        return state.hexdigest()
