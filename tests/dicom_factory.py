"""Tiny DICOM exams, written file by file, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    SegmentationStorage,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
_TURN = np.deg2rad(12.0)
OBLIQUE = (
    float(np.cos(_TURN)), float(np.sin(_TURN)), 0.0,
    -float(np.sin(_TURN) * np.cos(_TURN)), float(np.cos(_TURN) ** 2), float(np.sin(_TURN)),
)  # fmt: skip


def uid(*parts: object) -> str:
    """The same UID for the same parts."""
    return str(generate_uid(entropy_srcs=[repr(part) for part in parts]))


@dataclass(frozen=True)
class Geometry:
    """Where slices lie, in DICOM's terms: LPS, mm."""

    orientation: tuple[float, ...] = AXIAL
    origin: tuple[float, float, float] = (-20.0, -30.0, 40.0)
    rows_mm: float = 1.5
    columns_mm: float = 0.75
    step_mm: float = 2.0

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.orientation[:3], self.orientation[3:])

    def position(self, slice_index: float) -> list[float]:
        here = np.array(self.origin) + slice_index * self.step_mm * self.normal
        return [round(float(value), 6) for value in here]

    def ras(self, column: float, row: float, slice_index: float) -> np.ndarray:
        """Millimetres in RAS+ of a voxel, straight from DICOM's definition (PS3.3 C.7.6.2)."""
        lps = (
            np.array(self.position(slice_index))
            + column * self.columns_mm * np.array(self.orientation[:3])
            + row * self.rows_mm * np.array(self.orientation[3:])
        )
        return lps * [-1, -1, 1]


def image(
    pixels: np.ndarray,
    geometry: Geometry,
    slice_index: float,
    *,
    series: int = 3,
    instance: int = 1,
    patient: str = "P1",
    study: str = "S1",
    clock: str = "100000",
    **tags: Any,
) -> Dataset:
    """One slice; `pixels` is (rows, columns). A tag of None is left out of the header."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    rows, columns = pixels.shape
    values: dict[str, Any] = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": uid("object", patient, study, series, instance),
        "StudyInstanceUID": uid("study", patient, study),
        "SeriesInstanceUID": uid("series", patient, study, series),
        "FrameOfReferenceUID": uid("frame", patient, study),
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "PatientID": patient,
        "PatientName": "Test^Patient",
        "StudyDate": "20240102",
        "AcquisitionDate": "20240102",
        "AcquisitionTime": clock,
        "SeriesDescription": "dyn 3D T1",
        "SeriesNumber": series,
        "InstanceNumber": instance,
        "ScanningSequence": "GR",
        "MRAcquisitionType": "3D",
        "EchoTime": 2.0,
        "RepetitionTime": 5.0,
        "FlipAngle": 12.0,
        "SliceThickness": geometry.step_mm,
        "ImagePositionPatient": geometry.position(slice_index),
        "ImageOrientationPatient": [round(v, 8) for v in geometry.orientation],
        "PixelSpacing": [geometry.rows_mm, geometry.columns_mm],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **tags,
    }
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return dataset


def save(dataset: Dataset, path: Path, *, compressed: bool = False) -> Path:
    """Write a dataset, RLE-compressed where asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if compressed:
        dataset.compress(RLELossless)
    dataset.save_as(path, enforce_file_format=True)
    return path


def phase_array(phase: int, shape: tuple[int, int, int] = (6, 5, 8)) -> np.ndarray:
    """An (x, y, z) int16 volume in which every voxel differs, and every phase too."""
    size = int(np.prod(shape))
    return (np.arange(size).reshape(shape) + 1000 * phase).astype(np.int16)


def write_phase(
    folder: Path,
    volume: np.ndarray,
    geometry: Geometry | None = None,
    *,
    first_instance: int = 1,
    reverse: bool = False,
    skip: Sequence[int] = (),
    prefix: str = "IM",
    compressed: bool = False,
    **tags: Any,
) -> list[Path]:
    """Write an (x, y, z) volume slice by slice; `reverse` numbers the slices from the top."""
    geometry = geometry or Geometry()
    depth = volume.shape[2]
    written = []
    for index in range(depth):
        if index in skip:
            continue
        instance = first_instance + (depth - 1 - index if reverse else index)
        dataset = image(volume[:, :, index].T, geometry, index, instance=instance, **tags)
        series = tags.get("series", 3)
        name = f"{prefix}{series:03d}{instance:05d}"
        written.append(save(dataset, folder / name, compressed=compressed))
    return written


def write_interleaved(
    folder: Path, geometry: Geometry | None = None, count: int = 3, **tags: Any
) -> list[np.ndarray]:
    """All phases in one series, as I-SPY1 has them: only InstanceNumber tells them apart."""
    volumes = [phase_array(phase) for phase in range(count)]
    for phase, volume in enumerate(volumes):
        depth = volume.shape[2]
        write_phase(
            folder,
            volume,
            geometry,
            first_instance=1 + phase * depth,
            **{"clock": f"10{2 * phase:02d}00", **tags},
        )
    return volumes


def segmentation(
    frames: Sequence[tuple[list[float], np.ndarray, int]],
    geometry: Geometry,
    *,
    fractional: bool = False,
    labels: Sequence[str] = ("Lesion",),
    series: int = 900,
) -> Dataset:
    """A DICOM SEG: frames of (position, (rows, columns) booleans, segment number)."""
    rows, columns = frames[0][1].shape
    empty = np.zeros((rows, columns), np.int16)
    dataset = image(empty, geometry, 0, series=series, Modality="SEG")
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, name)
    dataset.SOPClassUID = SegmentationStorage
    dataset.SeriesDescription = "outline"
    dataset.NumberOfFrames = len(frames)
    dataset.PixelRepresentation = 0
    dataset.SegmentationType = "FRACTIONAL" if fractional else "BINARY"
    bits = 8 if fractional else 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    stacked = np.stack([mask for _, mask, _ in frames]).astype(np.uint8)
    if fractional:
        dataset.MaximumFractionalValue = 255
        data = (stacked * 255).tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
    else:
        dataset.PixelData = pack_bits(stacked.ravel())
    dataset.SegmentSequence = []
    for number, label in enumerate(labels, 1):
        item = Dataset()
        item.SegmentNumber, item.SegmentLabel = number, label
        dataset.SegmentSequence.append(item)
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = [round(v, 8) for v in geometry.orientation]
    measures.PixelSpacing = [geometry.rows_mm, geometry.columns_mm]
    shared.PlaneOrientationSequence = [plane]
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for position, _, number in frames:
        own, place, segment = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = position
        segment.ReferencedSegmentNumber = number
        own.PlanePositionSequence = [place]
        own.SegmentIdentificationSequence = [segment]
        dataset.PerFrameFunctionalGroupsSequence.append(own)
    return dataset
