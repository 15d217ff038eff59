"""Trainers that have loops of their own: a rehearsal bounds them by their own settings."""

from __future__ import annotations

import functools
import inspect
import math
from types import ModuleType
from typing import Any

from .. import channel, clock, events, hooks, places, settings
from ..watchers import odd

WARMS = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant_with_warmup", "inverse_sqrt")  # schedules of transformers
_asked: dict[
    int, tuple[Any, float, int]
] = {}  # by the identity of the settings of a Trainer: themselves, epochs and steps as they were given


def start() -> None:
    """Bound `transformers.Trainer`, Lightning and Ignite's engines, where a rehearsal has bounds."""
    hooks.when_imported("transformers.trainer", _watch_warming)
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
        _asked[id(self)] = (self, self.num_train_epochs, self.max_steps)
        changed = [("num_train_epochs", self.num_train_epochs, epochs)] if self.num_train_epochs > epochs else []
        self.num_train_epochs = min(self.num_train_epochs, epochs)
        if self.max_steps > steps:
            changed.append(("max_steps", self.max_steps, steps))
            self.max_steps = steps
        if changed:
            channel.emit(events.Bounded([(f"TrainingArguments.{name}", old, new) for name, old, new in changed]))

    arguments.__post_init__ = __post_init__


def _watch_warming(module: ModuleType) -> None:
    trainer = module.Trainer
    original = trainer.create_scheduler

    @functools.wraps(original)
    def create_scheduler(self: Any, *more: Any, **named: Any) -> Any:
        with clock.aside():
            _look_at_warming(self)
        return original(self, *more, **named)

    trainer.create_scheduler = create_scheduler


def _look_at_warming(trainer: Any) -> None:
    """Hold the steps of a warm-up against those of the whole training, as it was asked for."""
    given = trainer.args
    _, epochs, steps = _asked.get(id(given), (given, given.num_train_epochs, given.max_steps))
    if (
        not hasattr(trainer.train_dataset, "__len__")
        or str(getattr(given.lr_scheduler_type, "value", given.lr_scheduler_type)) not in WARMS
    ):
        return
    each = given.train_batch_size * given.gradient_accumulation_steps * given.world_size
    total = steps if steps > 0 else math.ceil(epochs * math.ceil(len(trainer.train_dataset) / each))
    warm = given.get_warmup_steps(total)
    detail = (
        f"{warm:,} steps of warm-up, {total:,} steps of training, so that the rate ends at {total / warm:.3g} of {given.learning_rate:g}"
        if warm
        else ""
    )
    odd.tell("warm-up", "Trainer", places.caller(), warm >= total > 0, detail)


def _bound_lightning(module: ModuleType) -> None:
    trainer = module.Trainer
    original = trainer.__init__

    @functools.wraps(original)
    def __init__(self: Any, *more: Any, **named: Any) -> None:
        epochs, batches = settings.bounds["epochs"], settings.bounds["batches"]
        wanted: dict[str, int] = {"max_epochs": epochs, "max_steps": batches}
        parts = ("train",) if settings.bounds.get("asks") else ("train", "val", "test", "predict")
        wanted |= {f"limit_{part}_batches": batches for part in parts}
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
