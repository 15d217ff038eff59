"""Processes that train one network together: whether gradients go through what averages them."""

from __future__ import annotations

import functools
import os
import weakref
from types import ModuleType
from typing import Any

from .. import channel, events, hooks, places

_seen = events.Rank(0, 0)
_told: tuple[Any, ...] = ()
_wrapped: weakref.WeakSet[Any] = weakref.WeakSet()
_depth = 0


def start() -> None:
    """Watch `DistributedDataParallel` and `all_reduce`."""
    hooks.when_imported("torch.distributed.distributed_c10d", _watch_reducing)
    hooks.when_imported("torch.nn.parallel.distributed", _watch_wrapping)
    channel.on_flush(_report)


def is_one_of_many() -> bool:
    """Whether a launcher has started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def called(module: Any, learns: bool) -> None:
    """A network is called as a whole.

    Args:
        module: the network.
        learns: whether it is trained by that.
    """
    if learns and not _depth and module in _wrapped:
        _seen.around += 1
        _seen.place = _seen.place or places.caller()


def _watch_wrapping(module: ModuleType) -> None:
    wrapper = module.DistributedDataParallel
    original_init, original = wrapper.__init__, wrapper.forward

    @functools.wraps(original_init)
    def __init__(self: Any, module: Any, *more: Any, **named: Any) -> None:
        original_init(self, module, *more, **named)
        _wrapped.add(module)

    @functools.wraps(original)
    def forward(self: Any, *arguments: Any, **named: Any) -> Any:
        global _depth
        _depth += 1
        _seen.through += 1
        try:
            return original(self, *arguments, **named)
        finally:
            _depth -= 1

    wrapper.__init__, wrapper.forward = __init__, forward


def _watch_reducing(module: Any) -> None:
    from ..watchers import optimizers

    original = module.all_reduce

    @functools.wraps(original)
    def all_reduce(tensor: Any, *more: Any, **named: Any) -> Any:
        if named.get("group") is None and len(more) < 2 and optimizers.is_gradient(tensor):
            _seen.reduced += 1
        return original(tensor, *more, **named)

    module.all_reduce = all_reduce


def _report() -> None:
    global _told
    if not is_one_of_many():
        return
    numbers = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    if not all(number.isdigit() for number in numbers):
        return
    _seen.rank, _seen.world = map(int, numbers)
    now = (_seen.through, _seen.around, _seen.reduced)
    if now != _told:
        _told = now
        channel.emit(_seen)
