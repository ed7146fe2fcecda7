"""Images and masks that some arms get in place of the usual ones."""

import json

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort
from hcnet.errors import InputError
from hcnet.studies.ablation.images import dce_channels, image_files, pseudo_masks
from hcnet.studies.material import prepare_folds, split_cohorts
from hcnet.studies.phase_images import enhancement
from hcnet.volumes.nifti import read_nifti
from mini_cohort import mini_config, write_mini


def test_the_pre_contrast_image_is_the_cache_s(material, tmp_path):
    files = image_files("pre", material.own, tmp_path)
    assert files == {case.name: case.files["image"] for case in material.own}


def test_the_breast_image_tells_nothing_but_the_mask(material, tmp_path):
    for case in material.own:
        image = np.load(image_files("breast", material.own, tmp_path)[case.name])
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, np.asarray(case.breast))


def test_dce_channels(material):
    for case in material.own:
        channels = dce_channels(case)
        np.testing.assert_array_equal(channels[0], case.image)
        np.testing.assert_array_equal(channels[1:], enhancement(case, (1, 2)))


def test_pseudo_masks_are_the_enhancing_lesion(material, cohorts, tmp_path):
    files = pseudo_masks(material, tmp_path)
    assert sorted(files) == [f"EXTRA_CASE_0{i}" for i in range(4)]
    for case in material.extra:
        mask = np.load(files[case.name])
        exact = cohorts[1].root / "truth" / case.name.removeprefix("EXTRA_") / "tumour.nii.gz"
        share = case.frame.to_prepared(read_nifti(exact), "linear").astype(float)
        truth = case.frame.to_prepared(
            read_nifti(exact).with_data(read_nifti(exact).data.astype(np.float32)), "linear"
        )
        np.testing.assert_array_equal(mask, truth >= 0.5)
        assert mask.any() == share.any()
        assert "tumour" not in case.files  # a mask of an extra case is never read


def test_a_box_that_leaves_the_image_is_named(tmp_path, cohorts):
    extra = write_mini(tmp_path / "extra", 2, seed=9, masks=False)
    path = extra.root / "patient_info_files" / "case_01.json"
    facts = json.loads(path.read_text())
    facts["primary_lesion"]["tumour_box"]["x_max"] = 99
    path.write_text(json.dumps(facts))
    split = split_cohorts(cohorts[0], read_cohort(extra.root), mini_config())
    (material,) = prepare_folds([split], mini_config(), tmp_path / "cache")
    with pytest.raises(InputError, match=r"case_01_0000\.nii\.gz: its tumour_box"):
        pseudo_masks(material, tmp_path / "pseudo")


def test_masks_of_extra_cases_are_stripped(tmp_path, cohorts):
    extra = write_mini(tmp_path / "extra", 2, seed=9, masks=True)
    assert all(case.tumour is not None for case in extra.cases)
    split = split_cohorts(cohorts[0], extra, mini_config())
    assert all(case.tumour is None for case in split.extra)
