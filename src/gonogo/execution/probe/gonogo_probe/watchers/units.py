"""Units behind a ReLU that are zero for every row of the first batches: they are dead, or about to be."""

from __future__ import annotations

import weakref
from typing import Any

from .. import channel, clock, events, settings
from ..watchers import traced

MOST_CALLS = 2000  # of ReLU modules, after which nobody looks any more
FEWEST_ROWS = 64  # with fewer, a unit that is zero for all of them says nothing
_alive: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()  # by module: which units were above zero, rows
_calls = 0
_told: tuple[int, ...] = ()
_handle: Any = None


def watch(torch: Any) -> None:
    """Look at what `torch.nn.ReLU` modules put out while they train."""
    global _handle
    if settings.mode != settings.PROGRAM:
        return

    def saw(module: Any, _: Any, out: Any) -> None:
        if traced.now():
            return
        if type(module) is torch.nn.ReLU and module.training and traced.is_readable(out) and out.ndim >= 2:
            with clock.aside(), torch.no_grad():
                _look(module, out.detach())

    _handle = torch.nn.modules.module.register_module_forward_hook(saw)
    channel.on_flush(_report)


def _look(module: Any, out: Any) -> None:
    global _calls
    _calls += 1
    if _calls >= MOST_CALLS:
        _handle.remove()
    units = (out > 0).transpose(0, 1).flatten(1).any(1) if out.ndim != 3 else (out > 0).flatten(0, 1).any(0)
    known = _alive.get(module)
    if known is None or len(known[0]) != len(units):
        _alive[module] = [units, len(out)]
    else:
        known[0] |= units
        known[1] += len(out)


def _report() -> None:
    global _told
    looked = [(units, rows) for units, rows in _alive.values() if rows >= FEWEST_ROWS]
    now = (len(looked), sum(len(units) for units, _ in looked), sum(int((~units).sum()) for units, _ in looked))
    if looked and now != _told:
        _told = now
        channel.emit(events.Units(*now))
