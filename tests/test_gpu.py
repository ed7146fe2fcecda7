"""What a GPU must compute as the CPU does; all of it is skipped without one."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from hcnet.inference.bundle import open_bundle
from hcnet.inference.device import Device, make_device
from hcnet.inference.segment import segment
from hcnet.nets.depthwise import DepthwiseConv3d
from hcnet.training.descent import Descent, training_device
from hcnet.training.run import train_run
from network_cases import SMALL, network_inputs, small_network
from tiny import tiny_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """Full fp32 convolutions: cuDNN's default rounds their inputs to ten bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def _gradients(network: nn.Module, name: str, device: str) -> list[np.ndarray]:
    network = network.to(device).train()
    logits = network(*(part.to(device) for part in network_inputs(name, (16, 32, 32))))
    (
        logits.float() * torch.linspace(-1, 1, logits.numel(), device=device).view_as(logits)
    ).mean().backward()
    found = [logits, *(p.grad for p in network.parameters() if p.grad is not None)]
    return [part.detach().float().cpu().numpy() for part in found]


@pytest.mark.parametrize("name", list(SMALL))
def test_logits_and_gradients_are_those_of_the_cpu(name: str) -> None:
    here = _gradients(small_network(name), name, "cpu")
    there = _gradients(small_network(name), name, "cuda")
    assert len(here) == len(there)
    np.testing.assert_allclose(there[0], here[0], rtol=2e-3, atol=2e-3)
    largest = max(np.linalg.norm(gradient) for gradient in here[1:])
    for one, other in zip(here[1:], there[1:], strict=True):
        assert np.linalg.norm(one - other) <= 0.02 * np.linalg.norm(one) + 2e-3 * largest


@pytest.mark.parametrize("name", list(SMALL))
def test_a_step_in_bfloat16_is_finite(name: str) -> None:
    device = training_device("bf16-mixed")
    network = small_network(name)
    descent = Descent(network, torch.optim.Adam(network.parameters()), device)
    inputs = [device.put(part) for part in network_inputs(name, (16, 32, 32))]
    for _ in range(2):
        loss = descent.model(*inputs).square().mean()
        assert descent.step(loss, max_norm=1.0)
        assert torch.isfinite(loss)


def test_depthwise_convolution_is_that_of_the_cpu() -> None:
    torch.manual_seed(0)
    layer, image = DepthwiseConv3d(6, 7), torch.randn(2, 6, 9, 12, 10)
    there = layer.to("cuda")(image.to("cuda")).cpu()
    np.testing.assert_allclose(
        there.detach(), layer.to("cpu")(image).detach(), rtol=1e-4, atol=1e-5
    )


def test_a_run_trained_here_segments_alike_on_both(tiny_cohort, tmp_path) -> None:
    train_run(tiny_cohort, tiny_config("precision=32-true"), tmp_path)
    bundle, case = open_bundle(tmp_path / "bundle"), tiny_cohort.cases[0]
    there = segment(case, bundle, make_device("32-true"))
    here = segment(case, bundle, Device(torch.device("cpu"), "32-true"))
    np.testing.assert_allclose(there.probability.data, here.probability.data, atol=2e-3)
    np.testing.assert_allclose(there.class_probabilities, here.class_probabilities, atol=2e-3)
    # Rounding may turn a voxel that lies on the threshold.
    assert (there.tumour.data != here.tumour.data).mean() < 1e-3


def test_the_same_seed_gives_the_same_weights(tiny_cohort, tmp_path) -> None:
    for name in ("one", "other"):
        train_run(tiny_cohort, tiny_config(), tmp_path / name, baseline=False)
    for file in ("hipm-0.safetensors", "kis-0.safetensors"):
        one, other = ((tmp_path / n / "bundle" / file).read_bytes() for n in ("one", "other"))
        assert one == other, file
