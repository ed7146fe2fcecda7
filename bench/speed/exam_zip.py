"""A synthetic dynamic exam as the DICOM zip that an archive would serve, for rows that need one."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from hcnet.cohorts.phantom import PhantomCase, PhantomSettings, generate_case
from hcnet.volumes.resample import resample
from hcnet.volumes.volume import Grid, Volume

SHAPE = (256, 256, 96)
PHASES = 6
MINUTES_APART = 1.5
SEED = 0


def exam_zip(work: Path) -> Path:
    """The zip in `work`, made where it is not there yet: 6 series of 96 slices of 256 x 256 int16.

    A bilateral axial phantom, its phases interpolated in time, brought to the finer grid, with
    noise of the phantom's own strength.
    """
    path = work / "exam-6x256x256x96.zip"
    if path.is_file():
        return path
    case = generate_case(SEED, 0, PhantomSettings(like="duke", size="small"))
    grid = _finer(Grid(case.noise_free[0].shape, case.affine))
    rng = np.random.default_rng(SEED)
    noise = float(np.std(case.phases[:, :2] - case.noise_free[:, :2]))
    aside = path.with_suffix(".part")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        for phase in range(PHASES):
            image = resample(Volume(_at(case, phase), case.affine), grid, "linear").data
            pixels = _rician(image, noise, rng)
            for index in range(SHAPE[2]):
                name = f"exam/{phase + 1:03d}/{index + 1:04d}.dcm"
                archive.writestr(name, _slice(pixels[:, :, index], grid, phase, index))
    aside.replace(path)
    return path


def _finer(grid: Grid) -> Grid:
    """The same field of view in `SHAPE` voxels."""
    scale = np.array(grid.shape) / SHAPE
    affine = grid.affine.copy()
    affine[:3, :3] *= scale
    affine[:3, 3] += grid.affine[:3, :3] @ ((scale - 1) / 2)
    return Grid(SHAPE, affine)


def _at(case: PhantomCase, phase: int) -> NDArray[np.float32]:
    """The phantom without noise at one of `PHASES` moments."""
    last = len(case.noise_free) - 1
    moment = phase * last / (PHASES - 1)
    before = min(int(moment), last - 1)
    share = np.float32(moment - before)
    mixed: NDArray[np.float32] = (1 - share) * case.noise_free[before]
    mixed += share * case.noise_free[before + 1]
    return mixed


def _rician(
    image: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    real, imaginary = (rng.standard_normal(image.shape, np.float32) * sigma for _ in range(2))
    return np.rint(np.hypot(image + real, imaginary)).astype(np.int16)


def _slice(plane: NDArray[np.int16], grid: Grid, phase: int, index: int) -> bytes:
    """One DICOM file; columns run to the patient's left, rows to the back, as axial scans do."""
    mm = grid.spacing
    # The first pixel of a DICOM slice is the rightmost and foremost: in RAS, the far end of y.
    corner = grid.affine @ [SHAPE[0] - 1, SHAPE[1] - 1, index, 1.0]
    rows = plane[::-1, ::-1].T
    seconds = 36000 + round(60 * MINUTES_APART * phase)
    clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    values: dict[str, Any] = {
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": _uid("object", phase, index),
        "StudyDate": "20240102",
        "SeriesDate": "20240102",
        "AcquisitionDate": "20240102",
        "ContentDate": "20240102",
        "StudyTime": "095500",
        "SeriesTime": clock,
        "AcquisitionTime": clock,
        "ContentTime": clock,
        "AccessionNumber": "1",
        "Modality": "MR",
        "Manufacturer": "PHANTOM",
        "InstitutionName": "hcnet",
        "StudyDescription": "MRI BREAST BILATERAL WITH & WITHOUT",
        "SeriesDescription": "Ax dynamic pre" if phase == 0 else f"Ax dynamic post {phase}",
        "ManufacturerModelName": "phantom",
        "PatientName": "Phantom^Breast",
        "PatientID": "PHANTOM",
        "PatientSex": "F",
        "PatientAge": "050Y",
        "PatientWeight": 70.0,
        "BodyPartExamined": "BREAST",
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "ScanOptions": "FS",
        "MRAcquisitionType": "3D",
        "SliceThickness": round(mm[2], 6),
        "RepetitionTime": 5.0,
        "EchoTime": 2.0,
        "NumberOfAverages": 1.0,
        "ImagingFrequency": 63.8,
        "MagneticFieldStrength": 1.5,
        "SpacingBetweenSlices": round(mm[2], 6),
        "EchoTrainLength": 1,
        "PixelBandwidth": 300.0,
        "ProtocolName": "BREAST",
        "FlipAngle": 10.0,
        "PatientPosition": "HFP",
        "StudyInstanceUID": _uid("study"),
        "SeriesInstanceUID": _uid("series", phase),
        "SeriesNumber": phase + 1,
        "AcquisitionNumber": 1,
        "InstanceNumber": index + 1,
        "ImagePositionPatient": [round(float(v), 6) for v in (-corner[0], -corner[1], corner[2])],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "FrameOfReferenceUID": _uid("frame"),
        "SliceLocation": round(float(corner[2]), 6),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows.shape[0],
        "Columns": rows.shape[1],
        "PixelSpacing": [round(mm[1], 6), round(mm[0], 6)],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "PixelData": np.ascontiguousarray(rows).astype("<i2").tobytes(),
    }
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name, value in values.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(*parts: object) -> str:
    return str(generate_uid(entropy_srcs=[repr(part) for part in parts]))
