"""How large a window may be: as large as the memory allows, at best the whole volume."""

from collections.abc import Sequence

import torch
from torch import nn

from hcnet.inference.memory import free_bytes, peak_bytes
from hcnet.nets.blocks import HALVINGS, padded_shape

Patch = tuple[int, int, int]

FREE_SHARE = 0.5
"""Share of the free memory that windows may take where no budget is given."""

UNKNOWN_FREE = 4 << 30
"""What counts as free where the system does not tell, in bytes."""

ROOM = 2.0
"""Resident bytes for each byte of live tensors: the tuned allocator keeps freed blocks of other
sizes (ResUNet at 96^3: 1.9), and kernels have buffers of their own."""

OVERLAP = 0.25
"""Share that large windows have in common; they have less border for their size than small ones."""


def largest_window(
    network: nn.Module,
    channels: Sequence[int],
    volume: Patch,
    patch: Patch,
    budget: int | None,
    device: torch.device,
) -> Patch:
    """The largest window whose activations fit a budget, known before anything is computed.

    Begins with the whole volume and halves the axis that is longest in units of the patch. The
    patch itself is always allowed.

    Args:
        network: in evaluation mode.
        channels: of each of its inputs.
        volume: size to predict, in voxels.
        patch: size the network was trained on.
        budget: bytes for activations; None is half of what the device has free.
        device: what computes.
    """
    if budget is None:
        free = free_bytes(device)
        budget = int(FREE_SHARE * (UNKNOWN_FREE if free is None else free))
    window = padded_shape(volume)
    while any(w > p for w, p in zip(window, patch, strict=True)):
        need = peak_bytes(network, [(1, count, *window) for count in channels])
        if ROOM * need <= budget:
            return window
        window = _halved(window, patch)
    return patch


def _halved(window: Patch, patch: Patch) -> Patch:
    """Two windows with their overlap cover what one did, along the relatively longest axis."""
    axis = max(range(3), key=lambda a: window[a] / patch[a])
    step = 2**HALVINGS
    half = -(-round(window[axis] * (1 + OVERLAP) / 2) // step) * step
    size = list(window)
    size[axis] = max(min(half, window[axis] - step), patch[axis])
    return (size[0], size[1], size[2])
