from pathlib import Path

import pytest

from hcnet.errors import InputError
from hcnet.evaluation.pairing import find_masks, pair_masks


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_are_matched_whatever_the_case_of_letters(tmp_path: Path) -> None:
    predictions = touch(
        tmp_path / "p",
        "CASE_1/tumour.nii.gz",
        "CASE_1/heterogeneity_map.nii.gz",
        "case_2.nii",
        "Case_4.nii.gz",
        "notes.txt",
        ".hidden.nii.gz",
    )
    references = touch(tmp_path / "r", "case_1.nii.gz", "CASE_2.nii.gz", "case_3.nii.gz")
    result = pair_masks(predictions, references)
    assert [pair.name for pair in result.pairs] == ["case_1", "CASE_2"]
    assert result.pairs[0].prediction.location.endswith("CASE_1/tumour.nii.gz")
    assert [path.name for path in result.without_prediction] == ["case_3.nii.gz"]
    assert [path.name for path in result.without_reference] == ["Case_4.nii.gz"]


def test_two_files_are_a_pair_whatever_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "x/tumour.nii.gz", "truth.nii")
    (pair,) = pair_masks(tmp_path / "x" / "tumour.nii.gz", tmp_path / "truth.nii").pairs
    assert pair.name == "truth"


@pytest.mark.parametrize("prediction", ["one/tumour.nii.gz", "one"])
def test_one_segmented_case_against_a_folder(tmp_path: Path, prediction: str) -> None:
    touch(tmp_path, "one/tumour.nii.gz", "refs/ONE.nii.gz")
    (pair,) = pair_masks(tmp_path / prediction, tmp_path / "refs").pairs
    assert pair.name == "ONE"


def test_a_file_asks_for_its_case_alone(tmp_path: Path) -> None:
    touch(tmp_path, "one.nii.gz", "refs/one.nii.gz", "refs/two.nii.gz")
    forth = pair_masks(tmp_path / "one.nii.gz", tmp_path / "refs")
    back = pair_masks(tmp_path / "refs", tmp_path / "one.nii.gz")
    for result in (forth, back):
        assert [pair.name for pair in result.pairs] == ["one"]
        assert not result.without_prediction
        assert not result.without_reference
    with pytest.raises(InputError, match=r"one\.nii\.gz: its case, one, is not in"):
        pair_masks(tmp_path / "one.nii.gz", touch(tmp_path / "other", "two.nii.gz"))


def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        find_masks(tmp_path / "absent")
    with pytest.raises(InputError, match="holds no mask"):
        find_masks(tmp_path)
    with pytest.raises(InputError, match="not a NIfTI file"):
        find_masks(touch(tmp_path, "a.png") / "a.png")
    with pytest.raises(InputError, match="two masks of one case"):
        find_masks(touch(tmp_path / "t", "A.nii.gz", "a/tumour.nii"))
