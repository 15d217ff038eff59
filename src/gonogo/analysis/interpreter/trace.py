"""What the interpreter saw while it walked one run: the interface to the rules.

Each kind of event is a class; `Trace.of` gives the events of a kind in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from gonogo.analysis.interpreter.base import AccessKind, Constant, Value
from gonogo.analysis.interpreter.sentinels import NotKnown
from gonogo.analysis.interpreter.state import Event, Path, Setting, Site
from gonogo.compose.client import Composition

__all__ = ["AccessKind", "Path", "Site"]  # with what is defined here

E = TypeVar("E", bound=Event)


class Status(StrEnum):
    """What a config access found.

    The key is absent, or it is `???`, or its parent is null, or it has a plain value.
    """

    ABSENT = "absent"
    MISSING = "missing"
    NONE = "none"
    SCALAR = "scalar"


class How(StrEnum):
    """How a config was written to."""

    ASSIGNMENT = "assignment"
    UPDATE = "update"
    MERGE = "merge"
    POP = "pop"
    DELETE = "delete"


class Wrong(StrEnum):
    """Where a DictConfig stands and only a plain dict will do."""

    JSON = "json"
    ISINSTANCE = "isinstance"
    SIGNATURE = "signature"
    VARS = "vars"
    UPLOADED = "uploaded"
    UPLOADED_WHOLE = "uploaded whole"


@dataclass(frozen=True)
class Access(Event):
    """A config access that was not plainly present.

    Attributes:
        path: what was asked for, as a path in the config it was asked of.
        guarded: the code survives it: a default, a test, a swallowing `except`.
        siblings: the keys that were there instead.
        default: what the code goes on with, if that is a known number, text, boolean or None.
        deferred: in a function that was handed to a library, which calls it when it likes.
        doubtful: it is not known whether this run ever comes here; nothing may be concluded but that the code asks for the key.
    """

    site: Site
    kind: AccessKind
    path: Path
    status: Status
    guarded: bool
    siblings: tuple[str, ...]
    default: Constant | NotKnown = None
    doubtful: bool = False
    deferred: bool = False


@dataclass(frozen=True)
class Read(Event):
    """The code reads a key of the config that is there.

    Attributes:
        path: where the value stood in the composed config (or file) it comes from.
        value: what is read, if that is a known number, text, boolean or None.
        is_section: it is a section, to be read in there or elsewhere.
    """

    site: Site
    path: Path
    value: Constant | NotKnown
    is_section: bool


@dataclass(frozen=True)
class Unresolved(Event):
    """An interpolation was resolved that names nothing, where that surely ends the run.

    `path` is where it stood in the composed config.
    """

    path: Path


@dataclass(frozen=True)
class Replaced(Event):
    """A value of the config is replaced by one from the code before anything resolves it.

    With no path, it may be any value.
    """

    path: Path


@dataclass(frozen=True)
class StructWrite(Event):
    """A write that struct mode refuses."""

    site: Site
    path: Path
    how: How


@dataclass(frozen=True)
class Misuse(Event):
    """A DictConfig where only a plain dict will do."""

    site: Site
    what: Wrong
    detail: str


@dataclass(frozen=True)
class Call(Event):
    """A call of something outside the experiment that rules want to see, with its arguments as they were.

    Attributes:
        open_keywords: there may be other arguments.
        loops: config paths of the loops around it.
        doubtful: it is not known whether this run ever comes here.
        searching: the objective of a search makes it.
    """

    site: Site
    name: str
    arguments: tuple[Value, ...]
    keywords: Mapping[str, Value]
    open_keywords: bool
    loops: tuple[Path, ...] = ()
    doubtful: bool = False
    searching: bool = False

    def argument(self, name: str, place: int | None = None) -> Value | None:
        """An argument by name, or by place where it has one; None if it is not given."""
        if name in self.keywords:
            return self.keywords[name]
        return self.arguments[place] if place is not None and place < len(self.arguments) else None

    def constant(self, name: str, place: int | None = None) -> Constant | NotKnown:
        """An argument as a plain value: None if it is not given, NOT_KNOWN if it is none, or not known."""
        value = self.argument(name, place)
        return value.constant() if value is not None else None


@dataclass(frozen=True)
class Raised(Event):
    """An exception raised on a path where every condition was known.

    Attributes:
        key: what a dict has not; None for another exception.
        error: the name of an exception that Python itself raises; empty for the experiment's own `raise`.
    """

    site: Site
    loops: tuple[Path, ...]
    key: str | None = None
    error: str = ""


@dataclass(frozen=True)
class Exited(Event):
    """The process ends itself (`sys.exit`), on a path where every condition was known."""

    site: Site


@dataclass(frozen=True)
class Unreadable(Event):
    """A text that is fully known can't be read as what it is taken for, and that surely ends the process.

    Attributes:
        what: what it is read as.
        text: the text.
        message: what Python says about it.
    """

    site: Site
    what: str
    text: str
    message: str


@dataclass(frozen=True)
class NoOption(Event):
    """An option is read that is defined nowhere and that nothing sets.

    Attributes:
        known: those that are there.
        message: what is wrong, and `advice` what to do, in the words of the library that the options come from.
        conditional: it stands behind a condition that nobody could decide.
    """

    site: Site
    name: str
    known: tuple[str, ...]
    message: str
    advice: str
    conditional: bool = False


@dataclass(frozen=True)
class LacksKey(Event):
    """A key is asked of a dict that was not seen to get it."""

    site: Site
    key: str


@dataclass(frozen=True)
class Mistyped(Event):
    """A text or a list meets a number, and Python surely raises a `TypeError`.

    Attributes:
        value: the text, or the first entry of the list.
        kind: the type of the text or list.
        path: where it stood in a file, if it did.
    """

    site: Site
    value: str
    kind: str
    path: Path | None = None


@dataclass(frozen=True)
class NoSuchChoice(Event):
    """An option is compared with a text that is none of its choices.

    Attributes:
        text: what it is compared with.
        choices: what it may be.
    """

    site: Site
    text: str
    choices: tuple[object, ...]


@dataclass(frozen=True)
class MadeFolder(Event):
    """A folder is made, by its absolute path."""

    site: Site
    path: str


@dataclass(frozen=True)
class Written(Event):
    """A file is opened to be written, by its absolute path."""

    path: str


@dataclass(frozen=True)
class MissingChild(Event):
    """A child process is started with a module or file that the experiment does not have."""

    site: Site
    name: str


@dataclass(frozen=True)
class Instantiated(Event):
    """A mapping with a `_target_` that Hydra is told to instantiate.

    Attributes:
        path: where it stood in the composed config.
        keys: what it has by then and what the call adds; none where there may be others.
        places: how many arguments the call gives by place.
        is_complete: what it lacks is not given later, as to a partial.
    """

    path: Path
    keys: frozenset[str]
    places: int = 0
    is_complete: bool = False


@dataclass(frozen=True)
class SearchWrite(Event):
    """The objective of a search wrote to a config.

    Attributes:
        setting: which key of which node.
        path: where the node stood in the composed config, with the key.
        before: what was there; NOT_KNOWN also where nothing was, then it `is_new`.
        after: what is there now.
        sampled: the value is what Optuna suggested.
    """

    site: Site
    setting: Setting
    path: Path
    before: Constant | NotKnown
    after: Constant | NotKnown
    is_new: bool
    sampled: bool


@dataclass(frozen=True)
class ReadAfterSearch(Event):
    """What the objective of a search had written to was read by other code."""

    site: Site
    setting: Setting
    value: Constant | NotKnown


@dataclass(frozen=True)
class Searched(Event):
    """A search was made.

    Attributes:
        objective: the function that is called for each trial; None if it is not known.
        result: what it returns where that is surely one plain value.
    """

    site: Site
    objective: Site | None
    result: Constant | NotKnown


@dataclass(frozen=True)
class Unsuggested(Event):
    """The best parameters of a search are asked for a name that it never suggests, which ends the run.

    Attributes:
        name: what is asked for.
        suggested: the names that there are.
    """

    site: Site
    name: str
    suggested: tuple[str, ...]


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
        rewrites_argv: it sets its own command line.
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
        executed: the statements that were walked, by `id`.
        unanswered: the `if`s of which it was not known at some time which way they go, by `id`.
        written: config paths that the program itself writes.
        loads_unknown: a YAML file was read whose name is not known.
        complete: the code that gets the config was reached and walked to its end within the budget; else `reason` says why not.
    """

    run_id: str
    command: str
    processes: list[Process] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    used: set[Path] = field(default_factory=set)
    used_whole: set[Path] = field(default_factory=set)
    executed: set[int] = field(default_factory=set)
    unanswered: set[int] = field(default_factory=set)
    written: set[Path] = field(default_factory=set)
    loads_unknown: bool = False
    complete: bool = True
    reason: str = ""
    _by_kind: dict[type[Event], list[Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind, in their order."""
        if kind not in self._by_kind:
            self._by_kind[kind] = [event for event in self.events if isinstance(event, kind)]
        return self._by_kind[kind]

    def keep(self, kind: type[E], wanted: Callable[[E], bool]) -> None:
        """Forget the events of a kind that are not wanted."""
        self.events = [event for event in self.events if not isinstance(event, kind) or wanted(event)]
        self._by_kind.clear()

    @property
    def accesses(self) -> list[Access]:
        """Config accesses that were not plainly present."""
        return self.of(Access)

    @property
    def struct_writes(self) -> list[StructWrite]:
        """Writes that struct mode refuses."""
        return self.of(StructWrite)

    @property
    def misuses(self) -> list[Misuse]:
        """DictConfigs where only a plain dict will do."""
        return self.of(Misuse)

    @property
    def calls(self) -> list[Call]:
        """Calls of things outside that rules want to see."""
        return self.of(Call)

    @property
    def raised(self) -> list[Raised]:
        """Exceptions raised whatever the unknowns are."""
        return self.of(Raised)

    @property
    def instantiated(self) -> dict[Path, Instantiated]:
        """By path, what Hydra is told to instantiate, as it was the first time."""
        return {event.path: event for event in reversed(self.of(Instantiated))}

    @property
    def composition(self) -> Composition | None:
        """The last composition that worked: the config the training code holds."""
        found = [composition for process in self.processes for _, composition in process.compositions if composition.ok]
        return found[-1] if found else None

    @property
    def config(self) -> dict[str, Any]:
        """The config that the training code holds, empty where none was composed."""
        return (self.composition.config if self.composition is not None else None) or {}

    def is_used(self, path: Path) -> bool:
        """Whether a key, or anything above it as a whole, or anything below it, was read."""
        if path in self.used or any(path[:length] in self.used_whole for length in range(len(path) + 1)):
            return True
        return any(other[: len(path)] == path for other in self.used if len(other) > len(path))


def composed_configs(traces: Iterable[Trace], command: str = "full") -> dict[str, dict[str, Any]]:
    """Return, by run, the config that the training process composes under a documented command.

    That process is the last one to compose a config.
    """
    found: dict[str, dict[str, Any]] = {}
    for trace in traces:
        if trace.command == command:
            composed = [each.config for process in trace.processes for _, each in process.compositions if each.config is not None]
            if composed:
                found.setdefault(trace.run_id, composed[-1])
    return found
