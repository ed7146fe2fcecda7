import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom_factory import SAGITTAL, Geometry, image, phase_array, save, segmentation, uid
from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.importers import ispy1
from hcnet.cohorts.importers.importer import Imported, Options
from hcnet.cohorts.importers.run import find_cases, import_cases
from hcnet.errors import InputError
from hcnet.kinetics.functional import lesion_box
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

GEOMETRY = Geometry(SAGITTAL, rows_mm=0.75, columns_mm=0.75)
COLUMNS, ROWS, DEPTH = 6, 5, 8
MARKER = (4, 1, 6)
BOX = ((1, 0, 2), (4, 3, 6))
TIMES = (-280.0, 143.0, 488.0)
CLOCKS = ("100000", "100703", "101248")
CREATOR = "UCSF BIRP PRIVATE CREATOR 011710xx"
BASELINE = "11-02-1984-868859-MR BREASTUNI UE-60097"


def phase(number: int) -> np.ndarray:
    volume = phase_array(number)
    volume[MARKER] = 20000 + number
    return volume


def tagged(dataset: Dataset, box: Any = BOX, voxels: int | None = None) -> Dataset:
    """The private elements of UCSF's derived objects."""
    block = dataset.private_block(0x0117, CREATOR, create=True)
    block.add_new(0x34, "DS", list(TIMES))
    if box is not None:
        block.add_new(0xA1, "US", list(box[0]))
        block.add_new(0xA2, "US", list(box[1]))
    if voxels is not None:
        entry = Dataset()
        own = entry.private_block(0x0117, CREATOR, create=True)
        own.add_new(0xB3, "IS", str(voxels))
        own.add_new(0xB4, "DS", "5.31")
        own.add_new(0xB5, "LO", "FTVpe(PEearly>70%)")
        block.add_new(0xB0, "SQ", [entry])
    return dataset


class Exam:
    """Writes one visit as TCIA lays it out."""

    def __init__(
        self,
        root: Path,
        patient: str = "ISPY1_1002",
        visit: str = BASELINE,
        *,
        number: int = 3,
        reverse: bool = False,
        point: str = "T1",
    ) -> None:
        self.folder = root / patient / visit
        self.number, self.reverse = number, reverse
        day = visit[6:10] + visit[:2] + visit[3:5]
        self.tags = {
            "patient": patient,
            "study": visit,
            "StudyDate": day,
            "AcquisitionDate": day,
            "ClinicalTrialTimePointID": point,
            "ClinicalTrialSiteID": "Site AAI",
        }

    def instance(self, index: int, first: int = 1) -> int:
        return first + (DEPTH - 1 - index if self.reverse else index)

    def volume(self, volume: np.ndarray, name: str, series: int, first: int = 1, *,
               private: Any = None, **tags: Any) -> None:  # fmt: skip
        for index in range(DEPTH):
            number = self.instance(index, first)
            dataset = image(volume[:, :, index].T, GEOMETRY, index, series=series, instance=number,
                            SeriesDescription=name, **{**self.tags, **tags})  # fmt: skip
            if private is not None:
                tagged(dataset, **private)
            disk = name.replace("=", "").replace(":", "")
            save(dataset, self.folder / f"{series}.000000-{disk}-12345" / f"1-{number:03d}.dcm")

    def dynamic(self) -> None:
        """All phases in one series; acquisition numbers 0, 2, 2, as first-hand in 1002."""
        for index in range(3):
            self.volume(phase(index), "Dynamic-3dfgre", self.number, 1 + DEPTH * index,
                        clock=CLOCKS[index], AcquisitionNumber=min(2 * index, 2),
                        TriggerTime=0)  # fmt: skip

    def maps(self, **private: Any) -> None:
        base = self.base * 10000
        for offset, name in ((1000, "SER"), (1001, "PE1")):
            self.volume(phase_array(0), f"Dynamic-3dfgre: {name}", base + offset, private=private,
                        ImageType=["DERIVED", "PRIMARY", "DCE", name])  # fmt: skip

    @property
    def base(self) -> int:
        return self.number // 100 if self.number >= 100 else self.number

    def outline(self, mask: np.ndarray, name: str = "VOI PE Segmentation thresh=70",
                offset: int = 2100, series: int | None = None, *, pixels: bool = True,
                geometry: Geometry = GEOMETRY, slices: Sequence[int] | None = None,
                **private: Any) -> None:  # fmt: skip
        """FRACTIONAL {0, 255}, a frame only where something is, origins half a pixel off."""
        if slices is None:
            slices = np.flatnonzero(mask.any((0, 1))).tolist() or [3]
        half = np.array(geometry.orientation[:3]) + np.array(geometry.orientation[3:])
        frames = [
            ((np.array(geometry.position(k)) - 0.375 * half).tolist(), mask[:, :, k].T, 1)
            for k in slices
        ]
        number = series or self.base * 10000 + offset
        dataset = segmentation(frames, geometry, fractional=True, series=number)
        dataset.SeriesDescription = name
        dataset.PatientID = self.tags["patient"]
        dataset.StudyDate = self.tags["StudyDate"]
        dataset.StudyInstanceUID = uid("study", self.tags["patient"], self.tags["study"])
        dataset.SeriesInstanceUID = uid(self.folder, number)
        dataset.SOPInstanceUID = uid(self.folder, "object", number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        if not pixels:
            del dataset.PixelData
            dataset.NumberOfFrames = 0
        tagged(dataset, **private)
        disk = name.replace("=", "")
        save(dataset, self.folder / f"{number}.000000-{disk}-54321" / "1-1.dcm")


def outlined() -> np.ndarray:
    """Five voxels in two slices, within BOX whichever way slices are numbered."""
    mask = np.zeros((COLUMNS, ROWS, DEPTH), bool)
    mask[2:4, 1:3, 3] = True
    mask[4, 0, 4] = True
    return mask


def whole_exam(root: Path, **options: Any) -> Exam:
    exam = Exam(root, **options)
    exam.dynamic()
    exam.maps(voxels=5)
    exam.outline(outlined(), voxels=5)
    exam.outline(outlined(), "PE Segmentation thresh=70", 2000)
    exam.outline(outlined(), "VOI Breast Tissue Segmentation", 2101)
    return exam


def loaded(root: Path, options: Options | None = None) -> Imported:
    (item,) = ispy1.find(root, options or Options()).items
    return ispy1.load(item)


def told(imported: Imported, text: str) -> bool:
    return any(text in decision for decision in imported.decisions)


def test_the_real_exam(shared_data: Path, tmp_path: Path) -> None:
    name, findings = find_cases(shared_data / "ispy1_1002")
    assert name == "ispy1"
    assert [item.name for item in findings.items] == ["ISPY1_1002"]
    summary = import_cases(name, findings, tmp_path)
    assert [(row.status, row.phases, row.masks) for row in summary.rows] == [
        ("taken", 3, ("functional",))
    ]
    case = read_cohort(tmp_path)["ISPY1_1002"]
    assert case.times_s == pytest.approx([-280, 143, 488], abs=0.5)
    assert case.times_from == "injection"
    assert case.tumour is not None
    mask = case.tumour.load()
    assert (mask.data.sum(), mask.data.max()) == (4350, 1)
    assert mask.grid.difference(case.pre.load().grid) is None
    box = lesion_box(case.facts, mask.shape, "1002")
    assert box == (slice(94, 156), slice(108, 171), slice(30, 51))
    assert mask.data[box].sum() == 4350
    assert case.facts["imaging_data"]["site"] == "Site AAI"
    assert case.facts["clinical_data"]["age"] == 37
    assert case.facts["primary_lesion"]["functional_ml"] == pytest.approx(5.31, abs=0.01)
    assert any("PE 70 %" in decision for decision in summary.rows[0].decisions)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_visit_arrives_with_its_mask_and_box_in_place(tmp_path: Path, reverse: bool) -> None:
    """The box counts slices by InstanceNumber, which may run against the array."""
    whole_exam(tmp_path / "in" / "manifest-1" / "ISPY1", reverse=reverse)
    name, findings = find_cases(tmp_path / "in")
    assert name == "ispy1"
    import_cases(name, findings, tmp_path / "out")
    case = read_cohort(tmp_path / "out")["ISPY1_1002"]
    assert (case.times_s, case.times_from) == (TIMES, "injection")
    for number, source in enumerate(case.phases):
        volume = source.load()
        np.testing.assert_array_equal(volume.data, phase(number))
        mm = (volume.affine @ [*MARKER, 1])[:3]
        np.testing.assert_allclose(mm, GEOMETRY.ras(*MARKER), atol=1e-4)
    assert case.tumour is not None
    np.testing.assert_array_equal(case.tumour.load().data, outlined())
    depth = slice(1, 6) if reverse else slice(2, 7)
    box = lesion_box(case.facts, (COLUMNS, ROWS, DEPTH), "exam")
    assert box == (slice(1, 5), slice(0, 4), depth)
    assert case.facts["patient_id"] == "ISPY1_1002"
    assert case.facts["imaging_data"]["time_point"] == "T1"


def test_what_is_not_imported_is_named(tmp_path: Path) -> None:
    whole_exam(tmp_path)
    imported = loaded(tmp_path)
    assert set(imported.masks) == {"functional"}
    assert imported.breast is None
    assert told(imported, "Left the map series 31000 (Dynamic-3dfgre: SER)")
    assert told(imported, "Left series 32000 (PE Segmentation thresh=70): it is not limited")
    assert told(imported, "Left series 32101 (VOI Breast Tissue Segmentation): it marks tissue")
    assert told(imported, "The headers call the exam time point T1")
    assert not told(imported, "Look at this")


def test_a_site_with_a_series_for_each_phase(tmp_path: Path) -> None:
    exam = Exam(tmp_path, number=4)
    exam.volume(phase(0), "BILAT T1 SPGR PRE", 4, clock=CLOCKS[0])
    exam.volume(phase(1), "BILAT T1 SPGR POST", 5, clock=CLOCKS[1])
    exam.volume(phase(2), "BILAT T1 SPGR POST", 6, clock=CLOCKS[2])
    exam.maps()
    exam.outline(outlined())
    imported = loaded(tmp_path)
    assert imported.times_s == TIMES
    for number, volume in enumerate(imported.phases):
        np.testing.assert_array_equal(volume.data, phase(number))
    np.testing.assert_array_equal(imported.masks["functional"].data, outlined())
    assert told(imported, "Took 3 phases from series 4, 5, 6")
    assert not told(imported, "was not made from")


def test_philips_numbers_are_divided_by_100(tmp_path: Path) -> None:
    exam = whole_exam(tmp_path, number=301)
    assert exam.base == 3
    exam.outline(~outlined(), series=52100)
    imported = loaded(tmp_path)
    np.testing.assert_array_equal(imported.masks["functional"].data, outlined())
    assert told(imported, "from series 32100 (VOI PE Segmentation thresh=70): 5 voxels")


def test_outlines_of_other_series_are_not_guessed_at(tmp_path: Path) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.maps()
    exam.outline(outlined(), series=52100)
    imported = loaded(tmp_path)
    np.testing.assert_array_equal(imported.masks["functional"].data, outlined())
    assert told(imported, "Look at this: series 52100 (VOI PE Segmentation thresh=70) was not made")
    exam.outline(outlined(), series=62100)
    imported = loaded(tmp_path)
    assert imported.masks == {}
    assert told(imported, "their numbers do not tell which of them was made from series 3.")


def test_another_threshold_is_told(tmp_path: Path) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.outline(outlined(), "VOI PE Segmentation thresh=90")
    imported = loaded(tmp_path)
    assert told(imported, "Took the functional mask (PE 90 %")
    assert imported.facts["primary_lesion"]["functional_threshold"] == 90


def test_another_count_of_voxels_than_stated_is_told(tmp_path: Path) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.outline(outlined(), voxels=6)
    assert told(loaded(tmp_path), "state a functional volume of 6 voxels, the mask has 5.")


@pytest.mark.parametrize("pixels", [True, False])
def test_an_empty_outline_is_said_and_makes_no_mask(tmp_path: Path, pixels: bool) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.maps(voxels=0)
    exam.outline(np.zeros((COLUMNS, ROWS, DEPTH), bool), pixels=pixels)
    imported = loaded(tmp_path)
    assert imported.masks == {}
    assert told(imported, "Left the functional mask series 32100 (VOI PE Segmentation thresh=70): "
                "it is empty.")  # fmt: skip
    assert told(imported, "no mask confirms it")
    assert imported.facts["primary_lesion"]["tumour_box"]["z_max"] == 7


def test_an_outline_on_another_grid_is_left_and_the_exam_is_taken(tmp_path: Path) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.outline(outlined(), geometry=Geometry(SAGITTAL, rows_mm=0.9, columns_mm=0.9))
    imported = loaded(tmp_path)
    assert (len(imported.phases), imported.masks) == (3, {})
    assert told(imported, "resample the segmentation to the image first")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (((1, 0, 2), (4, 3, 8)), "do not fit the images"),
        (((1, 0, 2), (6, 3, 6)), "do not fit the images"),
        (((4, 0, 2), (1, 3, 6)), "do not fit the images"),
        (((1, 1, 2), (4, 3, 6)), "the mask reaches outside"),
        (None, "The headers hold no reader's box."),
    ],
)
def test_a_box_that_cannot_be_right_is_left(tmp_path: Path, box: Any, message: str) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.maps(box=box)
    exam.outline(outlined(), box=box)
    imported = loaded(tmp_path)
    assert "tumour_box" not in imported.facts["primary_lesion"]
    assert told(imported, message)
    assert "functional" in imported.masks


def test_private_elements_without_a_type_are_read(tmp_path: Path) -> None:
    exam = Exam(tmp_path)
    exam.dynamic()
    exam.outline(outlined(), voxels=5)
    (file,) = exam.folder.glob("32100*/*.dcm")
    dataset = dcmread(file)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(file, implicit_vr=True, little_endian=True, enforce_file_format=True)
    imported = loaded(tmp_path)
    assert imported.facts["primary_lesion"]["tumour_box"] == {
        "x_min": 1, "x_max": 5, "y_min": 0, "y_max": 4, "z_min": 2, "z_max": 7
    }  # fmt: skip
    assert imported.times_s == TIMES


def two_visits(root: Path) -> None:
    """Alphabetical order is not that of time: the dates are month first."""
    Exam(root, visit="12-01-1984-1-MR-1", point="T1").dynamic()
    Exam(root, visit="01-15-1985-2-MR-2", point="T2").dynamic()


@pytest.mark.parametrize(("visit", "date"), [(1, "19841201"), (2, "19850115")])
def test_visits_are_in_order_of_their_dates(tmp_path: Path, visit: int, date: str) -> None:
    two_visits(tmp_path)
    imported = loaded(tmp_path, Options(visit))
    assert imported.facts["imaging_data"]["study_date"] == date
    assert imported.decisions[0] == f"Took visit {visit} of 2 ({date})."
    assert told(imported, f"time point T{visit}")
    assert not told(imported, "Look at this")


def test_all_visits_are_cases_of_one_patient(tmp_path: Path) -> None:
    two_visits(tmp_path / "in")
    name, findings = find_cases(tmp_path / "in", options=Options(None))
    import_cases(name, findings, tmp_path / "out")
    cases = read_cohort(tmp_path / "out").cases
    assert [case.name for case in cases] == ["ISPY1_1002_V1", "ISPY1_1002_V2"]
    assert {case.facts["patient_id"] for case in cases} == {"ISPY1_1002"}


def test_a_visit_that_is_not_there(tmp_path: Path) -> None:
    two_visits(tmp_path)
    findings = ispy1.find(tmp_path, Options(3))
    assert findings.items == ()
    assert [left.why for left in findings.left] == ["has 2 visit(s), no visit 3."]


def test_a_patient_whose_baseline_is_missing_is_told(tmp_path: Path) -> None:
    Exam(tmp_path, point="T3").dynamic()
    assert told(loaded(tmp_path), "Look at this: visit 1 by date is time point T3 of the trial")


def test_visits_in_a_zip_or_under_other_names_are_told_apart_by_headers(tmp_path: Path) -> None:
    whole_exam(tmp_path)
    with zipfile.ZipFile(tmp_path / "ISPY1_1002.zip", "w") as archive:
        for file in sorted((tmp_path / "ISPY1_1002").rglob("*.dcm")):
            archive.write(file, file.relative_to(tmp_path))
    shutil.rmtree(tmp_path / "ISPY1_1002")
    exam = Exam(tmp_path, "ISPY1_1003")
    exam.dynamic()
    exam.folder.rename(exam.folder.parent / "baseline")
    assert ispy1.recognises(tmp_path)
    items = ispy1.find(tmp_path, Options()).items
    assert [(item.name, item.place.name) for item in items] == [
        ("ISPY1_1002", "ISPY1_1002.zip"),
        ("ISPY1_1003", "3.000000-Dynamic-3dfgre-12345"),
    ]
    assert [len(ispy1.load(item).phases) for item in items] == [3, 3]


def test_a_folder_without_dicom_is_left(tmp_path: Path) -> None:
    Exam(tmp_path, "ISPY1_1001").dynamic()
    (tmp_path / "ISPY1_1004").mkdir()
    findings = ispy1.find(tmp_path, Options())
    assert [item.name for item in findings.items] == ["ISPY1_1001"]
    assert [left.name for left in findings.left] == ["ISPY1_1004"]


def test_a_damaged_exam_fails_and_leaves_nothing_behind(tmp_path: Path) -> None:
    exam = whole_exam(tmp_path / "in")
    Exam(tmp_path / "in", "ISPY1_1003").dynamic()
    file = next(exam.folder.glob("3.*/1-005.dcm"))
    file.write_bytes(file.read_bytes()[:-20])
    name, findings = find_cases(tmp_path / "in")
    summary = import_cases(name, findings, tmp_path / "out")
    assert [(row.name, row.status) for row in summary.rows] == [
        ("ISPY1_1002", "failed"),
        ("ISPY1_1003", "taken"),
    ]
    assert str(file) in summary.rows[0].decisions[0]
    assert not list((tmp_path / "out").rglob("*1002*.nii.gz"))


def test_the_same_patients_in_nifti_are_another_collection(tmp_path: Path) -> None:
    volume = Volume(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    write_nifti(volume, tmp_path / "images" / "ISPY1_1002" / "ispy1_1002_0000.nii.gz")
    assert not ispy1.recognises(tmp_path)
    assert not ispy1.recognises(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no folder or zip of a patient named ISPY1_nnnn"):
        ispy1.find(tmp_path / "images" / "ISPY1_1002" / "none", Options())
