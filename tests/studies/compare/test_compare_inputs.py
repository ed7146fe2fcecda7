"""What networks see, exam by exam."""

from dataclasses import replace

import numpy as np
import pytest

from hcnet.prepare.cache import prepared_cases
from hcnet.prepare.settings import PrepareConfig
from hcnet.studies.compare.inputs import input_channels, input_files, input_image, phase_flags
from hcnet.studies.phase_images import enhancement
from hcnet.training.patches import cut_patch
from mini_cohort import write_mini


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Three exams, the last of which lacks its third phase."""
    root = tmp_path_factory.mktemp("inputs")
    cohort = write_mini(root / "cohort", 3, seed=1)
    listed = [*cohort.cases[:2], replace(cohort.cases[2], phases=cohort.cases[2].phases[:2],
                                         times_s=cohort.cases[2].times_s[:2])]  # fmt: skip
    return prepared_cases(listed, PrepareConfig(spacing_mm=(3.0, 3.0, 3.0)), root / "cache")


def test_the_pre_contrast_image_is_the_cache_s(cases, tmp_path):
    files = input_files("pre", cases, tmp_path)
    assert files.channels == 1
    assert files.images == {case.name: case.files["image"] for case in cases}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inputs", ["post", "post+sub", "pre+post"])
def test_channels_are_what_they_are_called(cases, tmp_path, inputs):
    files = input_files(inputs, cases, tmp_path)
    for case in cases:
        pre, sub = np.asarray(case.image), enhancement(case, (1,))[0]
        parts = {"pre": pre, "post": pre + sub, "sub": sub}
        stored = np.load(files.images[case.name])
        assert stored.shape == (files.channels, *case.grid.shape)
        for channel, name in zip(stored, inputs.split("+"), strict=True):
            np.testing.assert_allclose(channel, parts[name], atol=1e-6)


def test_a_missing_phase_is_a_copy_of_the_first_after_contrast_and_flagged(cases, tmp_path):
    files = input_files("all-phases", cases, tmp_path, flags=True)
    assert files.channels == files.guide_channels == input_channels("all-phases", 3) == 3
    assert files.guide == "phases"
    whole, short = np.load(files.images[cases[0].name]), np.load(files.images[cases[2].name])
    assert not np.array_equal(whole[1], whole[2])
    np.testing.assert_array_equal(short[1], short[2])
    flags = [np.load(files.guides[case.name]) for case in cases]
    assert [flag.ravel().tolist() for flag in flags] == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]


def test_a_patch_of_flags_is_as_large_as_any_and_constant(cases):
    flags = phase_flags(cases[2], 3)
    patch = cut_patch(flags, np.array([5, 6, 7]), (4, 5, 6))
    assert patch.shape == (3, 4, 5, 6)
    assert patch.reshape(3, -1).std(axis=1).tolist() == [0, 0, 0]
    assert patch[:, 0, 0, 0].tolist() == [1, 1, 0]


def test_files_that_are_there_are_left(cases, tmp_path):
    files = input_files("post", cases, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in files.images.values()}
    input_files("post", cases, tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in files.images.values()}


def test_a_lesion_that_enhances_stands_out_after_contrast_only(cases):
    case = cases[1]
    lesion = np.asarray(case.tumour) > 0
    beside = (np.asarray(case.breast) > 0) & ~lesion
    sub = input_image("post+sub", case, 2)[1]
    assert sub[lesion].mean() > 2 * sub[beside].mean()
