"""NIfTI in and out, and what is refused."""

import nibabel as nib
import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.volumes.nifti import (
    is_nifti,
    nifti_length,
    read_nifti,
    stem,
    write_nifti,
    write_nifti_shares,
)
from hcnet.volumes.volume import Volume

AFFINE = np.array([[0, 0, 2, 5], [1.5, 0, 0, 6], [0, -1.5, 0, 7], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_round_trip(tmp_path, dtype, suffix):
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / f"case_0000{suffix}"
    write_nifti(Volume(data, AFFINE), path)
    volume = read_nifti(path)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.data.dtype == dtype
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert stem(path) == "case_0000"
    assert is_nifti(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_one_volume_of_a_4d_file(tmp_path):
    path = tmp_path / "dce.nii.gz"
    data = np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    assert nifti_length(path) == 2
    np.testing.assert_array_equal(read_nifti(path, 1).data, data[..., 1])
    with pytest.raises(InputError, match="holds 2 volumes"):
        read_nifti(path)
    with pytest.raises(InputError, match="has no volume 2"):
        read_nifti(path, 2)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_nifti(tmp_path / "absent.nii.gz")


@pytest.mark.parametrize("keep", [20, 400])
def test_truncated_file(tmp_path, keep):
    path = tmp_path / "cut.nii.gz"
    noise = np.random.default_rng(0).integers(0, 1000, (20, 20, 20)).astype(np.int16)
    write_nifti(Volume(noise, AFFINE), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"cut\.nii\.gz"):
        read_nifti(path)


def test_other_content(tmp_path):
    path = tmp_path / "text.nii.gz"
    path.write_text("not an image")
    with pytest.raises(InputError, match="cannot be read as NIfTI"):
        read_nifti(path)


def test_complex_values_are_refused(tmp_path):
    path = tmp_path / "phase.nii"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.complex64), AFFINE), path)
    with pytest.raises(InputError, match="not an MR image"):
        read_nifti(path)


def test_2d_image_is_refused(tmp_path):
    path = tmp_path / "flat.nii"
    nib.save(nib.Nifti1Image(np.zeros((2, 2), np.int16), AFFINE), path)
    with pytest.raises(InputError, match="3-D or 4-D"):
        read_nifti(path)


def test_shares_are_kept_within_a_step(tmp_path):
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], (2, 3, 4)).astype(np.float32)
    path = tmp_path / "shares.nii.gz"
    write_nifti_shares(shares, Volume(shares[..., 0], AFFINE).grid, path)
    stored = nib.load(path)
    np.testing.assert_allclose(stored.get_fdata(), shares, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(stored.affine, AFFINE, atol=1e-5)
    assert nifti_length(path) == 3
    np.testing.assert_allclose(read_nifti(path, 1).data, shares[..., 1], atol=0.5 / 255 + 1e-6)
