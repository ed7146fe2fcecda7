"""Contrast kinetics against closed forms, dcmri and the OSIPI reference values."""

import csv
from pathlib import Path

import dcmri
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcnet.cohorts.phantom.kinetics import (
    UptakeTable,
    convolve_exponential,
    extended_tofts,
    parker_aif,
    weinmann_aif,
)

TIMES = np.arange(0.0, 900.0, 1.0)
KTRANS = st.floats(0.001, 0.6)
VE = st.floats(0.05, 0.9)
VP = st.floats(0.0, 0.1)
PLASMA = parker_aif(TIMES, 20.0) / 0.58
TABLE = UptakeTable.build(TIMES, PLASMA)


def _rows(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_parker_equals_the_osipi_reference(shared_data: Path) -> None:
    rows = _rows(shared_data / "osipi" / "ParkerAIF_ref.csv")
    times = np.array([float(row["time"]) * 60 for row in rows])
    expected = np.array([float(row["Cb"]) for row in rows])
    assert len(rows) > 1000
    np.testing.assert_allclose(parker_aif(times), expected, rtol=1e-9)


def test_parker_equals_dcmri_after_the_arrival() -> None:
    expected = 1000 * dcmri.aif_parker(TIMES, BAT=20.0)
    after = TIMES >= 20
    np.testing.assert_allclose(parker_aif(TIMES, 20.0)[after], expected[after], rtol=1e-5)


def test_no_agent_before_the_arrival() -> None:
    for aif in (parker_aif, weinmann_aif):
        curve = aif(TIMES, 25.0)
        assert not curve[TIMES < 25].any()
        assert (curve[TIMES >= 25] > 0).all()


def test_weinmann_starts_at_the_dose_over_its_volume_and_falls() -> None:
    curve = weinmann_aif(TIMES)
    assert curve[0] == pytest.approx(0.1 * (3.99 + 4.78))
    assert (np.diff(curve) < 0).all()


def test_constant_input_gives_the_exponential_approach() -> None:
    kep = np.array([0.0, 1e-4, 0.3, 5.0])
    result = convolve_exponential(TIMES, np.full_like(TIMES, 2.0), kep)
    rate = kep[1:, None] / 60
    np.testing.assert_allclose(result[0], 2 * TIMES, rtol=1e-12)
    np.testing.assert_allclose(result[1:], -2 * np.expm1(-rate * TIMES) / rate, rtol=1e-9)


def test_uneven_times_are_exact_for_a_linear_input() -> None:
    times = np.array([0.0, 3.0, 4.0, 60.0, 61.5, 300.0])
    rate = 0.7 / 60
    expected = times / rate - -np.expm1(-rate * times) / rate**2
    np.testing.assert_allclose(convolve_exponential(times, times, 0.7)[0], expected, rtol=1e-9)


def test_without_transfer_tissue_holds_only_plasma() -> None:
    tissue = extended_tofts(TIMES, PLASMA, 0.0, 0.3, 0.07)
    np.testing.assert_allclose(tissue[0], 0.07 * PLASMA, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(ktrans=KTRANS, ve=VE, vp=VP)
def test_equals_dcmri(ktrans: float, ve: float, vp: float) -> None:
    haematocrit = 0.42
    blood = dcmri.aif_parker(TIMES, BAT=20.0)
    expected = 1000 * dcmri.conc_tissue(
        blood, t=TIMES, kinetics="HF", H=haematocrit, vi=ve, vb=vp / 0.58, PS=ktrans / 60
    )
    plasma = 1000 * blood / (1 - haematocrit)
    result = extended_tofts(TIMES, plasma, ktrans, ve, vp)[0]
    np.testing.assert_allclose(result, expected, rtol=1e-7, atol=1e-9)


def test_reproduces_the_noise_free_digital_reference_objects(shared_data: Path) -> None:
    rows = _rows(shared_data / "osipi" / "dce_DRO_data_extended_tofts.csv")
    rows = [row for row in rows if row["label"].endswith("highSNR")]
    assert len(rows) == 3
    for row in rows:
        times, expected, plasma = (np.array(row[k].split(), float) for k in ("t", "C", "ca"))
        parameters = (float(row[k]) for k in ("Ktrans", "ve", "vp"))
        result = extended_tofts(times, plasma, *parameters)[0]
        # The peak is 5 s wide at 1 s a sample, and linear interpolation is ours: 0.3% of it.
        np.testing.assert_allclose(result, expected, atol=3e-3 * expected.max())


@settings(max_examples=50, deadline=None)
@given(ktrans=KTRANS, ve=VE, vp=VP, time_s=st.floats(60.0, 890.0))
def test_table_equals_the_exact_model(ktrans: float, ve: float, vp: float, time_s: float) -> None:
    times = np.unique(np.append(TIMES, time_s))
    fine = np.interp(times, TIMES, PLASMA)
    expected = extended_tofts(times, fine, ktrans, ve, vp)[0, np.searchsorted(times, time_s)]
    values = (np.array([v], np.float32) for v in (ktrans, ve, vp))
    result = TABLE.concentration(time_s, *values)
    np.testing.assert_allclose(result, expected, rtol=3e-4, atol=1e-6)


def test_table_knows_its_limits() -> None:
    ones = np.ones(2, np.float32)
    assert not TABLE.concentration(-200.0, ones, ones, ones).any()
    with pytest.raises(ValueError, match="beyond the table"):
        TABLE.concentration(2000.0, ones, ones, ones)
    with pytest.raises(ValueError, match="not tabulated"):
        TABLE.concentration(100.0, ones, ones / 100, ones)


def test_early_wash_out_needs_high_transfer() -> None:
    fast, slow = extended_tofts(TIMES, PLASMA, [0.3, 0.02], [0.35, 0.45], [0.03, 0.03])
    assert fast[450] < 0.9 * fast[150]
    assert slow[450] > 1.1 * slow[150]
