"""A pretended accelerator: code runs as if there were one CUDA device, and fails as it would there.

Tensors stay on the CPU, and each knows the device on which it claims to be (`claims`). `torch.cuda` answers as if there were a device
(`answers`), `.to`, `.cuda()`, `device=` and `.device` mean the claims (`functions`), and calls with tensors of different devices are held
against PyTorch's own fake tensors (`operations`). Nothing of it is there unless the gate's settings ask for it.
"""

from __future__ import annotations

import functools
from typing import Any

from .. import alterations, hooks
from . import answers, claims, functions, kinds


def start() -> None:
    """Pretend an accelerator, where one is wanted, once torch is imported."""
    if alterations.wants(alterations.ACCELERATOR):
        hooks.when_imported("torch", pretend)
        hooks.when_imported("torch.utils.data.dataloader", claim_batches)


def pretend(torch: Any) -> None:
    """Have this process go on as if there were a CUDA device.

    Args:
        torch: the module, just imported.
    """
    answers.answer(torch)
    _answer_loading(torch)
    _answer_defaults(torch)
    _claim_arrays(torch)
    kinds.put(torch)
    _answer_parallel(torch)
    functions.mode_of(torch).__enter__()


def _answer_loading(torch: Any) -> None:
    """Have what is read from a file claim the device that the call names.

    Where it names none, nobody knows.
    """
    original = torch.load

    @functools.wraps(original)
    def load(file: Any, map_location: Any = None, *more: Any, **named: Any) -> Any:
        device = claims.name_of(torch, map_location) if isinstance(map_location, (str, torch.device)) else None
        result = original(file, claims.CPU if device is not None else map_location, *more, **named)
        if device is not None:
            with torch._C.DisableTorchFunction():
                for tensor in claims.tensors(torch, result):
                    claims.claim(tensor, device)
        return result

    torch.load = load


def _answer_defaults(torch: Any) -> None:
    """Have tensors claim the device that code makes the default."""
    original, asked = torch.set_default_device, getattr(torch, "get_default_device", None)

    @functools.wraps(original)
    def set_default_device(device: Any) -> None:
        name = claims.CPU if device is None else claims.name_of(torch, device)
        claims.set_default(name)
        if name is None:  # neither the CPU nor CUDA
            original(device)

    def set_default_tensor_type(kind: Any) -> None:
        known = kinds.named(torch, kind) if isinstance(kind, str) else kind
        if not isinstance(known, kinds.Kind):
            raise TypeError("invalid type object: only floating-point types are supported as the default type")
        torch.set_default_dtype(known.dtype)
        claims.set_default(known.device)

    torch.set_default_device, torch.set_default_tensor_type = set_default_device, set_default_tensor_type
    if asked is not None:
        torch.get_default_device = lambda: asked() if claims.default is None else torch.device(claims.default)


def _claim_arrays(torch: Any) -> None:
    """Tensors that share an array's memory are on the CPU; no mode sees them made."""
    for name in ("from_numpy", "frombuffer"):
        original = getattr(torch, name)

        def make(*arguments: Any, _original: Any = original, **named: Any) -> Any:
            tensor = _original(*arguments, **named)
            with torch._C.DisableTorchFunction():
                claims.claim(tensor, claims.CPU)
            return tensor

        setattr(torch, name, functools.wraps(original)(make))


def _answer_parallel(torch: Any) -> None:
    """Networks that are split over devices have one here, and processes talk without NCCL."""
    from torch.utils._pytree import tree_map_only

    def scatter(self: Any, inputs: Any, named: Any, devices: Any) -> Any:
        moved = [tree_map_only(torch.Tensor, lambda tensor: tensor.cuda(), each) for each in (inputs, named)]
        return tuple((each,) for each in moved)

    torch.nn.DataParallel.scatter = scatter
    distributed = getattr(torch, "distributed", None)
    original = getattr(distributed, "init_process_group", None)
    if original is None:
        return

    @functools.wraps(original)
    def init_process_group(backend: Any = None, *more: Any, **named: Any) -> Any:
        named.pop("device_id", None)
        return original("gloo" if backend is None or "nccl" in str(backend) else backend, *more, **named)

    distributed.init_process_group = init_process_group  # type: ignore[union-attr]


def claim_batches(module: Any) -> None:
    """Batches of worker processes come from the CPU; no memory is pinned for a device that is not there."""
    original, made = module._BaseDataLoaderIter.__next__, module.DataLoader.__init__

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        import torch

        batch = original(self)
        if getattr(self, "_num_workers", 0):
            with torch._C.DisableTorchFunction():
                for tensor in claims.tensors(torch, batch):
                    if claims.claimed(tensor) is None:
                        claims.claim(tensor, claims.CPU)
        return batch

    @functools.wraps(made)
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.pin_memory = False

    module._BaseDataLoaderIter.__next__ = __next__
    module.DataLoader.__init__ = __init__
