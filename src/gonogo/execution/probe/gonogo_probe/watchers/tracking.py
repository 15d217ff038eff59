"""The wandb client: what is initialised, logged and finished."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import sys
import weakref
from types import ModuleType
from typing import Any

from .. import channel, events, hooks, places

MOST_KEYS = 2000
_keys: dict[str, list[Any]] = {}  # key -> [rows, last finite value, non-finite values, place, turn, NaNs that were computed, changed]
_turns = itertools.count(1)
_next_step: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # run -> the step that a row without one gets


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
            channel.emit(events.Tracking("init-failed", place, error=f"{type(error).__name__}: {error}"[:500]))
            raise
        if _mode(run) == "disabled":
            _watch_disabled(run)
        channel.emit(events.Tracking("init", place, mode=_mode(run), **_identity(run)))
        return run

    module.init = init


def _mode(run: Any) -> str:
    settings = getattr(run, "_settings", None) or getattr(run, "settings", None)
    return "disabled" if getattr(run, "disabled", False) else str(getattr(settings, "mode", "unknown"))


def _identity(run: Any) -> dict[str, Any]:
    return {name: str(getattr(run, name, "") or "")[:200] for name in ("entity", "project", "id")}


def _watch_run(module: ModuleType) -> None:
    _watch_methods(module.Run)


def _watch_disabled(run: Any) -> None:
    """Watch a disabled run.

    It is of a class of its own, or has other functions for its methods, and `wandb.log` is one of these already.
    """
    if "log" in vars(type(run)):
        _watch_methods(type(run))
    elif "log" in vars(run):
        _watch_methods(run)
    else:
        return
    sys.modules["wandb"].log = run.log  # type: ignore[attr-defined]


def _watch_methods(owner: Any) -> None:
    """Watch `log` and `finish` of a class of runs, or of one run."""
    log, finish = owner.log, owner.finish
    if hasattr(log, "watched_by_gonogo"):
        return
    is_class = isinstance(owner, type)

    @functools.wraps(log)
    def logged(*arguments: Any, **named: Any) -> Any:
        run, given = (arguments[0], arguments[1:]) if is_class else (owner, arguments)
        data = given[0] if given else named.get("data")
        step = given[1] if len(given) > 1 else named.get("step")
        if isinstance(data, dict):
            place = places.caller(sys._getframe(1))
            _note("", data, place)
            commit = given[2] if len(given) > 2 else named.get("commit")
            _note_step(run, step, commit, place)
            channel.tick()
        return log(*arguments, **named)

    @functools.wraps(finish)
    def finished(*arguments: Any, **named: Any) -> Any:
        run = arguments[0] if is_class and arguments else owner
        channel.flush()
        channel.emit(events.Tracking("finish", places.caller(sys._getframe(1)), id=str(getattr(run, "id", ""))[:200]))
        return finish(*arguments, **named)

    logged.watched_by_gonogo = True  # type: ignore[attr-defined]
    owner.log, owner.finish = logged, finished


def _note_step(run: Any, step: Any, commit: Any, place: Any) -> None:
    """Count steps as the client does.

    A row without a step ends the current row, and one with a step leaves it open, unless `commit` says otherwise.
    """
    at = _next_step.get(run)
    if at is None:
        first = getattr(run, "starting_step", 0)  # of a run that goes on
        at = first if isinstance(first, int) else 0
    if step is not None:
        try:
            given = operator.index(step)
        except TypeError:
            return  # the client says what is wrong with it
        if given < at:
            channel.emit(events.Tracking("step-back", place, id=str(getattr(run, "id", ""))[:200], step=given, last=at))
        at = max(at, given)
    _next_step[run] = at + 1 if commit or (commit is None and step is None) else at


def _note(prefix: str, data: dict[Any, Any], place: Any) -> None:
    turn = next(_turns)
    for name, value in data.items():
        key = f"{prefix}{name}"
        entry = _keys.get(key)
        if entry is None:
            if len(_keys) >= MOST_KEYS:
                continue
            entry = _keys[key] = [0, None, 0, place, 0, 0, True]
        entry[0] += 1
        entry[4], entry[6] = turn, True
        number = _as_number(value)
        if number is not None:
            if math.isfinite(number):
                entry[1] = number
            else:
                entry[2] += 1
                entry[5] += math.isnan(number) and not _is_constant(value)


def _is_constant(value: Any) -> bool:
    """Whether a NaN is the one that a library has for its users, who put it where there is no number."""
    return any(value is constant for constant in (math.nan, getattr(sys.modules.get("numpy"), "nan", None)))


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
        if entry[6]:
            entry[6] = False
            changed.append(events.Logged(name[:200], *entry[:6]))
    channel.emit_items(events.LoggedKeys(changed), "keys")
