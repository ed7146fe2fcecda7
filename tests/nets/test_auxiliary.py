"""AuxiliaryNet: two heads on one body."""

import torch

from hcnet.nets.auxiliary import AuxiliaryNet
from hcnet.nets.registry import count_parameters
from hcnet.nets.resunet import ResUNet

IMAGE = torch.randn(2, 1, 16, 20, 32, generator=torch.Generator().manual_seed(0))


def test_the_tumour_path_is_the_plain_network():
    torch.manual_seed(0)
    both, plain = AuxiliaryNet(1, 5, width=4).eval(), ResUNet(1, 1, width=4).eval()
    plain.body.load_state_dict(both.body.state_dict())
    plain.head.load_state_dict(both.tumour.state_dict())
    with torch.no_grad():
        logits = both(IMAGE)
        torch.testing.assert_close(logits[:, :1], plain(IMAGE))
    assert logits.shape == (2, 6, 16, 20, 32)
    extra = count_parameters(both) - count_parameters(plain)
    assert extra == 4 * 5 * 27 + 2 * 5  # the second head: a convolution and a norm


def test_either_loss_reaches_the_body_and_leaves_the_other_head():
    for channels, untouched in ((slice(0, 1), "map"), (slice(1, None), "tumour")):
        torch.manual_seed(0)
        network = AuxiliaryNet(1, 5, width=4)
        (network(IMAGE)[:, channels] ** 3).sum().backward()
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in network.body.parameters())
        for parameter in getattr(network, untouched).parameters():
            assert parameter.grad is None or not parameter.grad.any()
