"""`hcnet box-to-mask` as a person calls it."""

import pytest
import typer
from typer.testing import CliRunner

from hcnet.cli.box_to_mask import box_to_mask
from hcnet.cohorts.cohort import read_cohort
from hcnet.errors import ConfigError, InputError
from hcnet.evaluation.overlap import overlap
from mini_cohort import write_mini


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(box_to_mask)
    return app


def test_masks_of_all_cases_with_a_box(app, tmp_path):
    cohort = write_mini(tmp_path, 5, seed=1, truth=False)
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "2 no box, 3 written" in result.output
    made = read_cohort(tmp_path, "box-to-mask")
    assert [case.name for case in made.cases if case.tumour] == ["CASE_01", "CASE_02", "CASE_03"]
    for case in made.cases:
        if case.tumour:
            truth = cohort[case.name].tumour.load().data > 0
            assert overlap(case.tumour.load().data > 0, truth).dsc > 0.9
    # The cohort is read as it was before.
    assert read_cohort(tmp_path).segmentation == "expert"


def test_the_name_is_free_and_a_second_call_goes_on(app, tmp_path):
    write_mini(tmp_path, 2, seed=1, masks=False, truth=False)
    assert CliRunner().invoke(app, [str(tmp_path), "--out", "mine"]).exit_code == 0
    assert (tmp_path / "segmentations" / "mine" / "case_01.nii.gz").is_file()
    result = CliRunner().invoke(app, [str(tmp_path), "-o", "mine"])
    assert result.exit_code == 0
    assert "1 already there" in result.output


def test_several_sources_of_masks_are_no_matter(app, tmp_path):
    write_mini(tmp_path, 2, seed=1, truth=False)
    masks = tmp_path / "segmentations"
    (masks / "expert").rename(masks / "first")
    (masks / "second").mkdir()
    assert CliRunner().invoke(app, [str(tmp_path)]).exit_code == 0


def test_a_failed_case_is_told_with_its_file(app, tmp_path):
    write_mini(tmp_path, 3, seed=1, masks=False, truth=False)
    bad = tmp_path / "images" / "CASE_02" / "case_02_0001.nii.gz"
    bad.write_text("no image")
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0
    assert f"CASE_02: failed, {bad}" in result.output
    assert "1 no box, 1 written, 1 failed" in result.output


def test_a_cohort_without_boxes_is_an_error(app, tmp_path):
    write_mini(tmp_path, 1, seed=1, truth=False)
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert "no mask could be made; 1 no box." in str(result.exception)


def test_a_wrong_name_is_one_sentence(app, tmp_path):
    write_mini(tmp_path, 2, seed=1, truth=False)
    result = CliRunner().invoke(app, [str(tmp_path), "--out", "../x"])
    assert isinstance(result.exception, ConfigError)
    result = CliRunner().invoke(app, [str(tmp_path), "--out", "expert"])
    assert isinstance(result.exception, ConfigError)
    assert "expert: holds masks that are not pseudo-labels" in str(result.exception)
