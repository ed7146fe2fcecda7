"""A device and its number format."""

import subprocess
import sys

import pytest
import torch

from hcnet import runtime
from hcnet.errors import ConfigError
from hcnet.inference.device import Device, make_device

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)]
)
def test_networks_compute_in_the_number_format(precision, dtype):
    network, features = torch.nn.Conv3d(3, 4, 3), torch.randn(1, 3, 6, 6, 6)
    with torch.inference_mode(), Device(CPU, precision).autocast():
        assert network(features).dtype == dtype


def test_a_batch_goes_to_the_device_as_it_is():
    batch = {"image": torch.zeros(2), "names": ["a"], "pair": (torch.zeros(1), 3)}
    put = Device(torch.device("meta"), "32-true").put(batch)
    assert put["image"].is_meta
    assert put["pair"][0].is_meta
    assert (put["names"], put["pair"][1]) == (["a"], 3)
    assert not batch["image"].is_meta


def test_float16_needs_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="16-mixed needs an NVIDIA GPU"):
        make_device("16-mixed")


def test_auto_is_the_best_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(runtime, "_cpu_flags", lambda: ["avx512f", "amx_bf16"])
    assert make_device() == Device(CPU, "bf16-mixed")
    assert make_device("32-true") == Device(CPU, "32-true")


def test_predicting_starts_without_what_only_training_needs():
    """MONAI takes seconds and much memory to import."""
    code = (
        "import sys; from hcnet.inference.output import segment_to_folder\n"
        "from hcnet.nets.registry import build_network\n"
        "from hcnet.report.write import write_report\n"
        "for name in ('resunet', 'uxnet', 'kisnet'):\n"
        "    build_network(name, 3 if name == 'kisnet' else 1, 1, {})\n"
        "print({'monai', 'torch._dynamo'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"
