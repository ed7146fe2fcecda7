"""The same voxels are read in both scans, in the proportions of the breast."""

import numpy as np
import pytest
from small_scans import AFFINE, write_scans

from hcnet.errors import GeometryError, InputError
from hcnet.prepare.cache import cached_case
from hcnet.prepare.settings import PrepareConfig
from hcnet.studies.choose_k.held_out import draw_held_out, retest_source

GRID = np.array([0.0, 150.0, 450.0])
OWN_GRID = PrepareConfig(spacing_mm=None)


@pytest.fixture(scope="module")
def prepared(two_scans, tmp_path_factory):
    return cached_case(two_scans[0].cases[0], OWN_GRID, tmp_path_factory.mktemp("cache"))


def drawn(case, retest, voxels, seed=0):
    return draw_held_out(case, "a", retest, GRID, np.random.default_rng(seed), voxels)


def test_a_retest_of_the_same_images_gives_the_same_curves(prepared, two_scans):
    case = drawn(prepared, two_scans[0].cases[0], 1000)
    np.testing.assert_array_equal(case.test.breast, case.retest.breast)
    np.testing.assert_array_equal(case.test.tumour, case.retest.tumour)


def test_a_retest_differs_by_its_noise_alone(prepared, two_scans):
    case = drawn(prepared, two_scans[1].cases[0], 1000)
    difference = (case.test.breast - case.retest.breast)[:, 0]
    # Two independent draws of noise with SD 2 on a median signal of about 100.
    assert difference.std() == pytest.approx(0.02 * np.sqrt(2), rel=0.15)
    assert abs(difference.mean()) < 0.005


def test_the_sample_has_the_shares_of_the_breast_and_the_tumour_again(prepared):
    everything = drawn(prepared, None, 10**6)
    tumour, breast = int(np.sum(prepared.tumour)), int(np.sum(prepared.breast))
    assert everything.test.breast.shape == (breast, 3)
    assert everything.test.tumour.shape == (tumour, 3)
    assert everything.inside.sum() == tumour
    assert everything.retest is None
    part = drawn(prepared, None, 500)
    assert len(part.test.breast) == 500
    assert len(part.test.tumour) == tumour
    assert (part.test.tumour[:, 1] > 2 * part.test.tumour[:, 0]).all()


def test_scaling_concerns_all_curves(prepared, two_scans):
    case = drawn(prepared, two_scans[1].cases[0], 200).scaled("minmax")
    for scan in (case.test, case.retest):
        for curves in (scan.breast, scan.tumour):
            assert curves.min() == 0
            assert curves.max() == 1


def test_another_grid_is_refused(prepared, tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] = 5.0
    other = write_scans(tmp_path, 1, cases=1, affine=moved)
    with pytest.raises(GeometryError, match="another grid than the first scan"):
        retest_source(prepared, other.cases[0])


def test_a_single_phase_is_refused(prepared, tmp_path):
    other = write_scans(tmp_path, 1, cases=1, phases=1)
    with pytest.raises(InputError, match="single phase"):
        retest_source(prepared, other.cases[0])
