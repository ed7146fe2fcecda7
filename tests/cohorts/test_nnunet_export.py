"""A cohort as nnU-Net's raw dataset."""

import json
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its customary name)
from numpy.testing import assert_allclose, assert_array_equal

from hcnet.cohorts.cohort import SOURCE_FILE, Cohort, read_cohort
from hcnet.cohorts.export.nnunet import Request, export_nnunet
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json, write_json
from hcnet.training.split import folds_of
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.resample import resample
from hcnet.volumes.volume import Volume, from_canonical
from mini_cohort import write_mini

BREAST = Request(700, "Breast", "breast")
TUMOUR = Request(701, "Tumour", "tumour")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_mini(tmp_path_factory.mktemp("made"), 4, seed=1, truth=False)


@pytest.fixture
def cohort(made, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(made.root, tmp_path / "cohort")
    return read_cohort(tmp_path / "cohort")


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder):
    return {path: (folder / path).read_bytes() for path in files(folder)}


def test_layout_is_nnunets(made, tmp_path):
    result = export_nnunet(made, tmp_path, BREAST)
    folder = tmp_path / "Dataset700_Breast"
    names = [f"CASE_{number:02d}" for number in range(4)]
    assert result.folder == folder
    assert (result.training, result.held_out, result.channels) == (4, 0, 1)
    assert files(folder) == sorted(
        ["dataset.json", "hcnet.json"]
        + [f"imagesTr/{name}_0000.nii.gz" for name in names]
        + [f"labelsTr/{name}.nii.gz" for name in names]
    )
    assert read_json(folder / "dataset.json") == {
        "name": "Breast",
        "channel_names": {"0": "pre"},
        "labels": {"background": 0, "breast": 1},
        "numTraining": 4,
        "file_ending": ".nii.gz",
        "hcnet": {"axes": "RAS", "target": "breast", "phases": 1},
    }


def test_volumes_are_canonical_and_the_same_at_every_place(made, tmp_path):
    folder = export_nnunet(made, tmp_path, TUMOUR).folder
    for case in made.cases:
        image = read_nifti(folder / "imagesTr" / f"{case.name}_0000.nii.gz")
        label = read_nifti(folder / "labelsTr" / f"{case.name}.nii.gz")
        assert case.pre.load().grid.axis_codes == "LAS"
        assert image.grid.axis_codes == "RAS"
        assert image.grid.difference(label.grid, tolerance_mm=0) is None
        assert label.data.dtype == np.uint8
        for written, source in ((image, case.pre), (label, case.tumour)):
            back = from_canonical(written, source.load().grid)
            assert_array_equal(back.data, source.load().data)


def test_nnunets_reader_sees_image_and_label_on_one_oblique_grid(made, tmp_path):
    angle = np.deg2rad(17)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pre, breast = made["CASE_01"].pre.load(), made["CASE_01"].breast.load()
    root = tmp_path / "oblique"
    image = Volume(np.ascontiguousarray(pre.data.transpose(2, 0, 1)), turn @ np.diag([3, -2, 1, 1]))
    write_nifti(image, root / "images" / "A" / "a_0000.nii.gz")
    write_nifti(image.with_data(breast.data.transpose(2, 0, 1)), root / "breast" / "a.nii.gz")
    folder = export_nnunet(read_cohort(root), tmp_path, BREAST).folder
    seen = [sitk.ReadImage(folder / sub / name) for sub, name in
            (("imagesTr", "A_0000.nii.gz"), ("labelsTr", "A.nii.gz"))]  # fmt: skip
    assert seen[0].GetDirection() == seen[1].GetDirection()
    assert seen[0].GetOrigin() == seen[1].GetOrigin()
    assert seen[0].GetSpacing() == seen[1].GetSpacing()
    assert_allclose(seen[0].GetSpacing(), (3, 2, 1), rtol=1e-6)
    assert_array_equal(sitk.GetArrayFromImage(seen[1]).sum(), breast.data.sum())


def test_held_out_cases_go_where_nnunet_does_not_learn(made, tmp_path):
    result = export_nnunet(made, tmp_path, BREAST, train={"CASE_00", "CASE_02"}, test={"CASE_01"})
    assert files(result.folder / "imagesTs") == ["CASE_01_0000.nii.gz"]
    assert files(result.folder / "labelsTs") == ["CASE_01.nii.gz"]
    assert files(result.folder / "labelsTr") == ["CASE_00.nii.gz", "CASE_02.nii.gz"]
    assert read_json(result.folder / "dataset.json")["numTraining"] == 2
    assert (result.training, result.held_out) == (2, 1)
    assert read_json(result.folder / "hcnet.json")["left"] == {
        "CASE_03": "the split does not name it"
    }


def test_cases_without_the_mask_or_with_a_wrong_one_are_told(cohort, tmp_path):
    breast = cohort.root / "breast"
    (breast / "case_00.nii.gz").unlink()
    mask = read_nifti(breast / "case_01.nii.gz")
    write_nifti(Volume(mask.data, mask.affine + np.eye(4)), breast / "case_01.nii.gz")
    write_nifti(mask.with_data(np.zeros_like(mask.data)), breast / "case_02.nii.gz")
    result = export_nnunet(read_cohort(cohort.root), tmp_path, BREAST)
    assert [row.status for row in result.rows] == ["left", "failed", "failed", "written"]
    why = [row.why for row in result.rows]
    assert why[0] == "it has no breast mask"
    assert "case_01.nii.gz: lies on another grid" in why[1]
    assert "case_02.nii.gz: the breast mask is empty" in why[2]
    assert files(result.folder / "imagesTr") == ["CASE_03_0000.nii.gz"]
    assert read_json(result.folder / "dataset.json")["numTraining"] == 1


def test_nothing_to_learn_from_is_an_error_and_no_dataset(cohort, tmp_path):
    shutil.rmtree(cohort.root / "breast")
    with pytest.raises(InputError, match=r"\(CASE_00: it has no breast mask\)"):
        export_nnunet(read_cohort(cohort.root), tmp_path, BREAST)
    assert not (tmp_path / "Dataset700_Breast" / "dataset.json").exists()


def test_masks_of_0_and_255_become_labels(cohort, tmp_path):
    path = cohort.root / "breast" / "case_00.nii.gz"
    mask = read_nifti(path)
    write_nifti(mask.with_data(mask.data * np.uint8(255)), path)
    folder = export_nnunet(cohort, tmp_path, BREAST).folder
    assert set(np.unique(read_nifti(folder / "labelsTr" / "CASE_00.nii.gz").data)) == {0, 1}


def test_phases_are_channels_on_the_grid_of_the_first(cohort, tmp_path):
    case = cohort["CASE_01"]
    late = case.phases[2].load()
    moved = Volume(late.data, late.affine.copy() + np.outer([1, 0, 0, 0], [0, 0, 0, 4.0]))
    write_nifti(moved, case.phases[2].path)
    folder = export_nnunet(cohort, tmp_path, replace(TUMOUR, phases=None)).folder
    names = read_json(folder / "dataset.json")["channel_names"]
    assert names == {"0": "pre", "1": "post_1", "2": "post_2"}
    image = read_nifti(folder / "imagesTr" / "CASE_01_0002.nii.gz")
    expected = resample(moved, case.pre.load().grid, "linear").data
    assert_array_equal(from_canonical(image, case.pre.load().grid).data, expected)


def test_every_case_needs_as_many_channels(cohort, tmp_path):
    (cohort.root / "images" / "CASE_02" / "case_02_0002.nii.gz").unlink()
    (cohort.root / "patient_info_files" / "case_02.json").unlink()
    fewer = read_cohort(cohort.root)
    with pytest.raises(ConfigError, match=r"CASE_02 has 2 phases and .* has 3"):
        export_nnunet(fewer, tmp_path, replace(TUMOUR, phases=None))
    result = export_nnunet(fewer, tmp_path, replace(TUMOUR, phases=3))
    assert {row.name: row.why for row in result.rows if row.why} == {
        "CASE_02": "it has 2 of 3 phases"
    }
    assert result.channels == 3


def test_pseudo_labels_are_learned_from_only_when_told_and_never_scored(cohort, tmp_path):
    write_json(cohort.root / "segmentations/expert" / SOURCE_FILE, {"kind": "pseudo-label"})
    pseudo = read_cohort(cohort.root, "expert")
    with pytest.raises(InputError, match="--pseudo-labels takes it"):
        export_nnunet(pseudo, tmp_path, TUMOUR)
    told = replace(TUMOUR, number=702, pseudo_labels=True)
    result = export_nnunet(pseudo, tmp_path, told, test={"CASE_01"})
    assert [row.name for row in result.rows if row.status == "left"] == ["CASE_01"]
    assert result.held_out == 0


def test_same_cohort_same_bytes_and_a_stopped_export_goes_on(made, tmp_path):
    first = export_nnunet(made, tmp_path / "a", BREAST).folder
    whole = contents(first)
    assert contents(export_nnunet(made, tmp_path / "b", BREAST).folder) == whole
    (first / "labelsTr" / "CASE_02.nii.gz").unlink()  # as if it had been stopped before it
    (first / "imagesTr" / "CASE_02_0000.nii.gz").write_text("half")
    (first / "dataset.json").unlink()
    again = export_nnunet(made, tmp_path / "a", BREAST)
    assert (again.count("written"), again.count("already there")) == (1, 3)
    assert contents(first) == whole


def test_another_request_does_not_mix_in(made, tmp_path):
    folder = export_nnunet(made, tmp_path, BREAST).folder
    with pytest.raises(InputError, match="exported with another phases"):
        export_nnunet(made, tmp_path, replace(BREAST, phases=2))
    with pytest.raises(InputError, match="exported with another test setting"):
        export_nnunet(made, tmp_path, BREAST, test={"CASE_01"})
    with pytest.raises(InputError, match="exported with another target setting"):
        export_nnunet(made, tmp_path, replace(BREAST, target="tumour"))
    fewer = Cohort(made.root, made.cases[:3])
    with pytest.raises(InputError, match=r"CASE_03.nii.gz: belongs to no case"):
        export_nnunet(fewer, tmp_path, BREAST)
    # What is refused after work has begun is no dataset until it is mended.
    assert not (folder / "dataset.json").exists()
    (tmp_path / "Dataset009_Other").mkdir()
    (tmp_path / "Dataset009_Other" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not from `hcnet export`"):
        export_nnunet(made, tmp_path, replace(BREAST, number=9, name="Other"))


def test_folds_are_those_of_a_comparison(made, tmp_path):
    folds = [{case.name for case in fold} for fold in folds_of(made.cases, 2, seed=5)]
    folder = export_nnunet(made, tmp_path, BREAST, folds=folds).folder
    splits = json.loads((folder / "splits_final.json").read_text())
    assert [set(split["val"]) for split in splits] == folds
    for split in splits:
        assert sorted(split["train"] + split["val"]) == [case.name for case in made.cases]
    with pytest.raises(ConfigError, match="fold 1 has no exported case in its val part"):
        export_nnunet(made, tmp_path / "b", BREAST, folds=[{"CASE_00"}, {"CASE_09"}])


@pytest.mark.parametrize(
    "change", [{"number": 0}, {"number": 1000}, {"name": "../x"}, {"name": ""}, {"phases": 0}]
)
def test_wrong_requests_are_refused(change):
    with pytest.raises(ConfigError):
        replace(BREAST, **change)


def test_a_sheared_exam_is_left_with_its_reason(made, tmp_path):
    pre = made["CASE_01"].pre.load()
    shear = np.eye(4)
    shear[0, 2] = 0.2
    root = tmp_path / "cohort"
    image = Volume(pre.data, shear @ pre.affine)
    # A file holds a shear in its sform alone.
    for path, data in (("images/A/a_0000.nii.gz", pre.data),
                       ("breast/a.nii.gz", made["CASE_01"].breast.load().data)):  # fmt: skip
        (root / path).parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(data, image.affine), root / path)
    with pytest.raises(InputError, match="not at right angles"):
        export_nnunet(read_cohort(root), tmp_path, BREAST)
