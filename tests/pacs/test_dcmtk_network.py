"""Our client against DCMTK's servers, and DCMTK's clients against the same servers."""

from contextlib import ExitStack
from pathlib import Path

import pydicom
import pytest
from pacs_exam import read_all, same
from pacs_programs import dcmtk, free_port, listens, program, serving
from typer.testing import CliRunner

from dicom_factory import phase_array, write_phase
from hcnet.cli.main import app
from hcnet.errors import ServerError
from hcnet.inference.names import DICOM_FILES

pytestmark = pytest.mark.slow


def pacs(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["pacs", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def storescp(tmp_path):
    """Starts DCMTK's storage server with options; gives its port and the folder it fills."""
    path = program("storescp", "dcmtk")
    with ExitStack() as stack:

        def start(*options: str) -> tuple[int, Path]:
            port, folder = free_port(), tmp_path / "stored"
            folder.mkdir()
            command = [path, *options, "-od", str(folder), str(port)]
            stack.enter_context(serving(command, lambda: listens(port), tmp_path / "log"))
            return port, folder

        yield start


def test_storescp_takes_exam_and_results(storescp, breast_exam, results):
    port, folder = storescp("+xa", "+B")  # all syntaxes, written as received
    objects = [results / name for name in DICOM_FILES]
    pacs("push", f"dicom://ANY@127.0.0.1:{port}", breast_exam, *objects)
    sent = [*read_all(breast_exam), *map(pydicom.dcmread, objects)]
    assert read_all(folder) == sorted(sent, key=lambda dataset: str(dataset.SOPInstanceUID))


def test_storescp_that_takes_implicit_only(storescp, results):
    port, folder = storescp("+xi")
    pacs("push", f"dicom://ANY@127.0.0.1:{port}", results / "tumour.dcm")
    (stored,) = read_all(folder)
    assert stored.file_meta.TransferSyntaxUID.name == "Implicit VR Little Endian"
    sent = pydicom.dcmread(results / "tumour.dcm")
    assert stored.PixelData == sent.PixelData
    assert same(stored, sent)


def test_storescp_that_takes_no_compression(storescp, tmp_path):
    port, folder = storescp("+xe")
    write_phase(tmp_path / "rle", phase_array(0)[..., :2], compressed=True)
    address = f"dicom://ANY@127.0.0.1:{port}"
    result = CliRunner().invoke(app, ["pacs", "push", address, str(tmp_path / "rle")])
    assert isinstance(result.exception, ServerError)
    assert "not stored, it does not take MR Image Storage as RLE Lossless" in result.stderr
    assert not list(folder.iterdir())


@pytest.fixture
def dcmqrscp(tmp_path):
    """DCMTK's archive; gives its port. It knows us, and DCMTK's clients, as any."""
    path, port = program("dcmqrscp", "dcmtk"), free_port()
    (tmp_path / "archive").mkdir()
    settings = [
        f"NetworkTCPPort = {port}",
        "MaxPDUSize = 16384",
        "MaxAssociations = 16",
        "HostTable BEGIN",
        "nobody = (NOBODY, localhost, 1)",  # an empty table is refused
        "HostTable END",
        "VendorTable BEGIN",
        "VendorTable END",
        "AETable BEGIN",
        f"ARCHIVE {tmp_path / 'archive'} RW (9, 1024mb) ANY",
        "AETable END",
    ]
    (tmp_path / "settings").write_text("\n".join(settings) + "\n")
    command = [path, "-c", str(tmp_path / "settings"), "--disable-host-lookup"]
    with serving(command, lambda: listens(port), tmp_path / "log"):
        yield port


def test_an_archive_shared_with_other_clients(dcmqrscp, exam, results, tmp_path):
    """storescu brings the exam, we take it and bring results, findscu and getscu see them."""
    peer = ("-aec", "ARCHIVE", "127.0.0.1", dcmqrscp)
    address = f"dicom://ARCHIVE@127.0.0.1:{dcmqrscp}"
    dcmtk("storescu", "+sd", *peer, exam)
    pacs("pull", address, tmp_path / "exam", "--patient", "P1")
    assert read_all(tmp_path / "exam") == read_all(exam)
    pacs("push", address, results / "tumour.dcm")
    made = pydicom.dcmread(results / "tumour.dcm")
    keys = ["QueryRetrieveLevel=IMAGE", f"StudyInstanceUID={made.StudyInstanceUID}"]
    keys.append(f"SeriesInstanceUID={made.SeriesInstanceUID}")
    options = [part for key in [*keys, "SOPInstanceUID"] for part in ("-k", key)]
    assert made.SOPInstanceUID in dcmtk("findscu", "-S", *options, *peer)
    (tmp_path / "got").mkdir()
    options = [part for key in keys for part in ("-k", key)]
    dcmtk("getscu", "-S", "-od", tmp_path / "got", *options, *peer)
    assert read_all(tmp_path / "got") == [made]
