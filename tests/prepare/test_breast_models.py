"""Breast masks by a trained nnU-Net: the model folder, the program, and the way back."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fake_nnunet import BRIGHT, write_model, write_program
from hcnet.errors import GeometryError, InputError, MissingExtraError
from hcnet.prepare.breast_models.finders import Nnunet
from hcnet.prepare.breast_models.model_folder import SIDES, open_model
from hcnet.prepare.breast_models.program import BIN_VARIABLE, find_program
from hcnet.volumes.volume import Volume

TWO_SIDES = {"background": 0, "left": 1, "right": 2}
# Stored from left to right, head to foot, front to back: every axis is turned in the canonical one.
AFFINE = np.array([[-2.0, 0, 0, 5], [0, 0, -1.5, 7], [0, -3.0, 0, 9], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def image():
    data = np.random.default_rng(0).integers(0, 100, (6, 7, 8)).astype(np.int16)
    return Volume(data, AFFINE)


def finder(tmp_path, model, mode="works", **settings):
    programs = write_program(tmp_path / "bin", mode)
    return Nnunet(find_program(programs), model, tmp_path / "kept" / "failed.log", **settings)


def test_both_sides_are_joined_on_the_images_own_grid(tmp_path, image):
    model = open_model(write_model(tmp_path / "model", TWO_SIDES, folds=("all",)), SIDES)
    assert model.labels == (1, 2)
    other = Volume(image.data[:, :5].astype(np.float64) + 0.5, np.diag([1, 2, 3, 1]))
    masks = finder(tmp_path, model).find([image, other])
    for mask, given in zip(masks, (image, other), strict=True):
        assert_array_equal(mask.data, given.data > BRIGHT)
        assert mask.data.dtype == np.uint8
        assert given.grid.difference(mask.grid, tolerance_mm=0) is None


@pytest.mark.parametrize("canonical", [True, False])
def test_the_array_runs_as_the_model_has_learned(tmp_path, image, canonical):
    facts = {"hcnet": {"axes": "RAS"}} if canonical else {}
    model = open_model(write_model(tmp_path / "model", TWO_SIDES, **facts), ["left"])
    (mask,) = finder(tmp_path, model).find([image])
    # The fake's label 1 is the lower half of the first axis, which runs to the left as stored.
    half = slice(3, 6) if canonical else slice(0, 3)
    expected = np.zeros(image.shape, bool)
    expected[half] = image.data[half] > BRIGHT
    assert_array_equal(mask.data, expected)


def test_the_program_is_told_folds_device_and_nothing_of_the_patient(tmp_path, image):
    model = open_model(write_model(tmp_path / "model", folds=("0", "3", "all")))
    finder(tmp_path, model, device="mps", mirroring=False).find([image])
    words, told = json.loads((tmp_path / "bin" / "ask.json").read_text())
    assert words[words.index("-f") + 1 : words.index("-chk")] == ["0", "3"]
    assert words[words.index("-device") + 1] == "mps"
    assert "--disable_tta" in words
    assert told == [["CASE000_0000.nii.gz", ["R", "A", "S"]]]


def test_what_goes_wrong_in_the_program_is_one_sentence_and_a_log(tmp_path, image):
    model = open_model(write_model(tmp_path / "model"))
    with pytest.raises(InputError, match=r"exit code 1 \(RuntimeError: the weights do") as caught:
        finder(tmp_path, model, "fails").find([image])
    kept = tmp_path / "kept" / "failed.log"
    assert str(caught.value).endswith(f"see {kept}.")
    assert f"model {model.path}" in kept.read_text()
    errors = finder(tmp_path, model, "wrong").find([image] * 3)
    for error, kind, said in zip(
        errors,
        (InputError, GeometryError, InputError),
        ("found no breast", r"shape \(6, 7, 8\) against \(5, 7, 8\)", "wrote no mask"),
        strict=True,
    ):
        assert isinstance(error, kind)
        with pytest.raises(kind, match=said):
            raise error


def test_an_absent_program_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(BIN_VARIABLE, raising=False)
    with pytest.raises(MissingExtraError, match=r"not found on PATH; install nnunetv2 in an env"):
        find_program()
    with pytest.raises(MissingExtraError, match=f"not found in {tmp_path}; "):
        find_program(tmp_path)
    monkeypatch.setenv(BIN_VARIABLE, str(write_program(tmp_path / "bin")))
    assert find_program().parent == tmp_path / "bin"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(BIN_VARIABLE)
    assert find_program().parent == tmp_path / "bin"


def test_the_label_is_breast_or_the_only_one_or_the_one_that_is_named(tmp_path):
    several = {"background": 0, "muscle": 1, "breast": 2}
    assert open_model(write_model(tmp_path / "a", several)).labels == (2,)
    assert open_model(write_model(tmp_path / "b", {"background": 0, "mamma": 1})).labels == (1,)
    three = write_model(tmp_path / "c", {"background": 0, "fat": 1, "gland": 2, "heart": 3})
    with pytest.raises(InputError, match="fat, gland, heart; say by --label"):
        open_model(three)
    assert open_model(three, ["Fat", "gland"]).labels == (1, 2)
    with pytest.raises(InputError, match="has no label left; it has: breast"):
        open_model(write_model(tmp_path / "d"), SIDES)
    with pytest.raises(InputError, match="has no label breast; it has: tumour"):
        open_model(write_model(tmp_path / "e", {"background": 0, "tumour": 1}))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"channel_names": {"0": "pre", "1": "post_1"}}, "wants 2 channels"),
        ({"channel_names": None}, "wants no channels"),
        ({"file_ending": ".mha"}, "wants '.mha' files"),
        ({"labels": {"background": 0, "breast": [1, 2]}}, "not names with one number each"),
        ({"labels": 7}, "not names with one number each"),
        ({"folds": ()}, "no fold in it has a checkpoint_final.pth"),
    ],
)
def test_wrong_models_are_one_sentence(tmp_path, facts, said):
    with pytest.raises(InputError, match=said):
        open_model(write_model(tmp_path / "model", **facts))


def test_what_is_no_model_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        open_model(tmp_path / "absent")
    with pytest.raises(InputError, match=r"has no dataset.json, so it is no trained"):
        open_model(tmp_path)
    (tmp_path / "plans.json").write_text("{}")
    for text in ("[1]", "no JSON"):
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(InputError, match=r"dataset.json"):
            open_model(tmp_path)
