"""The wandb client: what is initialised, logged and finished."""

from __future__ import annotations

import functools
import math
import sys
from types import ModuleType
from typing import Any

from gonogo_probe import channel, hooks, places

MOST_KEYS = 2000
_keys: dict[str, list[Any]] = {}  # key -> [rows, last finite value, non-finite values, place, changed]
_last_step: dict[str, int] = {}


def start() -> None:
    """Watch wandb."""
    hooks.when_imported("wandb.sdk.wandb_init", _watch_init)
    hooks.when_imported("wandb.sdk.wandb_run", _watch_run)
    hooks.when_imported("wandb.sdk.wandb_summary", _watch_summary)
    channel.on_flush(_report)


def _watch_init(module: Any) -> None:
    original = module.init

    @functools.wraps(original)
    def init(*arguments: Any, **named: Any) -> Any:
        place = places.caller(sys._getframe(1))
        try:
            run = original(*arguments, **named)
        except BaseException as error:
            channel.emit("wandb", what="init-failed", place=place, error=f"{type(error).__name__}: {error}"[:500])
            raise
        channel.emit("wandb", what="init", place=place, mode=_mode(run), asked=_asked(named), **_identity(run))
        return run

    module.init = init


def _asked(named: dict[str, Any]) -> dict[str, str]:
    return {name: str(named[name])[:200] for name in ("entity", "project", "id", "name", "mode", "resume") if named.get(name) is not None}


def _mode(run: Any) -> str:
    settings = getattr(run, "_settings", None) or getattr(run, "settings", None)
    return "disabled" if getattr(run, "disabled", False) else str(getattr(settings, "mode", "unknown"))


def _identity(run: Any) -> dict[str, Any]:
    return {name: str(getattr(run, name, "") or "")[:200] for name in ("entity", "project", "id")}


def _watch_run(module: ModuleType) -> None:
    run = module.Run
    log, finish = run.log, run.finish

    @functools.wraps(log)
    def logged(self: Any, data: Any = None, step: Any = None, *more: Any, **named: Any) -> Any:
        if isinstance(data, dict):
            place = places.caller(sys._getframe(1))
            _note("", data, place)
            if isinstance(step, int):
                _note_step(self, step, place)
            channel.tick()
        return log(self, data, step, *more, **named)

    @functools.wraps(finish)
    def finished(self: Any, *more: Any, **named: Any) -> Any:
        channel.flush()
        channel.emit("wandb", what="finish", place=places.caller(sys._getframe(1)), id=str(getattr(self, "id", ""))[:200])
        return finish(self, *more, **named)

    run.log, run.finish = logged, finished


def _note_step(run: Any, step: int, place: Any) -> None:
    name = str(getattr(run, "id", ""))
    last = _last_step.get(name)
    if last is not None and step < last:
        channel.emit("wandb", what="step-back", place=place, step=step, last=last, id=name[:200])
    _last_step[name] = max(step, last if last is not None else step)


def _note(prefix: str, data: dict[Any, Any], place: Any) -> None:
    for name, value in data.items():
        key = f"{prefix}{name}"
        entry = _keys.get(key)
        if entry is None:
            if len(_keys) >= MOST_KEYS:
                continue
            entry = _keys[key] = [0, None, 0, place, True]
        entry[0] += 1
        entry[4] = True
        number = _as_number(value)
        if number is not None:
            if math.isfinite(number):
                entry[1] = number
            else:
                entry[2] += 1


def _as_number(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        try:
            return float(value.item())
        except (TypeError, ValueError):
            return None
    return None


def _watch_summary(module: ModuleType) -> None:
    summary = module.SummaryDict
    for name in ("__setitem__", "update"):
        _watch_summary_method(summary, name)


def _watch_summary_method(summary: Any, name: str) -> None:
    original = getattr(summary, name)

    @functools.wraps(original)
    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        if places.is_direct(sys._getframe(1)):
            data = {arguments[0]: arguments[1]} if name == "__setitem__" else arguments[0] if arguments else named
            if isinstance(data, dict):
                _note("summary:", data, places.caller(sys._getframe(1)))
        return original(self, *arguments, **named)

    setattr(summary, name, watched)


def _report() -> None:
    changed = []
    for name, entry in list(_keys.items()):
        if entry[4]:
            entry[4] = False
            changed.append([name[:200], entry[0], entry[1], entry[2], entry[3]])
    if changed:
        channel.emit_items("logged", "keys", changed)
