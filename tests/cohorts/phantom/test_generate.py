"""One phantom case: determinism, geometry, anatomy and physics."""

import functools

import numpy as np
import pytest
from numpy.typing import NDArray

from hcnet.cohorts.phantom import PhantomCase, PhantomSettings, Tissue, generate_case
from hcnet.cohorts.phantom.parameters import PhantomParameters, ProtocolParameters
from hcnet.volumes.volume import Grid

CASES = range(8)


@functools.cache
def _case(index: int) -> PhantomCase:
    return generate_case(0, index, PhantomSettings(keep_noise_free=True))


def _clean(case: PhantomCase) -> NDArray[np.float32]:
    assert case.noise_free is not None
    return case.noise_free


def _median_enhancement(case: PhantomCase, where: NDArray[np.bool_], phase: int = 1) -> float:
    clean = _clean(case)
    return float(np.median(clean[phase][where] / clean[0][where] - 1))


def test_same_seed_and_index_give_the_same_case() -> None:
    again = generate_case(0, 2)
    np.testing.assert_array_equal(again.phases, _case(2).phases)
    np.testing.assert_array_equal(again.tumour, _case(2).tumour)
    assert again.facts == _case(2).facts


@pytest.mark.parametrize(("seed", "index"), [(0, 3), (1, 2)])
def test_another_seed_or_index_gives_another_patient(seed: int, index: int) -> None:
    other = generate_case(seed, index)
    assert (other.labels != _case(2).labels).mean() > 0.02


def test_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        generate_case(0, -1)


@pytest.mark.parametrize("index", CASES)
def test_tumour_is_in_the_breast_and_of_plausible_size(index: int) -> None:
    case = _case(index)
    assert not (case.tumour & ~case.breast).any()
    millilitres = case.tumour.sum() * Grid(case.tumour.shape, case.affine).voxel_ml
    assert 0.3 < millilitres < 160


@pytest.mark.parametrize("index", CASES)
def test_breast_points_forward_from_the_chest(index: int) -> None:
    case = _case(index)
    centre = {
        tissue: np.argwhere(case.labels == tissue).mean(axis=0)
        for tissue in (Tissue.MUSCLE, Tissue.FAT, Tissue.GLAND)
    }
    assert centre[Tissue.MUSCLE][1] < centre[Tissue.FAT][1]
    assert centre[Tissue.MUSCLE][1] < centre[Tissue.GLAND][1]
    assert not case.breast[:, -1].any()  # air in front
    assert case.breast[24].any()


@pytest.mark.parametrize("index", CASES)
def test_the_side_agrees_with_the_place(index: int) -> None:
    case = _case(index)
    middle = case.affine @ np.array([*(np.array(case.labels.shape) - 1) / 2, 1.0])
    right = case.facts["primary_lesion"]["laterality"] == "right"
    assert (middle[0] > 0) == right
    np.testing.assert_allclose(np.diag(case.affine)[:3], (2.4, 2.0, 2.0), rtol=1e-6)


@pytest.mark.parametrize("index", CASES)
def test_phases_and_times_fit_a_protocol(index: int) -> None:
    case = _case(index)
    assert len(case.phases) == len(case.times_s) in (3, 4)
    assert case.times_s[0] < 0 < case.times_s[1]
    assert list(case.times_s) == sorted(case.times_s)
    assert case.phases.dtype == np.int16
    assert case.phases.min() >= 0


@pytest.mark.parametrize("index", CASES)
def test_tumour_enhances_more_than_the_rest(index: int) -> None:
    case = _case(index)
    rim = _median_enhancement(case, case.labels == Tissue.TUMOUR_RIM)
    gland = _median_enhancement(case, case.labels == Tissue.GLAND)
    fat = _median_enhancement(case, (case.labels == Tissue.FAT) & case.breast)
    assert rim > 0.4
    assert rim > gland > 0
    assert abs(fat) < 0.2


def test_rim_washes_out_more_than_core_and_benign() -> None:
    def late(tissue: Tissue) -> float:
        changes = []
        for index in range(12):
            case = _case(index)
            where = case.labels == tissue
            if where.any():
                clean = _clean(case)
                changes.append(np.median(clean[2][where] / clean[1][where] - 1))
        return float(np.mean(changes))

    rim, core, benign = map(late, (Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE, Tissue.BENIGN))
    assert rim < -0.05
    assert rim < core < benign


def test_before_contrast_the_tumour_resembles_gland_more_than_fat() -> None:
    to_gland, to_fat = [], []
    for index in CASES:
        case = _case(index)
        pre = _clean(case)[0]
        parts = (case.tumour, case.labels == Tissue.GLAND, case.labels == Tissue.FAT)
        tumour, gland, fat = (np.median(pre[part & case.breast]) for part in parts)
        to_gland.append(abs(np.log(tumour / gland)))
        to_fat.append(abs(np.log(tumour / fat)))
    assert np.median(to_gland) < 0.3
    assert np.median(to_gland) < np.median(to_fat)


def test_noise_in_air_is_rayleigh_and_in_tissue_unbiased() -> None:
    case = _case(0)
    clean = _clean(case)
    sigma = case.hidden["noise_sigma"]
    air = case.phases[clean == 0]
    assert air.size > 10_000
    assert air.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)
    bright = clean > 10 * sigma
    residual = case.phases[bright] - np.hypot(clean[bright], sigma / np.sqrt(2))
    assert abs(residual.mean()) < 0.05 * sigma
    assert residual.std() == pytest.approx(sigma, rel=0.05)


def test_phases_have_independent_noise() -> None:
    case = _case(0)
    air = (_clean(case) == 0).all(axis=0)
    correlation = np.corrcoef(case.phases[0][air], case.phases[1][air])[0, 1]
    assert abs(correlation) < 0.05


def test_truth_maps_tell_tissues_apart() -> None:
    case = _case(0)
    ktrans = case.maps["ktrans_per_min"]
    assert np.median(ktrans[case.labels == Tissue.TUMOUR_RIM]) > 0.08
    assert np.median(ktrans[case.labels == Tissue.GLAND]) < 0.08
    fat_t1 = np.median(case.maps["t1_ms"][(case.labels == Tissue.FAT) & case.breast])
    assert 240 < fat_t1 < 400
    assert not case.maps["ve"][case.labels == Tissue.AIR].max() > 0.6


def test_fat_is_dark_only_where_it_is_suppressed() -> None:
    def contrast(probability: float) -> float:
        protocol = ProtocolParameters(fat_suppression_probability=probability)
        settings = PhantomSettings(parameters=PhantomParameters(protocol=protocol))
        case = generate_case(0, 0, settings)
        fat = (case.labels == Tissue.FAT) & case.breast
        return float(np.median(case.phases[0][fat]) / np.median(case.phases[0][case.tumour]))

    assert contrast(1.0) < 1
    assert contrast(0.0) > 2


def test_protocol_changes_leave_the_patient_alone() -> None:
    protocol = ProtocolParameters(fat_suppression_probability=0.0)
    settings = PhantomSettings(parameters=PhantomParameters(protocol=protocol))
    other = generate_case(0, 0, settings)
    np.testing.assert_array_equal(other.labels, _case(0).labels)
    np.testing.assert_array_equal(other.maps["ktrans_per_min"], _case(0).maps["ktrans_per_min"])


@pytest.mark.slow
def test_full_size_shows_the_same_breast() -> None:
    full = generate_case(0, 0, PhantomSettings(size="full"))
    assert full.labels.shape == (60, 256, 256)
    volumes = [
        case.breast.sum() * Grid(case.breast.shape, case.affine).voxel_ml
        for case in (full, _case(0))
    ]
    np.testing.assert_allclose(volumes[0], volumes[1], rtol=0.1)
    assert full.facts["clinical_data"] == _case(0).facts["clinical_data"]
