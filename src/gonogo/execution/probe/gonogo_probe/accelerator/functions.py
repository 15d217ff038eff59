"""What code asks of a tensor or of PyTorch about devices, answered for the devices that tensors claim."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import claims, kinds, operations

_HERE = __file__.rpartition("/")[0]
_PROBE = _HERE.rpartition("/")[0]
_CONVERTS = ("tensor", "as_tensor", "asarray")
_NUMPY = "can't convert {} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
_PINNED = "cannot pin 'torch.cuda.{}Tensor' only dense CPU tensors can be pinned"
_LENGTHS = "'lengths' argument should be a 1D CPU int64 tensor, but got 1D {} Long tensor"


def mode_of(torch: Any) -> Any:
    """A mode that answers for devices that are not there."""
    from torch.overrides import TorchFunctionMode

    functions = _Functions(torch)

    class Functions(TorchFunctionMode):
        """See `mode_of`."""

        def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
            return functions.call(function, arguments, dict(named or {}))

    return Functions()


def _name(function: Any) -> str:
    """The name of a function or method; of a property's getter `property.` and its name."""
    name = getattr(function, "__name__", "")
    return f"property.{getattr(function.__self__, '__name__', '')}" if name == "__get__" else name


def _is_for_the_probe() -> bool:
    """Whether the probe itself asks, which looks at numbers wherever they claim to be."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_HERE) and "/torch/" not in path and "/numpy/" not in path:
            return path.startswith(_PROBE)
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _pass_on(results: list[Any], devices: list[str | None]) -> None:
    """Have results claim their devices, unless they share the storage of what claims one."""
    each = devices if len(devices) == len(results) else devices[:1] * len(results)
    for tensor, device in zip(results, each):
        if device is not None and claims.claimed(tensor) is None:
            claims.claim(tensor, device)


class _Functions:
    """The answers, by the name of what is asked.

    Args:
        torch: the module.
    """

    def __init__(self, torch: Any) -> None:
        from torch.utils._device import _device_constructors

        self._torch = torch
        self._makers = {function.__name__ for function in _device_constructors()}
        self._answers: dict[str, Callable[..., Any]] = {
            "property.device": self._device,
            "property.is_cuda": lambda _, tensor: self._is_away(tensor),
            "property.is_cpu": lambda _, tensor: not self._is_away(tensor),
            "get_device": lambda _, tensor: int((claims.claimed(tensor) or "cpu:-1").rpartition(":")[2]) if self._is_away(tensor) else -1,
            "type": self._type,
            "numpy": self._numpy,
            "__array__": self._numpy,
            "pin_memory": self._pin,
            "is_pinned": lambda *_, **__: True,
            "cpu": lambda _, tensor, **named: self._moved(tensor, claims.CPU, **named),
            "cuda": self._cuda,
            "to": self._to,
            "_pack_padded_sequence": self._pack,
        }

    def call(self, function: Any, arguments: Any, named: dict[str, Any]) -> Any:
        """What a function gives, with its results claiming their devices."""
        torch, name = self._torch, _name(function)
        answer = self._answers.get(name)
        if answer is not None and arguments and isinstance(arguments[0], torch.Tensor):
            return answer(function, *arguments, **named)
        wanted = self._wanted(name, arguments, named)
        if wanted is not None and name in _CONVERTS and isinstance(arguments[0], torch.Tensor):
            return self._moved(arguments[0], wanted, named.get("dtype"), copies=name == "tensor")
        devices = operations.devices_of(torch, function, name, arguments, named)
        result = function(*arguments, **named)
        results = list(claims.tensors(torch, result))
        _pass_on(results, devices if wanted is None else [wanted])
        return result

    def _wanted(self, name: str, arguments: Any, named: dict[str, Any]) -> str | None:
        """The device that a call makes tensors on whatever it is given, None for that of its tensors.

        An argument `device` becomes the CPU.
        """
        if name in self._makers and named.get("device") is None and claims.default is not None:
            named["device"] = claims.default
        if named.get("device") is not None:
            wanted = claims.name_of(self._torch, named["device"])
            if wanted is not None:
                named["device"] = self._torch.device(claims.CPU)
            return wanted
        if name == "property.grad" or name.startswith("new_"):
            return claims.claimed(arguments[0])
        makes = name in _CONVERTS and not isinstance(arguments[0], self._torch.Tensor)  # also of a list of tensors that are elsewhere
        return claims.CPU if makes or next(claims.tensors(self._torch, [arguments, named]), None) is None else None

    def _is_away(self, tensor: Any) -> bool:
        return (claims.claimed(tensor) or claims.CPU) != claims.CPU

    def _device(self, function: Any, tensor: Any, *more: Any) -> Any:
        claimed = claims.claimed(tensor)
        if claimed is not None:
            return self._torch.device(claimed)
        device = function(tensor, *more)
        if device.type == claims.CPU and not _is_for_the_probe():
            claims.doubt()
        return device

    def _type(self, function: Any, tensor: Any, *more: Any, **named: Any) -> Any:
        kind = more[0] if more else named.get("dtype")
        if kind is None:
            name: str = function(tensor)
            return name.replace("torch.", "torch.cuda.", 1) if self._is_away(tensor) else name
        if isinstance(kind, str):  # such as "torch.cuda.FloatTensor"
            kind = kinds.named(self._torch, kind) or kind
        if isinstance(kind, kinds.Kind):
            return self._moved(tensor, kind.device, kind.dtype)
        return self._moved(tensor, claims.claimed(tensor), kind) if isinstance(kind, self._torch.dtype) else function(tensor, kind)

    def _numpy(self, function: Any, tensor: Any, *more: Any, **named: Any) -> Any:
        if self._is_away(tensor) and not _is_for_the_probe():
            raise TypeError(_NUMPY.format(claims.claimed(tensor)))
        return function(tensor, *more, **named)

    def _pin(self, function: Any, tensor: Any, *more: Any, **named: Any) -> Any:
        if self._is_away(tensor):
            raise RuntimeError(_PINNED.format(str(tensor.dtype).rpartition(".")[2].capitalize()))
        return tensor

    def _cuda(self, function: Any, tensor: Any, device: Any = None, **named: Any) -> Any:
        return self._moved(tensor, claims.name_of(self._torch, "cuda" if device is None else device) or claims.CPU)

    def _to(self, function: Any, tensor: Any, *more: Any, **named: Any) -> Any:
        other = named.get("other", more[0] if more else None)
        copies = bool(named.pop("copy", False)) or (len(more) > 2 and more[-1] is True and isinstance(more[-2], bool))
        if isinstance(other, self._torch.Tensor):
            wanted: str | None = claims.claimed(other)
            dtype, layout = other.dtype, None
        else:
            device, dtype, _, layout = self._torch._C._nn._parse_to(*more[:3], **named)
            wanted = None if device is None else claims.name_of(self._torch, device)
            if device is not None and wanted is None:
                return function(tensor, *more, **named)
        return self._moved(tensor, wanted or claims.claimed(tensor), dtype, layout, copies)

    def _moved(self, tensor: Any, device: str | None, dtype: Any = None, memory_format: Any = None, copies: bool = False) -> Any:
        """A tensor on another device: itself where nothing changes, else a copy."""
        now = claims.claimed(tensor)
        same = (now == device or (now is None and device == claims.CPU)) and dtype in (None, tensor.dtype)
        if same and memory_format is None and not copies:
            return tensor
        named = {} if memory_format is None else {"memory_format": memory_format}
        result = self._torch.Tensor.to(tensor, dtype=dtype or tensor.dtype, copy=True, **named)
        if device is not None:
            claims.claim(result, device)
        return result

    def _pack(self, function: Any, tensor: Any, lengths: Any, *more: Any, **named: Any) -> Any:
        if self._is_away(lengths):
            raise RuntimeError(_LENGTHS.format(claims.claimed(lengths)))
        data, sizes = function(tensor, lengths, *more, **named)
        _pass_on([data, sizes], [claims.claimed(tensor), claims.CPU])
        return data, sizes
