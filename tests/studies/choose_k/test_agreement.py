"""Agreement of two labellings against definitions, scipy and hand-made answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hcnet.studies.choose_k.agreement import agreement


def written_out(one, other, weight):
    """Kappa as 1 - mean observed weight / mean weight over all pairs of voxels."""
    observed = np.mean([weight(a, b) for a, b in zip(one, other, strict=True)])
    return 1 - observed / np.mean([weight(a, b) for a in one for b in other])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=30))
def test_measures_are_their_definitions(pairs):
    one, other = np.array(pairs).T
    found = agreement(one, other, 4)
    assert found.voxels == len(pairs)
    assert found.exact == pytest.approx(np.mean(one == other))
    if len({*one, *other}) > 1:
        assert found.kappa == pytest.approx(written_out(one, other, lambda a, b: a != b))
        expected = written_out(one, other, lambda a, b: float(a - b) ** 2)
        assert found.weighted_kappa == pytest.approx(expected)
    else:
        assert found.kappa is None
        assert found.weighted_kappa is None
    if len({*one}) > 1 and len({*other}) > 1:
        assert found.rank == pytest.approx(spearmanr(one, other).statistic, abs=1e-9)
    else:
        assert found.rank is None


def test_known_answers():
    codes = np.repeat(np.arange(4), 25)
    same = agreement(codes, codes, 4)
    assert (same.exact, same.kappa, same.weighted_kappa) == (1, 1, 1)
    assert same.rank == pytest.approx(1)
    turned = agreement(codes, 3 - codes, 4)
    assert (turned.exact, turned.weighted_kappa) == (0, pytest.approx(-1))
    assert turned.rank == pytest.approx(-1)
    # Cohen 1960: 0.6 agree where chance would make half agree.
    one = np.repeat([0, 0, 1, 1], [30, 20, 20, 30])
    other = np.repeat([0, 1, 0, 1], [30, 20, 20, 30])
    assert agreement(one, other, 2).kappa == pytest.approx(0.2)


def test_chance_gives_zero_and_a_near_miss_costs_less_than_a_far_one():
    rng = np.random.default_rng(0)
    codes, others = rng.integers(0, 10, (2, 200_000))
    chance = agreement(codes, others, 10)
    for value in (chance.kappa, chance.weighted_kappa, chance.rank):
        assert value == pytest.approx(0, abs=0.01)
    near = agreement(codes, np.clip(codes + 1, 0, 9), 10)
    far = agreement(codes, (codes + 5) % 10, 10)
    assert near.weighted_kappa > 0.9 > far.weighted_kappa


def test_unsigned_codes_do_not_overflow():
    codes = np.full(10, 200, dtype=np.uint8)
    codes[0] = 0
    assert agreement(codes, codes, 254).kappa == pytest.approx(1)


def test_no_voxel_no_agreement():
    nothing = np.empty(0, dtype=np.uint8)
    assert agreement(nothing, nothing, 4).as_dict() == {
        "voxels": 0, "exact": None, "kappa": None, "weighted_kappa": None, "rank": None,
    }  # fmt: skip
