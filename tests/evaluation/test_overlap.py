import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hcnet.errors import GeometryError
from hcnet.evaluation.overlap import overlap

EMPTY = np.zeros((4, 5, 6), dtype=bool)
MASKS = hnp.arrays(bool, (3, 4, 3))


def test_known_counts() -> None:
    prediction, reference = EMPTY.copy(), EMPTY.copy()
    prediction[0, 0, :4] = True  # 4 voxels
    reference[0, 0, 2:5] = True  # 3 voxels, 2 of them shared
    result = overlap(prediction, reference)
    assert result.dsc == pytest.approx(4 / 7)
    assert result.ppv == pytest.approx(2 / 4)
    assert result.sen == pytest.approx(2 / 3)


def test_empty_masks_follow_the_stated_rule() -> None:
    full = ~EMPTY
    both = overlap(EMPTY, EMPTY)
    assert (both.dsc, both.ppv, both.sen) == (1, 1, 1)
    nothing_found = overlap(EMPTY, full)
    assert (nothing_found.dsc, nothing_found.sen) == (0, 0)
    assert math.isnan(nothing_found.ppv)
    false_alarm = overlap(full, EMPTY)
    assert (false_alarm.dsc, false_alarm.ppv) == (0, 0)
    assert math.isnan(false_alarm.sen)


@given(MASKS, MASKS)
def test_invariants(a: np.ndarray, b: np.ndarray) -> None:
    forth, back = overlap(a, b), overlap(b, a)
    assert 0 <= forth.dsc <= 1
    assert forth.dsc == back.dsc
    assert forth.ppv == back.sen or (math.isnan(forth.ppv) and math.isnan(back.sen))
    if not math.isnan(forth.ppv) and not math.isnan(forth.sen) and forth.dsc > 0:
        # DSC is the harmonic mean of PPV and SEN.
        assert forth.dsc == pytest.approx(2 / (1 / forth.ppv + 1 / forth.sen))


@given(MASKS)
def test_a_mask_agrees_with_itself(mask: np.ndarray) -> None:
    result = overlap(mask, mask)
    assert (result.dsc, result.ppv, result.sen) == (1, 1, 1)


@given(MASKS, MASKS, st.permutations([0, 1, 2]))
def test_axis_order_does_not_matter(a: np.ndarray, b: np.ndarray, axes: list[int]) -> None:
    assert overlap(a, b).dsc == overlap(a.transpose(axes), b.transpose(axes)).dsc


def test_shapes_and_types_are_checked() -> None:
    with pytest.raises(GeometryError, match=r"\(4, 5, 6\) against \(4, 5, 5\)"):
        overlap(EMPTY, EMPTY[..., :5])
    with pytest.raises(TypeError, match="boolean"):
        overlap(EMPTY.astype(np.uint8), EMPTY)
