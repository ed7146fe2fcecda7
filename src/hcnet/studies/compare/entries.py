"""Which networks are compared, and what each of them sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from hcnet.errors import ConfigError
from hcnet.nets.registry import NETWORKS, network_names

Inputs = Literal["pre", "post", "post+sub", "pre+post", "all-phases"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)


@dataclass(frozen=True)
class Entry:
    """A row of the table: a network and its input.

    Attributes:
        network: its name in the registry.
        inputs: what it sees. `sub` is the first post-contrast phase minus the pre-contrast one,
            `post` that phase itself.
    """

    network: str
    inputs: Inputs

    @property
    def name(self) -> str:
        """Short name, also of its folder."""
        return f"{self.network}-{self.inputs}"

    @property
    def title(self) -> str:
        """Name for a reader."""
        return f"{NETWORKS[self.network].title} ({self.inputs})"


OURS = Entry("kisnet", "pre")
"""The method: TIC clustering, HIPM and KIS-Net."""

BASELINE = Entry("resunet", "pre")

_POST: tuple[str, ...] = ("almn", "plmn", "mhl", "vnet", "uxnet", "dmfnet", "resunet")
_PRE: tuple[str, ...] = ("mhl", "vnet", "uxnet", "dmfnet", "resunet")

TABLE_1: tuple[Entry, ...] = (
    Entry("zhang", "pre+post"),
    *(Entry(network, "post+sub") for network in _POST),
    *(Entry(network, "pre") for network in _PRE),
    OURS,
)
"""The rows of the paper's Table 1, in its order."""

MAP_NETWORKS = ("vnet", "resunet", "uxnet")
"""The networks of the paper's Fig. 3."""


def choose_entries(
    networks: Sequence[str] | None = None, inputs: Sequence[str] | None = None
) -> tuple[Entry, ...]:
    """The rows to train.

    Args:
        networks: names; None takes all.
        inputs: kinds of input; None takes those of the paper's Table 1, and `pre` and `post+sub`
            for a network that it does not have.

    Returns:
        in the order of Table 1 and then of the registry. With `inputs`, every pair that a network
        can take; one that sees phase by phase takes `pre+post` for `post+sub`.

    Raises:
        ConfigError: an unknown network or input, or a network that can take none of the inputs.
    """
    _check("network", networks or (), network_names())
    _check("input", inputs or (), INPUTS)
    order = list(dict.fromkeys(entry.network for entry in TABLE_1))
    order += [name for name in NETWORKS if name not in order]
    rows: list[Entry] = []
    for network in order:
        if networks is not None and network not in networks:
            continue
        if inputs is None:
            found = [entry for entry in TABLE_1 if entry.network == network] or [
                Entry(network, kind) for kind in ("pre", "post+sub") if takes(network, kind)
            ]
        else:
            kinds = [_as_taken(network, kind) for kind in INPUTS if kind in inputs]
            found = [Entry(network, kind) for kind in dict.fromkeys(kinds) if takes(network, kind)]
        if networks is not None and not found:
            raise ConfigError(
                f"network {network} cannot see {', '.join(inputs or ())}; it can see "
                f"{', '.join(kind for kind in INPUTS if takes(network, kind))}."
            )
        rows += found
    return tuple(sorted(rows, key=lambda row: (row.inputs == "pre", row == OURS)))


def takes(network: str, inputs: Inputs) -> bool:
    """Whether a network can see an input.

    One that is guided by maps sees the pre-contrast image, since the maps stand for the rest; one
    that sees phase by phase makes the differences to the first of them itself.
    """
    guide = NETWORKS[network].guide
    if guide == "maps":
        return inputs == "pre"
    return guide != "phases" or inputs in {"pre", "pre+post", "all-phases"}


def _as_taken(network: str, inputs: Inputs) -> Inputs:
    """`post+sub` is `pre+post` for a network that makes the differences itself."""
    by_phase = NETWORKS[network].guide == "phases"
    return "pre+post" if by_phase and inputs == "post+sub" else inputs


def choose_map_networks(networks: Sequence[str] | None = None) -> tuple[str, ...]:
    """The networks that predict maps: those of Fig. 3, or those named.

    Raises:
        ConfigError: an unknown network, or one that cannot predict a map from an image alone.
    """
    if networks is None:
        return MAP_NETWORKS
    _check("network", networks, network_names())
    for name in networks:
        entry = NETWORKS[name]
        if not entry.classes or entry.guide is not None:
            able = [n for n, e in NETWORKS.items() if e.classes and e.guide is None]
            raise ConfigError(
                f"network {name} cannot predict a map from the image alone; these can: "
                f"{', '.join(able)}."
            )
    return tuple(dict.fromkeys(networks))


def _check(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no {what} {name}; there are: {', '.join(known)}.")
