"""One phantom case: determinism, geometry, anatomy and physics."""

import functools
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from hcnet.cohorts.phantom import PhantomCase, PhantomSettings, Tissue, generate_case
from hcnet.cohorts.phantom.distributions import Uniform
from hcnet.cohorts.phantom.fields import Frame
from hcnet.cohorts.phantom.parameters import frozen_parameters
from hcnet.cohorts.phantom.reader import outline
from hcnet.cohorts.phantom.tissue import DECOYS
from hcnet.volumes.volume import Grid

CASES = range(8)


@functools.cache
def _case(index: int, like: Literal["ispy1", "duke"] = "ispy1") -> PhantomCase:
    return generate_case(0, index, PhantomSettings(like=like))


@functools.cache
def _with_tumour() -> tuple[PhantomCase, ...]:
    return tuple(case for case in map(_case, range(14)) if case.tumour.sum() > 50)


def _changed(part: str, **values: Any) -> PhantomSettings:
    """The frozen parameters with some values of one part replaced."""
    parameters = frozen_parameters()
    changed = getattr(parameters, part).model_copy(update=values)
    return PhantomSettings(parameters=parameters.model_copy(update={part: changed}))


def _enhancement(case: PhantomCase, where: NDArray[np.bool_], phase: int = 1) -> float:
    clean = case.noise_free
    return float(np.median(clean[phase][where] / clean[0][where] - 1))


def test_same_seed_and_index_give_the_same_case() -> None:
    again = generate_case(0, 2)
    np.testing.assert_array_equal(again.phases, _case(2).phases)
    np.testing.assert_array_equal(again.tumour, _case(2).tumour)
    np.testing.assert_array_equal(again.reader, _case(2).reader)
    assert (again.facts, again.hidden, again.box) == (
        _case(2).facts,
        _case(2).hidden,
        _case(2).box,
    )


@pytest.mark.parametrize(("seed", "index"), [(0, 3), (1, 2)])
def test_another_seed_or_index_gives_another_patient(seed: int, index: int) -> None:
    other = generate_case(seed, index)
    assert (other.labels != _case(2).labels).mean() > 0.02


def test_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        generate_case(0, -1)


def test_another_scan_differs_by_noise_alone() -> None:
    other = generate_case(0, 2, PhantomSettings(scan=1))
    np.testing.assert_array_equal(other.noise_free, _case(2).noise_free)
    np.testing.assert_array_equal(other.reader, _case(2).reader)
    assert other.times_s == _case(2).times_s
    assert (other.phases != _case(2).phases).mean() > 0.5


@pytest.mark.parametrize("index", CASES)
def test_masks_lie_in_the_breast_and_agree(index: int) -> None:
    case = _case(index)
    assert not (case.tumour & ~case.breast).any()
    assert not (case.reader & ~case.breast).any()
    assert case.tumour.any() == case.reader.any() == (case.box is not None)
    if case.box is not None:
        x, y, z = (slice(start, stop) for start, stop in case.box)
        outside = case.reader.copy()
        outside[x, y, z] = False
        assert not outside.any()
        assert 0.2 < case.tumour.sum() * Grid(case.tumour.shape, case.affine).voxel_ml < 160


def test_some_cases_have_no_tumour_and_some_have_decoys() -> None:
    cases = [_case(index) for index in range(14)]
    free = [case for case in cases if not case.tumour.any()]
    kinds = {mass["kind"] for case in cases for mass in case.hidden["masses"]}
    assert 0 < len(free) < len(cases)
    assert kinds == {"malignant", "fibroadenoma", "cyst", "nodule"}
    labelled = set(np.unique(np.concatenate([case.labels.ravel() for case in cases])))
    assert labelled >= {int(t) for t in DECOYS} | {0, 1, 2, 3, 4, 5, 6}


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


@pytest.mark.parametrize("index", CASES)
def test_phases_and_times_fit_a_protocol(index: int) -> None:
    for case, phases in ((_case(index), (3, 4)), (_case(index % 2, "duke"), (4, 5))):
        assert len(case.phases) == len(case.times_s) in phases
        assert case.times_s[0] < 0 < case.times_s[1]
        assert list(case.times_s) == sorted(case.times_s)
        assert case.phases.dtype == np.int16
        assert case.phases.min() >= 0


def test_the_side_agrees_with_the_place() -> None:
    for index in CASES:
        case = _case(index)
        middle = case.affine @ np.array([*(np.array(case.labels.shape) - 1) / 2, 1.0])
        assert (middle[0] > 0) == (case.facts["primary_lesion"]["laterality"] == "right")


def test_both_breasts_are_there_and_meet_at_the_midline() -> None:
    for index in range(4):
        case = _case(index, "duke")
        n = case.labels.shape[0]
        left, right = case.breast[: n // 2], case.breast[n // 2 :]
        assert left.any()
        assert right.any()
        # The outline is that of one body: mirrored, and without a step where the halves meet.
        np.testing.assert_array_equal(left, right[::-1])
        beside = case.noise_free[0][n // 2 - 1], case.noise_free[0][n // 2]
        np.testing.assert_allclose(beside[0].mean(), beside[1].mean(), rtol=0.15)
        if case.tumour.any():
            x = np.argwhere(case.tumour)[:, 0].mean()
            assert (x > (n - 1) / 2) == (case.facts["primary_lesion"]["laterality"] == "right")


def test_tumour_enhances_more_than_the_rest() -> None:
    for case in _with_tumour():
        tumour = _enhancement(case, case.tumour)
        gland = _enhancement(case, (case.labels == Tissue.GLAND) & case.breast)
        assert tumour > 0.3
        assert tumour > gland


def test_before_contrast_the_tumour_resembles_gland_more_than_fat() -> None:
    to_gland, to_fat = [], []
    for case in _with_tumour():
        pre = case.noise_free[0]
        parts = (case.tumour, case.labels == Tissue.GLAND, case.labels == Tissue.FAT)
        tumour, gland, fat = (np.median(pre[part & case.breast]) for part in parts)
        to_gland.append(abs(np.log(tumour / gland)))
        to_fat.append(abs(np.log(tumour / fat)))
    assert np.median(to_gland) < 0.3
    assert np.median(to_gland) < np.median(to_fat)


def test_noise_in_air_is_rayleigh() -> None:
    for index in (0, 1, 2):
        case = _case(index)
        sigma = case.hidden["noise_sigma"]
        # Away from the body, where ringing of the point spread has died away.
        air = case.phases[(case.noise_free < 0.02 * sigma)].astype(float)
        assert air.size > 2_000
        assert air.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.04)


def test_phases_have_independent_noise() -> None:
    case = _case(0)
    noise = case.phases - case.noise_free
    strong = (case.noise_free > 5 * case.hidden["noise_sigma"]).all(axis=0)
    correlation = np.corrcoef(noise[0][strong], noise[1][strong])[0, 1]
    assert abs(correlation) < 0.05


def test_truth_maps_tell_tissues_apart() -> None:
    case = _with_tumour()[0]
    ktrans = case.maps["ktrans_per_min"]
    assert np.median(ktrans[case.tumour]) > 0.05
    assert np.median(ktrans[case.labels == Tissue.GLAND]) < 0.05
    fat_t1 = np.median(case.maps["t1_ms"][(case.labels == Tissue.FAT) & case.breast])
    assert 220 < fat_t1 < 450
    assert not case.maps["ve"][case.labels == Tissue.AIR].max() > 0.6


def test_fat_is_dark_only_where_it_is_suppressed() -> None:
    def contrast(probability: float) -> float:
        case = generate_case(0, 1, _changed("faults", fat_suppression_probability=probability))
        fat = (case.labels == Tissue.FAT) & case.breast
        gland = case.labels == Tissue.GLAND
        return float(np.median(case.phases[0][fat]) / np.median(case.phases[0][gland]))

    assert contrast(1.0) < 1
    assert contrast(0.0) > 1.8


def test_faults_leave_the_patient_alone() -> None:
    other = generate_case(0, 0, _changed("faults", snr_gland=Uniform(low=5, high=6)))
    np.testing.assert_array_equal(other.labels, _case(0).labels)
    np.testing.assert_array_equal(other.maps["ktrans_per_min"], _case(0).maps["ktrans_per_min"])


@pytest.mark.parametrize("like", ["ispy1", "duke"])
def test_null_masses_cannot_be_seen_before_contrast(like: Any) -> None:
    empty = frozen_parameters().lesion.model_copy(
        update={"lesion_free_probability": 1.0, "decoys_mean": 0.0}
    )
    without = frozen_parameters().model_copy(update={"lesion": empty})
    for index in range(4 if like == "ispy1" else 2):
        null = generate_case(3, index, PhantomSettings(like=like, null=True))
        plain = generate_case(3, index, PhantomSettings(like=like, null=True, parameters=without))
        # The same image with and without its masses, but for rounding in float32 ...
        scale = plain.noise_free[0].max()
        np.testing.assert_allclose(null.noise_free[0], plain.noise_free[0], atol=1e-6 * scale)
        assert np.abs(null.phases[0].astype(int) - plain.phases[0]).max() <= 1
        if null.tumour.sum() > 50:
            # ... which light up after contrast, in what was gland,
            assert _enhancement(null, null.tumour) > _enhancement(plain, null.tumour) + 0.2
            assert (plain.labels[null.tumour] == Tissue.GLAND).mean() > 0.95


def test_null_cases_have_redrawn_lesions_of_the_same_kind() -> None:
    tumours, others = [], []
    for index in range(8):
        case = generate_case(4, index, PhantomSettings(null=True))
        if not case.tumour.any():
            assert case.redrawn == ()
            continue
        assert len(case.redrawn) == 3
        for mask in case.redrawn:
            assert not (mask & ~case.breast).any()
            assert (mask != case.tumour).any()
        tumours.append(case.tumour.sum())
        others += [mask.sum() for mask in case.redrawn]
    assert 0.3 < np.median(tumours) / np.median(others) < 3
    assert generate_case(4, 0).redrawn == ()


def test_stronger_fields_shorten_no_t1() -> None:
    protocol = frozen_parameters().protocol["duke"]
    t1 = {}
    for field in ("1.5", "3.0"):
        at = {"values": (field,), "probabilities": (1.0,)}
        strong = protocol.model_copy(update={"field_strength": type(protocol.field_strength)(**at)})
        parameters = frozen_parameters().model_copy(
            update={"protocol": {**frozen_parameters().protocol, "duke": strong}}
        )
        case = generate_case(0, 0, PhantomSettings(like="duke", parameters=parameters))
        assert case.facts["imaging_data"]["field_strength"] == float(field)
        t1[field] = case.hidden["tissues"]["gland"]["t1_s"]
    assert t1["3.0"] > t1["1.5"]


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


@pytest.mark.slow
def test_two_readers_agree_as_published() -> None:
    """Self-Dice of readers near the .78-.81 of the literature, at full size."""
    agreement = []
    for index in range(5):
        case = generate_case(1, index, PhantomSettings(size="full"))
        if not case.tumour.any():
            continue
        steps = np.diag(case.affine)[:3]
        x, y, z = (
            (step * (np.arange(n) - n / 2)).astype(np.float32)
            for step, n in zip(steps, case.tumour.shape, strict=True)
        )
        first, second = (
            outline(
                np.random.default_rng(number),
                Frame(x, y, z),
                case.tumour,
                frozen_parameters().reader,
            )
            for number in (1, 2)
        )
        agreement.append(2 * (first & second).sum() / (first.sum() + second.sum()))
    assert 0.70 < np.mean(agreement) < 0.90
