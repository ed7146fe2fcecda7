"""Box to mask: the steps on lesions of known shape, a whole case, the folder that is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hcnet.cohorts.case import ArraySource, Case
from hcnet.cohorts.cohort import Cohort, read_cohort, write_case
from hcnet.cohorts.dicom_exam import describe_exam, exam_case
from hcnet.errors import ConfigError, GeometryError, InputError
from hcnet.evaluation.overlap import overlap
from hcnet.files import read_json, write_json, write_text
from hcnet.kinetics.functional import BOX_KEYS
from hcnet.prepare import box_to_mask as module
from hcnet.prepare.box_to_mask import box_to_mask, mask_in_box, write_box_masks
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.volume import Grid, Volume

SHAPE = (48, 44, 30)
GRID = Grid(SHAPE, np.diag([1.0, 1.0, 2.0, 1.0]))
CENTRE = (24, 22, 15)
CLOCK = np.array([0.0, 120.0, 300.0])
BOX = (slice(13, 36), slice(11, 34), slice(9, 22))
"""Two to three voxels around a ball of 9 mm at the centre."""


def ball(radius_mm, centre=CENTRE):
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    there = [(a - c) * s for a, c, s in zip(axes, centre, GRID.spacing, strict=True)]
    return sum(t**2 for t in there) <= radius_mm**2


def exam(lesion, rise=1.0, background=0.1, noise=6.0):
    rng = np.random.default_rng(0)
    early = 100 * (1 + np.where(lesion, rise, background))
    return np.stack([np.full(SHAPE, 100.0), early, early]) + rng.normal(0, noise, (3, *SHAPE))


def found(phases, box=BOX):
    return mask_in_box(phases, CLOCK, box, GRID)


def dsc(mask, truth):
    return overlap(mask, truth).dsc


def beside_gland(rise, noise=6.0):
    """The ball in the edge of a gland that enhances by so many percent; the ball has 100."""
    phases = exam(ball(9), noise=noise)
    gland = np.zeros(SHAPE, bool)
    gland[:, 24:] = True
    phases[1:, gland & ~ball(9)] += rise - 10  # all tissue enhances by 10 already
    return phases


def facts(box=BOX):
    ends = [end for side in box for end in (side.start, side.stop)]
    return {"primary_lesion": {"tumour_box": dict(zip(BOX_KEYS, ends, strict=True))}}


def case(name="case", **changes):
    volumes = [Volume(p.astype(np.float32), GRID.affine) for p in exam(ball(9))]
    sources = tuple(ArraySource(v, f"phase {i}") for i, v in enumerate(volumes))
    whole = Case(name, sources, (-30, 120, 300), "injection", facts=facts())
    return replace(whole, **changes)


def test_a_ball_is_found():
    assert dsc(found(exam(ball(9))), ball(9)) > 0.97


@pytest.mark.parametrize("rise", [0.4, 0.65])
def test_a_lesion_below_the_fixed_threshold_of_ftv_is_found(rise):
    assert dsc(found(exam(ball(9), rise=rise)), ball(9)) > 0.95


def test_a_loose_box_gives_the_same_mask():
    loose = (slice(4, 44), slice(2, 42), slice(3, 27))
    assert dsc(found(exam(ball(9)), loose), found(exam(ball(9)))) > 0.97


@pytest.mark.parametrize("rise", [55, 65])
def test_gland_that_enhances_in_and_around_the_box_is_no_tumour(rise):
    assert dsc(found(beside_gland(rise)), ball(9)) > 0.95


def test_a_lesion_beside_gland_that_enhances_almost_as_much_is_not_lost():
    assert dsc(found(beside_gland(75, noise=12)), ball(9)) > 0.95


def test_what_is_around_the_box_bounds_the_threshold(monkeypatch):
    """No tumour in the box, gland as everywhere: without the shell Otsu would split its noise."""
    phases = exam(np.zeros(SHAPE, bool), background=0.5, noise=15)
    with_shell = found(phases).sum()
    monkeypatch.setattr(module, "SHELL_PERCENTILE", 0.0)
    assert found(phases).sum() > 5 * with_shell


def test_air_around_the_box_says_nothing_about_enhancement():
    phases = exam(ball(9))
    air = np.zeros(SHAPE, bool)
    air[:13] = air[36:] = True
    phases[:, air] = np.random.default_rng(1).normal(0, 6, (3, air.sum()))
    phases[1:, air] += 400
    assert dsc(found(phases), ball(9)) > 0.97


def test_a_core_that_does_not_enhance_is_filled():
    mask = found(exam(ball(9) & ~ball(3)))
    assert mask[CENTRE]
    assert dsc(mask, ball(9)) > 0.97


def test_a_small_part_beside_the_lesion_is_dropped():
    speck = ball(2, (15, 13, 11))
    assert not (speck & ball(9)).any()
    assert not found(exam(ball(9) | speck))[speck].any()


def test_a_second_part_of_some_size_is_kept():
    two = ball(6, (18, 22, 15)) | ball(4.5, (31, 22, 15))
    assert dsc(found(exam(two)), two) > 0.95


def test_nothing_is_marked_outside_the_box():
    box = (slice(13, 24), BOX[1], BOX[2])
    mask = found(exam(ball(9)), box)
    assert not mask[24:].any()
    assert dsc(mask[13:24], ball(9)[13:24]) > 0.95


def test_a_box_that_is_the_whole_image_and_fits_on_every_side():
    phases = exam(ball(9))
    assert dsc(found(phases, tuple(slice(0, n) for n in SHAPE)), ball(9)) > 0.95


@pytest.mark.parametrize("late", [1.0, 0.5])
def test_where_nothing_rises_nothing_is_marked(late):
    phases = np.full((3, *SHAPE), 100.0)
    phases[1:] *= late
    assert not found(phases).any()


def test_all_phases_up_to_the_injection_are_baseline():
    phases = exam(ball(9))
    more = np.concatenate([phases[:1], phases[:1], phases[1:]])
    clock = np.array([0.0, 0.0, 120.0, 300.0])
    np.testing.assert_array_equal(mask_in_box(more, clock, BOX, GRID), found(phases))


@pytest.mark.filterwarnings("error")
def test_a_case_gives_the_mask_of_its_arrays_on_its_own_grid():
    mask = box_to_mask(case())
    assert mask.data.dtype == np.uint8
    assert mask.grid.difference(GRID) is None
    expected = found(np.stack([p.load().data for p in case().phases]))
    np.testing.assert_array_equal(mask.data > 0, expected)


def test_a_phase_on_a_shifted_grid_is_laid_where_it_belongs():
    moved = GRID.affine.copy()
    moved[0, 3] = -4.0  # its voxel 28 is where voxel 24 of the pre-contrast phase is
    volumes = [p.load().data for p in case().phases]
    later = [Volume(np.roll(data, 4, axis=0), moved) for data in volumes[1:]]
    phases = (case().phases[0], *(ArraySource(v) for v in later))
    mask = box_to_mask(case(phases=phases)).data > 0
    assert dsc(mask, box_to_mask(case()).data > 0) > 0.999


def test_a_case_without_a_box_has_no_mask():
    assert box_to_mask(case(facts={})) is None


def test_what_cannot_be_used_is_one_sentence():
    one = case(phases=case().phases[:1], times_s=None)
    with pytest.raises(InputError, match="phase 0: a time-intensity curve needs two phases"):
        box_to_mask(one)
    with pytest.raises(InputError, match=r"phase 0: its tumour_box .* leaves the image"):
        box_to_mask(case(facts=facts((slice(0, 49), *BOX[1:]))))
    other = ArraySource(Volume(np.eye(20)[..., None] * np.ones(20), np.eye(4)), "other")
    with pytest.raises(GeometryError, match="other: has shape"):
        box_to_mask(case(phases=(*case().phases[:2], other)))
    broken = ArraySource(Volume(np.full(SHAPE, np.nan), GRID.affine), "broken")
    with pytest.raises(InputError, match=r"broken: .* NaN"):
        box_to_mask(case(phases=(*case().phases[:2], broken)))


def test_a_box_too_large_for_a_lesion_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MOST_VOXELS", 23 * 23 * 13 - 1)
    with pytest.raises(InputError, match="tumour_box has 6877 voxels"):
        box_to_mask(case())


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Oblique and stored left to right, so that indices and millimetres differ."""
    angle = np.deg2rad(10)
    turn = np.array([[-np.cos(angle), -np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])  # fmt: skip
    affine = np.eye(4)
    affine[:3, :3] = turn * GRID.spacing
    affine[:3, 3] = [30, -20, 5]
    for name, known in (("one", facts()), ("two", {}), ("three", facts())):
        phases = exam(ball(9)) if name != "three" else np.stack([exam(ball(9))[0]] * 3)
        volumes = [Volume(phase.astype(np.float32), affine) for phase in phases]
        write_case(tmp_path, name, volumes, times_s=(-30, 120, 300), times_from="injection",
                   facts=known)  # fmt: skip
    return read_cohort(tmp_path)


def statuses(outcomes):
    return {outcome.name: outcome.status for outcome in outcomes}


def test_masks_are_written_beside_what_they_are(cohort):
    outcomes = write_box_masks(cohort)
    assert statuses(outcomes) == {"ONE": "written", "TWO": "no box", "THREE": "nothing found"}
    folder = cohort.root / "segmentations" / "box-to-mask"
    assert sorted(p.name for p in folder.iterdir()) == ["one.nii.gz", "source.json"]
    assert read_json(folder / "source.json") == {
        "kind": "pseudo-label", "method": "box-to-mask", "version": 1,
    }  # fmt: skip
    again = read_cohort(cohort.root, "box-to-mask")
    one = again["one"]
    assert one.tumour_is_pseudo
    assert again["two"].tumour is None
    mask, pre = one.tumour.load(), one.pre.load()
    assert mask.grid.difference(pre.grid) is None
    middle = (mask.affine @ [*np.argwhere(mask.data > 0).mean(0), 1])[:3]
    assert np.linalg.norm(middle - (pre.affine @ [*CENTRE, 1])[:3]) < 0.3
    assert dsc(mask.data > 0, ball(9)) > 0.97


def test_masks_that_are_there_are_left_unless_told(cohort):
    write_box_masks(cohort)
    path = cohort.root / "segmentations" / "box-to-mask" / "one.nii.gz"
    before = read_nifti(path)
    write_nifti(before.with_data(np.zeros(SHAPE, np.uint8)), path)
    assert statuses(write_box_masks(cohort))["ONE"] == "already there"
    assert not read_nifti(path).data.any()
    assert statuses(write_box_masks(cohort, force=True))["ONE"] == "written"
    np.testing.assert_array_equal(read_nifti(path).data, before.data)


def test_an_older_mask_does_not_outlive_its_box(cohort):
    write_box_masks(cohort)
    bare = Cohort(cohort.root, tuple(replace(c, facts={}) for c in cohort.cases))
    assert statuses(write_box_masks(bare, force=True))["ONE"] == "no box"
    assert not (cohort.root / "segmentations" / "box-to-mask" / "one.nii.gz").exists()


def test_one_case_that_cannot_be_read_does_not_stop_the_others(cohort):
    bad = cohort.root / "images" / "THREE" / "three_0001.nii.gz"
    write_text(bad, "no image")
    outcomes = {outcome.name: outcome for outcome in write_box_masks(cohort)}
    assert outcomes["ONE"].status == "written"
    assert outcomes["THREE"].status == "failed"
    assert str(bad) in outcomes["THREE"].why
    folder = cohort.root / "segmentations" / "box-to-mask"
    assert {p.name for p in folder.iterdir()} == {"one.nii.gz", "source.json"}


def test_the_folder_is_marked_before_the_first_mask_is_in_it(cohort, monkeypatch):
    def stopped(case):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "box_to_mask", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_box_masks(cohort)
    folder = cohort.root / "segmentations" / "box-to-mask"
    assert [p.name for p in folder.iterdir()] == ["source.json"]


@pytest.mark.parametrize("name", ["", "../expert", "a/b", ".hidden", "a+b", "-x"])
def test_a_name_with_path_parts_is_refused(cohort, name):
    with pytest.raises(ConfigError, match="give a plain name"):
        write_box_masks(cohort, name)
    assert not (cohort.root / "segmentations").exists()


def test_masks_from_elsewhere_are_never_written_over(cohort):
    folder = cohort.root / "segmentations" / "expert"
    write_nifti(Volume(ball(5).astype(np.uint8), GRID.affine), folder / "one.nii.gz")
    before = (folder / "one.nii.gz").read_bytes()
    with pytest.raises(ConfigError, match="expert: holds masks that are not pseudo-labels"):
        write_box_masks(cohort, "expert", force=True)
    write_json(folder / "source.json", {**module.FACTS, "version": 0})
    with pytest.raises(ConfigError, match="of this version"):
        write_box_masks(cohort, "expert", force=True)
    assert (folder / "one.nii.gz").read_bytes() == before


def test_a_file_in_the_place_of_the_folder_is_refused(cohort):
    write_text(cohort.root / "segmentations" / "here", "a file")
    with pytest.raises(ConfigError, match="here: is a file"):
        write_box_masks(cohort, "here")


@pytest.mark.parametrize("more", [(0, 0, 0), (6, 6, 2)])
def test_the_real_exam_agrees_with_its_official_outline(shared_data, more):
    """The outline is a threshold at PE 70 in the same box, (0117,10A1) and (0117,10A2); no truth.

    It leaves out the parts of the lesion that are dark before contrast, so SEN counts here.
    """
    description = describe_exam(shared_data / "ispy1_1002" / "ISPY1_1002.zip")
    exam = exam_case(description, tumour=32100)
    box = [slice(a - m, b + 1 + m)
           for a, b, m in zip((94, 108, 30), (155, 170, 50), more, strict=True)]  # fmt: skip
    mask = box_to_mask(replace(exam, facts=facts(box))).data > 0
    scores = overlap(mask, exam.tumour.load().data > 0)
    assert scores.sen > 0.95
    assert scores.dsc > 0.78
