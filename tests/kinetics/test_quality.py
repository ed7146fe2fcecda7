import itertools

import numpy as np
import pytest

from hcnet.errors import InputError
from hcnet.kinetics.moments import Moments
from hcnet.kinetics.quality import (
    Composition,
    Spread,
    kmeans_reference,
    measure,
    perplexity,
)


def plain(points, codes, prototypes):
    """The definitions written out."""
    used = np.unique(codes)
    means = {k: points[codes == k].mean(axis=0) for k in used}
    scatter = {k: np.mean([np.linalg.norm(p - means[k]) for p in points[codes == k]]) for k in used}
    apart = {(i, j): np.linalg.norm(means[i] - means[j]) for i in used for j in used}
    worst = [max((scatter[i] + scatter[j]) / apart[i, j] for j in used if j != i) for i in used]
    return {
        "sse": np.mean([((p - means[k]) ** 2).sum() for p, k in zip(points, codes, strict=True)]),
        "reconstruction_sse": np.mean(((points - prototypes[codes]) ** 2).sum(axis=1)),
        "cpn": np.mean(list(scatter.values())),
        "spt": np.mean([apart[pair] for pair in itertools.combinations(used, 2)]),
        "dbn": np.mean(worst),
    }


@pytest.mark.parametrize("empty", [False, True])
def test_chunks_give_what_the_definitions_give(empty):
    rng = np.random.default_rng(1)
    points = rng.normal(5, 1, (400, 4)).astype(np.float32)
    codes = rng.integers(0, 5, 400)
    if empty:
        codes[codes == 2] = 0
    prototypes = rng.normal(5, 1, (5, 4))
    moments = Moments(5, 4)
    for part in np.array_split(np.arange(400), 7):
        moments.add(points[part], codes[part])
    spread = Spread(moments, prototypes)
    for part in np.array_split(np.arange(400), 3):
        spread.add(points[part], codes[part])
    quality = spread.quality()
    expected = plain(points.astype(np.float64), codes, prototypes)
    for name, value in expected.items():
        assert getattr(quality, name) == pytest.approx(value, rel=1e-5), name
    assert quality.used == (4 if empty else 5)
    assert quality.points == 400
    np.testing.assert_allclose(moments.deviations[1], points[codes == 1].std(axis=0), rtol=1e-4)


def test_known_answers():
    # Two pairs of points, 2 apart within and 10 apart between the centroids.
    points = np.array([[0.0, 0], [2, 0], [10, 0], [12, 0]])
    quality = measure(points, np.array([0, 0, 1, 1]), np.array([[1.0, 0], [11, 0]]))
    assert quality.sse == pytest.approx(1)
    assert quality.reconstruction_sse == pytest.approx(1)
    assert quality.cpn == pytest.approx(1)
    assert quality.spt == pytest.approx(10)
    assert quality.dbn == pytest.approx(0.2)
    assert quality.perplexity == pytest.approx(2)


def test_undefined_values_are_none():
    one = measure(np.array([[0.0], [1]]), np.array([0, 0]), np.zeros((3, 1)))
    assert (one.used, one.spt, one.dbn) == (1, None, None)
    same = measure(np.array([[0.0], [0.0]]), np.array([0, 1]), np.zeros((2, 1)))
    assert (same.spt, same.dbn) == (0.0, None)
    with pytest.raises(InputError):
        measure(np.empty((0, 2)), np.empty(0, dtype=int), np.zeros((2, 2)))


def test_second_pass_must_see_the_same_points():
    points, codes = np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1])
    moments = Moments(2, 1)
    moments.add(points, codes)
    spread = Spread(moments, np.zeros((2, 1)))
    spread.add(points[:5], codes[:5])
    with pytest.raises(InputError, match="passes"):
        spread.quality()


def test_perplexity_counts_the_codes_in_use():
    assert perplexity(np.array([5, 5, 5, 5])) == pytest.approx(4)
    assert perplexity(np.array([0, 9, 0])) == pytest.approx(1)


def test_composition_and_voxel_ratios():
    composition = Composition(3)
    labels = np.array([[0, 1, 1, 1, 2], [2, 2, 3, 3, 0]], dtype=np.uint8)
    tumour = np.array([[1, 0, 0, 0, 1], [0, 0, 1, 1, 0]], dtype=np.uint8)
    composition.add_map(labels, tumour)
    np.testing.assert_array_equal(composition.counts, [[3, 0], [2, 1], [0, 2]])
    np.testing.assert_allclose(composition.ratios, [[0.6, 0], [0.4, 1 / 3], [0, 2 / 3]])
    assert composition.tvr() == (1.0, 1.0)
    healthy = Composition(3)
    healthy.add_map(labels, np.zeros_like(tumour))
    assert healthy.tvr() is None
    assert healthy.ratios[:, 1].tolist() == [0, 0, 0]


def test_kmeans_reference_finds_separate_clusters():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0], [5, 0], [0, 5], [5, 5]])
    points = np.repeat(centres, 100, axis=0) + rng.normal(0, 0.1, (400, 2))
    centroids, quality = kmeans_reference(points, 4, seed=0)
    nearest = np.linalg.norm(centres[:, None] - centroids[None], axis=2).min(axis=1)
    assert nearest.max() < 0.05
    assert quality.sse == pytest.approx(0.02, rel=0.15)
    assert kmeans_reference(points, 4, seed=0)[1] == quality
    with pytest.raises(InputError):
        kmeans_reference(np.zeros((50, 2)), 4, seed=0)
