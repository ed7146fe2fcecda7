"""Motion, point spread and noise against what they must do."""

import numpy as np
import pytest

from hcnet.cohorts.phantom.artefacts import displaced, k_space_window, seen_by_scanner
from hcnet.cohorts.phantom.fields import BOX_MM, Field, Frame


def _frame(n: int, step: float = 1.0) -> Frame:
    axis = (np.arange(n, dtype=np.float32) - n // 2) * np.float32(step)
    return Frame(axis, axis, axis)


def _everywhere(value: float) -> Field:
    return Field(np.full((3, 3, 3), value, np.float32), 100.0, BOX_MM)


def _ball(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    grid = np.indices((n, n, n)) - n // 2
    return (100 * np.exp(-(grid**2).sum(0) / 18)).astype(np.float32)


def test_a_shift_by_whole_voxels_is_exact() -> None:
    image = _ball(31)
    moved = displaced(
        image,
        (_everywhere(1.0), _everywhere(0.0), _everywhere(-0.5)),
        np.full(image.shape, 4.0, np.float32),
        _frame(31, 2.0),
    )
    expected = np.roll(image, (-2, 0, 1), (0, 1, 2))
    np.testing.assert_allclose(moved[4:-4, 4:-4, 4:-4], expected[4:-4, 4:-4, 4:-4], atol=0.1)


def test_no_motion_changes_nothing() -> None:
    image = _ball(25)
    still = np.zeros(image.shape, np.float32)
    fields = (_everywhere(1.0), _everywhere(1.0), _everywhere(1.0))
    np.testing.assert_allclose(displaced(image, fields, still, _frame(25)), image, atol=1e-3)


def test_the_window_keeps_the_centre_and_drops_what_was_not_sampled() -> None:
    window = k_space_window(64, 0.5, 0.4)
    assert window[0] == 1
    frequency = np.abs(np.fft.fftfreq(64))
    assert not window[frequency > 0.25].any()
    assert (np.diff(window[:32]) <= 1e-6).all()
    np.testing.assert_array_equal(k_space_window(64, 1.0, 0.0)[np.abs(frequency) < 0.5], 1)


def test_a_constant_image_stays_and_a_point_spreads() -> None:
    windows = (k_space_window(32, 0.6, 0.3), k_space_window(32, 0.6, 0.3))
    rng = np.random.default_rng(0)
    flat = np.full((4, 32, 32), 7.0, np.float32)
    _, clean = seen_by_scanner(flat, 0.0, windows, (1, 2), rng)
    np.testing.assert_allclose(clean, 7.0, rtol=1e-5)
    point = np.zeros((4, 32, 32), np.float32)
    point[2, 16, 16] = 100
    noisy, clean = seen_by_scanner(point, 0.0, windows, (1, 2), rng)
    np.testing.assert_array_equal(noisy, clean)
    assert 5 < clean[2, 16, 16] < 60
    assert clean[2, 16, 17] > 1
    assert clean[[0, 1, 3]].max() < 1e-5  # a slice sees its own signal only


@pytest.mark.parametrize("in_plane", [(0, 1), (1, 2), (0, 2)])
def test_noise_has_the_deviation_asked_for_whatever_the_window(in_plane: tuple[int, int]) -> None:
    shape = (40, 48, 56)
    strong = np.full(shape, 1000.0, np.float32)
    for share, flank in ((1.0, 0.0), (0.6, 0.5)):
        first, second = (k_space_window(shape[axis], share, flank) for axis in in_plane)
        noisy, clean = seen_by_scanner(
            strong, 5.0, (first, second), in_plane, np.random.default_rng(0)
        )
        assert (noisy - clean).std() == pytest.approx(5.0, rel=0.03)
        nothing = np.zeros(shape, np.float32)
        air, _ = seen_by_scanner(nothing, 5.0, (first, second), in_plane, np.random.default_rng(1))
        assert air.mean() == pytest.approx(5.0 * np.sqrt(np.pi / 2), rel=0.03)


def test_zero_filled_noise_is_correlated() -> None:
    nothing = np.full((6, 64, 64), 1000.0, np.float32)
    found = []
    for share in (1.0, 0.5):
        window = k_space_window(64, share, 0.0)
        noisy, clean = seen_by_scanner(
            nothing, 5.0, (window, window), (1, 2), np.random.default_rng(0)
        )
        noise = noisy - clean
        found.append(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1])
    assert abs(found[0]) < 0.05
    assert found[1] > 0.5
