"""Calibration: known lines are found again, and what is right already stays."""

import numpy as np
import pytest
from scipy.special import expit, logit

from hcnet.errors import InputError
from hcnet.evaluation.calibration import calibrate, fit_temperature, reliability
from hcnet.inference.calibration import Calibration

SHAPE = (24, 25, 20)


def patient(number, size=SHAPE, mean=-2.0):
    """True probabilities, the truth drawn from them, and a breast that is half of the volume."""
    rng = np.random.default_rng(number)
    chance = expit(rng.normal(mean, 2, size))
    breast = np.zeros(size, np.uint8)
    breast[: size[0] // 2] = 1
    return chance, rng.random(size) < chance, breast


def distorted(patients, temperature, offset):
    """Networks that say p where sigmoid(logit(p) / temperature + offset) is right."""
    for chance, truth, breast in patients:
        yield expit((logit(chance) - offset) * temperature), truth, breast


PATIENTS = [patient(number) for number in range(6)]


@pytest.mark.parametrize(("temperature", "offset"), [(2.5, 0.0), (0.7, -1.0), (1.5, 0.8)])
def test_a_known_calibration_is_recovered(temperature, offset):
    found = fit_temperature(distorted(PATIENTS, temperature, offset))
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.offset == pytest.approx(offset, abs=0.06)
    before = reliability(distorted(PATIENTS, temperature, offset))
    after = reliability(distorted(PATIENTS, temperature, offset), found)
    assert after.ece < 0.01 < before.ece


def test_what_is_calibrated_stays():
    found = fit_temperature(PATIENTS)
    assert found.temperature == pytest.approx(1, rel=0.05)
    assert found.offset == pytest.approx(0, abs=0.06)
    assert reliability(PATIENTS).ece < 0.01


def test_the_temperature_alone():
    found = fit_temperature(distorted(PATIENTS, 2.0, 0.0), offset=False)
    assert found.temperature == pytest.approx(2, rel=0.05)
    assert found.offset == 0


def test_ece_by_hand():
    probability = np.array([0.1, 0.1, 0.1, 0.3, 0.9, 0.9, 1.0, 0.5]).reshape(2, 2, 2)
    truth = np.array([0, 0, 1, 0, 1, 0, 1, 1]).reshape(2, 2, 2)
    breast = np.array([1, 1, 1, 1, 1, 1, 1, 0]).reshape(2, 2, 2)
    found = reliability([(probability, truth, breast)], bins=2)
    low, high = found.bins
    assert (low.count, high.count) == (4, 3)
    assert low.confidence == pytest.approx(0.15)
    assert low.observed == pytest.approx(0.25)
    assert high.confidence == pytest.approx(2.8 / 3)
    assert high.observed == pytest.approx(2 / 3)
    assert found.ece == pytest.approx((4 * 0.1 + 3 * 0.8 / 3) / 7)


def test_every_patient_weighs_the_same():
    # One large exam of sure networks, four small ones of networks that are right.
    large = patient(9, (80, 40, 40))
    [wrong] = distorted([large], 4.0, 0.0)
    small = [patient(number, (10, 10, 10)) for number in range(8)]
    found = fit_temperature([wrong, *small])
    assert found.temperature < 1.6


def test_the_sample_is_drawn_by_the_seed():
    one, other = (fit_temperature(PATIENTS, voxels=500, seed=seed) for seed in (0, 1))
    assert one == fit_temperature(iter(PATIENTS), voxels=500)
    assert one != other
    assert one.temperature == pytest.approx(1, rel=0.25)


def test_a_perfect_threshold_does_not_run_away():
    _, truth, breast = PATIENTS[0]
    found = fit_temperature([(np.where(truth, 0.6, 0.4), truth, breast)])
    assert 0.01 <= found.temperature < 0.2
    assert np.isfinite(found.of(np.array([0.0, 0.5, 1.0]))).all()


def test_patients_are_judged_by_fits_to_others():
    wrong = list(distorted(PATIENTS, 2.0, -0.5))
    result = calibrate(wrong)
    assert result.calibration == fit_temperature(wrong)
    assert result.before == reliability(wrong)
    assert result.after.ece < 0.02 < result.before.ece
    # One patient of another kind: a fit that had seen him would know better.
    odd = [*PATIENTS, next(iter(distorted(PATIENTS[:1], 3.0, 2.0)))]
    in_sample = reliability(odd[-1:], fit_temperature(odd[-1:])).ece
    assert calibrate([odd[-1], PATIENTS[1]]).after.ece > in_sample + 0.02
    told = result.as_json()
    assert set(told) == {
        "temperature", "offset", "ece_before", "ece_after", "bins_before", "bins_after",
    }  # fmt: skip
    assert set(told["bins_before"][0]) == {"confidence", "observed", "count"}
    voxels = sum(int((breast > 0).sum()) for _, _, breast in wrong)
    assert sum(each["count"] for each in told["bins_after"]) == voxels


def test_what_cannot_be_calibrated_on_is_refused():
    chance, truth, breast = PATIENTS[0]
    with pytest.raises(InputError, match="voxels of tumour and"):
        fit_temperature([(chance, np.zeros_like(truth), breast)])
    with pytest.raises(InputError, match="voxels of tumour and"):
        fit_temperature([])
    with pytest.raises(InputError, match="no voxel"):
        reliability([(chance, truth, np.zeros_like(breast))])
    with pytest.raises(InputError, match="differ in shape"):
        reliability([(chance, truth[1:], breast)])
    with pytest.raises(InputError, match="two patients"):
        calibrate(PATIENTS[:1])
    with pytest.raises(TypeError, match="sequence"):
        calibrate(iter(PATIENTS))


def test_the_calibrated_probability_is_what_was_fitted():
    calibration = Calibration(temperature=2.5, offset=0.5)
    assert calibration.of(np.array([0.2]))[0] == pytest.approx(expit(logit(0.2) / 2.5 + 0.5))
