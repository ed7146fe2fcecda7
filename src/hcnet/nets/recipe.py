"""Recipe: how a network is trained, as its authors did, as data beside its architecture.

A recipe says what is the network's own: loss, optimiser, rate, and the legs in which its parts are
trained one after the other. Cases, patches, augmentation, batch and the number of updates are the
protocol's, alike for all networks; a leg takes a share of the updates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

Batch = dict[str, Tensor]
"""`image` (B, C, x, y, z), `tumour` (B, 1, x, y, z) of 0 and 1, and the guide where the network
takes one; see `NetworkEntry.guide`."""

Loss = Callable[[nn.Module, Batch], dict[str, Tensor]]
"""Scalar terms, of which `loss` is descended. Networks are called, never reached into for a forward
pass, so that device and precision wrappers hold."""

Optimiser = Literal["adam", "amsgrad", "adamw"]


@dataclass(frozen=True)
class Leg:
    """One part of a training.

    Attributes:
        name: of its folder.
        share: of all updates; those of a recipe add up to one.
        loss: what is descended; None is Eq. (5) with the settings of stage 3.
        trains: beginnings of the names of the parameters that learn; the rest is frozen, its batch
            norms too. Empty: all learn.
        lr: its learning rate; None is the recipe's.
    """

    name: str = "network"
    share: float = 1.0
    loss: Loss | None = None
    trains: tuple[str, ...] = ()
    lr: float | None = None

    def learns(self, parameter: str) -> bool:
        """Whether the parameter of that name learns in this leg."""
        return not self.trains or parameter.startswith(self.trains)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes:
        legs: in order; each starts from the weights of the one before.
        optimiser: `amsgrad` is Adam with the AMSGrad correction.
        lr: learning rate at the start of each leg.
        halve_every: the rate halves whenever this share of a leg is done; None keeps it.
        weight_decay: of the optimiser.
        note: where the recipe departs from its authors', or what was chosen for lack of facts.
    """

    legs: tuple[Leg, ...] = (Leg(),)
    optimiser: Optimiser = "adam"
    lr: float = 0.005
    halve_every: float | None = 1 / 6
    weight_decay: float = 1e-5
    note: str = ""

    def __post_init__(self) -> None:
        if abs(sum(leg.share for leg in self.legs) - 1) > 1e-9:
            raise ValueError("the shares of a recipe's legs do not add up to one")

    def rate(self, leg: Leg, done: float) -> float:
        """Learning rate when a share `done` of a leg is done."""
        start = self.lr if leg.lr is None else leg.lr
        # the small number keeps 3 x (1 / 3) from being counted as two thirds
        halvings = 0 if self.halve_every is None else int(done / self.halve_every + 1e-9)
        return start * float(0.5**halvings)
