"""Avoids work that takes a run seconds and changes nothing.

It skips torch's compiler where nothing is compiled, W&B's inputs of jobs where none are staged, and useless garbage collection.

Before an experiment's first line and after its last, Python looks for garbage among all that torch and its like define.
"""

from __future__ import annotations

import atexit
import functools
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from .. import hooks

COMPILER = "torch._dynamo"
STAGER = "wandb.sdk.launch.inputs.internal"
SELDOM = 20_000  # objects between two looks for garbage; Python's own default is 700
TELLERS = ("triton", "jaxlib", "mlx")  # made with nanobind, which prints a page of what it calls leaks
_own_threshold = gc.get_threshold()


def start() -> None:
    """Watch for the modules that import the compiler, or whose functions do.

    Garbage is collected rarely until the work begins.
    """
    hooks.when_imported("torch._compile", _spare_disabling)
    hooks.when_imported("torch.optim.optimizer", _spare_steps)
    hooks.when_imported("torch.compiler", _spare_marking)
    hooks.while_imported("torchvision.ops.roi_align", _without_compiler)
    hooks.when_imported("wandb.sdk.wandb_run", _spare_staged_inputs)
    gc.set_threshold(SELDOM, *_own_threshold[1:])
    atexit.register(_spare_last_look)


def work_begins() -> None:
    """Restore the garbage collector's own threshold.

    Objects that have been imported so far are no longer searched.
    """
    if gc.get_threshold()[0] == SELDOM:  # else it has begun, or the code has said what it wants
        gc.freeze()
        gc.set_threshold(*_own_threshold)


def _spare_last_look() -> None:
    """Skip the last garbage collection at exit, which searches everything.

    Where bindings then report what was not freed, it is not skipped: they must not see less.
    """
    if any(name in sys.modules for name in TELLERS):
        gc.unfreeze()
    else:
        gc.freeze()


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Replace the compiler's module by a small one within the context.

    Its only function calls the real one when it is called.
    """
    name = f"{COMPILER}.utils"
    if name in sys.modules:
        yield
        return

    def is_compile_supported(device_type: Any) -> Any:
        from torch._dynamo.utils import is_compile_supported as real

        return real(device_type)

    sys.modules[name] = ModuleType(name)
    sys.modules[name].is_compile_supported = is_compile_supported  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del sys.modules[name]


def _marked_with_compiler(plain: Callable[..., Any], mark: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """A function as it is as long as there is no compiler, and as `mark` makes it for one from then on."""
    marked = functools.cache(mark)

    @functools.wraps(plain)
    def called(*arguments: Any, **named: Any) -> Any:
        return (marked() if COMPILER in sys.modules else plain)(*arguments, **named)

    return called


def _spare_disabling(module: Any) -> None:
    """What is kept out of compilation needs no compiler to be kept out of as long as there is none."""
    original = module._disable_dynamo

    @functools.wraps(original)
    def disable(fn: Callable[..., Any] | None = None, recursive: bool = True) -> Any:
        if fn is None:
            return functools.partial(disable, recursive=recursive)
        return _marked_with_compiler(fn, functools.partial(original, fn, recursive))

    module._disable_dynamo = disable


def _spare_marking(module: Any) -> None:
    """`torch.compiler.disable` is the same, for users."""
    original = module.disable

    @functools.wraps(original)
    def disable(fn: Any = None, recursive: bool = True, **named: Any) -> Any:
        if fn is None and COMPILER not in sys.modules:
            return functools.partial(disable, recursive=recursive, **named)
        if not isinstance(fn, FunctionType) or COMPILER in sys.modules:
            return original(fn, recursive, **named)
        return _marked_with_compiler(fn, functools.partial(original, fn, recursive, **named))

    module.disable = disable


def _spare_steps(module: Any) -> None:
    """A step marks itself for the compiler, which is only of use where there is one."""
    original = module._use_grad_for_differentiable

    @functools.wraps(original)
    def use_grad(func: Callable[..., Any]) -> Callable[..., Any]:
        marked = original(func)

        @functools.wraps(func)
        def step(*arguments: Any, **named: Any) -> Any:
            if COMPILER in sys.modules:
                return marked(*arguments, **named)
            torch = sys.modules["torch"]
            with torch.set_grad_enabled(arguments[0].defaults["differentiable"]):
                return func(*arguments, **named)

        return step

    module._use_grad_for_differentiable = use_grad


def _spare_staged_inputs(module: Any) -> None:
    """Skip the search of a new run for inputs of a job that were staged before it.

    There are none as long as nobody imported the module that stages them.
    """
    original = getattr(module.Run, "_detect_and_apply_job_inputs", None)
    if original is None:
        return  # another version of W&B

    @functools.wraps(original)
    def apply(self: Any) -> None:
        if STAGER in sys.modules:
            original(self)

    module.Run._detect_and_apply_job_inputs = apply
