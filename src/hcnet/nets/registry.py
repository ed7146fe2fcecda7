"""The networks by name; a new one is a file with `Options` and `build`, and a line here.

Names and references are known without importing any network, so without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from hcnet.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

    from hcnet.nets.recipe import Recipe


Guide = Literal["maps", "phases"]


@dataclass(frozen=True)
class NetworkEntry:
    """Where a network is and where it comes from.

    Attributes:
        module: holds `Options`, a pydantic model, `build(in_channels, out_channels, options)` and,
            where the network has a training recipe of its own, `RECIPE`.
        title: as Table 1 names it.
        reference: its publication, with its number in the paper.
        guide: what the network takes as a second input: `maps`, class probabilities (B, K + 1, x,
            y, z) of a heterogeneity map; `phases`, 1 or 0 for each channel of the image
            (B, C, x, y, z), whether the exam has that phase.
        classes: whether it can tell more than one class from the background, so predict a map.
    """

    module: str
    title: str
    reference: str
    guide: Guide | None = None
    classes: bool = True


NETWORKS: Mapping[str, NetworkEntry] = {
    "resunet": NetworkEntry(
        "hcnet.nets.resunet", "ResUNet", "Yu et al., AAAI 2017 [19]; as in Zhou et al. 2022 [24]"
    ),
    "uxnet": NetworkEntry("hcnet.nets.uxnet", "3D UX-Net", "Lee et al., ICLR 2023 [8]"),
    "kisnet": NetworkEntry("hcnet.nets.kisnet", "KIS-Net", "Xie et al., section 2.3", guide="maps"),
    "vnet": NetworkEntry("hcnet.nets.vnet", "VNet", "Milletari et al., 3DV 2016 [12]"),
    "dmfnet": NetworkEntry("hcnet.nets.dmfnet", "DMFNet", "Chen et al., MICCAI 2019 [1]"),
    "mhl": NetworkEntry("hcnet.nets.mhl", "MHL", "Zhang et al., IEEE TMI 2018 [20]", classes=False),
    "almn": NetworkEntry(
        "hcnet.nets.almn", "ALMN", "Zhou et al., Pattern Recognition 2022 [24]", classes=False
    ),
    "plmn": NetworkEntry(
        "hcnet.nets.plmn", "PLMN", "Zhou et al., IEEE TMI 2024 [25]", classes=False
    ),
    "zhang": NetworkEntry(
        "hcnet.nets.zhang", "Zhang et al.", "Zhang et al., Patterns 2023 [7]", guide="phases"
    ),
}


def network_names() -> list[str]:
    """All names that `build_network` knows."""
    return sorted(NETWORKS)


def check_network(name: str) -> None:
    """Refuse a name that no network has.

    Raises:
        ConfigError: it is unknown; the sentence tells the nearest name, if one is near.
    """
    if name not in NETWORKS:
        raise ConfigError(
            f"there is no network {name}; there are: {', '.join(network_names())}"
            f"{did_you_mean(name, NETWORKS)}"
        )


def network_options(name: str, options: Mapping[str, Any]) -> BaseModel:
    """The options of a network, checked and with its defaults filled in.

    Raises:
        ConfigError: an unknown network or option, or a value that does not fit.
    """
    check_network(name)
    model: type[BaseModel] = import_module(NETWORKS[name].module).Options
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        names = list(model.model_fields)
        unknown = first["type"] == "extra_forbidden"
        raise ConfigError(
            f"network {name}: option {option}: {first['msg']}; its options are: {', '.join(names)}"
            f"{did_you_mean(option, names) if unknown else '.'}"
        ) from None


def build_network(
    name: str, in_channels: int, out_channels: int, options: Mapping[str, Any] | None = None
) -> "nn.Module":
    """Build a network with fresh weights; all networks return logits.

    Args:
        name: one of `network_names`.
        in_channels: of the image (`kisnet`: of the image and the map together).
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


def network_recipe(name: str) -> "Recipe":
    """How a network is trained: its own recipe, or the common one.

    Raises:
        ConfigError: an unknown network.
    """
    from hcnet.nets.recipe import Recipe

    check_network(name)
    recipe: Recipe = getattr(import_module(NETWORKS[name].module), "RECIPE", Recipe())
    return recipe


def count_parameters(network: "nn.Module") -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
