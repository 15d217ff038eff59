"""W&B: its calls are watched, and a config that is given to a run can be read back from it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import AccessKind, Arguments, Items, Known, Reach, Spread, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Alternatives
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.state import Event
from gonogo.analysis.interpreter.trace import Misuse, Wrong
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.outside import Outside

CONFIGS = ("wandb.config", "wandb.init().config", "wandb.run.config")
WRITES = frozenset({"update", "setdefaults", "persist"})  # methods of a run's config that give nothing back

LIBRARY.watches("wandb.")
LIBRARY.shows("wandb.init", "wandb.config.update", "wandb.init().config.update", "wandb.run.config.update")


@dataclass(frozen=True)
class Shown(Event):
    """A config was given to a W&B run."""

    config: Value


@dataclass(frozen=True)
class ReadBack(Event):
    """A key was asked of the config of a W&B run."""


@LIBRARY.call("wandb.init", reach=Reach.TOGETHER)
def init(walk: Walk, given: Arguments, at: ast.AST) -> Unhandled:
    """`wandb.init(config=…)`."""
    if "config" in given.keywords:
        config, memory = given.keywords["config"], walk.memory
        for runs in memory.groups([config]):
            with memory.only(runs):
                value = config.seen() if isinstance(config, Alternatives) else config
                walk.state.record(Shown(value))
                if walk.state.is_certain and isinstance(value, ConfigNode) and value.config:
                    detail = "W&B takes a DictConfig by what OmegaConf keeps in it, and gets none of its keys; before Python 3.12 it raises"
                    walk.state.record(Misuse(walk.state.site(at), Wrong.UPLOADED_WHOLE, detail))
                if walk.state.is_certain and (section := _text_of_section(value)):
                    detail = f"W&B keeps `{section}` of `dict(config)` as one text, in which no key can be asked for"
                    walk.state.record(Misuse(walk.state.site(at), Wrong.UPLOADED, detail))
    return UNHANDLED


def _text_of_section(config: Value) -> str | None:
    """Return the key of the first DictConfig within a plain dict that is passed to W&B.

    W&B takes such a value for something that only has a text. None if there is none.
    """
    if not isinstance(config, ConfigNode) or config.config:
        return None
    sections = (key for key, value in config.items.pairs() if isinstance(value, ConfigNode) and value.config)
    return next(map(str, sections), None)


class RunConfig(Outside):
    """The config of a W&B run.

    Whatever is read from it was given to the run before; what is written to it is only stored.
    """

    __slots__ = ()
    inert = False

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A key, or a method."""
        if name not in WRITES:
            walk.state.record(ReadBack())
        return super().member(walk, name, at, default, kind)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """A key."""
        walk.state.record(ReadBack())
        return super().item(walk, key, at)

    def iterate(self, walk: Walk) -> Items:
        """Its keys."""
        walk.state.record(ReadBack())
        return super().iterate(walk)

    def spread(self, walk: Walk) -> Spread:
        """Its keys and values."""
        walk.state.record(ReadBack())
        return super().spread(walk)

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether it has a key."""
        walk.state.record(ReadBack())
        return super().contains(walk, item, at)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Whoever gets it may read it."""
        walk.state.record(ReadBack())


def _is_config(name: str) -> None:
    """A name stands for the config of the run."""

    @LIBRARY.attribute(name)
    def run_config(walk: Walk) -> Value:
        return RunConfig(name, Known(watched=True))


for _name in CONFIGS:
    _is_config(_name)


@LIBRARY.at_end
def count_shown(walk: Walk) -> None:
    """What was given to a run counts as read where anything was asked of its config."""
    events = list(walk.state.events.here())
    read = 0
    for runs, event in events:
        read |= runs if isinstance(event, ReadBack) else 0
    for runs, event in events:
        if isinstance(event, Shown) and runs & read:
            walk.memory.each([runs & read], lambda event=event: event.config.escape(walk))  # type: ignore[misc]
