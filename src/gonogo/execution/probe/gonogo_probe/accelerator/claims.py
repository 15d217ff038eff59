"""The device on which a tensor claims to be.

It is kept with its storage, so that all views of it claim the same.

A tensor that claims nothing was made where nobody saw it: of that one nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import alterations

CPU = "cpu"
_CLAIM = "_gonogo_device"
#: Whether code asked for the device of a tensor of which nobody knows it: what it makes there may belong elsewhere.
unsure = False
#: The device that `torch.set_default_device` was given, None for the CPU.
default: str | None = None
_DEPTH = 4
_MOST = 2000


def claimed(tensor: Any) -> str | None:
    """The device that a tensor claims, None where nobody knows."""
    try:
        claim = getattr(tensor.untyped_storage(), _CLAIM, None)
    except (RuntimeError, NotImplementedError):  # it has no storage: sparse, or inside a transformation
        return None
    return claim if isinstance(claim, str) else None


def doubt() -> None:
    """From now on nothing is sure."""
    global unsure
    unsure = True
    alterations.leave(alterations.ACCELERATOR, "code asked for the device of a tensor that nobody saw being made")


def set_default(device: str | None) -> None:
    """From now on tensors are made on a device where nothing else is said."""
    global default
    default = None if device == CPU else device


def claim(tensor: Any, device: str) -> None:
    """Have a tensor, and all that share its storage, claim a device."""
    try:
        if tensor.device.type == CPU:
            setattr(tensor.untyped_storage(), _CLAIM, device)
            if device != CPU:
                alterations.count(alterations.ACCELERATOR)
    except (RuntimeError, NotImplementedError, AttributeError):
        return  # it has no storage: nothing will be said of it


def tensors(torch: Any, value: Any, depth: int = 0) -> Iterator[Any]:
    """The tensors in an argument or a result, and in its lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < _DEPTH and isinstance(value, (list, tuple)):
        for part in value[:_MOST]:
            yield from tensors(torch, part, depth + 1)
    elif depth < _DEPTH and isinstance(value, dict):
        for part in list(value.values())[:_MOST]:
            yield from tensors(torch, part, depth + 1)


def name_of(torch: Any, device: Any) -> str | None:
    """A device as claims have it: `cpu`, or a CUDA device with its number; None for any other kind."""
    if isinstance(device, int) and not isinstance(device, bool):
        return f"cuda:{device}"
    device = torch.device(device)
    if device.type == "cuda":
        return f"cuda:{device.index or 0}"
    return CPU if device.type == CPU else None
