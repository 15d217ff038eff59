"""Hydra: its decorator, what it says of the running job, and what is instantiated or composed by hand."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Entered, Reach, Value, Walk, let_go
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.markers import ROOT
from gonogo.analysis.interpreter.memory import Alternatives
from gonogo.analysis.interpreter.processes import filled
from gonogo.analysis.interpreter.sentinels import ABSENT
from gonogo.analysis.interpreter.trace import Instantiated, Replaced
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.hydra_main import HydraMain
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.compose.command_line import CommandLineError, parse_command_line

JOB = "hydra.core.hydra_config.HydraConfig.get()."
OPTIONS = ("config_path", "config_name", "version_base")


@LIBRARY.decorator("hydra.main")
def main(walk: Walk, function: Value, given: Arguments, at: ast.AST) -> Value:
    """`@hydra.main(…)`."""
    if not isinstance(settled(function), Function):
        return function
    return HydraMain(function, {**dict(zip(OPTIONS, given.positional, strict=False)), **given.keywords}, at)  # type: ignore[arg-type]


@LIBRARY.attribute(JOB + "overrides.task")
def overrides(walk: Walk) -> Value:
    """The overrides of the command line, without Hydra's own options."""
    argv = settled(walk.process.argv)
    words = argv.items[1:]
    try:
        # What differs from run to run is an override, `run=…` first of all.
        places = parse_command_line("=" if isinstance(word, Alternatives) else filled(word) for word in words).places
    except CommandLineError:
        return Sequence(words, argv.open)
    return Sequence([words[place] for place in places], argv.open)


@LIBRARY.attribute(JOB + "runtime.choices")
def choices(walk: Walk) -> Value:
    """Which option of each config group was taken."""
    found = walk.process.choices
    return UNKNOWN if found is None else found


@LIBRARY.attribute(JOB + "runtime.cwd")
def directory(walk: Walk) -> Value:
    """The folder that the command was started in."""
    return Scalar(ROOT)


@LIBRARY.call("hydra.utils.instantiate", "hydra.utils.call")
def instantiate(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`instantiate(config)`: it goes to whatever the `_target_` names."""
    value = settled(given.get(0, "config"))
    if walk.state.is_certain:
        _note(walk, value)
    if isinstance(value, ConfigNode):
        for key in given.keywords:
            walk.state.record(Replaced((*value.path, key)))
        if given.open:
            walk.state.record(Replaced(value.path))
        else:
            value.resolve_all(walk, given.keywords)
    let_go(walk, given)
    return UNKNOWN


def _note(walk: Walk, value: Value) -> None:
    """Record what has a `_target_`, in it and below it."""
    if isinstance(value, ConfigNode):
        keys = value.items.there()
        if "_target_" in keys:
            known = frozenset() if value.open or value.maybe else frozenset(map(str, keys))
            walk.state.record(Instantiated(value.path, known))
        recursive = value.items.look("_recursive_")
        if recursive is not ABSENT and recursive.constant() is False:
            return
        for _, item in value.items.pairs():
            _note(walk, settled(item))
    elif isinstance(value, Sequence):
        for item in value.values:
            _note(walk, settled(item))


class Initialized(Value):
    """`hydra.initialize(…)`, to be entered: the folder counts for the time of the block."""

    __slots__ = ("before", "folder")

    def __init__(self, folder: str | None, before: str | None) -> None:
        self.folder = folder
        self.before = before

    def enter(self, walk: Walk, at: ast.AST) -> Entered:
        """The folder is the one to compose from."""
        process, memory, before = walk.process, walk.memory, walk.memory.raw(walk.process, "folder")
        memory.set(process, "folder", self.folder)
        return Entered(UNKNOWN, lambda: memory.set(process, "folder", before))


@LIBRARY.call("hydra.initialize", "hydra.initialize_config_dir")
def initialize(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`hydra.initialize(config_path)`: it counts from now on."""
    folder, before = walk.hydra.folder_given(given), walk.process.folder
    walk.memory.set(walk.process, "folder", folder)
    return Initialized(folder, before)


@LIBRARY.call("hydra.compose", reach=Reach.TOGETHER)
def compose(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`hydra.compose(config_name, overrides=…)`."""
    return walk.hydra.compose(given, at)
