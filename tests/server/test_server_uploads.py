"""Exams that are sent: what is taken, what is refused, what is found in them."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from server_parts import client_of, probability, volume, wait_for

from dicom_factory import Geometry, write_interleaved
from hcnet.server.uploads import phase_order, plain_name, plain_path
from hcnet.volumes.nifti import read_nifti, write_nifti


def send(client, content, name="exam.nii.gz"):
    return client.put("/api/upload", content=content, params={"name": name})


def ready(client, exam):
    """The exam once it was read."""
    where = f"/api/exams/{exam['id']}"
    wait_for(lambda: client.get(where).json()["state"] != "reading")
    return client.get(where).json()


def zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.fixture
def dicom(tmp_path):
    write_interleaved(tmp_path / "dicom", Geometry())
    return {p.name: p.read_bytes() for p in sorted((tmp_path / "dicom").iterdir())}


def test_a_nifti_is_read_and_can_be_looked_at(client, nifti, tmp_path):
    exam = ready(client, send(client, nifti, "../../my scan.nii.gz").json())
    assert exam["name"] == "my scan.nii.gz"
    assert exam["state"] == "ready"
    (phase,) = exam["found"]["phases"]
    assert phase["location"] == "my scan.nii.gz"
    assert str(tmp_path) not in str(exam)
    image = client.get(f"/api/exams/{exam['id']}/pre.nii.gz").content
    (tmp_path / "back.nii.gz").write_bytes(image)
    expected = (100 * (1 + probability())).astype(np.int16)
    assert np.array_equal(read_nifti(tmp_path / "back.nii.gz").data, expected)


def test_phases_are_ordered_by_name_and_give_curves(client, tmp_path):
    base = (100 * (1 + probability())).astype(np.int16)
    draft = client.post("/api/uploads").json()["id"]
    sent = {"x_10.nii.gz": 3, "tumour_mask.nii.gz": 9, "x_2.nii.gz": 2, "x_pre.nii.gz": 1}
    for number, (name, factor) in enumerate(sent.items()):
        write_nifti(volume(base * factor), tmp_path / name)
        answer = client.put(
            f"/api/uploads/{draft}/files/{number}",
            content=(tmp_path / name).read_bytes(),
            params={"name": name},
        )
        assert answer.json() == {"kind": "nifti"}
    exam = client.post(f"/api/uploads/{draft}/complete", params={"name": "folder"}).json()
    found = ready(client, exam)["found"]
    assert [p["location"] for p in found["phases"]] == ["x_pre.nii.gz", "x_2.nii.gz", "x_10.nii.gz"]
    curve = client.get(f"/api/exams/{exam['id']}/curve", params={"i": 5, "j": 6, "k": 4}).json()
    value = int(base[5, 6, 4])
    assert curve["signal"] == [value, 2 * value, 3 * value]
    assert curve["enhancement"] == [0, 1, 2]
    assert curve["times_s"] is None
    outside = client.get(f"/api/exams/{exam['id']}/curve", params={"i": 12, "j": 0, "k": 0})
    assert outside.status_code == 422


def test_a_dicom_exam_comes_as_a_zip_or_file_by_file(client, dicom):
    exam = ready(client, send(client, zipped(dicom), "exam.zip").json())
    assert exam["found"]["kind"] == "dicom"
    assert len(exam["found"]["phases"]) == 3
    assert exam["found"]["path"] == "exam.zip"
    draft = client.post("/api/uploads").json()["id"]
    dicom["readme.txt"] = b"not an image"
    for number, (name, content) in enumerate(dicom.items()):
        answer = client.put(
            f"/api/uploads/{draft}/files/{number}", content=content, params={"name": name}
        )
        assert answer.json()["kind"] == (None if name == "readme.txt" else "dicom")
    other = ready(client, client.post(f"/api/uploads/{draft}/complete").json())
    assert other["found"]["phases"] == exam["found"]["phases"]


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 415, "Neither NIfTI"),
    "text": (b"hello " * 100, 415, "Neither NIfTI"),
    "gzip": (b"\x1f\x8b broken gzip", 415, "Neither NIfTI"),
    "other": (gzip.compress(b"no image" * 100), 415, "Neither NIfTI"),
    "no zip": (b"PK\x03\x04 no zip", 415, "Neither NIfTI"),
    "empty zip": (zipped({}), 415, "Neither NIfTI"),
    "leads out": (zipped({"../../out.dcm": b"x"}), 422, "path outside the zip"),
    "big": (bytes(4_000_001), 413, "larger"),
}


def test_what_is_no_exam_is_refused_and_not_kept(client, settings):
    bomb = {"bomb": (zipped({"zeros": bytes(300 << 20)}), 422, "which no exam does")}
    for what, (content, status, text) in (REFUSED | bomb).items():
        answer = send(client, content, "scan.nii.gz")
        assert answer.status_code == status, what
        assert text in answer.text
        assert str(settings.workspace) not in answer.text
    assert not list((settings.workspace / "exams").iterdir())


def test_a_nifti_that_would_fill_the_memory_is_refused(client, nifti):
    head = bytearray(gzip.decompress(nifti)[:352])
    head[40:48] = np.array([3, 32000, 32000, 32000], "<i2").tobytes()
    answer = send(client, gzip.compress(bytes(head)))
    assert answer.status_code == 422
    assert "which no exam does" in answer.text


def test_files_together_have_a_limit(client):
    draft = client.post("/api/uploads").json()["id"]
    part = bytes(1_500_000)
    codes = [
        client.put(f"/api/uploads/{draft}/files/{n}", content=part).status_code for n in range(3)
    ]
    assert codes == [200, 200, 413]


def test_a_body_that_is_longer_than_it_says_is_cut(client):
    def endless():
        for _ in range(50):
            yield bytes(100_000)

    assert client.put("/api/upload", content=endless()).status_code == 413


def test_an_exam_that_cannot_be_read_says_why_in_the_users_words(client, dicom, settings):
    del dicom["IM00300012"]
    exam = ready(client, send(client, zipped(dicom), "exam.zip").json())
    assert exam["state"] == "refused"
    assert "lacks the slice" in exam["error"]
    assert str(settings.workspace) not in exam["error"]
    assert client.post("/api/jobs", json={"exam": exam["id"]}).status_code == 409


def test_uploads_survive_a_restart_and_unfinished_ones_do_not(settings, nifti):
    with client_of(settings) as client:
        exam = ready(client, send(client, nifti).json())
        client.put(
            f"/api/uploads/{client.post('/api/uploads').json()['id']}/files/0", content=nifti
        )
    with client_of(settings) as client:
        assert [e["id"] for e in client.get("/api/exams").json()] == [exam["id"]]
        assert ready(client, exam) == exam
        assert client.delete(f"/api/exams/{exam['id']}").status_code == 204
        assert not list((settings.workspace / "exams").iterdir())


def test_names_are_for_show():
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\scans\\a.nii") == "a.nii"
    assert plain_name("a\x00b\nc\u202e") == "a b c"
    assert plain_name("..") == ".."
    assert len(plain_name("x" * 500)) == 120
    assert plain_name("/") == "exam"
    assert plain_path("pre/image.nii.gz") == "pre/image.nii.gz"
    assert plain_path("../../etc/passwd") == plain_path("/etc/passwd") == "etc/passwd"
    assert plain_path("C:\\scans\\..\\..\\a.nii") == "scans/a.nii"
    assert plain_path("a\n/./b\u202e") == "a/b"
    assert plain_path("..") == plain_path("/") == plain_path("") == "exam"


def test_phase_order_is_natural():
    names = dict(enumerate(["a_10.nii", "a_9.nii", "a_0001.nii", "pre.nii", "a_mask.nii"]))
    assert phase_order(names) == [3, 2, 1, 0]
    assert phase_order({0: "tumour.nii"}) == [0]
    inside = ["post10/x.nii", "post9/x.nii", "pre/x.nii", "pre/mask.nii"]
    assert phase_order(dict(enumerate(inside))) == [2, 1, 0]


def test_a_folder_of_cases_is_no_exam(client, nifti):
    draft = client.post("/api/uploads").json()["id"]
    for number, name in enumerate(["images/A/a_0000.nii.gz", "images/B/b_0000.nii.gz"]):
        client.put(f"/api/uploads/{draft}/files/{number}", content=nifti, params={"name": name})
    answer = client.post(f"/api/uploads/{draft}/complete", params={"name": "cohort"})
    assert answer.status_code == 422
    assert "cohort: is a cohort of cases" in answer.text
