"""What the interpreter saw while it followed one run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.values import Path
from gonogo.compose.client import Composition

if TYPE_CHECKING:
    from gonogo.analysis.python.modules import Module


@dataclass(frozen=True)
class Site:
    """A place in the code."""

    module: Module
    node: ast.AST


@dataclass(frozen=True)
class Access:
    """A config access that was not plainly present.

    Attributes:
        kind: attribute, item, get, getattr, select, in, override.
        path: what was asked for, as a path in the config it was asked of.
        status: absent, missing (the value is `???`), none (the parent is null or no mapping).
        guarded: the code survives it: a default, a test, a swallowing `except`.
        siblings: the keys that were there instead.
        default: what the code goes on with, if that is a known scalar.
        deferred: in a function that was handed to a library, which calls it when it likes.
        doubtful: it is not known whether this run ever comes here; nothing may be concluded but that the code asks for the key.
    """

    site: Site
    kind: str
    path: Path
    status: str
    guarded: bool
    siblings: tuple[str, ...]
    default: object = None
    doubtful: bool = False
    deferred: bool = False


@dataclass(frozen=True)
class StructWrite:
    """A write that struct mode refuses: `how` is assignment, update, merge, pop or delete."""

    site: Site
    path: Path
    how: str


@dataclass(frozen=True)
class Misuse:
    """A DictConfig where only a plain dict will do: `what` is json, isinstance, signature or hydra."""

    site: Site
    what: str
    detail: str


@dataclass(frozen=True)
class Call:
    """A call of something outside the experiment whose arguments are worth keeping.

    Attributes:
        doubtful: it is not known whether this run ever comes here.
    """

    site: Site
    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    open_keywords: bool
    loops: tuple[Path, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class Raised:
    """An exception raised on a path where every condition was known: by the experiment's own `raise`, or as a dict has not the `key`."""

    site: Site
    loops: tuple[Path, ...]
    key: str | None = None


@dataclass
class Process:
    """One Python process of a run.

    Attributes:
        module: the dotted name of the module it starts.
        arguments: its command line after the module, unknown stretches filled in; None where it is not known.
        launched: where it was started from; None for the documented command.
        compositions: what Hydra made of it, one for each `@hydra.main` or `compose` reached.
        failing: the overrides that Hydra refuses one by one, with its message.
        assumed: it was not seen to be started; its command line is assumed to be the documented one.
        open: it may have been given arguments that are not among `arguments`.
        run_lost: Hydra refused the override that selects the run.
    """

    module: str
    arguments: tuple[str, ...] | None
    launched: Site | None = None
    compositions: list[tuple[Site, Composition]] = field(default_factory=list)
    failing: list[tuple[str, Composition]] = field(default_factory=list)
    assumed: bool = False
    rewrites_argv: bool = False
    open: bool = False
    run_lost: bool = False


@dataclass
class Trace:
    """Everything seen for one run under one documented command.

    Attributes:
        used: config paths whose value was read.
        used_whole: config paths below which anything may have been read.
        written: config paths that the program itself writes.
        instantiated: paths of mappings with a `_target_` that Hydra is told to instantiate, with the keys they have by then; no keys where
            there may be others.
        loads_unknown: a YAML file was read whose name is not known.
        complete: the code that gets the config was reached and followed to its end within the budget.
    """

    run_id: str
    command: str
    processes: list[Process] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    struct_writes: list[StructWrite] = field(default_factory=list)
    misuses: list[Misuse] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)
    used: set[Path] = field(default_factory=set)
    used_whole: set[Path] = field(default_factory=set)
    executed: set[int] = field(default_factory=set)
    written: set[Path] = field(default_factory=set)
    instantiated: dict[Path, frozenset[str]] = field(default_factory=dict)
    loads_unknown: bool = False
    complete: bool = True
    reason: str = ""

    @property
    def composition(self) -> Composition | None:
        """The last composition that worked: the config the training code holds."""
        found = [composition for process in self.processes for _, composition in process.compositions if composition.ok]
        return found[-1] if found else None

    def forget_deferred(self) -> None:
        """Drop reads in functions that a library calls later, of keys that the program writes: they may be there by then."""
        self.accesses = [access for access in self.accesses if not (access.deferred and access.path in self.written)]

    def is_used(self, path: Path) -> bool:
        """Whether a key, or anything above it as a whole, or anything below it, was read."""
        if path in self.used or any(path[:length] in self.used_whole for length in range(len(path) + 1)):
            return True
        return any(other[: len(path)] == path for other in self.used if len(other) > len(path))


def composed_configs(traces: list[Trace], command: str = "full") -> dict[str, dict[str, Any]]:
    """By run, the config that the process which trains composes under a documented command: the last process to compose one."""
    found: dict[str, dict[str, Any]] = {}
    for trace in traces:
        if trace.command == command:
            composed = [each.config for process in trace.processes for _, each in process.compositions if each.config is not None]
            if composed:
                found.setdefault(trace.run_id, composed[-1])
    return found
