"""A network on its way down a loss, on one device and in one number format."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from hcnet.inference.device import Device, make_device
from hcnet.runtime import Precision, tune_allocator


class Descent:
    """A network and its optimiser.

    Attributes:
        model: the network as losses call it: it computes in the device's number format and answers
            in float32.

    Args:
        network: moved to the device.
        optimiser: of the network's parameters.
        device: where and in what numbers to compute.
    """

    def __init__(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, device: Device
    ) -> None:
        self.model: nn.Module = _InFormat(network.to(device.device), device)
        self._optimiser = optimiser
        # Small gradients vanish in float16 unless they are scaled; other formats need no scale.
        self._scaler = torch.amp.GradScaler(
            device.device.type, enabled=device.precision == "16-mixed"
        )

    def step(self, loss: Tensor, max_norm: float) -> bool:
        """Descend by one update, its gradient no longer than `max_norm`.

        Returns:
            whether the gradient was finite; if not, the weights are of no use any more. In float16
            such an update is left out and the scale lowered.
        """
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        parameters = [p for group in self._optimiser.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, max_norm)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._optimiser.zero_grad(set_to_none=True)
        return self._scaler.is_enabled() or bool(torch.isfinite(norm))


class _InFormat(nn.Module):
    def __init__(self, network: nn.Module, device: Device) -> None:
        super().__init__()
        self.network = network
        self._device = device

    def forward(self, *inputs: Any, **options: Any) -> Any:
        with self._device.autocast():
            found = self.network(*inputs, **options)
        return tree_map(_float32, found)


def _float32(value: Any) -> Any:
    rounded = isinstance(value, Tensor) and value.dtype in {torch.float16, torch.bfloat16}
    return value.float() if rounded else value


def training_device(precision: Precision | Literal["auto"]) -> Device:
    """The device of `make_device` for a process that trains: freed memory is kept."""
    tune_allocator()
    return make_device(precision)
