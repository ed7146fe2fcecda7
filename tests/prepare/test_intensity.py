import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hcnet.prepare.intensity import minmax, normalise, zscore

IMAGE = np.random.default_rng(0).gamma(4.0, 50.0, (12, 11, 10)).astype(np.float32)
INSIDE = np.zeros(IMAGE.shape, bool)
INSIDE[2:10, 2:9, 3:8] = True


def test_minmax_stretches_to_the_unit_interval_and_keeps_order():
    found = minmax(IMAGE)
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (0.0, 1.0)
    assert_array_equal(np.argsort(found, axis=None), np.argsort(IMAGE, axis=None))


def test_zscore_has_mean_zero_and_deviation_one_inside():
    found = zscore(IMAGE, INSIDE)
    assert found.dtype == np.float32
    assert_allclose(found[INSIDE].mean(), 0.0, atol=1e-5)
    assert_allclose(found[INSIDE].std(), 1.0, atol=1e-5)


@given(st.floats(0.01, 1000), st.floats(-500, 500))
def test_zscore_does_not_see_gain_and_offset(gain, offset):
    found = zscore(IMAGE.astype(np.float64) * gain + offset, INSIDE)
    assert_allclose(found, zscore(IMAGE, INSIDE), atol=2e-4)


def test_zscore_does_not_see_what_is_outside():
    other = np.where(INSIDE, IMAGE, 1e6).astype(np.float32)
    assert_array_equal(zscore(other, INSIDE)[INSIDE], zscore(IMAGE, INSIDE)[INSIDE])


def test_a_spike_hardly_moves_the_zscore():
    image = np.random.default_rng(1).gamma(4.0, 50.0, (40, 40, 40)).astype(np.float32)
    inside = np.ones(image.shape, bool)
    spiked = image.copy()
    spiked[5, 5, 5] = 1e6
    found, clean = zscore(spiked, inside), zscore(image, inside)
    assert found.max() < 10
    found[5, 5, 5] = clean[5, 5, 5]
    assert_allclose(found, clean, atol=0.01)


@pytest.mark.parametrize("value", [0, 7, -3, 1e6, 0.1])
@pytest.mark.parametrize("method", ["zscore", "minmax"])
def test_a_constant_image_becomes_zeros(value, method):
    constant = np.full(IMAGE.shape, value, np.float32)
    assert_array_equal(normalise(constant, INSIDE, method), np.zeros(IMAGE.shape, np.float32))


def test_integers_do_not_overflow():
    scanner = np.array([-32768, 0, 32767], np.int16)
    assert_allclose(minmax(scanner), [0, 0.5, 1], atol=1e-4)
