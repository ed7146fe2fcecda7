"""What predicts: a device and the number format it computes in."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from hcnet.runtime import Precision, best_precision


class Computes(Protocol):
    """What predicting needs to know of a machine; Lightning's Fabric, which trains, is one, too."""

    @property
    def device(self) -> torch.device:
        """Where windows and weights lie while they are computed with."""
        ...

    def autocast(self) -> AbstractContextManager[None]:
        """Within it, networks compute in the number format."""
        ...


@dataclass(frozen=True)
class Device:
    """A device with a number format, in Lightning Fabric's words but without its import.

    Attributes:
        device: torch's.
        precision: `32-true`, or `bf16-mixed` for convolutions and matrix products in bfloat16.
    """

    device: torch.device
    precision: Precision

    def autocast(self) -> AbstractContextManager[None]:
        """Within it, networks compute in the number format."""
        rounds = self.precision == "bf16-mixed"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=rounds)


def make_device(precision: Precision | Literal["auto"] = "auto") -> Device:
    """The best device there is: a GPU of CUDA or Apple's, else the CPU.

    Args:
        precision: `auto` is `hcnet.runtime.best_precision`.
    """
    if torch.cuda.is_available():
        name = "cuda"
    else:
        name = "mps" if torch.backends.mps.is_available() else "cpu"
    return Device(torch.device(name), best_precision() if precision == "auto" else precision)
