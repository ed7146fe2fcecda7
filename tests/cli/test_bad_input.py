"""What a user gets for a damaged or odd exam: one sentence, an exit code by kind, and no output."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dicom_factory import SAGITTAL, Geometry, phase_array, write_interleaved, write_phase
from mini_cohort import SHAPE, write_mini

SLICES = 8
Damage = Callable[[Path], None]


def missing_slice(exam: Path) -> None:
    (exam / f"IM003{SLICES + 4:05d}").unlink()


def slice_missing_everywhere(exam: Path) -> None:
    for phase in range(3):
        (exam / f"IM003{phase * SLICES + 4:05d}").unlink()


def duplicate_slice(exam: Path) -> None:
    extra = [k for k in range(SLICES) if k != 2]
    write_phase(exam, phase_array(9), first_instance=500, skip=extra)


def mixed_orientations(exam: Path) -> None:
    for file in sorted(exam.iterdir())[:3]:
        dataset = dcmread(file)
        dataset.ImageOrientationPatient = list(SAGITTAL)
        dataset.save_as(file)


def gantry_tilt(exam: Path) -> None:
    for file in exam.iterdir():
        dataset = dcmread(file)
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + 0.4 * z, z]
        dataset.save_as(file)


def two_patients(exam: Path) -> None:
    write_phase(exam / "other", phase_array(0), patient="P2")


def unknown_syntax(exam: Path) -> None:
    file = sorted(exam.iterdir())[0]
    dataset = dcmread(file)
    dataset.file_meta.TransferSyntaxUID = UID("1.2.3.4.5")
    dataset.save_as(file, implicit_vr=False, little_endian=True)


def undecodable_syntax(exam: Path) -> None:
    for file in exam.iterdir():
        dataset = dcmread(file)
        dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")  # MPEG-2 video
        dataset.PixelData = encapsulate([b"film"])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(file, implicit_vr=False, little_endian=True)


def truncated_pixels(exam: Path) -> None:
    file = sorted(exam.iterdir())[2]
    file.write_bytes(file.read_bytes()[:-20])


def truncated_header(exam: Path) -> None:
    for file in exam.iterdir():
        file.write_bytes(file.read_bytes()[:200])


def colour(exam: Path) -> None:
    file = sorted(exam.iterdir())[0]
    dataset = dcmread(file)
    dataset.SamplesPerPixel = 3
    dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.save_as(file)


def nothing_there(exam: Path) -> None:
    for file in exam.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "code", "text"),
    [
        (missing_slice, 3, "phase 2 lacks the slice at 46.0 mm"),
        (slice_missing_everywhere, 3, "a slice is missing between instance 3"),
        (duplicate_slice, 3, "occurs 4 times"),
        (mixed_orientations, 4, "mixed orientations, 21 images lie in one plane and 3 in others"),
        (gantry_tilt, 4, "gantry tilt"),
        (two_patients, 3, "holds 2 patients"),
        (unknown_syntax, 3, "transfer syntax"),
        (undecodable_syntax, 3, "cannot be decoded"),
        (truncated_pixels, 3, "IM00300003: its pixels cannot be read"),
        (truncated_header, 3, "cut short"),
        (colour, 3, "colour image"),
        (nothing_there, 3, "the folder is empty"),
    ],
)
def test_dicom(damage: Damage, code: int, text: str, tmp_path, hcnet) -> None:
    exam, out = tmp_path / "exam", tmp_path / "out"
    write_interleaved(exam, Geometry())
    damage(exam)
    result = hcnet("cluster", exam, "-o", out)
    assert text in result.error
    assert result.returncode == code
    assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["exam"]


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-300])


def no_image(file: Path) -> None:
    file.write_text("no image")


def not_a_number(file: Path) -> None:
    image = nib.load(file)
    data = np.asanyarray(image.dataobj).copy()
    data[3, 3, 3] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), file)


def constant(file: Path) -> None:
    image = nib.load(file)
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.float32), image.affine), file)


def one_slice(file: Path) -> None:
    image = nib.load(file)
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj)[:, :, :1], image.affine), file)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut_short, "damaged"),
        (no_image, "NIfTI"),
        (not_a_number, "NaN"),
        (constant, "shows nothing"),
        (one_slice, "shape"),
    ],
)
@pytest.mark.parametrize("phase", [0, 1])
def test_nifti(damage: Damage, text: str, phase: int, tmp_path, hcnet) -> None:
    write_mini(tmp_path / "cohort", 2, seed=1, truth=False)
    exam, out = tmp_path / "cohort" / "images" / "CASE_01", tmp_path / "out"
    damage(exam / f"case_01_{phase:04d}.nii.gz")
    result = hcnet("cluster", exam, "-o", out)
    assert "case_01_000" in result.error
    assert text in result.error
    assert result.returncode in (3, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort"]


def test_a_mask_outside_the_volume(tmp_path, hcnet) -> None:
    write_mini(tmp_path / "cohort", 2, seed=1, truth=False)
    mask = tmp_path / "cohort/segmentations/expert/case_01.nii.gz"
    image = nib.load(mask)
    elsewhere = image.affine.copy()
    elsewhere[:3, 3] += 400
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), elsewhere), mask)
    exam = tmp_path / "cohort" / "images" / "CASE_01"
    result = hcnet("cluster", exam, "-o", tmp_path / "out", "--region", mask)
    assert "case_01.nii.gz" in result.error
    assert "resample it to that grid" in result.error
    assert result.returncode == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort"]
