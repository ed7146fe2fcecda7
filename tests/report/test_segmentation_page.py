from pathlib import Path

import pytest

from hcnet.errors import GeometryError, InputError
from hcnet.report.segmentation_page import segmentation_page
from hcnet.report.write import read_report, write_report
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.volume import Volume
from report_parts import manifest, summary, write_segmentation

UNSURE = {"mean_in_tumour": 0.25, "volume_ml_low": 1.0, "volume_ml_high": 2.5, "what": "Entropy."}
CHECK = {"distance": 5.0, "limit": 3.0, "reasons": ["the spacing is coarse"]}
LEARNED = {
    "training_data": {"cohort": "COHORT", "cases": ["a", "b"], "pseudo_labels": []},
    "scores": {
        "networks": {
            "KIS-Net": {"summary": {"dsc": {"mean": 0.6, "low": 0.5, "high": 0.7, "n": 9}}}
        },
        "maps": {"pooled": {}},
    },
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with nothing that may be absent; read only."""
    return write_segmentation(tmp_path_factory.mktemp("plain") / "out", summary(), manifest())


def test_what_is_absent_is_not_told(plain: Path) -> None:
    page = segmentation_page(plain)
    assert [score.label for score in page.scores] == ["tumour", "breast", "largest probability"]
    assert [picture.name for picture in page.pictures] == ["preview", "projections"]
    assert page.warnings == ()
    assert page.learned.text == ()
    assert page.slices is not None
    assert page.slices.uncertainty == ""


def test_uncertainty_check_and_training_are_told(tmp_path: Path) -> None:
    told = summary(uncertainty=UNSURE, input_check=CHECK, warnings=["No DICOM."])
    folder = write_segmentation(tmp_path / "out", told, manifest(**LEARNED), uncertainty=True)
    page = segmentation_page(folder)
    scores = {score.label: (score.value, score.detail) for score in page.scores}
    assert scores["volume, by member"][0] == "1.00 to 2.50 ml"
    assert scores["uncertainty"][0] == "0.25"
    assert scores["distance from training"] == ("5.00", "1 is usual, above 3.00 unlike")
    assert page.warnings[0].startswith("The exam is unlike")
    assert page.warnings[0].endswith("the spacing is coarse.")
    assert page.warnings[1] == "No DICOM."
    assert page.pictures[-1].name == "uncertainty"
    assert "Entropy." in page.pictures[-1].caption
    assert page.slices is not None
    assert page.slices.uncertainty
    assert "learned from 2 exams of the cohort “COHORT”" in page.learned.text[0]
    assert page.learned.tables[0].rows == (("KIS-Net", "DSC", 0.6, 0.5, 0.7, 9),)
    assert page.manifest["bundle"] == {"name": "model", "sha256": "1", "licence": "own"}


def test_an_exam_like_the_training_is_no_warning(plain: Path, tmp_path: Path) -> None:
    for more in (
        {"input_check": {**CHECK, "distance": 2.0, "reasons": []}},
        {"input_check": CHECK, "warnings": ["Mind that the spacing is coarse."]},
    ):
        told = summary(**more)
        page = segmentation_page(write_segmentation(tmp_path / "out", told, manifest()))
        assert list(page.warnings) == told["warnings"]


@pytest.mark.parametrize(("distance", "reasons"), [(2.0, ["it looks after contrast"]), (9.0, [])])
def test_either_a_reason_or_the_distance_is_a_warning(
    tmp_path: Path, distance: float, reasons: list[str]
) -> None:
    told = summary(input_check={"distance": distance, "limit": 3.0, "reasons": reasons})
    (warning,) = segmentation_page(write_segmentation(tmp_path / "o", told, manifest())).warnings
    assert warning.startswith("The exam is unlike those that the networks learned from")
    assert warning.endswith("".join([*reasons, "."]))


@pytest.mark.parametrize("cases", [7, None, ["a"] * 7])
def test_cases_are_names_or_a_number(tmp_path: Path, cases: object) -> None:
    told = manifest(training_data={"cohort": "C", "cases": cases}, scores={"KIS-Net": [1, "x"]})
    page = segmentation_page(write_segmentation(tmp_path / "out", summary(), told))
    assert f"from {'7 exams' if cases else 'exams'} of" in page.learned.text[0]
    assert page.learned.tables == ()


def test_the_page_of_a_result_without_a_tumour(tmp_path: Path) -> None:
    warning = "No voxel reaches the threshold: no tumour was found."
    told = summary(tumour_ml=0.0, components=[], warnings=[warning])
    page = write_report(write_segmentation(tmp_path / "out", told, manifest()))
    text = page.read_text(encoding="utf-8")
    assert text.index(warning) < text.index("<h2>")
    assert (tmp_path / "out" / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert len(text) < 6_000_000


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("summary.json", "{}", "case: field required"),
        ("summary.json", "[", "cannot be read as JSON"),
        ("manifest.json", '{"input": 3}', "input: "),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, words: str) -> None:
    folder = write_segmentation(tmp_path / "out", summary(), manifest())
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=name) as told:
        read_report(folder)
    assert words in str(told.value)


def test_images_on_different_grids_are_refused(tmp_path: Path) -> None:
    folder = write_segmentation(tmp_path / "out", summary(), manifest())
    labels = read_nifti(folder / "heterogeneity.nii.gz")
    write_nifti(Volume(labels.data, 2 * labels.affine), folder / "heterogeneity.nii.gz")
    with pytest.raises(GeometryError, match="different grids"):
        read_report(folder)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"scans": []}', encoding="utf-8")
    with pytest.raises(InputError, match="holds neither"):
        read_report(tmp_path)
