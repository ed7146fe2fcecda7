"""A reader's outline and box."""

import itertools

import numpy as np

from hcnet.cohorts.phantom.fields import Frame
from hcnet.cohorts.phantom.parameters import frozen_parameters
from hcnet.cohorts.phantom.reader import box_around, outline

READER = frozen_parameters().reader


def _frame() -> Frame:
    axis = np.arange(-30, 31, dtype=np.float32)
    return Frame(axis, axis, axis)


def _ball(radius: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((np.indices((61, 61, 61)) - 30).__pow__(2).sum(0) < radius**2)


def test_a_steady_hand_finds_the_truth_with_its_holes_filled() -> None:
    steady = READER.model_copy(update={"jitter_share": 0.0})
    ball = _ball(12)
    hollow = ball & ~_ball(5)
    np.testing.assert_array_equal(outline(np.random.default_rng(0), _frame(), hollow, steady), ball)


def test_readers_differ_by_about_as_much_as_in_the_literature() -> None:
    ball = _ball(14)
    drawn = [outline(np.random.default_rng(s), _frame(), ball, READER) for s in range(16)]
    pairs = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in itertools.pairwise(drawn)]
    assert 0.72 < np.mean(pairs) < 0.92
    sizes = [mask.sum() / ball.sum() for mask in drawn]
    assert 0.8 < np.mean(sizes) < 1.25  # no reader's school draws larger or smaller on average


def test_no_tumour_no_outline_no_box() -> None:
    nothing = np.zeros((61, 61, 61), bool)
    assert not outline(np.random.default_rng(0), _frame(), nothing, READER).any()
    assert box_around(np.random.default_rng(0), _frame(), nothing, READER) is None


def test_a_small_tumour_is_never_lost() -> None:
    dot = np.zeros((61, 61, 61), bool)
    dot[30, 30, 30] = True
    for seed in range(10):
        assert outline(np.random.default_rng(seed), _frame(), dot, READER).any()


def test_the_box_holds_the_mask_with_a_margin_of_a_few_millimetres() -> None:
    ball = _ball(10)
    for seed in range(10):
        box = box_around(np.random.default_rng(seed), _frame(), ball, READER)
        assert box is not None
        for start, stop in box:
            assert 17 <= start <= 21
            assert 40 <= stop <= 44
