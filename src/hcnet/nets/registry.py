"""The networks by name; a new one is a file with `Options` and `build`, and a line here.

Names and references are known without importing any network, so without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from hcnet.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetworkEntry:
    """Where a network is and where it comes from."""

    module: str
    """Holds `Options`, a pydantic model, and `build(in_channels, out_channels, options)`."""
    reference: str


NETWORKS: Mapping[str, NetworkEntry] = {
    "resunet": NetworkEntry(
        "hcnet.nets.resunet", "Yu et al., AAAI 2017 [19]; as in Zhou et al. 2022 [24]"
    ),
    "uxnet": NetworkEntry("hcnet.nets.uxnet", "Lee et al., 3D UX-Net, ICLR 2023 [8]"),
    "kisnet": NetworkEntry("hcnet.nets.kisnet", "Xie et al., KIS-Net, section 2.3"),
}


def network_names() -> list[str]:
    """All names that `build_network` knows."""
    return sorted(NETWORKS)


def network_options(name: str, options: Mapping[str, Any]) -> BaseModel:
    """The options of a network, checked and with its defaults filled in.

    Raises:
        ConfigError: an unknown network or option, or a value that does not fit.
    """
    if name not in NETWORKS:
        raise ConfigError(f"there is no network {name}; there are: {', '.join(network_names())}.")
    model: type[BaseModel] = import_module(NETWORKS[name].module).Options
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        valid = ", ".join(model.model_fields)
        raise ConfigError(
            f"network {name}: option {option}: {first['msg']}; its options are: {valid}."
        ) from None


def build_network(
    name: str, in_channels: int, out_channels: int, options: Mapping[str, Any] | None = None
) -> "nn.Module":
    """Build a network with fresh weights; all networks return logits.

    Args:
        name: one of `network_names`.
        in_channels: of all inputs together (`kisnet`: of the image and the map).
        out_channels: 1 for a mask, K + 1 for heterogeneity classes.
        options: the network's own, see its `Options`; what is not named takes the default.

    Raises:
        ConfigError: an unknown network or option, or a value that does not fit.
    """
    checked = network_options(name, options or {})
    network: nn.Module = import_module(NETWORKS[name].module).build(
        in_channels, out_channels, checked
    )
    return network


def count_parameters(network: "nn.Module") -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
