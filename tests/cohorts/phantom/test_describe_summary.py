"""Bands, verdicts and the table."""

import math

import numpy as np
import pytest

from hcnet.cohorts.phantom.describe.bands import BANDS, TAGS, Band, find_band
from hcnet.cohorts.phantom.describe.catalogue import SECTIONS
from hcnet.cohorts.phantom.describe.measure import CaseMeasures
from hcnet.cohorts.phantom.describe.summary import judge, summarise
from hcnet.cohorts.phantom.describe.tables import band_text, number

RANGE = Band("k", "somebody", "V", 1.0, 2.0, 1.5)
CENTRE = Band("k", "somebody", "M", centre=1.5)
KEYS = {measure.key for measures in SECTIONS.values() for measure in measures}


def case(name: str, density: str, **values: float) -> CaseMeasures:
    groups = {"density": density, "background": "mild", "field": "1.5 T"}
    full = {key: values.get(key, math.nan) for key in KEYS}
    return CaseMeasures(name, groups, True, full, (-60.0, 150.0, 450.0), {})


@pytest.mark.parametrize(
    ("value", "band", "verdict"),
    [
        ((1.0, 0.0, 9.0), RANGE, "inside"),
        ((2.0, 1.9, 2.1), RANGE, "inside"),
        ((2.01, 1.0, 3.0), RANGE, "outside"),
        ((0.99, 0.9, 1.5), RANGE, "outside"),
        ((9.0, 1.5, 10.0), CENTRE, "inside"),
        ((1.6, 1.51, 1.7), CENTRE, "outside"),
        ((1.6, 1.0, 1.7), None, "no band"),
        ((math.nan, math.nan, math.nan), RANGE, "no data"),
    ],
)
def test_verdicts(value: tuple[float, float, float], band: Band | None, verdict: str) -> None:
    assert judge(*value, band) == verdict


def test_few_quartiles_are_not_held_to_a_centre() -> None:
    assert judge(3.0, 2.0, 4.0, CENTRE, quartiles_of=4) == "too few"
    assert judge(3.0, 2.0, 4.0, CENTRE, quartiles_of=5) == "outside"
    assert judge(3.0, 2.0, 4.0, RANGE, quartiles_of=1) == "outside"


def test_a_band_needs_something_to_hold() -> None:
    with pytest.raises(ValueError, match="neither"):
        judge(1.0, 1.0, 1.0, Band("k", "somebody", "X"))


def test_every_band_belongs_to_a_measure_and_is_the_only_one() -> None:
    places = [(band.key, band.group, band.like) for band in BANDS]
    assert len(set(places)) == len(places)
    for band in BANDS:
        measures = [m for section in SECTIONS.values() for m in section if m.key == band.key]
        assert measures, band.key
        assert any(bool(measure.by) == bool(band.group) for measure in measures), band.key
        assert band.tag in TAGS
        assert band.source
        assert (band.low is None) == (band.high is None)
        assert band.centre is not None or band.low is not None
        if band.low is not None and band.high is not None:
            assert band.low < band.high
            assert band.centre is None or band.low <= band.centre <= band.high


def test_bands_hold_for_their_own_kind_of_cohort() -> None:
    ispy, duke = (find_band("volume_ml", "", like) for like in ("ispy1", "duke"))
    assert ispy is not None
    assert duke is not None
    assert (ispy.centre, ispy.tag) == (14.7, "C")
    assert duke.tag == "X"
    assert find_band("longest_mm", "", "duke") is None
    grade = find_band("auc_pre", "d", "duke")
    assert grade is not None
    assert grade.centre == 0.62
    assert grade.descriptor


def test_rows_hold_medians_shares_and_groups() -> None:
    cases = [
        case(f"case_{i}", "dccc"[i], volume_ml=volume, lesion_free=float(i == 3), auc_pre=0.1 * i)
        for i, volume in enumerate((1.0, 2.0, 6.0, math.nan))
    ]
    rows = {(row.measure.key, row.group): row for row in summarise(cases, "ispy1")}
    volume = rows["volume_ml", ""]
    assert (volume.n, volume.undefined, volume.centre) == (3, 1, 2.0)
    assert (volume.low, volume.high, volume.verdict) == (1.5, 4.0, "outside")
    free = rows["lesion_free", ""]
    assert free.centre == 0.25
    # Wilson's interval of 1 in 4 by its closed form.
    z, n, p = 1.959964, 4, 0.25
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = np.array([p + z**2 / (2 * n) - half, p + z**2 / (2 * n) + half]) / (1 + z**2 / n)
    np.testing.assert_allclose((free.low, free.high), expected, rtol=1e-5)
    assert free.verdict == "inside"
    assert [key[1] for key in rows if key[0] == "auc_pre"] == ["", "c", "d"]
    assert rows["auc_pre", "c"].n == 3
    assert rows["auc_pre", "d"].verdict == "too few"
    assert rows["reader_dice", ""].verdict == "no data"


def test_numbers_and_bands_as_text() -> None:
    assert [number(v) for v in (1266.4, 14.66, 0.0412, -3.0, 0.0)] == [
        "1266", "14.7", "0.0412", "-3", "0",
    ]  # fmt: skip
    assert band_text(RANGE) == "1.5 (1 to 2)"
    assert band_text(Band("k", "somebody", "A", 0.78, 0.81)) == "0.78 to 0.81"
    assert band_text(CENTRE) == "~1.5"
    assert band_text(None) == "-"
