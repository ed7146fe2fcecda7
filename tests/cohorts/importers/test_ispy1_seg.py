from pathlib import Path

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import ispy1_seg
from hcnet.cohorts.importers.importer import Imported, Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import InputError
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

NATIVE = "images_bias-corrected_nifti"
RESAMPLED = "images_bias-corrected_resampled_zscored_nifti"
SHAPES = {NATIVE: (9, 8, 5), RESAMPLED: (7, 6, 10)}
# Sagittal as the exams are, and the resampled images of 1 mm in their own order of axes.
AFFINES = {
    NATIVE: np.array([[0, 0, 2, 40], [-0.78, 0, 0, 106], [0, -0.78, 0, 111], [0, 0, 0, 1.0]]),
    RESAMPLED: np.array([[-1, 0, 0, 50], [0, -1, 0, 107], [0, 0, 1, 104], [0, 0, 0, 1.0]]),
}
MARKER = (4, 2, 3)
LOWEST = -2.5


def phase(form: str, number: int) -> np.ndarray:
    """Values that all differ, with the highest at the marker; z-scores start below 0."""
    shape = SHAPES[form]
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 100 + number
    data[MARKER] = 50 + number
    return data + np.float32(LOWEST) if form == RESAMPLED else data


def write_images(
    root: Path, form: str, patient: str = "ISPY1_1002", suffix: str = ".nii.gz"
) -> None:
    end = "N3" if form == NATIVE else "N3_zscored"
    for number in range(3):
        file = f"{patient}_DCE_{number:04d}_{end}{suffix}"
        write_nifti(Volume(phase(form, number), AFFINES[form]), root / form / patient / file)


def mask(form: str, value: int = 1) -> Volume:
    data = np.zeros(SHAPES[form], np.uint8)
    data[MARKER] = value
    data[2:4, 1:3, 2] = value
    return Volume(data, AFFINES[form])


def write_mask(root: Path, folder: str, volume: Volume, patient: str = "ISPY1_1002") -> Path:
    path = root / folder / f"{patient}.nii.gz"
    write_nifti(volume, path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Both forms, all three masks on the resampled grid."""
    base = tmp_path / "in" / "NIfTI-Files"
    write_images(base, NATIVE, suffix=".nii")
    write_images(base, RESAMPLED)
    write_mask(base, "masks_stv_manual", mask(RESAMPLED))
    write_mask(base, "masks_stv_resunet", mask(RESAMPLED))
    write_mask(base, "masks_ftv", mask(RESAMPLED, 255))
    return base


def loaded(root: Path) -> Imported:
    (item,) = ispy1_seg.find(root, Options()).items
    return ispy1_seg.load(item)


def told(imported: Imported, text: str) -> bool:
    return any(text in decision for decision in imported.decisions)


@pytest.mark.parametrize("deep", [False, True])
def test_a_patient_arrives_with_all_masks_at_its_millimetres(root: Path, deep: bool) -> None:
    name, findings = find_cases(root.parent if deep else root)
    assert name == "ispy1-seg"
    assert [item.name for item in findings.items] == ["ISPY1_1002"]
    out = root.parents[1] / "out"
    summary = import_cases(name, findings, out)
    assert [(row.status, row.masks) for row in summary.rows] == [
        ("taken", ("expert", "functional", "resunet"))
    ]
    expected = (AFFINES[RESAMPLED] @ [*MARKER, 1])[:3]
    case = read_cohort(out)["ISPY1_1002"]
    assert len(case.phases) == 3
    for number, source in enumerate(case.phases):
        volume = source.load()
        index = np.unravel_index(volume.data.argmax(), volume.shape)
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], expected, atol=1e-4)
        np.testing.assert_allclose(volume.data, phase(RESAMPLED, number) - LOWEST, atol=1e-5)
    for source in ("expert", "resunet", "functional"):
        tumour = read_cohort(out, source)["ISPY1_1002"].tumour
        assert tumour is not None
        found = tumour.load()
        np.testing.assert_array_equal(found.data, mask(RESAMPLED).data)
        np.testing.assert_allclose(found.affine, AFFINES[RESAMPLED], atol=1e-4)
    assert case.facts["patient_id"] == "ISPY1_1002"


def test_what_was_done_to_the_values_is_told(root: Path) -> None:
    imported = loaded(root)
    assert imported.times_s is None
    assert told(imported, "Took the resampled z-scored images, 3 phases: the masks expert,")
    assert told(imported, "The values 0 and 255 of the mask functional became 0 and 1.")
    assert told(imported, "added 2.5 to the z-scores of all phases")
    assert told(imported, "The acquisition times are not known.")


def test_native_images_are_taken_where_the_expert_mask_fits_them(root: Path) -> None:
    write_mask(root, "masks_stv_manual", mask(NATIVE))
    imported = loaded(root)
    assert set(imported.masks) == {"expert"}
    np.testing.assert_array_equal(imported.phases[2].data, phase(NATIVE, 2))
    assert told(imported, "Took the bias-corrected native images")
    assert told(imported, "Left the mask functional: the grids of image and mask differ "
                "(shape (9, 8, 5) against (7, 6, 10)).")  # fmt: skip


def test_a_mask_of_another_shape_is_left(root: Path) -> None:
    write_mask(root, "masks_ftv", Volume(np.ones((7, 6, 9), np.uint8), AFFINES[RESAMPLED]))
    imported = loaded(root)
    assert set(imported.masks) == {"expert", "resunet"}
    assert told(imported, "Left the mask functional: the grids of image and mask differ "
                "(shape (7, 6, 10) against (7, 6, 9)).")  # fmt: skip


def test_a_mask_moved_against_the_images_is_left(root: Path) -> None:
    moved = AFFINES[RESAMPLED].copy()
    moved[0, 3] += 1
    write_mask(root, "masks_stv_resunet", Volume(mask(RESAMPLED).data, moved))
    imported = loaded(root)
    assert set(imported.masks) == {"expert", "functional"}
    assert told(imported, "Left the mask resunet: the grids of image and mask differ (corner")


def test_grids_that_differ_by_rounding_are_one(root: Path) -> None:
    near = AFFINES[RESAMPLED].copy()
    near[:3, 3] += 0.03
    write_mask(root, "masks_stv_manual", Volume(mask(RESAMPLED).data, near))
    imported = loaded(root)
    assert imported.phases[0].grid.difference(imported.masks["expert"].grid) is None


def test_a_case_whose_masks_fit_no_images_fails_and_writes_nothing(root: Path) -> None:
    odd = Volume(np.ones((3, 3, 3), np.uint8), np.eye(4))
    for folder in ("masks_stv_manual", "masks_stv_resunet", "masks_ftv"):
        write_mask(root, folder, odd)
    for form in (NATIVE, RESAMPLED):
        write_images(root, form, "ISPY1_1003")
    write_mask(root, "masks_stv_manual", mask(RESAMPLED), "ISPY1_1003")
    out = root.parents[1] / "out"
    summary = import_cases("ispy1-seg", find_cases(root, "ispy1-seg")[1], out)
    assert [(r.name, r.status) for r in summary.rows] == [
        ("ISPY1_1002", "failed"),
        ("ISPY1_1003", "taken"),
    ]
    (why,) = summary.rows[0].decisions
    assert "Left the resampled z-scored images: no mask fits their grid." in why
    assert "shape (9, 8, 5) against (3, 3, 3)" in why
    assert not list(out.rglob("ispy1_1002*.nii.gz"))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_flat_images_are_left_with_a_sentence(root: Path, value: float) -> None:
    flat = Volume(np.full(SHAPES[RESAMPLED], value, np.float32), AFFINES[RESAMPLED])
    path = root / RESAMPLED / "ISPY1_1002" / "ISPY1_1002_DCE_0001_N3_zscored.nii.gz"
    write_nifti(flat, path)
    sentence = "is flat, every voxel is 0" if value == 0 else "holds values that are no numbers"
    with pytest.raises(InputError, match=rf"{path.name} {sentence}"):
        loaded(root)


def test_flat_images_give_way_to_the_other_form_where_a_mask_fits_it(root: Path) -> None:
    write_mask(root, "masks_ftv", mask(NATIVE, 255))
    flat = Volume(np.ones(SHAPES[RESAMPLED], np.float32), AFFINES[RESAMPLED])
    write_nifti(flat, root / RESAMPLED / "ISPY1_1002" / "ISPY1_1002_DCE_0000_N3_zscored.nii.gz")
    imported = loaded(root)
    assert set(imported.masks) == {"functional"}
    assert told(imported, "is flat, every voxel is 1.")
    assert told(imported, "Took the bias-corrected native images")
    assert told(imported, "Left the mask expert: the grids of image and mask differ")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0, 2], "holds other values than 0 and 1"),
        ([0, 1, 255], "holds other values than 0 and 1"),
        ([0], "is empty"),
    ],
)
def test_a_mask_with_unusable_values_is_left(root: Path, values: list[int], sentence: str) -> None:
    data = np.zeros(SHAPES[RESAMPLED], np.uint8)
    data.flat[: len(values)] = values
    path = write_mask(root, "masks_stv_manual", Volume(data, AFFINES[RESAMPLED]))
    imported = loaded(root)
    assert set(imported.masks) == {"resunet", "functional"}
    assert told(imported, f"Left the mask expert: {path} {sentence}")


def test_a_damaged_mask_is_left_and_the_case_is_taken(root: Path) -> None:
    path = root / "masks_ftv" / "ISPY1_1002.nii.gz"
    path.write_bytes(path.read_bytes()[:40])
    imported = loaded(root)
    assert set(imported.masks) == {"expert", "resunet"}
    assert told(imported, f"Left the mask functional: {path}")


def test_a_form_with_a_missing_phase_is_left(root: Path) -> None:
    (root / RESAMPLED / "ISPY1_1002" / "ISPY1_1002_DCE_0001_N3_zscored.nii.gz").unlink()
    with pytest.raises(InputError, match=r"no mask fits their grid.*phase 0001 is missing"):
        loaded(root)


def test_names_in_another_letter_case_and_unpacked_copies(root: Path) -> None:
    folder = root / RESAMPLED / "ISPY1_1002"
    for path in sorted(folder.iterdir()):
        path.rename(folder / path.name.lower())
    write_nifti(mask(RESAMPLED), root / "masks_stv_manual" / "ispy1_1002.nii")
    imported = loaded(root)
    assert (len(imported.phases), set(imported.masks)) == (3, {"expert", "resunet", "functional"})


def test_images_without_masks_are_taken_in_native_form(tmp_path: Path) -> None:
    write_images(tmp_path, NATIVE)
    write_images(tmp_path, RESAMPLED)
    imported = loaded(tmp_path)
    assert imported.masks == {}
    assert told(imported, "Took the bias-corrected native images, 3 phases: there is no mask")


def test_masks_without_images_are_left(root: Path) -> None:
    write_mask(root, "masks_ftv", mask(RESAMPLED), "ISPY1_1009")
    findings = ispy1_seg.find(root, Options())
    assert [item.name for item in findings.items] == ["ISPY1_1002"]
    assert [(left.name, left.why) for left in findings.left] == [
        ("ISPY1_1009", "has masks and no images.")
    ]


def test_there_is_no_second_visit(root: Path) -> None:
    with pytest.raises(InputError, match="holds the first visit alone; ask for visit 1"):
        ispy1_seg.find(root, Options(2))
    assert len(ispy1_seg.find(root, Options(None)).items) == 1


def test_other_folders_are_not_this_collection(tmp_path: Path) -> None:
    write_nifti(mask(NATIVE), tmp_path / "images" / "ISPY1_1002" / "ispy1_1002_0000.nii.gz")
    (tmp_path / "empty" / NATIVE).mkdir(parents=True)
    assert not ispy1_seg.recognises(tmp_path)
    assert not ispy1_seg.recognises(tmp_path / "empty")
    assert not ispy1_seg.recognises(tmp_path / "nowhere")
    with pytest.raises(InputError, match="has neither images_bias-corrected_nifti nor"):
        ispy1_seg.find(tmp_path, Options())
