import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.kinetics.curves import allot_points, iter_curves, sample_curves
from hcnet.kinetics.store import CurveStore, Spool

CLOCK = np.array([0.0, 90.0, 200.0])
GRID = np.array([0.0, 60.0, 120.0, 200.0])


def case(seed, shape=(7, 6, 5)):
    rng = np.random.default_rng(seed)
    return rng.integers(50, 900, (3, *shape)).astype(np.int16), rng.random(shape) < 0.6


def test_a_spool_gives_back_what_was_put_in_any_order(tmp_path):
    spool = Spool(tmp_path / "new")
    arrays = [np.arange(6.0).reshape(2, 3), np.arange(5, dtype=np.uint8), np.ones((3, 2)).T]
    numbers = [spool.put(array) for array in arrays]
    for number in reversed(numbers):
        np.testing.assert_array_equal(spool.get(number), arrays[number])
    assert numbers == [0, 1, 2]
    assert spool.put(arrays[0]) == 3
    assert not list((tmp_path / "new").iterdir())
    spool.close()


def test_the_store_holds_the_curves_of_each_case(tmp_path):
    cases = [case(0), case(1, (4, 3, 2))]
    with CurveStore(GRID, tmp_path) as store:
        for phases, breast in cases:
            store.add(phases, breast, CLOCK)
        assert store.counts == [int(breast.sum()) for _, breast in cases]
        for number, (phases, breast) in enumerate(cases):
            expected = [curves for _, curves in iter_curves(phases, breast, CLOCK, GRID)]
            np.testing.assert_array_equal(
                np.concatenate(list(store.curves(number))), np.concatenate(expected)
            )


def test_its_sample_is_that_of_the_cases_themselves(tmp_path):
    cases = [case(0), case(1, (4, 3, 2))]
    with CurveStore(GRID, tmp_path) as store:
        for phases, breast in cases:
            store.add(phases, breast, CLOCK)
        sample = store.sample(40, seed=3)
        allotted = allot_points(store.counts, 40)
    expected = [
        sample_curves(phases, breast, CLOCK, GRID, count, np.random.default_rng([3, 6, number]))
        for number, ((phases, breast), count) in enumerate(zip(cases, allotted, strict=True))
    ]
    np.testing.assert_array_equal(sample, np.concatenate(expected))
    assert len(sample) == 40


def test_an_empty_breast_is_refused(tmp_path):
    phases, breast = case(0)
    with CurveStore(GRID, tmp_path) as store, pytest.raises(InputError, match="empty"):
        store.add(phases, np.zeros_like(breast), CLOCK)
