import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from hcnet.errors import GeometryError, InputError
from hcnet.evaluation.map_metrics import confusion_matrix, evaluate_maps, map_scores

K = 3
MAPS = hnp.arrays(np.uint8, (4, 3, 2), elements={"min_value": 0, "max_value": K})


def test_known_answer() -> None:
    truth = np.array([[[0, 0, 1, 1, 1, 1, 2, 2]]])
    prediction = np.array([[[1, 3, 1, 1, 1, 2, 2, 0]]])
    confusion = confusion_matrix(truth, prediction, K)
    # Rows: true code; columns: predicted outside, then codes 0..2. The first two voxels are not
    # breast and do not count, whatever was predicted there.
    assert confusion.tolist() == [[0, 3, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    scores = map_scores(confusion)
    assert scores.accuracy[:2].tolist() == [3 / 4, 1 / 2]
    assert scores.iou[:2].tolist() == [3 / 4, 1 / 3]
    assert scores.absent == (2,)
    assert math.isnan(scores.iou[2])
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert scores.mean_iou == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert scores.voxel_accuracy == pytest.approx(4 / 6)
    assert scores.voxels == 6


@given(MAPS, MAPS)
def test_agrees_with_counting_class_by_class(truth: np.ndarray, prediction: np.ndarray) -> None:
    scores = map_scores(confusion_matrix(truth, prediction, K))
    inside = truth > 0
    for k in range(K):
        true, guessed = (truth == k + 1) & inside, (prediction == k + 1) & inside
        if not true.any():
            assert k in scores.absent
            continue
        assert scores.accuracy[k] == pytest.approx((true & guessed).sum() / true.sum())
        assert scores.iou[k] == pytest.approx((true & guessed).sum() / (true | guessed).sum())
        assert scores.iou[k] <= scores.accuracy[k]


@given(MAPS)
def test_the_truth_scores_one(truth: np.ndarray) -> None:
    scores = map_scores(confusion_matrix(truth, truth, K))
    if (truth > 0).any():
        assert (scores.mean_accuracy, scores.mean_iou, scores.voxel_accuracy) == (1, 1, 1)
    else:
        assert math.isnan(scores.mean_accuracy)
        assert scores.absent == (0, 1, 2)


def test_pooled_scores_are_of_the_summed_matrix() -> None:
    generator = np.random.default_rng(0)
    maps = [generator.integers(0, K + 1, (2, 5, 4, 3)) for _ in range(3)]
    table = evaluate_maps(((f"case{i}", m[0], m[1]) for i, m in enumerate(maps)), K)
    truth, prediction = (np.stack([m[i] for m in maps]) for i in range(2))
    together = confusion_matrix(truth, prediction, K)
    np.testing.assert_array_equal(table.confusion, together)
    assert table.pooled.mean_iou == pytest.approx(map_scores(together).mean_iou)
    assert [name for name, _ in table.cases] == ["case0", "case1", "case2"]
    assert sum(scores.voxels for _, scores in table.cases) == table.pooled.voxels


@pytest.mark.parametrize("bad", [np.array([K + 1]), np.array([-1]), np.array([0.5])])
def test_labels_are_checked(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="integers from 0 to 3"):
        confusion_matrix(np.array([1]), bad, K)


def test_a_bad_case_is_named() -> None:
    with pytest.raises(GeometryError, match="second: the maps differ in shape"):
        evaluate_maps(
            [
                ("first", np.ones((2, 2), int), np.ones((2, 2), int)),
                ("second", np.ones((2, 2), int), np.ones((2, 3), int)),
            ],
            K,
        )
