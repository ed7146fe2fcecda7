"""The whole way through a real archive: Orthanc with its DICOMweb plugin, on the loopback."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from pacs_exam import read_all, segment
from pacs_programs import free_port, listens, program, serving
from pydicom.uid import JPEGLSLossless, RLELossless
from typer.testing import CliRunner

from dicom_factory import phase_array, write_phase
from hcnet.cli.main import app
from hcnet.cohorts.open import open_case
from hcnet.errors import ServerError
from hcnet.inference.names import DICOM_FILES
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.headers import scan
from hcnet.volumes.dicom.pixels import read_objects
from hcnet.volumes.dicom.segmentation import read_segmentation
from hcnet.volumes.nifti import read_nifti

pytestmark = pytest.mark.slow

PLUGINS = Path("/usr/share/orthanc/plugins"), Path("/usr/local/share/orthanc/plugins")
USER, PASSWORD = "tester", "s3cret word"


@dataclass(frozen=True)
class Orthanc:
    web: str
    dimse: str

    def client(self) -> DICOMwebClient:
        """An independent client, to look from the other side."""
        session = requests.Session()
        session.auth = (USER, PASSWORD)
        return DICOMwebClient(self.web, session)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    path = program("Orthanc", "orthanc")
    plugins = [p for folder in PLUGINS for p in folder.glob("libOrthancDicomWeb.so*")]
    if not plugins:
        pytest.skip("Orthanc's DICOMweb plugin (Debian package orthanc-dicomweb) is not installed")
    folder = tmp_path_factory.mktemp("orthanc")
    http, dicom = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "Plugins": [str(plugins[0])],
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [path, str(folder / "settings.json")]
    with serving(command, lambda: listens(http) and listens(dicom), folder / "log"):
        yield Orthanc(f"http://127.0.0.1:{http}/dicom-web", f"dicom://ORTHANC@127.0.0.1:{dicom}")


@pytest.fixture(autouse=True)
def _credentials(_bare_environment, monkeypatch):
    monkeypatch.setenv("HCNET_PACS_USER", USER)
    monkeypatch.setenv("HCNET_PACS_PASSWORD", PASSWORD)


def pacs(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["pacs", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def there_and_back(
    orthanc: Orthanc, exam: Path, bundle: Path, folder: Path
) -> list[pydicom.Dataset]:
    """Store an exam, retrieve and segment it, store the results, read them back; the results."""
    pacs("push", orthanc.dimse, exam)
    sent = scan(exam).instances
    patient, study = sent[0].patient, sent[0].study_uid
    (found,) = json.loads(pacs("find", orthanc.web, "--patient", patient, "--json"))
    assert (found["uid"], found["instances"]) == (study, len(sent))
    pacs("pull", orthanc.web, folder / "web", "--patient", patient)
    by_uid = {instance.sop_uid: instance.file for instance in sent}
    received = scan(folder / "web").instances
    assert {i.sop_uid for i in received} == set(by_uid)
    ours = read_objects([by_uid[i.sop_uid] for i in received])
    theirs = read_objects([i.file for i in received])
    assert all(a == b for a, b in zip(ours, theirs, strict=True))

    segment(folder / "web", bundle, folder / "out")
    objects = [folder / "out" / name for name in DICOM_FILES]
    pacs("push", orthanc.web, *objects)
    made = [pydicom.dcmread(path) for path in objects]
    client = orthanc.client()
    series = client.search_for_series(study, fields=["Modality"])
    listed = {s["0020000E"]["Value"][0]: s["00080060"]["Value"][0] for s in series}
    for dataset in made:
        assert listed[str(dataset.SeriesInstanceUID)] == dataset.Modality
        back = client.retrieve_instance(study, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        assert back == dataset
    return made


def test_a_real_exam(orthanc, shared_data, tiny_run, tmp_path):
    exam = shared_data / "ispy1_1002" / "ISPY1_1002.zip"
    there_and_back(orthanc, exam, tiny_run / "bundle", tmp_path)


def test_a_generated_exam(orthanc, breast_exam, tiny_run, tmp_path):
    made = there_and_back(orthanc, breast_exam, tiny_run / "bundle", tmp_path)
    # And the exam with its results comes back over the other protocol, to be read by hcnet.
    folder = tmp_path / "dimse"
    pacs("pull", orthanc.dimse, folder, "--study", made[0].StudyInstanceUID)
    assert len(list(folder.iterdir())) == len(list(breast_exam.iterdir())) + len(made)
    for dataset in made:
        assert pydicom.dcmread(folder / f"{dataset.SOPInstanceUID}.dcm") == dataset
    tumour = DicomFile(folder / f"{made[0].SOPInstanceUID}.dcm")
    mask = read_segmentation(tumour, open_case(folder).pre.stack.grid).data
    assert mask.any()
    np.testing.assert_array_equal(mask, read_nifti(tmp_path / "out" / "tumour.nii.gz").data)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_images_stay_compressed(orthanc, tmp_path, syntax):
    patient = f"P{syntax.name}".replace(" ", "")[:12]
    for path in write_phase(tmp_path / "exam", phase_array(3), patient=patient, study=patient):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
    pacs("push", orthanc.web, tmp_path / "exam")
    sent = read_all(tmp_path / "exam")
    for server in (orthanc.web, orthanc.dimse):
        folder = tmp_path / server.partition(":")[0]
        pacs("pull", server, folder, "--patient", patient)
        back = read_all(folder)
        assert {d.file_meta.TransferSyntaxUID for d in back} == {syntax}
        assert back == sent
        np.testing.assert_array_equal(open_case(folder).pre.load().data, phase_array(3))


def test_the_archive_wants_a_password(orthanc, tmp_path, monkeypatch, breast_exam):
    monkeypatch.setenv("HCNET_PACS_PASSWORD", "wrong")
    for arguments in (["find", orthanc.web, "--patient", "P1"], ["push", orthanc.web, breast_exam]):
        result = CliRunner().invoke(app, ["pacs", *map(str, arguments)])
        assert isinstance(result.exception, ServerError)
        assert "refuses our credentials" in str(result.exception)
