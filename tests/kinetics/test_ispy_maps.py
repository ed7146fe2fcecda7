"""I-SPY's maps: each rule alone, and the stored maps of a real exam voxel by voxel."""

import numpy as np
import pytest

from hcnet.cohorts.dicom_exam import describe_exam, exam_case
from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.ispy_maps import background_cutoff, early_and_late, ispy_maps
from hcnet.kinetics.tic import kinetic_clock

SHAPE = (8, 8, 8)
CLOCK = np.array([0.0, 150.0, 450.0])
CENTRE = (4, 4, 4)


def exam(pre, early, late):
    """Every voxel has the same three signals."""
    return np.stack([np.full(SHAPE, value, np.int16) for value in (pre, early, late)])


def at_centre(pre, early, late, cutoff=50.0, **rules):
    maps = ispy_maps(exam(pre, early, late), CLOCK, cutoff, **rules)
    return float(maps.pe[CENTRE]), round(float(maps.ser[CENTRE]), 6)


def test_both_maps_by_hand():
    # 100 (147 - 65) / 65 = 126.15..., and (147 - 65) / (138 - 65) = 1.12328...
    assert at_centre(65, 147, 138) == (126.0, 1.123)


def test_pe_loses_its_fraction_and_is_not_rounded():
    assert at_centre(1000, 1719, 1900)[0] == 71.0
    assert at_centre(1000, 1710, 1900)[0] == 71.0
    assert at_centre(1000, 1709, 1900)[0] == 70.0


def test_ser_is_rounded_to_thousandths_with_halves_upwards():
    # in a real exam these come out so: 85 / 80 = 1.0625 and 91 / 80 = 1.1375, a shade under
    assert at_centre(66, 151, 146) == (128.0, 1.063)
    assert at_centre(76, 167, 156) == (119.0, 1.137)


def test_signal_that_falls_is_0():
    assert at_centre(100, 80, 70) == (0.0, 0.0)


@pytest.mark.parametrize(("pre", "known"), [(49, False), (50, True)])
def test_below_the_cutoff_both_are_0(pre, known):
    pe, ser = at_centre(pre, 3 * pre, 2 * pre)
    assert (pe, ser) == ((200.0, 2.0) if known else (0.0, 0.0))


def test_no_signal_at_all_does_not_divide_by_zero():
    assert at_centre(0, 100, 100) == (0.0, 0.0)


@pytest.mark.parametrize(("early", "known"), [(169, False), (170, True)])
def test_ser_needs_seventy_percent(early, known):
    pe, ser = at_centre(100, early, 200)
    assert pe == early - 100
    assert (ser > 0) == known


@pytest.mark.parametrize(
    ("late", "ser"), [(140, 2.5), (133, 3.0), (110, 3.0), (100, 3.0), (90, 0.0)]
)
def test_ser_ends_at_three_and_is_0_where_less_is_left_than_before(late, ser):
    assert at_centre(100, 200, late)[1] == ser


@pytest.mark.parametrize(("count", "known"), [(8, False), (9, True)])
def test_ser_needs_nine_neighbours(count, known):
    phases = exam(100, 100, 100)
    around = [c for c in np.ndindex(3, 3, 3) if c != (1, 1, 1)][:count]
    for cell in [*around, (1, 1, 1)]:
        phases[(1, *(np.array(cell) + 3))] = 200
    phases[2] = 150
    maps = ispy_maps(phases, CLOCK, 50.0)
    assert (maps.ser[CENTRE] > 0) == known
    assert (maps.pe > 0).sum() == count + 1  # PE does not mind


def test_neighbours_beyond_the_image_do_not_count():
    maps = ispy_maps(exam(100, 200, 150), CLOCK, 50.0)
    assert maps.ser[0, 0, 0] == 0  # 7 neighbours
    assert maps.ser[0, 0, 4] == 2  # 11


def test_the_rules_can_be_those_of_another_site():
    assert at_centre(100, 160, 150, least_pe=60.0)[1] == 1.2
    assert at_centre(100, 160, 150, least_pe=61.0)[1] == 0.0
    alone = exam(100, 100, 150)
    alone[(1, *CENTRE)] = 200
    assert ispy_maps(alone, CLOCK, 50.0, least_neighbours=0).ser[CENTRE] == 2.0


@pytest.mark.parametrize(
    ("clock", "early", "late"),
    [
        ([0, 150, 450], 1, 2),
        ([0, 60, 170, 300, 440, 600], 2, 4),
        ([0, 0, 140, 500], 2, 3),
        ([0, 400, 500], 1, 2),
        ([0, 100], 1, None),
        ([0, 30, 160], 2, None),
    ],
)
def test_phases_are_chosen_by_time(clock, early, late):
    assert early_and_late(np.array(clock, dtype=float)) == (early, late)


def test_the_chosen_phases_are_the_ones_used():
    values = (100, 120, 200, 190, 150, 100)
    phases = np.stack([np.full(SHAPE, value, np.int16) for value in values])
    maps = ispy_maps(phases, np.array([0.0, 60, 170, 300, 440, 600]), 50.0)
    assert (maps.early, maps.late) == (2, 4)
    assert (maps.pe[CENTRE], maps.ser[CENTRE]) == (100.0, 2.0)


def test_two_phases_have_no_ser():
    maps = ispy_maps(exam(100, 180, 0)[:2], CLOCK[:2], 50.0)
    assert maps.ser is None
    assert maps.pe[CENTRE] == 80.0


def test_the_cutoff_is_sixty_percent_of_the_95th_percentile_in_the_box():
    pre = np.zeros((20, 5, 2))
    pre[:10] = 1000.0
    pre[10:] = np.arange(100).reshape(10, 5, 2)  # 95th percentile of 0 to 99: 94.05
    box = (slice(10, 20), slice(0, 5), slice(0, 2))
    assert background_cutoff(pre, box) == 56  # 56.43


@pytest.mark.parametrize("cutoff", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cutoff_that_is_none(cutoff):
    with pytest.raises(InputError, match="cut-off"):
        ispy_maps(exam(100, 200, 150), CLOCK, cutoff)


def test_inputs_that_do_not_fit():
    with pytest.raises(GeometryError, match="clock of 2 times"):
        ispy_maps(exam(100, 200, 150), CLOCK[:2], 50.0)
    with pytest.raises(InputError, match="no phase lies after the injection"):
        ispy_maps(exam(100, 200, 150), np.zeros(3), 50.0)
    with pytest.raises(InputError, match="holds no voxel"):
        background_cutoff(np.ones(SHAPE), (slice(2, 2), slice(0, 8), slice(0, 8)))
    with pytest.raises(InputError, match="whole-number intensities"):
        background_cutoff(np.ones(SHAPE), (slice(0, 8),) * 3)


def test_a_signal_that_is_no_number():
    phases = exam(100, 200, 150).astype(np.float32)
    phases[(1, *CENTRE)] = np.nan
    with pytest.raises(InputError, match="not finite"):
        ispy_maps(phases, CLOCK, 50.0)


@pytest.fixture(scope="module")
def real(shared_data):
    """The exam, its phases, and its two stored maps."""
    exam = describe_exam(shared_data / "ispy1_1002" / "ISPY1_1002.zip")
    phases = np.stack([row.source.load().data for row in exam.phases])
    stored = {found.series_number: found.source.load().data for found in exam.maps}
    return exam, phases, stored[31001], stored[31000]


# The reader's box of the exam, its private elements (0117,10A1) and (0117,10A2), last one included.
REAL_BOX = (slice(94, 156), slice(108, 171), slice(30, 51))


def test_the_real_cutoff_is_the_one_that_the_exam_states(real):
    assert background_cutoff(real[1][0], REAL_BOX) == 47  # pre_contrast_threshold


def test_the_real_maps_are_those_that_ispy_stored(real):
    exam, phases, pe, ser = real
    case = exam_case(exam)
    clock = kinetic_clock(case.times_s, case.times_from, len(phases))
    maps = ispy_maps(phases, clock, background_cutoff(phases[0], REAL_BOX))
    assert (maps.early, maps.late) == (1, 2)
    assert (pe > 0).sum() == 94995
    assert (ser > 0).sum() == 4377
    np.testing.assert_array_equal(maps.pe, pe)
    # stored whole numbers times a slope of .001, so the last bit of a float may differ
    np.testing.assert_array_equal(np.rint(maps.ser * 1000.0), np.rint(ser * 1000.0))


def test_the_real_outline_is_where_ser_is_known_in_the_box(real, shared_data):
    exam, phases, _, _ = real
    outline = exam_case(exam, tumour=32100).tumour.load().data > 0
    known = np.zeros_like(outline)
    known[REAL_BOX] = ispy_maps(phases, CLOCK, 47.0).ser[REAL_BOX] > 0
    np.testing.assert_array_equal(known, outline)
