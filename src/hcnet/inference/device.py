"""What computes: a device and the number format it computes in."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from hcnet.errors import ConfigError
from hcnet.runtime import Precision, best_precision

T = TypeVar("T")

_ROUNDED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Device:
    """A device with a number format.

    Attributes:
        device: torch's.
        precision: `32-true`; `bf16-mixed` and `16-mixed` compute convolutions and matrix products
            in bfloat16 and float16.
    """

    device: torch.device
    precision: Precision

    def autocast(self) -> AbstractContextManager[None]:
        """Within it, networks compute in the number format."""
        dtype = _ROUNDED.get(self.precision)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def put(self, batch: T) -> T:
        """The tensors of a batch, alone or in lists, tuples and dictionaries, on the device."""
        moved: T = tree_map(
            lambda part: part.to(self.device) if isinstance(part, Tensor) else part, batch
        )
        return moved


def make_device(precision: Precision | Literal["auto"] = "auto") -> Device:
    """The best device there is: a GPU of CUDA or Apple's, else the CPU.

    Args:
        precision: `auto` is `hcnet.runtime.best_precision`.

    Raises:
        ConfigError: `16-mixed` without a GPU of CUDA.
    """
    if torch.cuda.is_available():
        name = "cuda"
    else:
        name = "mps" if torch.backends.mps.is_available() else "cpu"
    if precision == "16-mixed" and name != "cuda":
        raise ConfigError("precision: 16-mixed needs an NVIDIA GPU; use auto or 32-true.")
    return Device(torch.device(name), best_precision() if precision == "auto" else precision)
