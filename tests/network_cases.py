"""Every network at a few channels, with inputs, for the tests of what all networks must do."""

import torch
from torch import Tensor, nn

from hcnet.nets.registry import build_network

CODES = 3
PHASES = 3
SMALL = {
    "resunet": {"width": 4},
    "uxnet": {"dims": (4, 8, 8, 8), "hidden": 8, "blocks": 1},
    "kisnet": {"width": 4, "embedding": 3},
    "vnet": {"width": 3},
    "dmfnet": {"width": 8, "groups": 4},
    "mhl": {"width": 4},
    "almn": {"width": 4, "residual_width": 2, "affinity_iterations": 2},
    "plmn": {"width": 4, "dim": 8, "heads": 2, "blocks": 1, "window": 2, "embedding": 4,
             "prototypes": 2},
    "zhang": {"width": 4, "dim": 16, "layers": 2, "heads": 2, "mlp": 32, "dropout": 0.0},
}  # fmt: skip
CHANNELS = {"kisnet": 1 + CODES, "zhang": PHASES}


def small_network(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(name, CHANNELS.get(name, 1), 1, SMALL[name])


def network_inputs(name: str, shape: tuple[int, int, int], batch: int = 2) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    if name == "zhang":
        image = torch.rand(batch, PHASES, *shape, generator=generator)
        present = torch.ones_like(image)
        present[0, 2] = 0
        return image, present
    image = torch.rand(batch, 1, *shape, generator=generator)
    if name != "kisnet":
        return (image,)
    return image, torch.rand(batch, CODES, *shape, generator=generator).softmax(dim=1)
