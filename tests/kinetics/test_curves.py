import numpy as np
import pytest

from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.curves import allot_points, iter_curves, sample_curves, signal_unit
from hcnet.kinetics.tic import resample_curves

CLOCK = np.array([0.0, 100, 200])


@pytest.fixture
def exam():
    rng = np.random.default_rng(0)
    phases = rng.uniform(20, 200, (3, 9, 7, 5)).astype(np.float32)
    return phases, rng.random((9, 7, 5)) < 0.4


@pytest.mark.parametrize("chunk", [1, 8, 35, 80, 10_000])
def test_chunks_hold_every_breast_voxel_once_and_in_order(exam, chunk):
    phases, breast = exam
    parts = list(iter_curves(phases, breast, CLOCK, CLOCK, chunk))
    assert max(voxels.size for voxels, _ in parts) <= chunk
    np.testing.assert_array_equal(
        np.concatenate([voxels for voxels, _ in parts]), np.flatnonzero(breast)
    )
    expected = phases[:, breast].T / signal_unit(phases, breast)
    np.testing.assert_allclose(np.concatenate([c for _, c in parts]), expected, rtol=1e-5)


def test_memory_map_is_read_slab_by_slab(exam, tmp_path):
    phases, breast = exam

    class Watched(np.ndarray):
        largest = 0

        def __getitem__(self, index):
            out = super().__getitem__(index)
            if isinstance(index, tuple):
                Watched.largest = max(Watched.largest, out.size)
            return out

    np.save(tmp_path / "phases.npy", phases)
    mapped = np.load(tmp_path / "phases.npy", mmap_mode="r")
    chunks = list(iter_curves(mapped.view(Watched), breast, CLOCK, CLOCK, chunk=70))
    assert sum(voxels.size for voxels, _ in chunks) == breast.sum()
    assert 0 < Watched.largest <= 3 * 70


def test_curves_do_not_depend_on_the_scanner_unit(exam):
    phases, breast = exam
    one = np.concatenate([c for _, c in iter_curves(phases, breast, CLOCK, CLOCK)])
    other = np.concatenate([c for _, c in iter_curves(phases * 37, breast, CLOCK, CLOCK)])
    np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_any_number_of_phases_comes_onto_the_grid(count):
    rng = np.random.default_rng(count)
    phases = rng.integers(20, 200, (count, 4, 4, 4)).astype(np.int16)
    breast = np.ones((4, 4, 4), dtype=np.uint8)
    clock, grid = np.arange(count) * 60.0, np.array([0.0, 50, 90, 700])
    ((_, curves),) = iter_curves(phases, breast, clock, grid)
    unit = signal_unit(phases, breast)
    expected = resample_curves(phases.reshape(count, -1).T / unit, clock, grid)
    np.testing.assert_allclose(curves, expected, rtol=1e-5)


def test_sample_draws_distinct_voxels_and_repeats_with_the_seed(exam):
    phases, breast = exam
    everything = np.concatenate([c for _, c in iter_curves(phases, breast, CLOCK, CLOCK)])
    drawn = [
        sample_curves(phases, breast, CLOCK, CLOCK, 20, np.random.default_rng(3)) for _ in range(2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert drawn[0].shape == (20, 3)
    assert len(np.unique(drawn[0], axis=0)) == 20
    assert {tuple(c) for c in drawn[0]} <= {tuple(c) for c in everything}
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(
        sample_curves(phases, breast, CLOCK, CLOCK, 10_000, rng), everything
    )


def test_points_are_shared_evenly():
    assert allot_points([1000, 1000, 1000], 300) == [100, 100, 100]
    assert allot_points([10, 1000, 1000], 300) == [10, 145, 145]
    assert allot_points([10, 20], 300) == [10, 20]
    assert sum(allot_points([50, 7, 90, 90, 90], 100)) == 100


def test_bad_exams_are_refused(exam):
    phases, breast = exam
    with pytest.raises(GeometryError):
        next(iter_curves(phases, breast[1:], CLOCK, CLOCK))
    with pytest.raises(GeometryError):
        next(iter_curves(phases, breast, CLOCK[:2], CLOCK))
    with pytest.raises(InputError, match="two phases"):
        next(iter_curves(phases[:1], breast, CLOCK[:1], CLOCK))
    with pytest.raises(InputError, match="empty"):
        next(iter_curves(phases, np.zeros_like(breast), CLOCK, CLOCK))
    with pytest.raises(InputError, match="z-scores"):
        next(iter_curves(phases - phases.mean() - 50, breast, CLOCK, CLOCK))
    broken = phases.copy()
    broken[1][breast] = np.nan
    with pytest.raises(InputError, match="finite"):
        next(iter_curves(broken, breast, CLOCK, CLOCK))
