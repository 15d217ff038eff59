"""Calls with tensors that claim different devices, held against PyTorch's own fake tensors.

A call is asked about as code wrote it, not the operations that it is made of: inside, PyTorch moves and makes tensors by the device of
others, which here is the CPU.
"""

from __future__ import annotations

from typing import Any

from . import claims

# These take lengths from the CPU beside a tensor on the device, which fake tensors do not know.
_TAKE_LENGTHS = ("ctc_loss", "_ctc_loss", "tensor_split", "_pad_packed_sequence")
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_ENTRIES = ("__getitem__", "__setitem__", "index_put_", "index_put")


def devices_of(torch: Any, function: Any, name: str, arguments: Any, named: Any) -> list[str | None]:
    """The devices that the results of a call would be on.

    It is one for all, or one each; empty where nobody knows.

    Args:
        torch: the module.
        function: what is called.
        name: its name.
        arguments: by position.
        named: by name.

    Raises:
        RuntimeError: on a machine with these devices the call fails.
    """
    claimed = [(tensor, claims.claimed(tensor)) for tensor in claims.tensors(torch, [arguments, named])]
    # A number on the CPU goes with any device.
    known = {device for tensor, device in claimed if device is not None and not (device == claims.CPU and tensor.dim() == 0)}
    unknown = any(device is None for _, device in claimed)
    if len(known) > 1 and name not in _TAKE_LENGTHS and name != "__set__":
        return _asked(torch, function, name, arguments, named, not unknown and not claims.unsure)
    if not known:
        return [claims.CPU] if claimed and not unknown else []
    first = claims.claimed(arguments[0]) if len(known) > 1 and arguments and isinstance(arguments[0], torch.Tensor) else None
    device = first or known.pop()
    return [] if unknown and device == claims.CPU else [device]  # with a tensor on an accelerator the others must be there, too


def _asked(torch: Any, function: Any, name: str, arguments: Any, named: Any, sure: bool) -> list[str | None]:
    """Ask fake tensors on the devices that are claimed.

    Raises:
        RuntimeError: they say that the call fails, and it is sure what the tensors claim.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._pytree import tree_map_only

    if name in _ENTRIES:
        if sure:
            _refuse_indices(torch, arguments)
        if name == "__getitem__":
            return [claims.claimed(arguments[0])]
    if name in _RECURRENT:
        return _recurrent(torch, arguments, sure)
    with FakeTensorMode():

        def fake(tensor: Any) -> Any:
            device = claims.claimed(tensor) or claims.CPU
            return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=device)

        try:
            result = function(*tree_map_only(torch.Tensor, fake, arguments), **tree_map_only(torch.Tensor, fake, named))
        except Exception as error:
            text = str(error)
            if sure and "device" in text and claims.CPU in text:
                raise RuntimeError(_said(torch, name, arguments, named)) from None
            return []  # it can't be done without values: nobody knows
        return [claims.name_of(torch, tensor.device) for tensor in claims.tensors(torch, result)]


def _recurrent(torch: Any, arguments: Any, sure: bool) -> list[str | None]:
    """Recurrent networks, whose kernels fake tensors can't do: input and state must be in one place.

    Sizes of packed batches are on the CPU.

    Raises:
        RuntimeError: they are not.
    """
    state = arguments[1] if isinstance(arguments[2], list) else arguments[2]
    first = claims.claimed(arguments[0])
    for tensor in claims.tensors(torch, state):
        if sure and claims.claimed(tensor) != first:
            found = f"found input tensor at {first} and hidden tensor at {claims.claimed(tensor)}"
            raise RuntimeError(f"Input and hidden tensors are not at the same device, {found}")
    return [first]


def _refuse_indices(torch: Any, arguments: Any) -> None:
    """Fake tensors let indices on an accelerator choose from a tensor on the CPU, and real ones do not."""
    if not isinstance(arguments[0], torch.Tensor) or claims.claimed(arguments[0]) != claims.CPU:
        return
    if any((claims.claimed(index) or claims.CPU) != claims.CPU and index.dim() for index in claims.tensors(torch, arguments[1])):
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")


def _said(torch: Any, name: str, arguments: Any, named: Any) -> str:
    found = {device for each in claims.tensors(torch, [arguments, named]) if (device := claims.claimed(each))}
    first, second = sorted(found, reverse=True)[:2]
    return f"Expected all tensors to be on the same device, but found at least two devices, {first} and {second}! (in {name})"
