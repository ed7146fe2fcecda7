import dataclasses
import json

import numpy as np
import pytest

from hcnet.errors import BundleError, InputError
from hcnet.kinetics.codebook import Codebook, fit_codebook, kinetic_key

GRID = np.array([0.0, 100, 200, 300])


@pytest.fixture
def codebook():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 300)
    shapes = np.array([[1, 2.5, 2.2, 2.0], [1, 1.02, 1.01, 1.02], [1, 1.3, 1.6, 1.9]])
    curves = shapes[codes] * rng.uniform(0.5, 2, (300, 1))
    return fit_codebook(curves, codes, np.zeros((4, 4)), GRID, "relative")


def test_key_of_known_curves():
    washout, plateau, persistent, flat = [0, 1.5, 1.2, 1], [0, 1, 1, 1], [0, 0.3, 0.6, 0.9], [0] * 4
    key = kinetic_key(np.array([washout, plateau, persistent, flat]))
    np.testing.assert_allclose(key, [5.0, 3.0, 2.1, 0.0])
    # Two points: the only enhancement is early and late at once.
    np.testing.assert_allclose(kinetic_key(np.array([[0, 0.8]])), [2.4])
    np.testing.assert_allclose(kinetic_key(np.array([[0, 0.8, 0.5]])), [2.7])


def test_key_orders_curve_types_and_delayed_uptake_above_none():
    losing, none, delayed, persistent, plateau, washout = (
        [0, -0.1, -0.4], [0, 0, 0], [0, 0.1, 0.9], [0, 0.5, 0.9], [0, 0.9, 0.9], [0, 0.9, 0.5]
    )  # fmt: skip
    key = kinetic_key(np.array([losing, none, delayed, persistent, plateau, washout]))
    assert (np.diff(key) > 0).all()


def test_codes_are_sorted_from_least_to_most_suspicious(codebook):
    # The model's code 3 has no member, 1 is flat, 2 persistent, 0 washes out.
    assert codebook.order.tolist() == [3, 1, 2, 0]
    assert codebook.labels.tolist() == [4, 2, 3, 1]
    assert (np.diff(codebook.key) >= 0).all()
    assert codebook.share[0] == 0
    assert codebook.share.sum() == pytest.approx(1)
    np.testing.assert_allclose(codebook.enhancement[3], [0, 1.5, 1.2, 1], atol=1e-6)
    np.testing.assert_allclose(codebook.mean[3], [0, 1.5, 1.2, 1], atol=1e-5)
    np.testing.assert_allclose(codebook.sd, 0, atol=1e-3)
    np.testing.assert_array_equal(codebook.mean[0], 0)


def test_pooling_weighs_curves_by_their_signal():
    curves = np.array([[1.0, 2], [3, 3], [1, 1]])
    codebook = fit_codebook(curves, np.array([0, 0, 1]), np.zeros((2, 2)), GRID[:2], "minmax")
    np.testing.assert_allclose(codebook.enhancement[1], [0, 5 / 4 - 1])


def test_no_curves_no_codebook():
    with pytest.raises(InputError):
        fit_codebook(np.empty((0, 4)), np.empty(0, int), np.zeros((2, 4)), GRID, "minmax")


def test_json_gives_the_same_numbers_back(codebook):
    again = Codebook.from_json(codebook.to_json())
    for field in dataclasses.fields(Codebook):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(codebook, field.name))
    assert again.order.dtype == codebook.order.dtype


def spoilt(codebook, **changes):
    return json.dumps(json.loads(codebook.to_json()) | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"format": "hcnet-codebook-9"},
        {"order": [0, 1, 2, 2]},
        {"order": [0, 1, 2, 1.5]},
        {"order": [0, 1, 2, "3"]},
        {"order": [0, 1]},
        {"order": list(range(300))},
        {"grid_s": [0, 2, 1, 3]},
        {"grid_s": [-1, 0, 1, 2]},
        {"grid_s": [0, 1]},
        {"scale": "log"},
        {"mean": [[0, 0, 0, 0]] * 3},
        {"mean": [[0, 0, 0]] * 4},
        {"sd": [[-1, 0, 0, 0]] * 4},
        {"share": [0.5, 0.5, 0.5, 0.5]},
        {"share": [1.5, -0.5, 0, 0]},
        {"key": [3, 2, 1, 0]},
        {"key": None},
    ],
)
def test_hostile_json_is_refused(codebook, changes):
    with pytest.raises(BundleError):
        Codebook.from_json(spoilt(codebook, **changes))


def test_text_that_is_no_codebook_is_refused(codebook):
    text = codebook.to_json()
    for bad in ("", "[]", "null", text[:-20], text.replace('"key"', '"kee"'), "[" * 100_000):
        with pytest.raises(BundleError):
            Codebook.from_json(bad)
    for number in ("NaN", "Infinity", "1e999"):
        spoilt_text = spoilt(codebook, key=[0, 1, 2, 12345]).replace("12345", number)
        with pytest.raises(BundleError):
            Codebook.from_json(spoilt_text)
