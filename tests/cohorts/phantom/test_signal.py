"""Signal equation and noise against closed forms, dcmri and the OSIPI reference values."""

import csv
from pathlib import Path

import dcmri
import numpy as np
import pytest

from hcnet.cohorts.phantom.signal import (
    add_rician_noise,
    shortened_t1,
    spoiled_gradient_echo,
)


def _signal(t1_s: object, tr_s: float, flip_deg: float, **kwargs: float) -> np.ndarray:
    t1 = np.atleast_1d(np.asarray(t1_s, np.float32))
    flip = np.full_like(t1, np.deg2rad(flip_deg))
    te_s, t2_star_s = kwargs.get("te_s", 0.0), kwargs.get("t2_star_s", 1.0)
    return spoiled_gradient_echo(1.0, t1, t2_star_s, tr_s=tr_s, te_s=te_s, flip_rad=flip)


def test_equals_dcmri() -> None:
    t1 = np.array([0.05, 0.3, 1.2, 3.0])
    for tr_s, flip_deg in ((0.004, 10.0), (0.008, 20.0), (0.02, 45.0)):
        expected = dcmri.signal_ss(1.0, 1 / t1, tr_s, flip_deg)
        np.testing.assert_allclose(_signal(t1, tr_s, flip_deg), expected, rtol=1e-5)


def test_long_repetition_time_leaves_the_flip_angle_alone() -> None:
    np.testing.assert_allclose(_signal(0.5, 50.0, 30.0), 0.5, rtol=1e-6)


def test_echo_time_decays_the_signal() -> None:
    ratio = _signal(1.0, 0.01, 20.0, te_s=0.03, t2_star_s=0.03) / _signal(1.0, 0.01, 20.0)
    np.testing.assert_allclose(ratio, np.exp(-1), rtol=1e-6)


def test_relaxation_rates_add() -> None:
    t1 = shortened_t1(np.array([1.0], np.float32), np.array([0.5], np.float32), 4.0)
    np.testing.assert_allclose(1 / t1, 1 + 4.0 * 0.5, rtol=1e-6)


def test_inverts_the_osipi_signal_to_concentration_reference(shared_data: Path) -> None:
    csv.field_size_limit(2**31 - 1)
    path = shared_data / "osipi" / "SI2Conc_data.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    for row in rows:
        measured, agent = (np.array(row[k].split(), float) for k in ("s", "conc"))
        t10 = np.full(agent.size, float(row["T1base"]), np.float32)
        t1 = shortened_t1(t10, agent.astype(np.float32), float(row["r1"]))
        tr_s, flip_deg = float(row["TR"]), float(row["FA"])
        ratio = _signal(t1, tr_s, flip_deg) / _signal(t10[:1], tr_s, flip_deg)
        # Their baseline skips the first sample, which is not in steady state.
        baseline = measured[1 : int(row["numbaselinepts"])].mean()
        np.testing.assert_allclose(ratio * baseline, measured, rtol=1e-5)


def test_noise_without_signal_is_rayleigh() -> None:
    noisy = add_rician_noise(np.zeros(200_000, np.float32), 7.0, np.random.default_rng(1))
    assert noisy.mean() == pytest.approx(7 * np.sqrt(np.pi / 2), rel=0.01)
    assert noisy.std() == pytest.approx(7 * np.sqrt(2 - np.pi / 2), rel=0.01)


def test_noise_on_strong_signal_is_gaussian() -> None:
    noisy = add_rician_noise(np.full(200_000, 700, np.float32), 7.0, np.random.default_rng(1))
    assert noisy.mean() == pytest.approx(np.hypot(700, 7 / np.sqrt(2)), rel=1e-3)
    assert noisy.std() == pytest.approx(7, rel=0.01)
