"""The MAMA-MIA layout, read in place."""

import json
import shutil

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort, read_source, write_case
from hcnet.errors import InputError
from hcnet.files import write_json
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume


def volume(value=0):
    return Volume(np.full((3, 4, 5), value, np.int16), np.eye(4))


@pytest.fixture
def root(tmp_path):
    write_case(
        tmp_path, "duke_001", [volume(0), volume(1), volume(2)], tumour=volume(1),
        times_s=[0, 120, 240], times_from="pre", facts={"age": 50},
    )  # fmt: skip
    write_case(tmp_path, "duke_000", [volume(7)])
    return tmp_path


def test_round_trip(root):
    cohort = read_cohort(root)
    assert [case.name for case in cohort.cases] == ["DUKE_000", "DUKE_001"]
    case = cohort["duke_001"]
    assert [int(p.load().data[0, 0, 0]) for p in case.phases] == [0, 1, 2]
    assert case.times_s == (0, 120, 240)
    assert case.times_from == "pre"
    assert case.facts["age"] == 50
    assert case.tumour is not None
    assert cohort["DUKE_000"].tumour is None
    assert cohort["DUKE_000"].times_s is None


def test_case_of_letters_does_not_matter(root):
    folder = root / "images" / "DUKE_001"
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.upper().replace(".NII.GZ", ".nii.gz"))
    masks = root / "segmentations" / "expert"
    (masks / "duke_001.nii.gz").rename(masks / "DUKE_001.nii.gz")
    case = read_cohort(root)["DUKE_001"]
    assert len(case.phases) == 3
    assert case.tumour is not None


def test_times_as_a_string(root):
    path = root / "patient_info_files" / "duke_001.json"
    info = json.loads(path.read_text())
    info["imaging_data"] = {"acquisition_times": "[0, 584, 714]"}
    path.write_text(json.dumps(info))
    case = read_cohort(root)["DUKE_001"]
    assert case.times_s == (0, 584, 714)
    assert case.times_from == "pre"


@pytest.mark.parametrize(
    ("times", "message"),
    [([0, 1], "2 acquisition times for 3 phases"), ([0, 5, 5], "must rise"), ("x", "not a list")],
)
def test_wrong_times(root, times, message):
    path = root / "patient_info_files" / "duke_001.json"
    path.write_text(json.dumps({"imaging_data": {"acquisition_times": times}}))
    with pytest.raises(InputError, match=message):
        read_cohort(root)


def test_several_sources_of_masks(root):
    expert = root / "segmentations" / "expert"
    (root / "segmentations" / "automatic").mkdir()
    assert read_cohort(root).segmentation == "expert"
    assert read_cohort(root, "AUTOMATIC")["DUKE_001"].tumour is None
    expert.rename(expert.with_name("manual"))
    with pytest.raises(InputError, match="automatic, manual"):
        read_cohort(root)
    with pytest.raises(InputError, match="has no source other"):
        read_cohort(root, "other")


@pytest.fixture
def two_sources(root):
    """DUKE_001 has an expert's mask and a pseudo-label, DUKE_000 a pseudo-label only."""
    folder = root / "segmentations" / "box-to-mask"
    for name, value in (("duke_000", 0), ("duke_001", 0)):
        write_nifti(volume(value), folder / f"{name}.nii.gz")
    write_json(folder / "source.json", {"kind": "pseudo-label", "method": "box-to-mask"})
    return root


def sources_of(cohort):
    return {
        case.name: (case.tumour.path.parent.name, case.tumour_is_pseudo)
        for case in cohort.cases
        if case.tumour
    }


def test_pseudo_labels_are_never_taken_unasked(two_sources):
    cohort = read_cohort(two_sources)
    assert cohort.segmentation == "expert"
    assert sources_of(cohort) == {"DUKE_001": ("expert", False)}
    masks = two_sources / "segmentations"
    (masks / "expert").rename(masks / "manual")  # the one reference is found whatever its name
    assert read_cohort(two_sources).segmentation == "manual"
    shutil.rmtree(masks / "manual")
    alone = read_cohort(two_sources)
    assert alone.segmentation is None
    assert sources_of(alone) == {}


def test_pseudo_labels_that_are_asked_for_are_known_as_such(two_sources):
    cohort = read_cohort(two_sources, "Box-to-Mask")
    assert cohort.segmentation == "box-to-mask"
    assert sources_of(cohort) == {
        "DUKE_000": ("box-to-mask", True), "DUKE_001": ("box-to-mask", True),
    }  # fmt: skip


def test_the_second_source_fills_the_gaps_of_the_first(two_sources):
    cohort = read_cohort(two_sources, "expert+box-to-mask")
    assert cohort.segmentation == "expert+box-to-mask"
    assert sources_of(cohort) == {"DUKE_000": ("box-to-mask", True), "DUKE_001": ("expert", False)}
    with pytest.raises(InputError, match="has no source other"):
        read_cohort(two_sources, "expert+other")


def test_masks_can_be_left_out(two_sources):
    cohort = read_cohort(two_sources, masks=False)
    assert cohort.segmentation is None
    assert sources_of(cohort) == {}


def test_a_source_may_say_that_it_is_a_reference(two_sources):
    folder = two_sources / "segmentations" / "expert"
    write_json(folder / "source.json", {"kind": "reference", "reader": "two"})
    assert sources_of(read_cohort(two_sources)) == {"DUKE_001": ("expert", False)}
    assert read_source(folder)["reader"] == "two"


@pytest.mark.parametrize("text", ['{"kind": "pseudo_label"}', "{}", "[]", '{"kind": ["x"]}'])
def test_a_source_that_makes_no_sense_is_refused(two_sources, text):
    path = two_sources / "segmentations" / "box-to-mask" / "source.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"source.json: its \"kind\" must be reference or pseudo"):
        read_cohort(two_sources)
    path.write_text("{")
    with pytest.raises(InputError, match=r"source.json: cannot be read as JSON"):
        read_cohort(two_sources)


def test_missing_phases(root):
    (root / "images" / "DUKE_001" / "duke_001_0001.nii.gz").unlink()
    with pytest.raises(InputError, match="0001 is missing"):
        read_cohort(root)
    (root / "images" / "DUKE_001" / "duke_001_0000.nii.gz").unlink()
    with pytest.raises(InputError, match="no pre-contrast image"):
        read_cohort(root)


def test_not_a_cohort(tmp_path):
    with pytest.raises(InputError, match="is not a cohort"):
        read_cohort(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no case folders"):
        read_cohort(tmp_path)


def test_the_real_cohort(shared_data):
    cohort = read_cohort(shared_data / "ispy1_pe")
    assert len(cohort) == 38
    assert all(len(c.phases) == 2 and c.tumour and c.breast for c in cohort.cases)
