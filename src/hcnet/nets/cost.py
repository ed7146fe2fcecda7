"""Size and cost of a network, counted without memory or arithmetic (on torch's meta device)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hcnet.nets.registry import NETWORKS, build_network, count_parameters, network_options


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: trainable values.
        flops: floating-point operations of one forward pass: two for each multiply-add of the
            convolutions and matrix products. Biases, norms, activations, pooling and interpolation
            are not counted.
    """

    parameters: int
    flops: int


def network_cost(
    name: str,
    in_channels: int,
    patch: tuple[int, int, int],
    *,
    out_channels: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Cost:
    """Cost of a network of the registry for one patch.

    Args:
        name: one of `network_names`.
        in_channels: as `build_network` takes them; for `kisnet` those of image and map together.
        patch: (x, y, z) in voxels; a network pads it as it does in use.
        out_channels: of the logits.
        options: the network's own, see its `Options`.

    Raises:
        ConfigError: an unknown network or option, or a value that does not fit.
    """
    checked = network_options(name, options or {})
    guide = NETWORKS[name].guide
    if guide == "maps":
        image: int = checked.model_dump()["image_channels"]
        channels = [image, in_channels - image]
    elif guide == "phases":
        channels = [in_channels, in_channels]
    else:
        channels = [in_channels]
    return cost_of(
        lambda: build_network(name, in_channels, out_channels, options),
        *((1, count, *patch) for count in channels),
    )


def cost_of(build: Callable[[], nn.Module], *shapes: tuple[int, ...]) -> Cost:
    """Cost of any network.

    Args:
        build: makes it; called where new tensors take no memory.
        shapes: of its inputs, batch included.
    """
    with torch.device("meta"):
        network = build().eval()
        inputs: list[Tensor] = [torch.empty(shape) for shape in shapes]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return Cost(count_parameters(network), counter.get_total_flops())
