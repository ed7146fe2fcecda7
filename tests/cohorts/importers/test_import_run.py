import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import fake_importer
from fake_importer import MARKER_MM, write_case
from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import importer, run
from hcnet.cohorts.importers.importer import Item, Options, safe_name
from hcnet.cohorts.importers.run import Row, Summary, find_cases, import_cases
from hcnet.errors import ConfigError, InputError


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importer.IMPORTERS, fake_importer.NAME, "fake_importer")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "collection"


def bring(root: Path, target: Path, processes: int = 1) -> Summary:
    name, findings = find_cases(root, "fake")
    return import_cases(name, findings, target, processes=processes)


def statuses(summary: Summary) -> dict[str, str]:
    return {row.name: row.status for row in summary.rows}


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_case_comes_into_the_cohort_with_all_that_belongs_to_it(
    root: Path, tmp_path: Path
) -> None:
    write_case(
        root, "One_1", times=[0, 60, 180], masks={"expert": 1, "box": 1}, breast=1,
        facts={"primary_lesion": {"pcr": 1}},
    )  # fmt: skip
    target = tmp_path / "cohort"
    summary = bring(root, target)
    decisions = ("took visit 1", "a decision, with a comma")
    assert summary.source == "fake"
    assert summary.rows == (Row("One_1", "taken", 3, ("box", "expert"), decisions),)
    assert summary.notes == ("a note on the collection",)
    assert files(target) == [
        "breast/one_1.nii.gz",
        "images/ONE_1/one_1_0000.nii.gz",
        "images/ONE_1/one_1_0001.nii.gz",
        "images/ONE_1/one_1_0002.nii.gz",
        "import/one_1.json",
        "import/summary.csv",
        "patient_info_files/one_1.json",
        "segmentations/box/one_1.nii.gz",
        "segmentations/expert/one_1.nii.gz",
    ]
    case = read_cohort(target)["one_1"]
    assert (case.times_s, case.times_from) == ((0.0, 60.0, 180.0), "pre")
    assert case.facts["patient_id"] == "ONE_1"
    assert case.facts["clinical_data"] == {"age": 50}
    assert case.facts["primary_lesion"] == {"pcr": 1}
    assert case.tumour is not None
    assert case.breast is not None
    for source, marker in ((case.phases[2], 502), (case.tumour, 1), (case.breast, 1)):
        volume = source.load()
        at = np.argwhere(volume.data == marker)
        assert (volume.affine @ [*at[0], 1])[:3] == pytest.approx(MARKER_MM)
    log = json.loads((target / "import" / "one_1.json").read_text())
    assert log["status"] == "taken"
    assert log["decisions"] == list(decisions)
    assert log["place"] == str(root / "One_1.fake")


def test_the_patient_of_the_facts_is_kept(root: Path, tmp_path: Path) -> None:
    write_case(root, "P1_V2", facts={"patient_id": "P1"})
    bring(root, tmp_path / "cohort")
    assert read_cohort(tmp_path / "cohort")["P1_V2"].facts["patient_id"] == "P1"


def test_a_second_run_reads_nothing_again_and_takes_what_is_new(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "cohort"
    write_case(root, "A", masks={"expert": 1})
    bring(root, target)
    before = {name: (target / name).stat().st_mtime_ns for name in files(target)}
    write_case(root, "B")
    loaded = []
    load = fake_importer.load
    monkeypatch.setattr(fake_importer, "load", lambda i: [loaded.append(i.name), load(i)][1])
    summary = bring(root, target)
    assert loaded == ["B"]
    assert statuses(summary) == {"A": "already there", "B": "taken"}
    assert summary.rows[0].masks == ("expert",)
    assert summary.rows[0].phases == 3
    del before["import/summary.csv"]
    assert {name: (target / name).stat().st_mtime_ns for name in before} == before


def test_what_failed_is_tried_again(root: Path, tmp_path: Path) -> None:
    write_case(root, "A", fails="is damaged")
    target = tmp_path / "cohort"
    assert statuses(bring(root, target)) == {"A": "failed"}
    assert files(target) == ["import/a.json", "import/summary.csv"]
    write_case(root, "A")
    assert statuses(bring(root, target)) == {"A": "taken"}
    assert json.loads((target / "import" / "a.json").read_text())["status"] == "taken"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"fails": "is damaged"}, "B.fake: is damaged."),
        ({"moved": "phase"}, "B.fake: phase 2 lies on another grid .* 0.5 mm apart"),
        ({"masks": {"expert": 1}, "moved": "expert"}, "mask expert lies on another grid"),
        ({"masks": {"expert": 2}}, "B.fake: mask expert holds other values than 0 and 1"),
        ({"masks": {"expert": 255}}, "mask expert holds other values"),
        ({"masks": {"expert": 0.5}}, "mask expert holds other values"),
        ({"masks": {"expert": -1}}, "mask expert holds other values"),
        ({"breast": 3}, "breast mask holds other values"),
        ({"times": [0, 60]}, "2 acquisition times for 3 phases"),
        ({"times": [0, 60, 60]}, "must rise"),
        ({"phases": 0}, "has no image"),
    ],
)
def test_a_case_that_cannot_be_used_is_logged_and_the_others_go_on(
    root: Path, tmp_path: Path, what: dict[str, object], why: str
) -> None:
    for name in "AC":
        write_case(root, name)
    write_case(root, "B", **what)
    target = tmp_path / "cohort"
    summary = bring(root, target)
    assert statuses(summary) == {"A": "taken", "B": "failed", "C": "taken"}
    (decision,) = summary.rows[1].decisions
    assert re.search(why, decision)
    log = json.loads((target / "import" / "b.json").read_text())
    assert (log["status"], log["decisions"]) == ("failed", [decision])
    assert [case.name for case in read_cohort(target).cases] == ["A", "C"]
    assert not [name for name in files(target) if "b" in Path(name).name and "import/" not in name]


def test_several_processes_do_the_same_as_one(root: Path, tmp_path: Path) -> None:
    for number in range(4):
        write_case(root, f"case{number}", masks={"expert": 1}, breast=1)
    write_case(root, "bad", fails="is damaged")
    one, several = tmp_path / "one", tmp_path / "several"
    assert bring(root, one).rows == bring(root, several, processes=2).rows
    assert files(one) == files(several)
    for name in files(one):
        if name.endswith((".json", ".csv")):
            assert (one / name).read_text() == (several / name).read_text()


def test_several_processes_are_others_than_this_one(root: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_case(root, f"case{number}", tell_process=True)
    target = tmp_path / "cohort"
    bring(root, target, processes=2)
    told = {case.facts["process"] for case in read_cohort(target).cases}
    assert told
    assert os.getpid() not in told


@pytest.mark.parametrize("after", range(5))
def test_an_interrupted_write_leaves_no_half_case_and_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    write_case(root, "A", masks={"expert": 1}, breast=1)
    target = tmp_path / "cohort"
    written = []
    write = run.write_nifti

    def stopped(volume, path) -> None:
        if len(written) == after:
            raise KeyboardInterrupt
        written.append(path)
        write(volume, path)

    monkeypatch.setattr(run, "write_nifti", stopped)
    with pytest.raises(KeyboardInterrupt):
        bring(root, target)
    assert files(target) == []
    assert not list(target.glob(".importing-*"))
    monkeypatch.setattr(run, "write_nifti", write)
    assert statuses(bring(root, target)) == {"A": "taken"}


def test_an_interrupted_move_makes_no_case_and_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images come last, so what lies there before them is no case."""
    write_case(root, "A", masks={"expert": 1}, breast=1)
    target = tmp_path / "cohort"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            bring(root, target)
    assert not (target / "images" / "A").exists()
    assert statuses(bring(root, target)) == {"A": "taken"}
    assert read_cohort(target)["A"].tumour is not None


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_ends_right_after_a_case_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever moment it is: where the images are, the log is."""
    write_case(root, "A")
    write_case(root, "B")
    target = tmp_path / "cohort"
    rename = Path.rename

    def last(self: Path, to: Path) -> None:
        rename(self, to)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", last)
        with pytest.raises(KeyboardInterrupt):
            bring(root, target)
    assert (target / "images" / "A").is_dir()
    assert statuses(bring(root, target)) == {"A": "already there", "B": "taken"}


def test_a_name_that_is_taken_by_another_origin_is_refused(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "cohort"
    write_case(root, "A")
    bring(root, target)
    other = tmp_path / "other"
    write_case(other, "a")
    write_case(other, "B")
    with pytest.raises(InputError, match="has a case a from elsewhere; give another folder"):
        bring(other, target)
    assert [case.name for case in read_cohort(target).cases] == ["A"]


def test_a_case_that_no_import_has_written_is_refused(root: Path, tmp_path: Path) -> None:
    write_case(root, "A")
    target = tmp_path / "cohort"
    bring(root, target)
    (target / "import" / "a.json").unlink()
    with pytest.raises(InputError, match="has a case A from elsewhere"):
        bring(root, target)


def test_another_visit_of_the_same_name_is_another_origin(root: Path, tmp_path: Path) -> None:
    write_case(root, "A")
    target = tmp_path / "cohort"
    bring(root, target)
    name, findings = find_cases(root, "fake", Options(visit=2))
    with pytest.raises(InputError, match="from elsewhere"):
        import_cases(name, findings, target)


def test_two_cases_of_one_name_are_refused_whatever_their_letters(root: Path) -> None:
    write_case(root, "case_a")
    write_case(root, "CASE_A")
    with pytest.raises(InputError, match="two cases are named case_a"):
        find_cases(root, "fake")


def test_what_an_importer_left_is_in_the_summary(root: Path, tmp_path: Path) -> None:
    write_case(root, "B", masks={"expert": 1, "box": 1})
    write_case(root, "A", left='has no images, "so far"')
    target = tmp_path / "cohort"
    summary = bring(root, target)
    assert statuses(summary) == {"A": "left", "B": "taken"}
    assert summary.count("left") == summary.count("taken") == 1
    with (target / "import" / "summary.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["case", "status", "phases", "masks", "decisions"],
        ["A", "left", "0", "", 'has no images, "so far"'],
        ["B", "taken", "3", "box expert", "took visit 1 a decision, with a comma"],
    ]


@pytest.mark.parametrize("name", ["../../out", "/out", "a/b", "..", "", "a\nb", "a b"])
def test_names_that_are_no_names_are_refused(root: Path, tmp_path: Path, name: str) -> None:
    write_case(root, name)
    with pytest.raises(InputError, match="cannot be the name of a case"):
        find_cases(root, "fake")


@pytest.mark.parametrize("source", ["../../out", "TMP/out", "a/b", ""])
def test_sources_of_masks_that_are_no_names_fail(root: Path, tmp_path: Path, source: str) -> None:
    write_case(root, "A", masks={source.replace("TMP", str(tmp_path)): 1})
    target = tmp_path / "deep" / "cohort"
    summary = bring(root, target)
    assert statuses(summary) == {"A": "failed"}
    assert "cannot be the name of a source of masks" in summary.rows[0].decisions[0]
    assert files(target) == ["import/a.json", "import/summary.csv"]
    assert not list(tmp_path.rglob("out"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Breast_MRI_001", "BREAST_MRI_001"),
        ("../../etc/passwd", "ETC_PASSWD"),
        ("C:\\temp\\x", "C__TEMP_X"),
        ("a\0b\n", "A_B"),
        ("Ünï", "N"),
        ("...", "CASE"),
        ("", "CASE"),
    ],
)
def test_names_from_outside_become_names_without_path_parts(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_the_target_must_be_a_folder(root: Path, tmp_path: Path) -> None:
    write_case(root, "A")
    target = tmp_path / "file"
    target.write_text("mine")
    with pytest.raises(InputError, match="is a file; give a folder"):
        bring(root, target)
    assert target.read_text() == "mine"


def test_what_cannot_be_found_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        find_cases(root)
    root.mkdir()
    with pytest.raises(InputError, match="holds no case that importer fake can find"):
        find_cases(root, "fake")
    with pytest.raises(ConfigError, match="there is no importer other; there are: auto, mama-mia"):
        find_cases(root, "other")


def test_options_reach_the_importer(root: Path) -> None:
    write_case(root, "A")
    (item,) = find_cases(root, "fake", Options(visit=None))[1].items
    assert item.parts["visit"] is None
    assert isinstance(item, Item)
