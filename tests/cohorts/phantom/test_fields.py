"""Random fields: scale, seeds, and reading them on a grid."""

import numpy as np

from hcnet.cohorts.phantom.fields import BOX_MM, Field, Frame, gaussian, power_law, random_field


def _frame(step: float, n: int = 21) -> Frame:
    axis = (np.arange(n, dtype=np.float32) - n // 2) * np.float32(step)
    return Frame(axis, axis, axis)


def test_mean_zero_and_unit_spread() -> None:
    for spectrum in (gaussian(5.0), power_law(3.0, 50.0)):
        values = random_field(np.random.default_rng(0), 4.0, spectrum).values
        assert abs(float(values.mean())) < 1e-4
        np.testing.assert_allclose(values.std(), 1.0, rtol=1e-4)


def test_gaussian_correlation_has_the_length_asked_for() -> None:
    values = random_field(np.random.default_rng(0), 2.0, gaussian(6.0)).values
    apart = np.mean(values[:, :, 3:] * values[:, :, :-3])  # 6 mm
    np.testing.assert_allclose(apart, np.exp(-0.5), atol=0.05)


def test_stretch_lengthens_structures_along_its_axis() -> None:
    rng = np.random.default_rng(0)
    values = random_field(rng, 3.0, power_law(3.0, 50.0), stretch=(1.0, 2.0, 1.0)).values
    along, across = (np.mean(np.diff(values, axis=axis) ** 2) for axis in (1, 0))
    assert along < 0.7 * across


def test_reading_reproduces_a_linear_function() -> None:
    shape = [int((high - low) / 4) + 2 for low, high in BOX_MM]
    nodes = np.meshgrid(
        *[low + 4.0 * np.arange(n) for n, (low, _) in zip(shape, BOX_MM, strict=True)],
        indexing="ij",
    )
    field = Field((nodes[0] + 2 * nodes[1] - 3 * nodes[2]).astype(np.float32), 4.0)
    frame = _frame(2.7)
    x, y, z = np.meshgrid(frame.x, frame.y, frame.z, indexing="ij")
    np.testing.assert_allclose(field.on(frame), x + 2 * y - 3 * z, atol=1e-3)


def test_a_finer_grid_sees_the_same_field() -> None:
    field = random_field(np.random.default_rng(3), 4.0, gaussian(10.0))
    coarse, fine = field.on(_frame(2.0, 21)), field.on(_frame(1.0, 41))
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, atol=1e-5)
