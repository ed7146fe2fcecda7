from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless

from dicom_factory import phase_array, write_phase
from hcnet.errors import InputError
from hcnet.volumes.dicom.headers import scan
from hcnet.volumes.dicom.pixels import load_stack
from hcnet.volumes.dicom.stacks import Stack, stack_slices
from hcnet.volumes.volume import Volume


def stack_of(folder: Path) -> Stack:
    return stack_slices(scan(folder).instances, "series 3")


def load(folder: Path) -> Volume:
    return load_stack(stack_of(folder))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [np.int16, np.uint16])
def test_stored_values_come_back(tmp_path: Path, compressed: bool, kind: type) -> None:
    volume = phase_array(2).astype(kind)
    if kind is np.int16:
        volume -= 2100  # some below zero
    write_phase(tmp_path, volume, compressed=compressed)
    loaded = load(tmp_path)
    assert loaded.data.dtype == kind
    np.testing.assert_array_equal(loaded.data, volume)


def test_rescale_applies(tmp_path: Path) -> None:
    volume = phase_array(1)
    write_phase(tmp_path, volume, RescaleSlope=0.001, RescaleIntercept=-1.0)
    loaded = load(tmp_path)
    assert loaded.data.dtype == np.float32
    np.testing.assert_allclose(loaded.data, volume * 0.001 - 1.0, rtol=1e-6, atol=1e-6)


def test_rescale_may_differ_from_slice_to_slice(tmp_path: Path) -> None:
    volume = phase_array(1)
    write_phase(tmp_path, volume, skip=[7])
    write_phase(tmp_path, volume, skip=range(7), RescaleSlope=2.0, RescaleIntercept=0.0)
    loaded = load(tmp_path)
    np.testing.assert_allclose(loaded.data[..., :7], volume[..., :7])
    np.testing.assert_allclose(loaded.data[..., 7], 2.0 * volume[..., 7])


@pytest.mark.parametrize(("kind", "top"), [(np.uint16, 4095), (np.int16, -1)])
def test_monochrome1_is_mirrored(tmp_path: Path, kind: type, top: int) -> None:
    volume = phase_array(0).astype(kind)
    write_phase(
        tmp_path, volume, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11
    )
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.data.astype(int), top - volume.astype(int))


def test_truncated_file_is_named(tmp_path: Path) -> None:
    files = write_phase(tmp_path, phase_array(0))
    content = files[4].read_bytes()
    files[4].write_bytes(content[:-9])
    with pytest.raises(InputError, match=files[4].name):
        load(tmp_path)


def test_file_that_vanishes_is_named(tmp_path: Path) -> None:
    files = write_phase(tmp_path, phase_array(0))
    stack = stack_of(tmp_path)
    files[2].unlink()
    with pytest.raises(InputError, match=files[2].name):
        load_stack(stack)


def test_missing_decoder_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_phase(tmp_path, phase_array(0), compressed=True)
    import pydicom

    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.save_as(file)
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder

    for plugin in JPEG2000LosslessDecoder.available_plugins:
        monkeypatch.delitem(JPEG2000LosslessDecoder._available, plugin)
    with pytest.raises(InputError, match=r"JPEG 2000.*hcnet\[dicom-codecs\]"):
        load(tmp_path)


def test_colour_is_refused(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0), SamplesPerPixel=3)
    with pytest.raises(InputError, match="colour"):
        load(tmp_path)


def test_zero_slope_is_refused(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0), RescaleSlope=0.0, RescaleIntercept=0.0)
    with pytest.raises(InputError, match="rescale slope is 0"):
        load(tmp_path)
