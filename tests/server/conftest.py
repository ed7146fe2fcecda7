import numpy as np
import pytest
from server_parts import FAKE_CHILD, client_of, look_here, probability, volume, write_result

from hcnet.server.settings import ServerSettings
from hcnet.volumes.nifti import write_nifti


@pytest.fixture
def result(tmp_path):
    return write_result(tmp_path / "out")


@pytest.fixture
def settings(tmp_path, result, monkeypatch):
    """A server that shows one result; it can queue jobs though there is no bundle."""
    monkeypatch.setattr("hcnet.server.exams.run_child", look_here)
    monkeypatch.setattr("hcnet.server.state._bundle_facts", _no_bundle)
    return ServerSettings(
        workspace=tmp_path / "work",
        results=(result,),
        bundle=tmp_path / "bundle",
        child=FAKE_CHILD,
        largest_upload=4_000_000,
    )


def _no_bundle(path):
    from hcnet.server.models import BundleFacts

    return BundleFacts(name="none", licence="none", threshold=0.5)


@pytest.fixture
def client(settings):
    with client_of(settings) as opened:
        yield opened


@pytest.fixture
def nifti(tmp_path):
    """A NIfTI image as bytes."""
    path = tmp_path / "image.nii.gz"
    write_nifti(volume((100 * (1 + probability())).astype(np.int16)), path)
    return path.read_bytes()
