"""Guides: what each control destroys and what it keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcnet.arrays import write_array
from hcnet.studies.ablation.arms import ARMS
from hcnet.studies.ablation.guides import (
    TISSUES,
    derangement,
    guide_channels,
    one_hot,
    permuted,
    to_shape,
    write_guides,
)
from hcnet.training.folder import RunFolder
from mini_cohort import FAT, GLAND, TUMOUR_RIM

BY_NAME = {arm.name: arm for arm in ARMS}
K = 3


@pytest.fixture
def maps(material, tmp_path):
    """Maps and labels of every case; each case's probabilities are its own."""
    folder = RunFolder(tmp_path / "P")
    for number, case in enumerate(material.own):
        rng = np.random.default_rng(number)
        probabilities = rng.dirichlet(np.ones(K + 1) * (number + 1), case.grid.shape)
        write_array(folder.maps(case.name), np.moveaxis(probabilities, -1, 0).astype(np.float16))
        labels = rng.integers(1, K + 1, case.grid.shape) * np.asarray(case.breast)
        write_array(folder.labels(case.name), labels.astype(np.uint8))
    return folder


def guides(name, material, maps, tmp_path, seed=0):
    files = write_guides(BY_NAME[name], material, maps, K, tmp_path / name / str(seed), seed)
    found = {case: np.load(path) for case, path in files.items()}
    for case in material.own:
        channels = guide_channels(BY_NAME[name], K)
        assert found[case.name].shape == (channels, *case.grid.shape)
        assert found[case.name].dtype == np.float16
    return found


def stored(maps, case):
    return np.load(maps.maps(case.name))


def test_predicted_guides_are_the_maps_themselves(material, maps, tmp_path):
    files = write_guides(BY_NAME["P"], material, maps, K, tmp_path / "guides", 0)
    assert files == {case.name: maps.maps(case.name) for case in material.own}
    assert not (tmp_path / "guides").exists()


def test_shuffled_guides_come_from_another_case_of_the_same_side(material, maps, tmp_path):
    found = guides("N1", material, maps, tmp_path)
    for side in (material.learn, material.hold):
        donors = []
        for case in side:
            matches = [
                other.name
                for other in material.own
                if np.array_equal(found[case.name], to_shape(stored(maps, other), case.grid.shape))
            ]
            assert len(matches) == 1
            donors += matches
            assert matches != [case.name]
        assert sorted(donors) == sorted(case.name for case in side)


def test_permuted_guides_keep_the_voxels_and_not_their_places(material, maps, tmp_path):
    found, other = (guides("N2", material, maps, tmp_path, seed) for seed in (0, 1))
    for case in material.own:
        inside = np.asarray(case.breast) > 0
        before, after = stored(maps, case), found[case.name]
        np.testing.assert_array_equal(before[:, ~inside], after[:, ~inside])
        assert (before[:, inside] != after[:, inside]).mean() > 0.9
        for voxels in (before, after):
            voxels[:, inside] = voxels[:, inside][:, np.lexsort(voxels[:, inside])]
        np.testing.assert_array_equal(before, after)
        assert not np.array_equal(found[case.name], other[case.name])


def test_constant_guides_are_the_mean_of_the_training_cases(material, maps, tmp_path):
    found = guides("N3", material, maps, tmp_path)
    mean = np.mean(
        [
            stored(maps, case)[:, np.asarray(case.breast) > 0].astype(np.float64).mean(1)
            for case in material.learn
        ],
        axis=0,
    )
    for case in material.own:
        flat = found[case.name].reshape(K + 1, -1)
        assert (flat == flat[:, :1]).all()
        np.testing.assert_allclose(flat[:, 0], mean, atol=1e-3)


def test_true_guides_are_the_labels(material, maps, tmp_path):
    found = guides("O1", material, maps, tmp_path)
    for case in material.own:
        np.testing.assert_array_equal(found[case.name].sum(0), 1)
        np.testing.assert_array_equal(found[case.name].argmax(0), np.load(maps.labels(case.name)))


def test_tissue_guides_lie_where_the_tumour_is(material, maps, tmp_path):
    found = guides("O3", material, maps, tmp_path)
    for case in material.own:
        tissue = found[case.name].argmax(0)
        assert set(np.unique(tissue)) <= {0, FAT, GLAND, TUMOUR_RIM}
        # both come from the same block, one by nearest voxel, one by interpolated share
        tumour = np.asarray(case.tumour) > 0
        if tumour.any():
            rim = tissue == TUMOUR_RIM
            assert 2 * (rim & tumour).sum() / (rim.sum() + tumour.sum()) > 0.7
    assert guide_channels(BY_NAME["O3"], K) == TISSUES
    assert guide_channels(BY_NAME["B0"], K) == 0


@given(st.integers(2, 30), st.integers(0, 1000))
def test_a_derangement_moves_everyone(count, seed):
    names = [str(i) for i in range(count)]
    given_ = derangement(names, np.random.default_rng(seed))
    assert sorted(given_) == sorted(given_.values()) == sorted(names)
    assert all(name != donor for name, donor in given_.items())


def test_one_case_cannot_be_deranged():
    with pytest.raises(ValueError, match="no other"):
        derangement(["a"], np.random.default_rng(0))


@given(st.tuples(*[st.integers(1, 9)] * 3))
def test_stretching(shape):
    maps = np.random.default_rng(0).random((2, 4, 3, 5))
    stretched = to_shape(maps, shape)
    assert stretched.shape == (2, *shape)
    assert set(np.unique(stretched)) <= set(np.unique(maps))


def test_stretching_by_hand():
    line = np.arange(3.0).reshape(1, 3, 1, 1)
    assert to_shape(line, (6, 1, 1)).ravel().tolist() == [0, 0, 1, 1, 2, 2]
    assert to_shape(line, (3, 1, 1)).ravel().tolist() == [0, 1, 2]
    assert to_shape(line, (1, 1, 1)).ravel().tolist() == [1]


def test_one_hot_and_permuting_by_hand():
    assert one_hot(np.array([[[0, 2]]]), 3).tolist() == [[[[1, 0]]], [[[0, 0]]], [[[0, 1]]]]
    maps = np.arange(4.0).reshape(1, 4, 1, 1)
    inside = np.array([True, False, True, False]).reshape(4, 1, 1)
    dealt = permuted(maps, inside, np.random.default_rng(0)).ravel()
    assert dealt[[1, 3]].tolist() == [1, 3]
    assert sorted(dealt[[0, 2]]) == [0, 2]
