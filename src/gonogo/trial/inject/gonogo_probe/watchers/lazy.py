"""Keeps torch from importing its compiler where nothing is compiled: that takes seconds of every run, and changes nothing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from gonogo_probe import hooks

COMPILER = "torch._dynamo"


def start() -> None:
    """Watch for the two modules whose functions import the compiler."""
    hooks.when_imported("torch._compile", _spare_disabling)
    hooks.when_imported("torch.optim.optimizer", _spare_steps)


def _spare_disabling(module: Any) -> None:
    """What is kept out of compilation needs no compiler to be kept out of as long as there is none."""
    original = module._disable_dynamo

    @functools.wraps(original)
    def disable(fn: Callable[..., Any] | None = None, recursive: bool = True) -> Any:
        if fn is None:
            return functools.partial(disable, recursive=recursive)
        kept_out, plain = original(fn, recursive), fn

        @functools.wraps(fn)
        def called(*arguments: Any, **named: Any) -> Any:
            return (kept_out if COMPILER in sys.modules else plain)(*arguments, **named)

        return called

    module._disable_dynamo = disable


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
