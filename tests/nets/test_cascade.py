"""Cascade: its parts, its parameters, and that one loss reaches both."""

import torch

from hcnet.nets.cascade import Cascade
from hcnet.nets.registry import build_network, count_parameters

IMAGE = torch.randn(1, 1, 16, 16, 32, generator=torch.Generator().manual_seed(0))


def parts():
    torch.manual_seed(0)
    options = {"dims": [4, 8, 8, 8], "hidden": 8}
    return build_network("uxnet", 1, 4, options), build_network("kisnet", 5, 1, {"width": 4})


def test_it_is_the_two_stages_one_after_the_other():
    mapper, segmenter = (part.eval() for part in parts())
    with torch.no_grad():
        apart = segmenter(IMAGE, torch.softmax(mapper(IMAGE), dim=1))
        together = Cascade(mapper, segmenter).eval()(IMAGE)
    torch.testing.assert_close(together, apart)
    assert together.shape == IMAGE.shape


def test_it_has_the_parameters_of_both():
    mapper, segmenter = parts()
    both = count_parameters(mapper) + count_parameters(segmenter)
    assert count_parameters(Cascade(mapper, segmenter)) == both


def test_the_loss_of_the_last_network_teaches_the_first():
    cascade = Cascade(*parts())
    cascade(IMAGE).square().mean().backward()
    last = next(cascade.mapper.head.parameters())
    assert last.grad is not None
    assert last.grad.abs().max() > 0
