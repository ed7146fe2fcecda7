"""Archives of the tests, and an environment without credentials or proxies."""

from pathlib import Path

import numpy as np
import pytest
from pacs_dimse import DimseArchive
from pacs_exam import segment, write_exam
from pacs_http import WebArchive
from pynetdicom.transport import AssociationSocket

from dicom_factory import OBLIQUE, Geometry, write_phase
from hcnet.pacs.server import open_server


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in ("HCNET_PACS_USER", "HCNET_PACS_PASSWORD", "HCNET_PACS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session", autouse=True)
def _closed_sockets():
    """pynetdicom leaves a socket to the garbage collector if its other side has closed first."""
    shut_down = AssociationSocket._shutdown_socket

    def and_close(self: AssociationSocket) -> None:
        left = self.socket
        shut_down(self)
        if left is not None:
            left.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AssociationSocket, "_shutdown_socket", and_close)
        yield


@pytest.fixture(scope="session")
def exam(tmp_path_factory):
    """Folder of a small exam; read only."""
    folder = tmp_path_factory.mktemp("pacs") / "exam"
    write_exam(folder)
    return folder


@pytest.fixture
def web():
    """A DICOMweb service to fill."""
    archive = WebArchive().start()
    yield archive
    archive.stop()


@pytest.fixture(scope="session")
def stopping():
    """Servers that are on their way out; waited for once."""
    threads = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.fixture
def dimse(stopping):
    """A DIMSE archive to fill and to `start`."""
    archive = DimseArchive()
    yield archive
    if archive.port:
        stopping.append(archive.stop())


@pytest.fixture
def connect():
    """The client of an archive."""
    return lambda archive: open_server(archive.address, "HCNET")


@pytest.fixture(scope="session")
def breast_exam(tiny_cohort, tmp_path_factory) -> Path:
    """A phantom's pre-contrast volume as an oblique DICOM exam that can be segmented; read only."""
    folder = tmp_path_factory.mktemp("breast") / "exam"
    pre = tiny_cohort.cases[0].pre.load()
    x, y, z = pre.spacing
    geometry = Geometry(OBLIQUE, rows_mm=y, columns_mm=x, step_mm=z)
    write_phase(folder, np.rint(pre.data).astype(np.int16), geometry, reverse=True)
    return folder


@pytest.fixture(scope="session")
def results(breast_exam, tiny_run, tmp_path_factory) -> Path:
    """Folder of what `hcnet segment` makes of `breast_exam`; read only."""
    out = tmp_path_factory.mktemp("results") / "out"
    segment(breast_exam, tiny_run / "bundle", out)
    return out
