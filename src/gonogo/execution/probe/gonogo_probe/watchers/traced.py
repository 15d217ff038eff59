"""Whether tensors have numbers to look at.

They have none while a compiler, a tracer or a transform of functions goes through the code.

Of such tensors nothing can be asked: `float()` of one ends the program, and what is compiled would hold the probe's own questions.
"""

from __future__ import annotations

import functools
from typing import Any

_torch: Any = None


def _never() -> bool:
    return False


def _none() -> None:
    return None


_is_compiling: Any = _never
_transform: Any = _none
_tracer: Any = _none
_modes: Any = _none


def watch(torch: Any) -> None:
    """Find out how this version of the library tells, and have `torch.compile` compile nothing.

    Args:
        torch: the library.
    """
    global _torch, _is_compiling, _transform, _tracer, _modes
    _torch = torch
    _is_compiling = getattr(getattr(torch, "compiler", None), "is_compiling", _never)
    _transform = getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", _none)
    _tracer = getattr(torch._C, "_get_tracing_state", _none)
    _modes = getattr(torch._C, "_len_torch_dispatch_stack", _none)
    if hasattr(getattr(torch, "compiler", None), "set_stance"):
        _run_eagerly(torch)


def is_recorded() -> bool:
    """Whether a compiler or a tracer writes down what runs, the probe's own calls with it."""
    if _is_compiling():  # first: a compiler takes it for true, and leaves out what stands behind it
        return True
    return _tracer() is not None


def now() -> bool:
    """Whether nothing may be asked of tensors at this moment."""
    if is_recorded():
        return True
    return _transform() is not None or bool(_modes())


def is_readable(value: Any) -> bool:
    """Whether something is a tensor that has numbers of its own.

    Args:
        value: anything.
    """
    if not isinstance(value, _torch.Tensor) or value.is_meta or value.is_nested or value.layout is not _torch.strided:
        return False
    return type(value).__torch_dispatch__ is _torch.Tensor.__torch_dispatch__  # else only what looks like a tensor


def _run_eagerly(torch: Any) -> None:
    """Run compiled networks and functions as they are written.

    Compiling takes a compiler and minutes, and hides what is run.
    """
    original = torch.compile
    asked: list[bool] = []

    @functools.wraps(original)
    def compile(*arguments: Any, **named: Any) -> Any:
        if not asked:
            asked.append(True)
            torch.compiler.set_stance("force_eager")
        return original(*arguments, **named)

    torch.compile = compile
