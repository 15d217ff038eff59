"""Optuna: trials, what they suggest, what they are worth."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

from .. import channel, events, hooks, places, settings


def start() -> None:
    """Watch optuna's studies and trials."""
    hooks.when_imported("optuna.study.study", _watch_study)
    hooks.when_imported("optuna.trial._trial", _watch_trial)


def _watch_study(module: ModuleType) -> None:
    study = module.Study
    optimize, ask, tell = study.optimize, study.ask, study.tell

    @functools.wraps(optimize)
    def bounded(self: Any, func: Any, n_trials: Any = None, timeout: Any = None, *more: Any, **named: Any) -> Any:
        place = places.caller(sys._getframe(1))
        channel.emit(events.Searched("optimize", place))
        most = settings.bounds.get("trials")
        if most is not None:
            n_trials = most if n_trials is None else min(n_trials, most)

        @functools.wraps(func)
        def objective(trial: Any) -> Any:
            channel.emit(events.Searched("trial", place))
            value = func(trial)
            channel.emit(events.Searched("value", place))
            return value

        return optimize(self, objective, n_trials, timeout, *more, **named)

    @functools.wraps(ask)
    def asked(self: Any, *more: Any, **named: Any) -> Any:
        trial = ask(self, *more, **named)
        if places.is_direct(sys._getframe(1)):
            channel.emit(events.Searched("trial", places.caller(sys._getframe(1))))
        return trial

    @functools.wraps(tell)
    def told(self: Any, trial: Any, values: Any = None, *more: Any, **named: Any) -> Any:
        if places.is_direct(sys._getframe(1)):
            channel.emit(events.Searched("value", places.caller(sys._getframe(1))))
        return tell(self, trial, values, *more, **named)

    study.optimize, study.ask, study.tell = bounded, asked, told


def _watch_trial(module: ModuleType) -> None:
    for name in ("suggest_float", "suggest_int", "suggest_categorical"):
        _watch_suggestion(module.Trial, name)


def _watch_suggestion(trial: Any, name: str) -> None:
    original = getattr(trial, name)

    @functools.wraps(original)
    def suggest(self: Any, *arguments: Any, **named: Any) -> Any:
        value = original(self, *arguments, **named)
        parameter = arguments[0] if arguments else named.get("name")
        channel.emit(events.Suggested(str(parameter)[:200]))
        return value

    setattr(trial, name, suggest)
