"""A device and its number format."""

import subprocess
import sys

import pytest
import torch
from lightning_fabric import Fabric

from hcnet import runtime
from hcnet.inference.device import Computes, Device, make_device

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_computes_as_fabric_does(precision):
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Conv3d(3, 4, 3)
    features = torch.randn(1, 3, 6, 6, 6, generator=generator)
    found = []
    devices: list[Computes] = [
        Device(CPU, precision),
        Fabric(accelerator="cpu", devices=1, precision=precision),
    ]
    for device in devices:
        assert device.device == CPU
        with torch.inference_mode(), device.autocast():
            found.append(network(features))
    assert found[0].dtype == (torch.float32 if precision == "32-true" else torch.bfloat16)
    assert torch.equal(*found)


def test_auto_is_the_best_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(runtime, "_cpu_flags", lambda: ["avx512f", "amx_bf16"])
    assert make_device() == Device(CPU, "bf16-mixed")
    assert make_device("32-true") == Device(CPU, "32-true")


def test_predicting_starts_without_what_only_training_needs():
    """MONAI and Lightning take seconds and 160 MB to import."""
    code = (
        "import sys; from hcnet.inference.output import segment_to_folder\n"
        "from hcnet.nets.registry import build_network\n"
        "from hcnet.report.write import write_report\n"
        "for name in ('resunet', 'uxnet', 'kisnet'):\n"
        "    build_network(name, 3 if name == 'kisnet' else 1, 1, {})\n"
        "print({'monai', 'lightning_fabric', 'torch._dynamo'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"
