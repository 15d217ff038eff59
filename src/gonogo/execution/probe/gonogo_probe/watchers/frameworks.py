"""Trainers that have loops of their own: a rehearsal bounds them by their own settings."""

from __future__ import annotations

import functools
import inspect
from types import ModuleType
from typing import Any

from .. import channel, events, hooks, settings


def start() -> None:
    """Bound `transformers.Trainer`, Lightning and Ignite's engines, where a rehearsal has bounds."""
    if settings.bounds.get("batches"):
        hooks.when_imported("transformers.training_args", _bound_transformers)
        for name in ("lightning.pytorch.trainer.trainer", "pytorch_lightning.trainer.trainer"):
            hooks.when_imported(name, _bound_lightning)
        hooks.when_imported("ignite.engine.engine", _bound_ignite)


def _bound_transformers(module: ModuleType) -> None:
    arguments = module.TrainingArguments
    original = arguments.__post_init__

    @functools.wraps(original)
    def __post_init__(self: Any) -> None:
        original(self)
        epochs, steps = settings.bounds["epochs"], settings.bounds["batches"]
        changed = [("num_train_epochs", self.num_train_epochs, epochs)] if self.num_train_epochs > epochs else []
        self.num_train_epochs = min(self.num_train_epochs, epochs)
        if self.max_steps > steps:
            changed.append(("max_steps", self.max_steps, steps))
            self.max_steps = steps
        if changed:
            channel.emit(events.Bounded([(f"TrainingArguments.{name}", old, new) for name, old, new in changed]))

    arguments.__post_init__ = __post_init__


def _bound_lightning(module: ModuleType) -> None:
    trainer = module.Trainer
    original = trainer.__init__

    @functools.wraps(original)
    def __init__(self: Any, *more: Any, **named: Any) -> None:
        epochs, batches = settings.bounds["epochs"], settings.bounds["batches"]
        wanted: dict[str, int] = {"max_epochs": epochs, "max_steps": batches}
        wanted |= {f"limit_{part}_batches": batches for part in ("train", "val", "test", "predict")}
        changed: list[tuple[str, Any, Any]] = []
        for name, most in wanted.items():
            given = named.get(name)
            if name == "max_steps" and (given is None or given == -1):
                continue
            if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= most:
                continue
            named[name] = most
            changed.append((f"Trainer.{name}", given, most))
        if changed:
            channel.emit(events.Bounded(changed))
        original(self, *more, **named)

    trainer.__init__ = __init__


def _bound_ignite(module: ModuleType) -> None:
    engine = module.Engine
    original = engine.run
    signature = inspect.signature(original)

    @functools.wraps(original)
    def run(self: Any, *more: Any, **named: Any) -> Any:
        given = signature.bind(self, *more, **named).arguments
        batches = settings.bounds["batches"]
        changed: list[tuple[str, Any, Any]] = []
        for name, most in (("max_epochs", settings.bounds["epochs"]), ("max_iters", batches), ("epoch_length", batches)):
            asked = given.get(name)
            if name == "epoch_length" and asked is None:  # what it takes for one is then the length of its data, where they have one
                asked = len(given["data"]) if hasattr(given.get("data"), "__len__") else None
            if isinstance(asked, int) and asked > most:
                given[name] = most
                changed.append((f"Engine.run.{name}", asked, most))
        if changed:
            channel.emit(events.Bounded(changed))
        return original(**given)

    engine.run = run
