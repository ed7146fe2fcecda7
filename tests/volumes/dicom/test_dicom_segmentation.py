import random
from pathlib import Path

import numpy as np
import pytest

from dicom_factory import OBLIQUE, SAGITTAL, Geometry, phase_array, save, segmentation, write_phase
from hcnet.errors import GeometryError, HcnetError, InputError
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import scan
from hcnet.volumes.dicom.segmentation import read_segmentation
from hcnet.volumes.dicom.stacks import stack_slices
from hcnet.volumes.volume import Grid, Volume, canonical_grid, to_canonical

SHAPE = (6, 5, 8)


def truth() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 2:4, 3:6] = 1
    mask[5, 0, 4] = 1
    return mask


def grid_of(geometry: Geometry, folder: Path) -> Grid:
    write_phase(folder, phase_array(0), geometry)
    return stack_slices(scan(folder).instances, "image").grid


def frames_of(mask: np.ndarray, geometry: Geometry, segment: int = 1, shift: float = 0.0) -> list:
    row, column = np.array(geometry.orientation).reshape(2, 3)
    offset = shift * (row * geometry.columns_mm + column * geometry.rows_mm)
    return [
        ((np.array(geometry.position(k)) + offset).round(6).tolist(), mask[:, :, k].T > 0, segment)
        for k in range(mask.shape[2])
        if mask[:, :, k].any()
    ]


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.5])
@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("orientation", [SAGITTAL, OBLIQUE])
def test_frames_land_on_their_slices(
    tmp_path: Path, orientation: tuple[float, ...], fractional: bool, shift: float
) -> None:
    """Fewer frames than slices, in any order, and an in-plane origin half a pixel off."""
    geometry = Geometry(orientation)
    grid = grid_of(geometry, tmp_path / "image")
    frames = frames_of(truth(), geometry, shift=shift)[::-1]
    assert len(frames) < SHAPE[2]
    path = save(segmentation(frames, geometry, fractional=fractional), tmp_path / "seg")
    mask = read_segmentation(DicomFile(path), grid)
    assert mask.data.dtype == np.uint8
    np.testing.assert_array_equal(mask.data, truth())
    canonical = read_segmentation(DicomFile(path), canonical_grid(grid))
    np.testing.assert_array_equal(canonical.data, to_canonical(Volume(truth(), grid.affine)).data)


def test_segment_by_number_and_by_label(tmp_path: Path) -> None:
    geometry = Geometry()
    grid = grid_of(geometry, tmp_path / "image")
    other = np.roll(truth(), 1, axis=2)
    frames = frames_of(truth(), geometry) + frames_of(other, geometry, segment=2)
    dataset = segmentation(frames, geometry, labels=("Lesion", "Breast"))
    file = DicomFile(save(dataset, tmp_path / "seg"))
    np.testing.assert_array_equal(read_segmentation(file, grid, 1).data, truth())
    np.testing.assert_array_equal(read_segmentation(file, grid, 2).data, other)
    np.testing.assert_array_equal(read_segmentation(file, grid, "breast").data, other)
    with pytest.raises(InputError, match=r"say which segment .*1 \(Lesion\), 2 \(Breast\)"):
        read_segmentation(file, grid)
    with pytest.raises(InputError, match="no segment 3"):
        read_segmentation(file, grid, 3)


def test_smaller_frames_are_placed_by_position(tmp_path: Path) -> None:
    geometry = Geometry()
    grid = grid_of(geometry, tmp_path / "image")
    plane = np.ones((2, 3), bool)  # rows 2-3, columns 1-3 of slice 3
    position = (geometry.ras(1, 2, 3) * [-1, -1, 1]).round(6).tolist()
    file = DicomFile(save(segmentation([(position, plane, 1)], geometry), tmp_path / "seg"))
    expected = np.zeros(SHAPE, np.uint8)
    expected[1:4, 2:4, 3] = 1
    np.testing.assert_array_equal(read_segmentation(file, grid).data, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 0.5}, "between two slices"),
        ({"step": 30}, "outside the image"),
    ],
)
def test_frames_off_the_grid(tmp_path: Path, change: dict[str, float], message: str) -> None:
    geometry = Geometry()
    grid = grid_of(geometry, tmp_path / "image")
    frames = [(geometry.position(3 + change["step"]), np.ones((5, 6), bool), 1)]
    file = DicomFile(save(segmentation(frames, geometry), tmp_path / "seg"))
    with pytest.raises(GeometryError, match=message):
        read_segmentation(file, grid)


def test_other_spacing(tmp_path: Path) -> None:
    grid = grid_of(Geometry(), tmp_path / "image")
    other = Geometry(rows_mm=1.0, columns_mm=1.0)
    file = DicomFile(save(segmentation(frames_of(truth(), other), other), tmp_path / "seg"))
    with pytest.raises(GeometryError, match="do not run along the image's voxels"):
        read_segmentation(file, grid)


def test_an_image_is_not_a_segmentation(tmp_path: Path) -> None:
    geometry = Geometry()
    grid = grid_of(geometry, tmp_path)
    with pytest.raises(InputError, match="not a DICOM segmentation"):
        read_segmentation(scan(tmp_path).instances[0].file, grid)


def test_damaged_bytes_give_a_sentence_and_never_a_crash(tmp_path: Path) -> None:
    geometry = Geometry()
    grid = grid_of(geometry, tmp_path / "image")
    path = save(segmentation(frames_of(truth(), geometry), geometry), tmp_path / "seg")
    whole = path.read_bytes()
    draw = random.Random(0)
    refused = []
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 5])):
            content[draw.randrange(128, len(content))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            read_segmentation(DicomFile(path), grid)
        except HcnetError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in message for message in refused)
