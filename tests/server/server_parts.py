"""A server without networks: results written by hand, work done by a stand-in for the child."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from hcnet.errors import HcnetError
from hcnet.files import write_json
from hcnet.server.app import create_app
from hcnet.server.look import look_at
from hcnet.server.orders import LookOrder, read_order
from hcnet.server.processes import Ended
from hcnet.server.settings import ServerSettings
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume

SHAPE = (12, 14, 10)
AFFINE = np.array([[0, 0, 2.0, -9], [-1.5, 0, 0, 20], [0, 1.5, 0, 4], [0, 0, 0, 1]])
"""Sagittal slices of 2 mm, axes P, S and R."""
VOXEL_ML = 0.0045
SMALLEST_ML = 0.02
LOCAL = "http://127.0.0.1:8765"
FAKE_CHILD = (sys.executable, str(Path(__file__).with_name("fake_child.py")))


def volume(data: np.ndarray) -> Volume:
    return Volume(data, AFFINE)


def probability() -> np.ndarray:
    """A cube that falls off from 0.95 at its middle, and one voxel far away at 0.9."""
    x, y, z = np.indices(SHAPE)
    away = np.maximum(np.maximum(abs(x - 5), abs(y - 6)), abs(z - 4))
    data = np.clip(0.95 - 0.2 * away, 0, 1).astype(np.float32)
    data[0, 0, 9] = 0.9
    return data


def write_result(folder: Path, name: str = "case") -> Path:
    """What `hcnet segment` would leave, as far as the viewer reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = probability()
    labels = np.where(chance > 0, 1 + (chance > 0.5), 1).astype(np.uint8)
    tumour = (chance >= 0.5).astype(np.uint8)
    tumour[0, 0, 9] = 0
    write_nifti(volume((100 * (1 + chance)).astype(np.int16)), folder / "pre.nii.gz")
    write_nifti(volume(tumour), folder / "tumour.nii.gz")
    write_nifti(volume(chance), folder / "tumour_probability.nii.gz")
    write_nifti(volume(labels), folder / "heterogeneity.nii.gz")
    write_nifti(volume(np.ones(SHAPE, np.uint8)), folder / "breast.nii.gz")
    classes = [
        {"label": k, "curve": [0.0, k / 3, k / 2], "tumour_share": 0.5, "breast_share": 0.5}
        for k in (1, 2)
    ]
    write_json(
        folder / "summary.json",
        {
            "case": name,
            "tumour_ml": float(tumour.sum() * VOXEL_ML),
            "breast_ml": 7.0,
            "threshold": 0.5,
            "largest_probability": 0.95,
            "components": [{"volume_ml": 0.5625, "centroid_mm": [-1.0, 12.5, 13.0]}],
            "classes": classes,
            "curve_label": "relative enhancement in training, 0 to 300 s",
            "warnings": [],
            "notice": "Research software.",
        },
    )
    write_json(
        folder / "manifest.json",
        {
            "input": {"location": "elsewhere", "sha256": "0"},
            "settings": {"inference": {"smallest_component_ml": SMALLEST_ML}},
        },
    )
    (folder / "report.html").write_text("<p>report</p>", encoding="utf-8")
    return folder


def client_of(settings: ServerSettings, **more: object) -> TestClient:
    return TestClient(create_app(settings), base_url=LOCAL, **more)


def look_here(
    command: tuple[str, ...], work: str, folder: Path, should_stop: Callable[[], bool]
) -> Ended:
    """`run_child` for exams, in this process: a new one takes seconds to begin."""
    try:
        look_at(read_order(folder, LookOrder), folder)
    except HcnetError as error:
        return Ended(stopped=False, error=str(error))
    return Ended(stopped=False, error=None)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds; the test's own time limit ends a wait that is in vain."""
    while not condition():
        time.sleep(0.02)
