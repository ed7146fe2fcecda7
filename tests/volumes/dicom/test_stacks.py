from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_factory import AXIAL, OBLIQUE, SAGITTAL, Geometry, image, phase_array, save, write_phase
from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import Instance, _instance, scan
from hcnet.volumes.dicom.pixels import load_stack
from hcnet.volumes.dicom.stacks import stack_slices
from hcnet.volumes.volume import to_canonical


def instances(folder: Path) -> tuple[Instance, ...]:
    return scan(folder).instances


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE])
def test_marker_lands_at_its_millimetre(
    tmp_path: Path, orientation: tuple[float, ...], reverse: bool
) -> None:
    geometry = Geometry(orientation)
    volume = np.zeros((6, 5, 8), np.int16)
    volume[4, 1, 6] = 77  # column 4, row 1, slice 6
    write_phase(tmp_path, volume, geometry, reverse=reverse)
    loaded = load_stack(stack_slices(instances(tmp_path), "test"))
    assert loaded.shape == (6, 5, 8)
    for form in (loaded, to_canonical(loaded)):
        (index,) = np.argwhere(form.data == 77)
        place = (form.affine @ [*index, 1.0])[:3]
        np.testing.assert_allclose(place, geometry.ras(4, 1, 6), atol=1e-4)


@given(st.permutations(range(5)))
def test_order_of_slices_does_not_matter(order: list[int]) -> None:
    found = [memory_instance(index) for index in order]
    stack = stack_slices(found, "test")
    assert [i.instance_number for i in stack.instances] == [1, 2, 3, 4, 5]
    assert stack.grid.spacing == pytest.approx((0.75, 1.5, 2.0))


def memory_instance(index: float, **tags: object) -> Instance:
    geometry = Geometry()
    dataset = image(np.zeros((4, 3), np.int16), geometry, index, instance=round(index) + 1, **tags)
    return _instance(DicomFile(Path(f"slice{index}")), dataset)


def test_missing_slice_says_which() -> None:
    found = [memory_instance(index) for index in (0, 1, 2, 4, 5, 6)]
    with pytest.raises(InputError, match=r"slice is missing between instance 3 at .* instance 5"):
        stack_slices(found, "series 3")


def test_several_missing_slices_are_counted() -> None:
    found = [memory_instance(index) for index in (0, 1, 2, 3, 4, 8, 9)]
    with pytest.raises(InputError, match="3 slices are missing between instance 5"):
        stack_slices(found, "series 3")


def test_duplicate_position() -> None:
    found = [memory_instance(index) for index in (0, 1, 2, 2.001, 3)]
    with pytest.raises(InputError, match="same position"):
        stack_slices(found, "series 3")


def test_uneven_spacing() -> None:
    found = [memory_instance(index) for index in (0, 1, 2, 3.4, 4.4, 5.4)]
    with pytest.raises(GeometryError, match=r"unevenly spaced: 2\.80 mm"):
        stack_slices(found, "series 3")


def test_rounded_positions_are_even_enough() -> None:
    found = [memory_instance(index) for index in (0, 1.02, 2.01, 2.99, 4)]
    assert stack_slices(found, "series 3").grid.shape[2] == 5


def test_gantry_tilt() -> None:
    tilted = [
        memory_instance(index, ImagePositionPatient=[0.0, 0.4 * index, 2.0 * index])
        for index in range(6)
    ]
    with pytest.raises(GeometryError, match="gantry tilt"):
        stack_slices(tilted, "series 3")


@pytest.mark.parametrize(
    ("tags", "error", "message"),
    [
        ({"ImageOrientationPatient": list(SAGITTAL)}, GeometryError, "differ in orientation"),
        ({"PixelSpacing": [1.0, 1.0]}, GeometryError, "differ in pixel spacing"),
        ({"Rows": 5}, GeometryError, "differ in size"),
        ({"PixelSpacing": [0.0, 1.0]}, InputError, "not positive"),
        ({"PixelSpacing": None}, InputError, "no pixel spacing"),
        ({"ImagePositionPatient": None}, InputError, "no ImagePositionPatient"),
        ({"ImageOrientationPatient": None}, InputError, "no ImageOrientationPatient"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, InputError, "right angles"),
        ({"NumberOfFrames": 4}, InputError, "multi-frame"),
    ],
)
def test_slices_that_do_not_fit(
    tags: dict[str, object], error: type[Exception], message: str
) -> None:
    found = [memory_instance(0), memory_instance(1), memory_instance(2, **tags)]
    with pytest.raises(error, match=message):
        stack_slices(found, "series 3")


def test_no_slices() -> None:
    with pytest.raises(InputError, match="no slices"):
        stack_slices([], "series 3")


def test_one_slice_takes_its_thickness(tmp_path: Path) -> None:
    save(image(phase_array(0)[:, :, 0].T, Geometry(step_mm=3.0), 0), tmp_path / "a")
    assert stack_slices(instances(tmp_path), "one").grid.spacing[2] == pytest.approx(3.0)
