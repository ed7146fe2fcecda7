import math
from pathlib import Path

import numpy as np
import pytest

from hcnet.cohorts.case import ArraySource, NiftiSource
from hcnet.errors import GeometryError, InputError
from hcnet.evaluation.evaluate import (
    EvaluationTable,
    MaskPair,
    compare,
    evaluate_masks,
    read_mask,
    score_case,
    tabulate,
)
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Grid, Volume

AFFINE = np.diag([0.5, 0.5, 2.0, 1.0])
SHAPE = (8, 8, 6)


def block(start: int, stop: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[start:stop, 2:6, 1:4] = 1
    return mask


def pair(name: str, prediction: np.ndarray, reference: np.ndarray) -> MaskPair:
    return MaskPair(
        name,
        ArraySource(Volume(prediction, AFFINE), f"{name} predicted"),
        ArraySource(Volume(reference, AFFINE), f"{name} reference"),
    )


@pytest.fixture(scope="module")
def table() -> EvaluationTable:
    empty = np.zeros(SHAPE, dtype=np.uint8)
    return evaluate_masks(
        [
            pair("half", block(2, 4), block(3, 5)),
            pair("missed", empty, block(3, 5)),
            pair("alarm", block(3, 5), empty),
            pair("healthy", empty, empty),
        ],
        draws=500,
    )


def test_rows(table: EvaluationTable) -> None:
    half = table.cases[0]
    assert half.name == "half"
    assert half.dsc == half.ppv == half.sen == pytest.approx(0.5)
    assert half.prediction_ml == pytest.approx(2 * 4 * 3 * 0.5 * 0.5 * 2 / 1000)
    # Every voxel of the two blocks is surface; half of them lie one voxel of 0.5 mm away.
    assert half.asd_mm == pytest.approx(0.25)
    assert half.hd95_mm == pytest.approx(0.5)


def test_no_undefined_case_is_dropped_in_silence(table: EvaluationTable) -> None:
    expected = {"dsc": 0, "ppv": 1, "sen": 1, "asd_mm": 3, "hd95_mm": 3}
    assert {name: found.undefined for name, found in table.summary.items()} == expected
    for found in table.summary.values():
        assert found.n + found.undefined == len(table.cases)
    assert table.summary["dsc"].mean == pytest.approx((0.5 + 0 + 0 + 1) / 4)
    assert table.summary["ppv"].mean == pytest.approx((0.5 + 0 + 1) / 3)
    assert (table.detection.count, table.detection.total) == (1, 2)


def test_axis_order_of_the_files_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    prediction, reference = (generator.random((2, *SHAPE)) > 0.6).astype(np.uint8)
    # The same prediction, stored from left to right and with its axes in another order.
    flipped = AFFINE @ np.array([[-1, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    stored = Volume(prediction[::-1].transpose(2, 0, 1), flipped[:, [2, 0, 1, 3]])
    turned = MaskPair("a", ArraySource(stored), ArraySource(Volume(reference, AFFINE)))
    expected = evaluate_masks([pair("a", prediction, reference)], draws=10)
    assert evaluate_masks([turned], draws=10).cases == expected.cases


def test_masks_on_different_grids_are_refused() -> None:
    shifted = AFFINE.copy()
    shifted[0, 3] = 0.25
    bad = MaskPair(
        "a",
        ArraySource(Volume(block(2, 4), shifted), "prediction.nii.gz"),
        ArraySource(Volume(block(2, 4), AFFINE), "reference.nii.gz"),
    )
    with pytest.raises(GeometryError, match=r"prediction\.nii\.gz.*reference\.nii\.gz.*0\.25 mm"):
        evaluate_masks([bad])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (np.linspace(0, 1, 8, dtype=np.float32), "not a binary mask.*8 different"),
        (np.array([0, 1, 2, 0, 0, 0, 0, 0], dtype=np.uint8), "not a binary mask.*3 different"),
        (np.array([0, 1, np.nan, 0, 0, 0, 0, 0], dtype=np.float32), "not numbers"),
    ],
)
def test_what_is_not_a_mask_is_refused(data: np.ndarray, complaint: str) -> None:
    source = ArraySource(Volume(data.reshape(2, 2, 2), AFFINE), "map.nii.gz")
    with pytest.raises(InputError, match=rf"map\.nii\.gz.*{complaint}"):
        read_mask(source)


def test_any_single_value_is_tumour(tmp_path: Path) -> None:
    write_nifti(Volume(block(2, 4) * 255, AFFINE), tmp_path / "m.nii.gz")
    mask = read_mask(NiftiSource(tmp_path / "m.nii.gz")).data
    np.testing.assert_array_equal(mask, block(2, 4).astype(bool))


def test_patients_widen_the_interval() -> None:
    grid = Grid(SHAPE, AFFINE)
    rows = [
        score_case(f"{patient}-{visit}", block(2, 2 + patient) > 0, block(2, 4) > 0, grid)
        for patient in range(1, 6)
        for visit in range(4)
    ]
    single = tabulate(rows).summary["dsc"]
    grouped = tabulate(rows, [row.name[0] for row in rows]).summary["dsc"]
    assert grouped.mean == single.mean
    assert grouped.high - grouped.low > 1.5 * (single.high - single.low)


def test_compare_matches_cases_by_name(table: EvaluationTable) -> None:
    reordered = tabulate(table.cases[::-1], draws=500)
    result = compare(table, reordered, "dsc")
    assert result.equal == 4
    assert math.isclose(result.difference.mean, 0)
    with pytest.raises(InputError, match=r"same cases: healthy\.$"):
        compare(table, tabulate(table.cases[:3]), "dsc")


def test_nothing_and_twice_the_same_are_refused(table: EvaluationTable) -> None:
    with pytest.raises(InputError, match="no case"):
        evaluate_masks([])
    with pytest.raises(InputError, match="half: evaluated more than once"):
        tabulate([*table.cases, table.cases[0]])


def test_real_masks(shared_data: Path) -> None:
    masks = sorted((shared_data / "ispy1_pe").rglob("segmentations/*/*.nii.gz"))[:3]
    assert masks, "the cohort has no tumour mask"
    pairs = [MaskPair(mask.name, NiftiSource(mask), NiftiSource(mask)) for mask in masks]
    result = evaluate_masks(pairs, draws=50)
    assert result.summary["dsc"].mean == 1
    assert result.summary["asd_mm"].mean == 0
    assert all(case.reference_ml > 0 for case in result.cases)
