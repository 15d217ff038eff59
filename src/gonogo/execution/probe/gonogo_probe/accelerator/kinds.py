"""The old types of tensors, such as `torch.LongTensor` and `torch.cuda.FloatTensor`."""

from __future__ import annotations

from typing import Any

from . import claims

_NAMES = ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")


class Kind(type):
    """The type of stand-ins for the old types; tensors of their dtype and device are their instances."""

    made_by: Any
    dtype: Any
    device: str

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        """A tensor as the old type makes it, claiming the device."""
        import torch

        named.pop("device", None)
        tensor = cls.made_by(*arguments, **named)
        with torch._C.DisableTorchFunction():
            claims.claim(tensor, cls.device)
        return tensor

    def __instancecheck__(cls, instance: Any) -> bool:
        import torch

        if not isinstance(instance, torch.Tensor) or instance.dtype is not cls.dtype:
            return False
        with torch._C.DisableTorchFunction():
            return (claims.claimed(instance) or claims.CPU).partition(":")[0] == cls.device.partition(":")[0]


def named(torch: Any, name: str) -> Any:
    """The stand-in that a name such as `torch.cuda.FloatTensor` means, None for any other."""
    kind = getattr(torch.cuda if ".cuda." in name else torch, name.rpartition(".")[2], None)
    return kind if isinstance(kind, Kind) else None


def put(torch: Any) -> None:
    """Put stand-ins in the place of the old types of the CPU and of CUDA.

    Args:
        torch: the module, just imported.
    """
    for name in _NAMES:
        original = getattr(torch, f"{name}Tensor", None)
        if original is None:
            continue
        for module, device in ((torch, claims.CPU), (torch.cuda, "cuda:0")):
            members = {"made_by": original, "dtype": original.dtype, "device": device, "__module__": module.__name__}
            setattr(module, f"{name}Tensor", Kind(f"{name}Tensor", (), members))
