import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dicom_factory import (
    SAGITTAL,
    Geometry,
    phase_array,
    save,
    segmentation,
    write_interleaved,
    write_phase,
)
from hcnet.cohorts.dicom_exam import ExamDescription, describe_exam, exam_case
from hcnet.errors import GeometryError, HcnetError, InputError

DEPTH = phase_array(0).shape[2]


def assert_phases(description: ExamDescription, volumes: list[np.ndarray]) -> None:
    assert len(description.phases) == len(volumes)
    for row, volume in zip(description.phases, volumes, strict=True):
        np.testing.assert_array_equal(row.source.load().data, volume)


def test_interleaved_phases_of_one_series(tmp_path: Path) -> None:
    volumes = write_interleaved(tmp_path, Geometry(SAGITTAL))
    description = describe_exam(tmp_path)
    assert_phases(description, volumes)
    assert [row.time_s for row in description.phases] == [0, 120, 240]
    assert description.times_from == "pre"
    assert (description.pre_index, description.pre_why) == (0, "the earliest phase")


def test_drifting_times_and_shared_acquisition_numbers(tmp_path: Path) -> None:
    """As I-SPY1: no header element is constant within each phase; InstanceNumber decides."""
    volumes = [phase_array(phase) for phase in range(3)]
    for phase, volume in enumerate(volumes):
        for index in range(DEPTH):
            write_phase(
                tmp_path,
                volume,
                first_instance=1 + phase * DEPTH,
                skip=[k for k in range(DEPTH) if k != index],
                clock=f"10{4 * phase:02d}{index // 3:02d}",
                AcquisitionNumber=min(phase * 2, 2),
            )
    description = describe_exam(tmp_path)
    assert_phases(description, volumes)
    assert "counted off by InstanceNumber" in description.phases[0].why
    assert "do not overlap" in description.phases[0].why
    assert [row.time_s for row in description.phases] == [0, 240, 480]


def test_slice_by_slice_numbering_and_shuffled_names(tmp_path: Path) -> None:
    """Instances numbered position by position, not phase by phase, in files of any name."""
    volumes = [phase_array(phase) for phase in range(3)]
    names = list(range(3 * DEPTH))
    random.Random(1).shuffle(names)
    for phase, volume in enumerate(volumes):
        for index in range(DEPTH):
            (file,) = write_phase(
                tmp_path,
                volume,
                first_instance=1 + 3 * index + phase - index,
                skip=[k for k in range(DEPTH) if k != index],
                clock="100000",
                TemporalPositionIdentifier=phase + 1,
                TemporalResolution=90000.0,
            )
            file.rename(tmp_path / f"x{names.pop()}.anything")
    description = describe_exam(tmp_path)
    assert_phases(description, volumes)
    assert "TemporalPositionIdentifier" in description.phases[0].why
    assert [row.time_s for row in description.phases] == [0, 90, 180]


@pytest.mark.parametrize(
    "tag", ["TriggerTime", "AcquisitionNumber", "TemporalPositionIdentifier", "ContentTime"]
)
def test_each_element_can_tell_phases_apart(tmp_path: Path, tag: str) -> None:
    volumes = [phase_array(phase) for phase in range(2)]
    for phase, volume in enumerate(volumes):
        value = f"10{phase:02d}00" if tag == "ContentTime" else 60000 * (phase + 1)
        # Instance numbers run against time, so that only the element can be right.
        write_phase(tmp_path, volume, first_instance=1 + (1 - phase) * DEPTH, **{tag: value})
    description = describe_exam(tmp_path)
    assert_phases(description, volumes)
    assert tag in description.phases[0].why


def many_series(folder: Path, numbers: tuple[int, ...] = (2, 4, 7)) -> list[np.ndarray]:
    volumes = [phase_array(phase) for phase in range(len(numbers))]
    for phase, (number, volume) in enumerate(zip(numbers, volumes, strict=True)):
        write_phase(
            folder / f"s{number}",
            volume,
            series=number,
            clock=f"10{phase:02d}30",
            SeriesDescription="ax dyn pre" if phase == 0 else f"ax dyn pass {phase}",
            reverse=bool(phase % 2),
        )
    return volumes


def test_many_series_are_one_dynamic_exam(tmp_path: Path) -> None:
    volumes = many_series(tmp_path, (12, 4, 7))
    description = describe_exam(tmp_path)
    assert_phases(description, volumes)
    assert [row.series_number for row in description.phases] == [12, 4, 7]
    assert "3 T1 series" in description.dynamic_why
    assert description.pre_why == "its series description says pre-contrast"


def test_pre_in_one_series_and_posts_in_another(tmp_path: Path) -> None:
    pre = phase_array(5)
    write_phase(tmp_path, pre, series=2, clock="095500")
    posts = write_interleaved(tmp_path, series=3)
    description = describe_exam(tmp_path)
    assert_phases(description, [pre, *posts])
    assert [row.time_s for row in description.phases] == [0, 300, 420, 540]


def test_other_series_are_named_and_not_used(tmp_path: Path) -> None:
    many_series(tmp_path)
    others = {
        20: {"EchoTime": 90.0, "RepetitionTime": 4000.0, "SeriesDescription": "T2 tse"},
        21: {"ScanningSequence": "EP", "SeriesDescription": "ep2d"},
        22: {"ImageType": ["DERIVED", "SECONDARY", "SUB"], "SeriesDescription": "sub 1"},
        23: {"SeriesDescription": "localizer"},
        24: {"FlipAngle": 3.0, "SeriesDescription": "T1 map"},
        25: {"Modality": "CT"},
    }
    for number, tags in others.items():
        write_phase(tmp_path, phase_array(0), series=number, clock="110000", **tags)
    description = describe_exam(tmp_path)
    roles = {row.series.number: row.role for row in description.series}
    assert [n for n, role in roles.items() if role == "dynamic"] == [2, 4, 7]
    assert roles[22] == "derived map"
    assert roles[24] == "T1, not used"
    assert {roles[n] for n in (20, 21, 23, 25)} == {"other"}
    assert all(row.why for row in description.series)
    assert [found.series_number for found in description.maps] == [22]


def test_contrast_agent_tells_the_pre_phase(tmp_path: Path) -> None:
    for phase in range(4):
        agent = "Gd" if phase >= 2 else None
        write_phase(
            tmp_path,
            phase_array(phase),
            series=phase + 1,
            clock=f"10{phase:02d}00",
            ContrastBolusAgent=agent,
        )
    description = describe_exam(tmp_path)
    assert (description.pre_index, len(description.phases)) == (1, 4)
    assert "no contrast agent" in description.pre_why
    case = exam_case(description)
    assert len(case.phases) == 3
    assert case.times_s == (0, 60, 120)
    np.testing.assert_array_equal(case.pre.load().data, phase_array(1))
    assert "1 phase(s) before" in " ".join(description.warnings)


def test_bolus_time_makes_times_relative_to_the_injection(tmp_path: Path) -> None:
    write_interleaved(tmp_path, ContrastBolusStartTime="100030")
    description = describe_exam(tmp_path)
    assert description.times_from == "injection"
    assert [row.time_s for row in description.phases] == [-30, 90, 210]


def test_one_volume_is_an_exam_of_one_phase(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0))
    case = exam_case(describe_exam(tmp_path))
    assert len(case.phases) == 1
    np.testing.assert_array_equal(case.pre.load().data, phase_array(0))


@pytest.mark.parametrize(
    ("tags", "sign"),
    [
        ({}, None),
        ({"ContrastBolusAgent": "Gd"}, "names a contrast agent"),
        ({"SeriesDescription": "T1 fs POST"}, 'described as "T1 fs POST"'),
        ({"SeriesDescription": "t1_fl3d +C"}, "described as"),
        ({"SeriesDescription": "T1 posterior"}, None),
        ({"TemporalPositionIdentifier": 2}, "temporal position is 2"),
        ({"first_instance": 1 + DEPTH}, f"numbered from {1 + DEPTH}"),
        ({"first_instance": DEPTH}, None),
        ({"first_instance": 1 + DEPTH, "SeriesDescription": "T1 pre"}, None),
        ({"clock": "100500", "ContrastBolusStartTime": "100000"}, "300 s after the contrast"),
        ({"clock": "100005", "ContrastBolusStartTime": "100000"}, None),
    ],
)
def test_a_lone_phase_tells_signs_of_contrast(tmp_path: Path, tags: dict, sign: str | None) -> None:
    write_phase(tmp_path, phase_array(0), **{"clock": "100000", **tags})
    description = describe_exam(tmp_path)
    case = exam_case(description)
    if sign is None:
        assert (case.doubt, description.warnings) == (None, ())
    else:
        assert sign in case.doubt
        assert case.doubt in description.warnings
        assert describe_exam(tmp_path, pre=0).pre_doubt is None


def test_an_exam_without_its_first_phase_is_doubted(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    assert describe_exam(tmp_path).pre_doubt is None
    for file in tmp_path.iterdir():
        if int(file.name[-5:]) <= DEPTH:
            file.unlink()
    description = describe_exam(tmp_path)
    assert len(description.phases) == 2
    assert f"numbered from {1 + DEPTH}" in description.pre_doubt


def test_phases_taken_out_of_a_real_exam(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "ispy1_1002" / "ISPY1_1002.zip") as archive:
        archive.extractall(tmp_path / "all")
    whole = describe_exam(tmp_path / "all")
    assert whole.pre_doubt is None
    for number, phase in enumerate(whole.phases):
        lone = tmp_path / f"phase{number}"
        lone.mkdir()
        for instance in phase.source.stack.instances:
            shutil.copy(instance.file.container, lone)
        assert (describe_exam(lone).pre_doubt is None) == (number == 0)


def test_loading_pre_reads_no_other_pixels(tmp_path: Path) -> None:
    write_interleaved(tmp_path / "good")
    shutil.copytree(tmp_path / "good", tmp_path / "bad")
    for file in (tmp_path / "bad").iterdir():
        instance = int(file.name[-5:])
        if instance > DEPTH:  # post-contrast: the pixels are the last bytes of the file
            content = file.read_bytes()
            file.write_bytes(content[: len(content) - 50])
    good, bad = (exam_case(describe_exam(tmp_path / name)) for name in ("good", "bad"))
    np.testing.assert_array_equal(good.pre.load().data, bad.pre.load().data)
    assert good.pre.digest() == bad.pre.digest()
    with pytest.raises(InputError, match="cannot be read"):
        bad.phases[1].load()


def test_overrides(tmp_path: Path) -> None:
    volumes = many_series(tmp_path)
    described = describe_exam(tmp_path, series=[4, 7], pre=1, times=[-60, 0])
    assert_phases(described, volumes[1:])
    assert described.dynamic_why == "chosen by the user"
    assert (described.pre_index, described.pre_why) == (1, "chosen by the user")
    assert described.times_from == "pre"
    assert describe_exam(tmp_path, times=[-5, 60, 120]).times_from == "injection"
    assert len(describe_exam(tmp_path, phases=3).phases) == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"series": [99]}, "no image series 99; there are: 2, 4, 7"),
        ({"phases": 4}, "4 phases are asked for"),
        ({"pre": 3}, "no phase 3"),
        ({"times": [0, 1]}, "2 acquisition times are given for 3 phases"),
        ({"times": [0, 2, 1]}, "do not rise"),
    ],
)
def test_overrides_that_do_not_fit(
    tmp_path: Path, override: dict[str, object], message: str
) -> None:
    many_series(tmp_path)
    with pytest.raises(InputError, match=message):
        describe_exam(tmp_path, **override)


def test_chosen_series_on_different_grids(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0), series=1)
    write_phase(tmp_path, phase_array(0), Geometry(rows_mm=1.0), series=2)
    with pytest.raises(GeometryError, match="different grids"):
        describe_exam(tmp_path, series=[1, 2])


def test_a_rival_exam_is_mentioned(tmp_path: Path) -> None:
    many_series(tmp_path)
    shifted = Geometry(origin=(100.0, 0.0, 0.0))
    for number in (31, 32):
        write_phase(tmp_path, phase_array(0), shifted, series=number, clock=f"12{number}00")
    description = describe_exam(tmp_path)
    assert len(description.phases) == 3
    assert any("series 31" in warning for warning in description.warnings)


def test_two_patients(tmp_path: Path) -> None:
    write_phase(tmp_path / "a", phase_array(0), patient="P1")
    write_phase(tmp_path / "b", phase_array(0), patient="P2")
    with pytest.raises(InputError, match=r"2 patients \(P1, P2\)"):
        describe_exam(tmp_path)


def test_earliest_of_several_studies(tmp_path: Path) -> None:
    for study, day in (("later", "20240601"), ("baseline", "20240102")):
        write_interleaved(tmp_path / study, study=study, StudyDate=day)
    description = describe_exam(tmp_path)
    assert description.study_date == "20240102"
    assert any("2 studies" in warning for warning in description.warnings)


def test_missing_slice_of_one_phase_says_which(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    (tmp_path / f"IM003{DEPTH + 4:05d}").unlink()
    with pytest.raises(InputError, match=r"phase 2 lacks the slice at 46\.0 mm.*instance 4"):
        describe_exam(tmp_path)


def test_slice_missing_from_all_phases(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    for phase in range(3):
        (tmp_path / f"IM003{phase * DEPTH + 4:05d}").unlink()
    with pytest.raises(InputError, match="a slice is missing between instance 3"):
        describe_exam(tmp_path)


def test_missing_end_slice_of_one_of_several_series(tmp_path: Path) -> None:
    many_series(tmp_path)
    (tmp_path / "s7" / f"IM007{DEPTH:05d}").unlink()
    with pytest.raises(InputError, match=r"series 7 .*has 7 slices and series 2 .* 8 of the same"):
        describe_exam(tmp_path)
    assert len(describe_exam(tmp_path, series=[2, 4]).phases) == 2


def test_damaged_series_of_the_exam_is_not_passed_over(tmp_path: Path) -> None:
    many_series(tmp_path)
    (tmp_path / "s4" / "IM00400004").unlink()
    with pytest.raises(InputError, match=r"series 4 .*missing between"):
        describe_exam(tmp_path)


def test_extra_image_at_a_position(tmp_path: Path) -> None:
    write_interleaved(tmp_path)
    write_phase(
        tmp_path, phase_array(9), first_instance=500, skip=[k for k in range(DEPTH) if k != 2]
    )
    with pytest.raises(InputError, match=r"occurs 4 times .* the others 3 times"):
        describe_exam(tmp_path)


def test_nothing_usable(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0), EchoTime=100.0)
    with pytest.raises(InputError, match=r"no T1-weighted volume .*T2-weighted"):
        describe_exam(tmp_path)
    assert len(describe_exam(tmp_path, series=[3]).phases) == 1


def test_masks_are_chosen_by_series(tmp_path: Path) -> None:
    geometry = Geometry(SAGITTAL)
    volumes = write_interleaved(tmp_path, geometry)
    plane = volumes[0][:, :, 3].T % 2 == 0
    save(segmentation([(geometry.position(3), plane, 1)], geometry), tmp_path / "seg")
    description = describe_exam(tmp_path)
    assert [s.series_number for s in description.segmentations] == [900]
    case = exam_case(description, tumour=900)
    assert case.tumour is not None
    np.testing.assert_array_equal(case.tumour.load().data[:, :, 3].T, plane)
    assert case.breast is None
    with pytest.raises(InputError, match=r"no segmentation series 5; there are: 900 \(outline\)"):
        exam_case(description, breast=5)


def test_hostile_patient_id_makes_a_harmless_name(tmp_path: Path) -> None:
    write_phase(tmp_path, phase_array(0), patient="../../etc/x y")
    assert exam_case(describe_exam(tmp_path)).name == "etc_x_y"


@pytest.fixture(scope="module")
def real_exam(shared_data: Path) -> ExamDescription:
    return describe_exam(shared_data / "ispy1_1002" / "ISPY1_1002.zip")


def test_real_exam_is_understood(real_exam: ExamDescription) -> None:
    assert real_exam.times_from == "injection"
    times = [row.time_s for row in real_exam.phases]
    assert times == pytest.approx([-280, 143, 488], abs=0.5)
    assert real_exam.pre_index == 0
    assert [row.series.number for row in real_exam.series if row.role == "dynamic"] == [3]
    assert [found.series_number for found in real_exam.maps] == [31000, 31001]
    assert len(real_exam.segmentations) == 4
    assert real_exam.grid.shape == (256, 256, 60)
    assert real_exam.grid.axis_codes == "PIR"
    assert real_exam.warnings == ()


def test_real_phases_give_the_stored_enhancement_map(real_exam: ExamDescription) -> None:
    """PE1 is stored as the integer part of 100 (S1 - S0) / S0, and 0 where it is not computed."""
    pre, post = (real_exam.phases[i].source.load().data.astype(float) for i in (0, 1))
    stored = real_exam.maps[1].source.load().data
    known = stored > 0
    computed = 100.0 * (post[known] - pre[known]) / pre[known]
    assert known.sum() > 50_000
    np.testing.assert_array_equal(np.floor(computed + 1e-9), stored[known])


def test_real_outline_lies_on_the_mass(real_exam: ExamDescription) -> None:
    case = exam_case(real_exam, tumour=32100)
    assert case.tumour is not None
    mask = case.tumour.load()
    assert mask.grid.difference(case.pre.load().grid) is None
    inside = mask.data > 0
    assert inside.sum() == 4350
    curve = [float(phase.load().data[inside].mean()) for phase in case.phases]
    assert curve == pytest.approx([65, 147, 138], abs=1)
    # The outline is thresholded at PE 70: half a pixel's error would let lower values in.
    assert real_exam.maps[1].source.load().data[inside].min() >= 70
    # Volume of interest as stated in the private elements (0117,10A1) and (0117,10A2).
    index = np.argwhere(inside)
    assert (index.min(0) >= [94, 108, 30]).all()
    assert (index.max(0) <= [155, 170, 50]).all()


def test_real_pre_phase_alone_needs_only_its_files(
    shared_data: Path, real_exam: ExamDescription, tmp_path: Path
) -> None:
    """The post-contrast pixels of the real exam are made unreadable; pre loads identically."""
    posts = {
        instance.file.member
        for row in real_exam.phases[1:]
        for instance in row.source.stack.instances
    }
    copy = tmp_path / "exam.zip"
    with zipfile.ZipFile(real_exam.path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            if "Dynamic-3dfgre-" in name:
                content = source.read(name)
                target.writestr(name, content[:-1000] if name in posts else content)
    case = exam_case(describe_exam(copy))
    np.testing.assert_array_equal(case.pre.load().data, real_exam.phases[0].source.load().data)
    with pytest.raises(InputError):
        case.phases[2].load()


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_give_a_sentence_and_never_a_crash(tmp_path: Path, seed: int) -> None:
    write_interleaved(tmp_path, count=2)
    draw = random.Random(seed)
    files = sorted(tmp_path.iterdir())
    refused = []
    for _ in range(25):
        file = draw.choice(files)
        whole = file.read_bytes()
        content = bytearray(whole)
        for _ in range(draw.choice([1, 3, 20])):
            content[draw.randrange(128, len(content))] = draw.randrange(256)
        file.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        try:
            case = exam_case(describe_exam(tmp_path))
            for phase in case.phases:
                phase.load()
        except HcnetError as error:
            refused.append(str(error))
        file.write_bytes(whole)
    assert len(refused) > 5
    assert not any("\n" in message for message in refused)
