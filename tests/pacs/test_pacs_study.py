import pytest
from pydicom.dataset import Dataset

from hcnet.errors import ConfigError
from hcnet.pacs.study import Query, Study, shown
from hcnet.pacs.uids import is_uid
from hcnet.volumes.dicom.values import quiet


@pytest.mark.parametrize("text", ["1", "1.2.840.10008.1.2", "1.02.3", "2." + "9" * 62])
def test_uids(text):
    assert is_uid(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "1.", ".1", "1..2", "../1", "1/2", "1.2\n", "1 2", "1.2.x", "٣.1", "9" * 65],
)
def test_what_could_be_another_path_is_no_uid(text):
    assert not is_uid(text)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"study": "1.2/3"},
        {"patient": " "},
        {"patient": "A\\B"},
        {"patient": "A\nB"},
        {"patient": "x" * 65},
        {"date": "2024"},
        {"date": "-"},
        {"date": "20240230"},
        {"date": "2024010120240201"},
        {"date": "20240301-20240201"},
    ],
)
def test_queries_that_make_no_sense(fields):
    with pytest.raises(ConfigError):
        Query(**fields)


def study(**fields: str) -> Study:
    dataset = Dataset()
    dataset.StudyInstanceUID = "1.2.3"
    with quiet():  # the values of a hostile server
        for name, value in fields.items():
            setattr(dataset, name, value)
    found = Study.from_dataset(dataset)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({"study": "1.2.3"}, True),
        ({"study": "1.2.30"}, False),
        ({"patient": "P1"}, True),
        ({"patient": "P"}, False),
        ({"patient": "p1"}, False),
        ({"patient": "P*"}, True),
        ({"patient": "?1"}, True),
        ({"patient": "P."}, False),
        ({"date": "20240102"}, True),
        ({"date": "20240103"}, False),
        ({"date": "20240101-20240131"}, True),
        ({"date": "-20240101"}, False),
        ({"date": "20240102-"}, True),
        ({"patient": "P1", "date": "20230101"}, False),
    ],
)
def test_what_the_server_should_have_left_out_is_left_out(fields, matches):
    assert Query(**fields).matches(study(PatientID="P1", StudyDate="20240102")) is matches


def test_an_undated_study_matches_no_date():
    assert not Query(date="-20240101").matches(study(PatientID="P1"))


def test_a_study_without_a_legal_uid_is_none():
    dataset = Dataset()
    dataset.PatientID = "P1"
    assert Study.from_dataset(dataset) is None


def test_words_of_a_server_cannot_steer_the_terminal():
    name = study(PatientName="Eve\x1b[2J^X", StudyDescription="long " * 40)
    assert "\x1b" not in name.name + str(name)
    assert len(name.description) < 90
    assert shown("Müller") == "Müller"
