"""K-means, mixture and bins find plain tissues, in the order of suspicion, and read back."""

import json

import numpy as np
import pytest

from hcnet.errors import BundleError, InputError
from hcnet.kinetics.alternatives import Alternative, fit_alternative
from hcnet.kinetics.settings import KineticsConfig
from hcnet.kinetics.tic import scale_curves

GRID = np.array([0.0, 150.0, 300.0, 450.0])
SHAPES = np.array(
    [
        [1, 1.02, 1.03, 1.03],  # hardly enhancing
        [1, 1.7, 2.4, 3.0],  # persistent
        [1, 2.9, 2.0, 1.5],  # wash-out
    ]
)
KINDS = ("kmeans", "gmm", "bins")


def exam(seed=0):
    """A (4, 10, 10, 10) exam of three tissues, their places, and a breast mask."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (10, 10, 10))
    phases = np.moveaxis(SHAPES[truth], -1, 0) * rng.uniform(80, 120, truth.shape)
    phases = phases + rng.normal(0, 0.5, phases.shape)
    return phases.astype(np.float32), truth, rng.random(truth.shape) < 0.8


def fitted(kind, k=3, scale="relative", seed=0):
    phases, _, breast = exam()
    raw = phases[:, breast].T / np.float32(100)
    return fit_alternative(kind, raw, KineticsConfig(k=k, scale=scale), GRID, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_map_finds_the_tissues_in_order_of_suspicion(kind):
    phases, truth, breast = exam(seed=3)
    # Bins of one level need two bands of SER for the three tissues.
    labels = fitted(kind).map_case(phases, breast, GRID)
    assert labels.dtype == np.uint8
    assert (labels[~breast] == 0).all()
    assert np.mean(labels[breast] == truth[breast] + 1) > 0.99


@pytest.mark.parametrize("scale", ["relative", "minmax"])
@pytest.mark.parametrize("kind", KINDS)
def test_reads_back_the_same(kind, scale):
    one = fitted(kind, k=4, scale=scale)
    other = Alternative.from_json(one.to_json())
    phases, _, breast = exam(seed=4)
    np.testing.assert_array_equal(
        one.map_case(phases, breast, GRID), other.map_case(phases, breast, GRID)
    )
    np.testing.assert_array_equal(one.decoded, other.decoded)
    assert (other.kind, other.k) == (kind, one.codebook.k)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_codes(kind):
    assert fitted(kind, k=4).to_json() == fitted(kind, k=4).to_json()


def test_bins_need_the_amplitude():
    assert fitted("bins", scale="minmax").codebook.scale == "relative"
    assert fitted("kmeans", scale="minmax").codebook.scale == "minmax"


@pytest.mark.parametrize("kind", KINDS)
def test_decoded_curves_follow_the_sorted_codes(kind):
    one = fitted(kind)
    expected = scale_curves(SHAPES.astype(np.float32), "relative")
    np.testing.assert_allclose(one.decoded, expected, atol=0.03)
    assert one.assign(expected).tolist() == [0, 1, 2]


def test_bins_that_training_never_met_get_no_curve():
    one = fitted("bins", k=10)
    assert one.k == 10
    strange = scale_curves(np.array([[1, 1.6, 1.6, 1.6], [1, 9, 9, 9]], np.float32), "relative")
    assert (one.codebook.share[one.assign(strange)] > 0).all()


def test_large_samples_are_thinned_for_the_fit_only(monkeypatch):
    monkeypatch.setattr("hcnet.kinetics.alternatives.FIT_POINTS", 200)
    thin = fitted("kmeans")
    assert thin.codebook.share.sum() == pytest.approx(1)
    np.testing.assert_allclose(thin.decoded, fitted("kmeans").decoded, atol=0.05)


def test_too_few_curves_are_refused():
    config = KineticsConfig(k=4, scale="relative")
    with pytest.raises(InputError, match="no curves"):
        fit_alternative("bins", np.empty((0, 4), np.float32), config, GRID, 0)
    with pytest.raises(InputError, match="use fewer"):
        fit_alternative("kmeans", np.ones((50, 4), np.float32), config, GRID, 0)


def not_json(kind, value):
    return "{"


def unknown_field(kind, value):
    return json.dumps(value | {"pickle": "x"})


def another_codebook(kind, value):
    return json.dumps(value | {"codebook": json.loads(fitted(kind, k=5).codebook.to_json())})


def ragged(kind, value):
    value["rule"]["prototypes"][0].append(0.0)
    return json.dumps(value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", [not_json, unknown_field, another_codebook, ragged])
def test_damaged_text_is_refused(kind, damage):
    with pytest.raises(BundleError):
        Alternative.from_json(damage(kind, json.loads(fitted(kind, k=3).to_json())))


@pytest.mark.parametrize(
    ("kind", "field", "wrong"),
    [
        ("gmm", "covariances", [[[-1.0] * 4] * 4] * 3),
        ("gmm", "weights", [1.0, 0.0]),
        ("bins", "early", 9),
        ("bins", "pe", [0.5, 0.4]),
        ("bins", "filled", [0, 1, 7]),
        ("bins", "ser", [1.3, 0.9]),
    ],
)
def test_parameters_that_make_no_sense_are_refused(kind, field, wrong):
    value = json.loads(fitted(kind).to_json())
    value["rule"][field] = wrong
    with pytest.raises(BundleError, match=f"rule.{kind}"):
        Alternative.from_json(json.dumps(value))
