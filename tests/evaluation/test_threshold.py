"""Choosing a threshold on held-out predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hcnet.evaluation.overlap import overlap
from hcnet.evaluation.threshold import THRESHOLDS, best_threshold, dsc_curve

SHAPE = (3, 4, 5)


@given(
    arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)),
    arrays(bool, SHAPE),
    arrays(bool, SHAPE),
)
def test_the_curve_is_the_dsc_of_each_mask(probability, breast, truth):
    probability = probability.astype(np.float64)
    curve = dsc_curve(probability, breast, truth)
    for threshold, dsc in zip(THRESHOLDS, curve, strict=True):
        mask = (probability >= threshold) & breast
        assert dsc == pytest.approx(overlap(mask, truth).dsc)


def test_the_best_threshold_separates():
    truth = np.zeros(SHAPE, bool)
    truth[0] = True
    probability = np.where(truth, 0.31, 0.19)
    curve = dsc_curve(probability, np.ones(SHAPE), truth)
    assert best_threshold([curve]) == 0.25  # .2, .25 and .3 all separate


def test_cases_count_alike_and_bad_input_is_refused():
    good, bad = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    good[3], bad[7] = 1.0, 0.9
    assert best_threshold([good, bad]) == THRESHOLDS[3]
    with pytest.raises(ValueError, match="no case"):
        best_threshold([])
    with pytest.raises(ValueError, match="shapes differ"):
        dsc_curve(np.zeros((1, 1, 2)), np.zeros((1, 1, 1)), np.zeros((1, 1, 2)))
