"""A description of a cohort made by hand, whose every measure is known."""

import csv
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hcnet.cohorts.cohort import read_cohort, write_case
from hcnet.cohorts.phantom.describe import describe_cohort
from hcnet.cohorts.phantom.describe.exam import read_exam
from hcnet.cohorts.phantom.describe.measure import measure_case
from hcnet.errors import InputError
from hcnet.files import read_json, write_json
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

SHAPE = (16, 16, 10)
AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
AIR, SKIN, FAT, GLAND, RIM, CORE, FIBROADENOMA = 0, 1, 2, 3, 5, 6, 8
BREAST = np.s_[2:14, 2:14, 1:9]
SIGNALS = {
    AIR: (0, 0, 0),
    SKIN: (60, 60, 60),
    FAT: (50, 51, 52),
    GLAND: (100, 110, 120),
    RIM: (90, 225, 180),
    CORE: (120, 240, 240),
    FIBROADENOMA: (100, 150, 200),
}
NAME = "PHANTOM_0000"


def labels_of(*, lesions: bool) -> np.ndarray:
    labels = np.full(SHAPE, AIR, np.uint8)
    labels[BREAST] = FAT
    labels[13, 2:14, 1:9] = SKIN
    labels[2:8, 2:14, 1:9] = GLAND
    if lesions:
        labels[4:7, 4:7, 4] = RIM
        labels[4:7, 4:7, 5] = CORE
        labels[10:12, 10:12, 4:6] = FIBROADENOMA
    return labels


def write_one(root: Path, name: str, *, lesions: bool, density: str) -> None:
    labels = labels_of(lesions=lesions)
    clean = np.stack([np.take([SIGNALS.get(i, (0,) * 3)[t] for i in range(9)], labels)
                      for t in range(3)])  # fmt: skip
    noisy = clean.copy()
    noisy[2][labels == RIM] = 225  # the noise turns the rim's washout into a plateau
    tumour = np.isin(labels, (RIM, CORE))
    breast = np.zeros(SHAPE, bool)
    breast[BREAST] = True
    redrawn = np.zeros(SHAPE, bool)
    redrawn[10:12, 4:6, 4:6] = True
    truth = {
        "tumour": tumour,
        "labels": labels,
        "breast": breast,
        "redrawn_0": redrawn,
        "ktrans_per_min": np.where(labels == RIM, 0.2, np.where(labels == CORE, 0.1, 0.02)),
        "ve": np.full(SHAPE, 0.25),
        "vp": np.full(SHAPE, 0.02),
        "t1_ms": np.where(tumour, 1300, np.where(labels == FAT, 300, 1250)),
        **{f"noise_free_{t:04d}": phase for t, phase in enumerate(clean)},
    }
    for part, data in truth.items():
        kind = np.uint8 if part in ("tumour", "labels", "breast", "redrawn_0") else np.float32
        write_nifti(Volume(data.astype(kind), AFFINE), root / "truth" / name / f"{part}.nii.gz")
    kinds = ["malignant", "fibroadenoma", "cyst"] if lesions else ["cyst"]
    write_json(
        root / "truth" / name / "hidden.json",
        {
            "noise_sigma": 2.0,
            "background_enhancement": "mild" if lesions else "marked",
            "masses": [{"kind": kind, "volume_ml": 1.0} for kind in kinds],
        },
    )
    write_case(
        root,
        name,
        [Volume(phase.astype(np.int16), AFFINE) for phase in noisy],
        tumour=Volume((labels == RIM).astype(np.uint8), AFFINE),
        times_s=(-60.0, 150.0, 450.0),
        times_from="injection",
        facts={
            "clinical_data": {"breast_density": density},
            "imaging_data": {"field_strength": 1.5},
        },
    )


def write_cohort(root: Path) -> None:
    write_one(root, NAME, lesions=True, density="c")
    write_one(root, "PHANTOM_0001", lesions=False, density="a")
    settings = {"like": "ispy1", "size": "small", "null": False, "scan": 0}
    write_json(root / "phantom.json", {"generator": "hcnet", "seed": 0, "settings": settings})


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    root = tmp_path_factory.mktemp("described")
    write_cohort(root / "cohort")
    lines = describe_cohort(root / "cohort", root / "out")
    return root / "cohort", root / "out", lines


@pytest.fixture
def cohort(described: tuple[Path, Path, list[str]], tmp_path: Path) -> Path:
    """A copy of the cohort, to be spoilt."""
    shutil.copytree(described[0], tmp_path / "cohort")
    return tmp_path / "cohort"


def values_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "description.csv").open(newline="") as stream:
        return {line["name"]: line for line in csv.DictReader(stream)}


def expected_auc(labels: np.ndarray, one: np.ndarray) -> float:
    """Pairs of voxels of the breast, counted one by one."""
    inside = np.zeros(SHAPE, bool)
    inside[BREAST] = True
    grey = np.take([SIGNALS.get(i, (0,))[0] for i in range(9)], labels)
    a, b = grey[one][:, None], grey[inside & ~one][None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def test_every_measure_has_its_known_value(described: tuple[Path, Path, list[str]]) -> None:
    labels = labels_of(lesions=True)
    tumour = np.isin(labels, (RIM, CORE))
    redrawn = np.zeros(SHAPE, bool)
    redrawn[10:12, 4:6, 4:6] = True
    living = (labels == FAT).sum() + (labels == GLAND).sum() + (labels == FIBROADENOMA).sum()
    expected = {
        "volume_ml": 18 * 0.016,
        "longest_mm": math.sqrt(48),
        "equivalent_mm": (6 * 288 / math.pi) ** (1 / 3),
        "components": 1,
        "one_component": 1,
        "lesion_free": 0,
        "decoys": 2,
        "decoys_fibroadenoma": 1,
        "decoys_cyst": 1,
        "decoys_nodule": 0,
        "reader_dice": 2 * 9 / 27,
        "tumour_hottest_type_3": 1,
        "tumour_hottest_type_3_noisy": 0,
        "tumour_hottest_type_2_noisy": 1,
        "tumour_whole_type_2": 1,
        "rim_voxels_type_3": 1,
        "rim_voxels_type_3_noisy": 0,
        "core_voxels_type_2": 1,
        "fibroadenoma_voxels_type_1": 1,
        "fibroadenoma_hottest_type_1": 1,
        "fibroadenoma_whole_type_1": 1,
        "enhancement_tumour": 125,
        "enhancement_rim": 150,
        "enhancement_core": 100,
        "enhancement_fibroadenoma": 50,
        "enhancement_gland": 10,
        "enhancement_fat": 2,
        "ser": 1.25,
        "ser_noisy": 1.0,
        "ser_2": 0.5,
        "ser_3": 0.5,
        "cnr_gland": 2.5,
        "cnr_fat": 27.5,
        "snr_gland": 50,
        "fat_to_gland": 0.5,
        "auc_pre": expected_auc(labels, tumour),
        "auc_pre_gland": 0.5,
        "auc_early": 1,
        "null_auc_gap": expected_auc(labels, tumour) - expected_auc(labels, redrawn),
        "gland_share": (labels == GLAND).sum() / living,
        "ktrans_tumour": 0.15,
        "ktrans_gland": 0.02,
        "ve_tumour": 0.25,
        "vp_gland": 0.02,
        "t1_gland_ms": 1250,
        "t1_fat_ms": 300,
        "t1_ratio": 1300 / 1250,
    }
    found = values_of(described[1])[NAME]
    assert {key: float(found[key]) for key in expected} == pytest.approx(expected)
    assert (found["density"], found["background"], found["field"]) == ("c", "mild", "1.5 T")


def test_contrast_is_with_the_gland_near_the_tumour(
    described: tuple[Path, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = described[0]
    exam = read_exam(read_cohort(root)[NAME], root / "truth" / NAME, reader=True)
    far = np.zeros(SHAPE, bool)
    far[2:8, 10:14, 1:9] = True  # gland at least 8 mm from the tumour
    phases = exam.phases.copy()
    phases[:, far[exam.where]] = 0
    monkeypatch.setattr("hcnet.cohorts.phantom.describe.measure.NEAR_MM", 5.0)
    values = measure_case(replace(exam, phases=phases)).values
    assert values["cnr_gland"] == pytest.approx(2.5)
    assert values["snr_gland"] < 40


def test_a_lesion_free_case_leaves_the_measures_of_lesions_undefined(
    described: tuple[Path, Path, list[str]],
) -> None:
    found = values_of(described[1])["PHANTOM_0001"]
    assert (float(found["lesion_free"]), float(found["decoys"])) == (1, 1)
    undefined = {key for key, value in found.items() if value == "nan"}
    assert {"volume_ml", "longest_mm", "reader_dice", "auc_pre", "cnr_gland", "ser"} <= undefined
    assert {"snr_gland", "gland_share", "enhancement_gland"}.isdisjoint(undefined)


def test_table_and_lines_tell_what_lies_outside(described: tuple[Path, Path, list[str]]) -> None:
    _, out, lines = described
    content = json.loads((out / "description.json").read_text())
    assert content["cohort"] == {
        "cases": 2, "like": "ispy1", "size": "small", "null": False, "scan": 0,
    }  # fmt: skip
    rows = {(row["key"], row["group"]): row for row in content["rows"]}
    volume = rows["volume_ml", ""]
    assert (volume["n"], volume["undefined"], volume["verdict"]) == (1, 1, "outside")
    assert volume["band"]["source"].startswith("I-SPY1")
    assert rows["t1_gland_ms", "1.5 T"]["verdict"] == "inside"
    assert rows["lesion_free", ""]["centre"] == 0.5
    assert [key[1] for key in rows if key == ("enhancement_gland", key[1])] == [
        "", "mild", "marked",
    ]  # fmt: skip
    text = (out / "description.md").read_text()
    assert "| tumour volume | 0.288 [0.288, 0.288] ml | 1 of 2 | 14.7 (6.6 to 38) |" in text
    assert "not re-verified" in text
    assert lines[0].startswith("Kinetic measures come from the noise-free phases")
    assert any(line.startswith("outside: lesions, tumour volume: 0.288") for line in lines)
    outside = sum(row["verdict"] == "outside" for row in content["rows"])
    inside = sum(row["verdict"] == "inside" for row in content["rows"])
    assert len([line for line in lines if line.startswith("outside: ")]) == outside
    assert lines[-1].endswith(
        f"({inside} of {inside + outside} measures with a band lie inside it)"
    )


def test_the_same_cohort_gives_the_same_files(
    described: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    root, out, _ = described
    describe_cohort(root, tmp_path)
    names = {f"description.{ending}" for ending in ("md", "csv", "json", "png", "svg")}
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def test_without_noise_free_phases_or_masks_of_readers(cohort: Path, tmp_path: Path) -> None:
    for path in (cohort / "truth" / NAME).glob("noise_free_*"):
        path.unlink()
    shutil.rmtree(cohort / "segmentations")
    write_json(cohort / "phantom.json", {"settings": {"like": "duke"}})
    lines = describe_cohort(cohort, tmp_path / "out")
    assert lines[0].startswith("1 of 2 cases have no noise-free phases")
    assert lines[0] in (tmp_path / "out" / "description.md").read_text()
    found = values_of(tmp_path / "out")[NAME]
    assert float(found["rim_voxels_type_3"]) == 0
    assert found["reader_dice"] == "nan"


def test_a_cohort_without_any_lesion_is_described(tmp_path: Path) -> None:
    write_one(tmp_path / "cohort", "PHANTOM_0000", lesions=False, density="b")
    write_json(tmp_path / "cohort" / "phantom.json", {"settings": {"like": "ispy1"}})
    describe_cohort(tmp_path / "cohort", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "description.json").read_text())
    rows = {row["key"]: row for row in content["rows"]}
    assert rows["volume_ml"]["verdict"] == "no data"
    assert rows["volume_ml"]["centre"] is None
    assert rows["lesion_free"]["centre"] == 1
    assert (tmp_path / "out" / "description.png").stat().st_size > 0


def test_a_real_cohort_is_refused(cohort: Path, tmp_path: Path) -> None:
    shutil.rmtree(cohort / "truth")
    with pytest.raises(InputError, match="--describe needs a phantom cohort"):
        describe_cohort(cohort, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def spoil_hidden(root: Path, **changes: Any) -> None:
    path = root / "truth" / NAME / "hidden.json"
    hidden = {**read_json(path), **changes}
    write_json(path, {key: value for key, value in hidden.items() if value is not None})


def test_what_is_wrong_is_said_in_one_sentence(cohort: Path, tmp_path: Path) -> None:
    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            describe_cohort(cohort, tmp_path / "out")

    spoil_hidden(cohort, masses=None)
    refused("hidden.json: masses is missing or unusable")
    spoil_hidden(cohort, masses=[], noise_sigma=0)
    refused("hidden.json: noise_sigma is missing or unusable")
    spoil_hidden(cohort, noise_sigma=2.0)
    (cohort / "truth" / NAME / "noise_free_0002.nii.gz").unlink()
    refused("holds 2 noise-free phases for 3 phases")
    other = Volume(np.zeros(SHAPE, np.uint8), 2 * AFFINE)
    write_nifti(other, cohort / "truth" / NAME / "breast.nii.gz")
    refused("breast.nii.gz: lies on another grid than the first image")
    (cohort / "truth" / NAME / "tumour.nii.gz").unlink()
    refused("tumour.nii.gz: there is no such file")
    write_json(cohort / "phantom.json", {"settings": {}})
    refused("does not say what the cohort is like")


@pytest.mark.parametrize(
    ("times", "origin", "message"),
    [((-60.0, 90.0), "injection", "two post-contrast"), ((0.0, 90.0), "pre", "no times from")],
)
def test_exams_without_a_curve_are_refused(
    cohort: Path, tmp_path: Path, times: tuple[float, ...], origin: Any, message: str
) -> None:
    (cohort / "images" / NAME / f"{NAME.lower()}_0002.nii.gz").unlink()
    facts = cohort / "patient_info_files" / f"{NAME.lower()}.json"
    info = read_json(facts)
    info["imaging_data"] |= {"acquisition_times": times, "times_from": origin}
    write_json(facts, info)
    with pytest.raises(InputError, match=message):
        describe_cohort(cohort, tmp_path / "out")


def test_importing_the_description_loads_no_plotting() -> None:
    code = "import sys, hcnet.cohorts.phantom.describe; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
