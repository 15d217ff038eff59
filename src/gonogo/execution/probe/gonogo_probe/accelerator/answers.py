"""What `torch.cuda` answers where there is no GPU: what a machine with one would say."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

NAME = "a pretended CUDA device"
MEMORY = 80 << 30
_NOTHING = (
    *("synchronize", "empty_cache", "ipc_collect", "set_device", "init", "_lazy_init", "reset_peak_memory_stats"),
    *("reset_max_memory_allocated", "reset_max_memory_cached", "reset_accumulated_memory_stats"),
    *("set_per_process_memory_fraction", "manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state"),
    *("set_rng_state_all", "_sleep", "set_stream"),
)
_ZERO = (
    *("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved", "memory_cached"),
    *("max_memory_cached", "current_device"),
)


class _Moment:
    """An event or a stream: there is nothing to wait for."""

    def __init__(self, *arguments: Any, **named: Any) -> None: ...

    def record(self, *arguments: Any) -> None: ...

    def synchronize(self) -> None: ...

    def wait(self, *arguments: Any) -> None: ...

    wait_stream = wait_event = record_event = wait

    def query(self) -> bool:
        return True

    def is_capturing(self) -> bool:
        return False

    def elapsed_time(self, *arguments: Any) -> float:
        return 1.0

    def __enter__(self) -> _Moment:
        return self

    def __exit__(self, *arguments: object) -> None: ...


def answer(torch: Any) -> None:
    """Have `torch.cuda`, `torch.accelerator` and generators answer for a GPU.

    Args:
        torch: the module, just imported.
    """
    cuda = torch.cuda
    for name in _NOTHING:
        _put(cuda, name, lambda *arguments, **named: None)
    for name in _ZERO:
        _put(cuda, name, lambda *arguments, **named: 0)
    for name in ("is_available", "is_initialized", "is_bf16_supported", "_is_compiled"):
        _put(cuda, name, lambda *arguments, **named: True)
    _put(cuda, "is_current_stream_capturing", lambda: False)
    _put(cuda, "device_count", lambda: 1)
    _put(cuda, "get_device_name", lambda *arguments: NAME)
    _put(cuda, "get_device_capability", lambda *arguments: (8, 0))
    _put(cuda, "get_arch_list", lambda: ["sm_80"])
    _put(cuda, "mem_get_info", lambda *arguments: (MEMORY, MEMORY))
    _put(cuda, "memory_stats", lambda *arguments: {})
    _put(cuda, "memory_summary", lambda *arguments, **named: "")
    _put(cuda, "get_rng_state", lambda *arguments: torch.get_rng_state())
    _put(cuda, "get_rng_state_all", lambda: [torch.get_rng_state()])
    properties = SimpleNamespace(name=NAME, total_memory=MEMORY, major=8, minor=0, multi_processor_count=108)
    _put(cuda, "get_device_properties", lambda *arguments: properties)
    for name in ("_exchange_device", "_maybe_exchange_device"):
        _put(cuda, name, lambda *arguments: 0)
    _put(cuda, "Event", _Moment)
    _put(cuda, "Stream", _Moment)
    _put(cuda, "current_stream", lambda *arguments: _Moment())
    _put(cuda, "default_stream", lambda *arguments: _Moment())
    _put(cuda, "stream", lambda *arguments: contextlib.nullcontext())
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None:
        _put(accelerator, "is_available", lambda: True)
        _put(accelerator, "device_count", lambda: 1)
        _put(accelerator, "current_accelerator", lambda *arguments, **named: torch.device("cuda"))
        for name in ("synchronize", "set_device_index", "set_device_idx", "set_stream", "empty_cache", "reset_peak_memory_stats"):
            _put(accelerator, name, lambda *arguments: None)
        for name in ("current_device_index", "current_device_idx", "memory_allocated", "max_memory_allocated", "memory_reserved"):
            _put(accelerator, name, lambda *arguments: 0)
        _put(accelerator, "current_stream", lambda *arguments: _Moment())
    _put(torch.backends.cudnn, "is_acceptable", lambda tensor: False)  # its kernels are not there; others give the same
    _answer_generators(torch)


def _put(module: Any, name: str, value: Any) -> None:
    if hasattr(module, name):
        setattr(module, name, value)


def _answer_generators(torch: Any) -> None:
    original = torch.Generator

    class Generator(original):  # type: ignore[misc, valid-type]
        """Random numbers of the CPU, whatever device is asked for."""

        def __new__(cls, device: Any = "cpu") -> Any:
            return original.__new__(cls, "cpu")

        def __init__(self, device: Any = "cpu") -> None: ...

    torch.Generator = Generator
