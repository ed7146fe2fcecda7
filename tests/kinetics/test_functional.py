"""Functional tumour volume: each criterion alone, and the box."""

import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.kinetics.functional import functional_tumour, lesion_box

SHAPE = (12, 12, 12)
ALL = (slice(0, 12),) * 3
CLOCK = np.array([0.0, 150.0, 450.0])
BLOCK = (slice(3, 7),) * 3


def exam(early=2.0, late=1.8, pre=100.0):
    """A block that enhances in tissue that does not."""
    phases = np.full((3, *SHAPE), 100.0, np.float32)
    phases[0][BLOCK] = pre
    phases[1][BLOCK] = pre * early
    phases[2][BLOCK] = pre * late
    return phases


def expected():
    mask = np.zeros(SHAPE, bool)
    mask[BLOCK] = True
    return mask


def test_an_enhancing_block_is_found_exactly():
    np.testing.assert_array_equal(functional_tumour(exam(), CLOCK, ALL), expected())


@pytest.mark.parametrize(("early", "found"), [(1.69, False), (1.71, True)])
def test_early_enhancement_of_seventy_percent(early, found):
    assert functional_tumour(exam(early=early), CLOCK, ALL).any() == found


@pytest.mark.parametrize(("pre", "found"), [(59.0, False), (61.0, True)])
def test_sixty_percent_of_the_95th_percentile(pre, found):
    # 64 of 1728 voxels are in the block, so the percentile is the tissue around it, 100
    assert functional_tumour(exam(pre=pre), CLOCK, ALL).any() == found


@pytest.mark.parametrize(("late", "found"), [(0.9, False), (1.0, False), (1.1, True), (3.0, True)])
def test_ser_is_not_negative(late, found):
    assert functional_tumour(exam(late=late), CLOCK, ALL).any() == found


def test_two_phases_have_no_ser():
    phases = exam()[:2]
    np.testing.assert_array_equal(functional_tumour(phases, CLOCK[:2], ALL), expected())


def test_the_phase_nearest_150_s_is_early():
    phases = exam()
    five = np.stack([phases[0], phases[0], phases[1], phases[2], phases[2]])
    clock = np.array([0.0, 60.0, 170.0, 300.0, 450.0])
    np.testing.assert_array_equal(functional_tumour(five, clock, ALL), expected())
    assert not functional_tumour(five, clock + np.array([0, 80, 280, 300, 300]), ALL).any()


def test_fewer_than_four_neighbours_are_noise():
    phases = np.full((3, *SHAPE), 100.0, np.float32)
    cells = [(5, 5, 5), (5, 5, 6), (5, 6, 5), (6, 5, 5)]
    for cell in cells:
        phases[1:, *cell] = 200.0
    assert not functional_tumour(phases, CLOCK, ALL).any()  # three neighbours each
    phases[1:, 5, 6, 6] = 200.0
    assert functional_tumour(phases, CLOCK, ALL).sum() == 5


def test_nothing_outside_the_box():
    box = (slice(4, 12),) * 3
    found = functional_tumour(exam(), CLOCK, box)
    wanted = expected()
    wanted[:4] = wanted[:, :4] = wanted[:, :, :4] = False
    np.testing.assert_array_equal(found, wanted)


def test_air_is_no_tumour():
    assert not functional_tumour(np.zeros((3, *SHAPE), np.float32), CLOCK, ALL).any()


def facts(**changes):
    box = {"x_min": 1, "x_max": 4, "y_min": 2, "y_max": 5, "z_min": 0, "z_max": 12}
    return {"primary_lesion": {"tumour_box": box | changes}}


def test_the_box_of_the_facts():
    assert lesion_box(facts(), SHAPE, "exam") == (slice(1, 4), slice(2, 5), slice(0, 12))
    assert lesion_box({}, SHAPE, "exam") is None
    assert lesion_box({"primary_lesion": None}, SHAPE, "exam") is None


@pytest.mark.parametrize("changes", [{"x_max": 13}, {"y_min": 5}, {"z_min": -1}])
def test_a_box_beyond_the_image_is_refused(changes):
    with pytest.raises(InputError, match=r"exam: its tumour_box .* is empty or leaves"):
        lesion_box(facts(**changes), SHAPE, "exam")


@pytest.mark.parametrize("value", [{"x_min": 1}, "here", {**facts()["primary_lesion"]["tumour_box"],
                                                         "x_min": None}])  # fmt: skip
def test_an_incomplete_box_is_refused(value):
    with pytest.raises(InputError, match="exam: its tumour_box cannot be used"):
        lesion_box({"primary_lesion": {"tumour_box": value}}, SHAPE, "exam")
