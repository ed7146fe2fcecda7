"""Checkpoints as one safetensors file: weights, optimiser state and the step, never a pickle."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hcnet.errors import InputError
from hcnet.files import write_aside

_MODEL = "model."
_OPTIMISER = "optimiser."


def save_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int
) -> None:
    """Write everything that resuming needs, in one step.

    Args:
        path: the file.
        model: its state dict is stored.
        optimiser: its tensors are stored as tensors, its numbers as JSON in the file's header.
        step: number of steps done.
    """
    tensors = {_MODEL + name: t.contiguous() for name, t in model.state_dict().items()}
    state = optimiser.state_dict()
    for index, entry in state["state"].items():
        for key, value in entry.items():
            tensors[f"{_OPTIMISER}{index}.{key}"] = torch.as_tensor(value).contiguous()
    head = {"step": str(step), "param_groups": json.dumps(state["param_groups"])}
    with write_aside(path) as aside:
        # clone: safetensors refuses tensors that share memory, as tied weights may
        save_file({name: t.detach().cpu().clone() for name, t in tensors.items()}, aside, head)


def load_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore model and optimiser.

    Returns:
        number of steps done.

    Raises:
        InputError: the file is damaged or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            head = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        step = int(head["step"])
        groups = json.loads(head["param_groups"])
        model.load_state_dict(_under(tensors, _MODEL))
        optimiser.load_state_dict({"state": _entries(tensors), "param_groups": groups})
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: is not a checkpoint of this network; remove it to train anew ({error})."
        ) from error
    return step


def save_model(path: Path, model: nn.Module) -> None:
    """Write the weights alone."""
    tensors = {n: t.detach().cpu().contiguous().clone() for n, t in model.state_dict().items()}
    with write_aside(path) as aside:
        save_file(tensors, aside)


def load_model(path: Path, model: nn.Module) -> None:
    """Restore weights.

    Raises:
        InputError: the file is damaged or belongs to another network.
    """
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path}: are not weights of this network; remove it to train anew ({error})."
        ) from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _entries(tensors: dict[str, Tensor]) -> dict[int, dict[str, Any]]:
    entries: dict[int, dict[str, Any]] = {}
    for name, tensor in _under(tensors, _OPTIMISER).items():
        index, key = name.split(".", 1)
        entries.setdefault(int(index), {})[key] = tensor
    return entries
