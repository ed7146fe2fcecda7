"""How much memory a network will take, before it runs.

The network is run on torch's `meta` device, where tensors have shapes but no data, and every tensor
that comes and goes is counted.
"""

import copy
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(network: nn.Module, shapes: Sequence[tuple[int, ...]]) -> int:
    """Most bytes that a network's activations hold at once in a prediction, inputs included.

    Weights are not counted, nor what a library's kernels take inside of one operation.

    Args:
        network: in evaluation mode; it is left as it is.
        shapes: of its inputs, each (B, C, x, y, z), float32.
    """
    ghost = _without_data(network)
    with torch.inference_mode(), _Counter() as counter:
        inputs = [torch.empty(shape, device="meta") for shape in shapes]
        ghost(*inputs)
        return counter.peak


def free_bytes(device: torch.device) -> int | None:
    """Memory that a device can still give: a GPU's own, or what Linux gives without swapping.

    None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    table = Path("/proc/meminfo")
    if not table.is_file():
        return None
    for line in table.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _without_data(network: nn.Module) -> nn.Module:
    """A copy of a network whose weights have shapes but no data."""
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        empty = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(empty, requires_grad=False)
    for buffer in network.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(network, memo)


class _Counter(TorchDispatchMode):
    """Adds up the storages that are alive; a storage lives as long as a tensor on it does."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._tensors: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._tensors:
            self._tensors[key] = 0
            self._now += size
            self.peak = max(self.peak, self._now)
        self._tensors[key] += 1
        weakref.finalize(tensor, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._tensors[key] -= 1
        if not self._tensors[key]:
            del self._tensors[key]
            self._now -= size
