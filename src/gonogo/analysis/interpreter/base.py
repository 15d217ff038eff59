"""What a value is, and what it may ask of the interpreter.

`Value` lists every operation that code can do with a value, each with the answer for a value of which nothing is known. A kind of value is
a class in `values/`, one file a kind, that overrides what it knows better. `Walk` is what values, language constructs and library models
see of the interpreter.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gonogo.analysis.interpreter.memory import Alternatives, Cells, Field, Memory
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, UNHANDLED, NoDefault, NotKnown, Unhandled
from gonogo.analysis.interpreter.state import Path, Site, State

if TYPE_CHECKING:
    from gonogo.analysis.python.modules import Module

Constant = str | int | float | bool | bytes | None
Names = Cells[str, "Value"]
FEW, MANY = 4, 16  # alternatives of code, each of which is walked, and of data
Stretches = tuple[str | None, ...]  # of a text: what is known of it, and None for each unknown stretch


class AccessKind(StrEnum):
    """How a config key was asked for."""

    ATTRIBUTE = "attribute"
    ITEM = "item"
    GET = "get"
    GETATTR = "getattr"
    SELECT = "select"
    IN = "in"
    HASATTR = "hasattr"


class Items(NamedTuple):
    """What an iteration gives, and whether that is all of it."""

    values: Sequence[Value]
    complete: bool


class Spread:
    """Keys with their values, as `**value` gives them and `{…}` and `dict(…)` collect them.

    Attributes:
        items: the values by key; in a cell of several runs, what each has.
        origins: for values that came from a config, where they stood there.
        maybe: keys that may not be there.
        open: there may be other keys.
    """

    __slots__ = ("items", "maybe", "open", "origins")

    def __init__(
        self,
        items: Mapping[Constant, Value] | None = None,
        origins: Mapping[Constant, Path] | None = None,
        maybe: Iterable[Constant] = (),
        open: bool = False,
    ) -> None:
        self.items: dict[Constant, Value] = dict(items or {})
        self.origins: dict[Constant, Path] = dict(origins or {})
        self.maybe = set(maybe)
        self.open = open

    def add(self, key: Constant, value: Value) -> None:
        """One more key, or another value under it."""
        self.items[key] = value
        self.origins.pop(key, None)
        self.maybe.discard(key)

    def take(self, other: Spread, join: Callable[[Value, Value], Value]) -> None:
        """The keys and values of another behind its own; `join` makes one value of two that a key may have."""
        for key, value in other.items.items():
            if key not in other.maybe:
                self.maybe.discard(key)
            elif key in self.items:
                value = join(self.items[key], value)
            else:
                self.maybe.add(key)
            self.items[key] = value
            if key in other.origins:
                self.origins[key] = other.origins[key]
            else:
                self.origins.pop(key, None)
        self.open = self.open or other.open


class Entered(NamedTuple):
    """What `with value as name` binds, and what happens at the end of the block.

    It also says whether an error inside the block does no harm.
    """

    value: Value
    leave: Callable[[], None] | None = None
    survives: bool = False


class Arguments:
    """The arguments of a call.

    `open` says that there may be others. `spread` holds keyword arguments that came from `**config`, with where they stood.
    """

    __slots__ = ("keywords", "open", "positional", "spread")

    def __init__(self, positional: Iterable[Value] = (), keywords: dict[str, Value] | None = None, open: bool = False) -> None:
        self.positional = list(positional)
        self.keywords: dict[str, Value] = {} if keywords is None else keywords
        self.open = open
        self.spread: dict[str, Path] = {}

    def get(self, index: int, name: str, default: Value | None = None) -> Value:
        """An argument by position or name; `default` (something unknown) where it is not given."""
        if index < len(self.positional):
            return self.positional[index]
        return self.keywords.get(name, UNKNOWN if default is None else default)

    def given(self, index: int, name: str) -> Value | NoDefault:
        """An argument by position or name, NO_DEFAULT where it is not given."""
        if index < len(self.positional):
            return self.positional[index]
        return self.keywords.get(name, NO_DEFAULT)

    def values(self) -> list[Value]:
        """Every argument."""
        return [*self.positional, *self.keywords.values()]

    def seen(self) -> Arguments:
        """The arguments as they are for the runs that are being walked."""
        keywords = {name: value.seen() if isinstance(value, Alternatives) else value for name, value in self.keywords.items()}
        found = Arguments((value.seen() if isinstance(value, Alternatives) else value for value in self.positional), keywords, self.open)
        found.spread = self.spread
        return found

    def after(self, first: Arguments) -> Arguments:
        """These arguments behind those that a partial already holds."""
        return Arguments([*first.positional, *self.positional], {**first.keywords, **self.keywords}, first.open or self.open)


class Value:
    """A value; this class itself is one of which nothing is known.

    Attributes:
        inert: whatever is done with it outside the experiment, nothing of the experiment's is touched.
        immutable: no operation changes it or anything else.
        never_none: it surely is not None.
        has_identity: `is` compares it as an object.
        choices: among how many values that a name may stand for it stays known; 0 if it is not worth it.
        tells_apart: rounds of a loop that differ in such values differ in a way that matters.
        unknown: nothing is known of it but perhaps how it was come by.
        outlasts: a plain constant beside it only stands in where it is missing: one of the two is taken for it.
    """

    __slots__ = ()
    inert: bool = False
    immutable: bool = False
    never_none: bool = True
    has_identity: bool = False
    choices: int = 0
    tells_apart: bool = True
    unknown: bool = False
    outlasts: bool = False

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def loop_path(self) -> Path | None:
        """The config path that a loop over it goes over."""
        return None

    def constant(self) -> Constant | NotKnown:
        """Return the number, text, boolean, bytes or None that the value is.

        NOT_KNOWN where it is none of these, or where it is not known.
        """
        return NOT_KNOWN

    def truth(self) -> bool | None:
        """Whether it counts as true, None where that is not known."""
        return True if self.never_none else None

    def is_none(self) -> bool | None:
        """Whether it is None, None where that is not known."""
        return False if self.never_none else None

    def identity(self) -> Hashable:
        """What is the same for values that surely are the same."""
        return id(self)

    def same_as(self, other: Value) -> bool:
        """Whether it surely is the same value as another."""
        return self is other or self.identity() == other.identity()

    def alternatives(self) -> Sequence[Value]:
        """The values that it may be: itself, unless it is a choice."""
        return (self,)

    def outside_name(self) -> str | None:
        """Return the dotted name of something from outside the experiment or built into Python.

        It is the name under which the value was reached. None for any other value.
        """
        return None

    def type_name(self) -> str | None:
        """The name by which `isinstance` knows it, if it is a class."""
        return self.outside_name()

    def path_text(self) -> str | None:
        """It as a path of a file, None if it is none or not known."""
        return None

    def shown(self) -> Stretches:
        """It as a text, as an f-string shows it."""
        return (None,)

    def concatenates(self) -> Stretches | None:
        """What it adds to a text by `+`; None if it is no text."""
        return None

    def length(self, walk: Walk) -> int | None:
        """How long it is, None where that is not known."""
        return None

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """Whether it is an instance of one of some classes, None where that is not known."""
        return None

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """It as plain data, for a config that is kept in code."""
        return reader.open_place()

    # -- what is done with it -----------------------------------------------------------------------------------------

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """`value.name`, or `getattr(value, name, default)`."""
        return UNKNOWN

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """`hasattr(value, name)`, None where that is not known."""
        return None

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """`value.name = …`."""

    def delete_member(self, walk: Walk, name: str, at: ast.AST) -> None:
        """`del value.name`."""

    def members(self, walk: Walk) -> Value:
        """`vars(value)`."""
        return UNKNOWN

    def of_class(self, walk: Walk, instance: Value, cls: Value, at: ast.AST) -> Value:
        """It as a member of an instance whose class has it: functions become methods."""
        return self

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """`value[key]`."""
        return UNKNOWN

    def slice(self, walk: Walk, bounds: Sequence[Value | None]) -> Value:
        """`value[start:stop:step]`."""
        return UNKNOWN

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """`value[key] = …`."""

    def delete_item(self, walk: Walk, key: Value, at: ast.AST) -> None:
        """`del value[key]`."""

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """`value(…)`."""
        let_go(walk, given)
        return UNKNOWN

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """`value.name(…)`, where `member` gave a `BoundMethod`."""
        let_go(walk, given)
        return UNKNOWN

    def call_back(self, walk: Walk) -> Value:
        """A call by a library, with arguments that nobody knows."""
        return UNKNOWN

    def call_back_with(self, walk: Walk, given: Arguments) -> Value:
        """A call by a library that adds what it likes to some arguments."""
        return self.call_back(walk)

    def iterate(self, walk: Walk) -> Items:
        """`for … in value`."""
        return Items((), False)

    def unpack(self, count: int) -> Sequence[Value] | None:
        """The values that `a, b, … = value` binds, None where they are not known."""
        return None

    def spread(self, walk: Walk) -> Spread:
        """`**value`."""
        return Spread(open=True)

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """`item in value`, None where that is not known."""
        return None

    def compare(self, walk: Walk, op: ast.cmpop, other: Value) -> bool | None:
        """`value < other` and the like, but for `in` and `is`; None where that is not known."""
        if isinstance(op, (ast.Eq, ast.NotEq)) and self.never_none and other.is_none():
            return isinstance(op, ast.NotEq)
        return None

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`value + other` and the like."""
        return UNHANDLED

    def reflected(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`other + value`, where `other` knows no answer."""
        return UNHANDLED

    def in_place(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`value += other`, if that changes the value itself."""
        return UNHANDLED

    def negated(self, op: ast.unaryop) -> Value:
        """`-value` and `+value`."""
        return UNKNOWN

    def converted(self, kind: type) -> Value:
        """`str(value)`, `int(value)` or `float(value)`."""
        return UNKNOWN

    def enter(self, walk: Walk, at: ast.AST) -> Entered:
        """`with value as …`."""
        return Entered(self)

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> Value:
        """Return a deep copy that keeps where values come from.

        `config` turns all config nodes into DictConfigs (True) or plain dicts (False).
        """
        return self

    def snapshot(self, depth: int = 0) -> Value:
        """It as it is now, whatever changes later."""
        return self

    def config_content(self) -> Spread | None:
        """What a DictConfig holds that is made of it; None where OmegaConf keeps it as it is."""
        return None

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Everything below it may be read by code that is not the experiment's."""

    def release(self, walk: Walk, depth: int = 0) -> None:
        """It leaves the experiment: configs may be read whole, functions may be called."""
        self.escape(walk)

    def come_back(self, walk: Walk) -> None:
        """Handle that this value is passed once more to code that is already being walked.

        It counts as passed to code that is not followed, unless the value keeps a record of such calls.
        """
        self.release(walk)


class _Unknown(Value):
    """Anything at all."""

    __slots__ = ()
    inert = immutable = unknown = True
    never_none = False
    tells_apart = False

    def concatenates(self) -> Stretches | None:
        """It may be a text."""
        return (None,)


UNKNOWN: Value = _Unknown()


class Frame:
    """A scope: names, the scope around it, and what the code in it returned so far.

    Attributes:
        function: the function whose body it is, or is in.
        elsewhere: names that the body declares `global` or `nonlocal`, with the names of the scope that they belong to.
        returns: the values it may have returned; `yields` those it yielded, None in a function that yields nothing.
    """

    __slots__ = ("_returns", "_yields", "elsewhere", "function", "globals", "is_class", "locals", "module", "outer")
    returns = Field[tuple[Value, ...]]()
    yields = Field[tuple[Value, ...] | None]()

    def __init__(
        self,
        module: Module,
        names: Names,
        globals_: Names,
        outer: Frame | None = None,
        function: Method | None = None,
        is_class: bool = False,
    ) -> None:
        self.module = module
        self.locals = names
        self.globals = globals_
        self.outer = outer
        self.function = function
        self.is_class = is_class
        self.elsewhere: dict[str, Names] = {}
        self._returns: object = ()
        self._yields: object = None


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Method(Protocol):
    """What a scope needs to know of the function whose body it is."""

    @property
    def bound(self) -> Value | None:
        """The instance or class whose method it is."""

    @property
    def owner(self) -> Value | None:
        """The class in whose body it is defined."""


class PlainReader(Protocol):
    """Turns values into plain data for Hydra's ConfigStore; see `library.config_store`."""

    def open_place(self) -> object:
        """What stands for something that the source does not tell."""

    def mandatory(self) -> object:
        """What stands for a value that has to be given."""

    def data(self, value: Value, depth: int, path: Path) -> object:
        """A value inside another."""

    def mapping(self, items: Mapping[str, object], open: bool) -> object:
        """A mapping; `open` if it may hold more."""

    def of_class(self, cls: Value, depth: int, path: Path) -> object:
        """A class of the experiment."""

    def of_instance(self, instance: Value, cls: Value, attributes: Mapping[str, Value], depth: int, path: Path) -> object:
        """An object of a class of the experiment."""


Model = Callable[["Walk", Arguments, ast.AST], Value | Unhandled]


class Reach(StrEnum):
    """How a library model is called where its arguments differ between the runs walked together.

    PURE: it reads only its arguments and writes nothing, so it is asked for each group. APART: for each group that has other objects; it
    gets numbers and texts for all. TOGETHER: once, whatever it gets.
    """

    PURE = "pure"
    APART = "apart"
    TOGETHER = "together"


@dataclass(frozen=True)
class Known:
    """What library models say of something outside the experiment, by its dotted name.

    Attributes:
        call: what a call of it gives, asked as `reach` says.
        attribute: what it is, if more is known than its name.
        shows: a call only shows or stores what it is given: that counts as seen by people, not as used.
        watched: rules want to see calls of it.
        survives: an error inside `with` it does no harm.
        decorates: what it makes of a function that it decorates.
        members: the names that it has, None where that is not known.
    """

    call: Model | None = None
    reach: Reach = Reach.APART
    attribute: Callable[[Walk], Value] | None = None
    shows: bool = False
    watched: bool = False
    survives: bool = False
    decorates: Callable[[Walk, Value, Arguments, ast.AST], Value] | None = None
    members: frozenset[str] | None = None


class Hydra(Protocol):
    """How configs come into being: `composing` where a contract documents the runs, `project` elsewhere."""

    def start(self, main: Value, at: ast.AST) -> Value:
        """Call a function under `@hydra.main`."""

    def compose(self, given: Arguments, at: ast.AST) -> Value:
        """`hydra.compose(config_name, overrides=…)`."""

    def folder_given(self, given: Arguments) -> str | None:
        """The folder that `hydra.initialize` was given, relative to the experiment's root."""


class Children(Protocol):
    """How child processes are started."""

    def launch(self, command: Value, at: ast.AST) -> None:
        """The program starts a child process with a command line: a text, or a list of words."""


class Process:
    """The Python process that is being walked.

    Attributes:
        argv: its command line.
        open: it may have been given other arguments; `rewrites_argv`: it sets its command line itself.
        choices: which option of each config group the last composition took; None before there is one.
        folder: the config folder that `hydra.initialize` named.
        loaded: the modules that have been imported, by name.
        called_back: how often each function was called as a library would, by the `id` of its node.
        active: how many calls of each function are open; `depth` those of all.
    """

    __slots__ = ("_argv", "_choices", "_folder", "_open", "_rewrites_argv", "active", "called_back", "depth", "loaded", "module", "site")
    argv = Field[Value]()
    open = Field[bool]()
    rewrites_argv = Field[bool]()
    choices = Field[Value | None]()
    folder = Field[str | None]()

    def __init__(self, module: str, argv: Value, site: Site | None = None, open: object = False) -> None:
        self.module = module
        self.site = site
        self._argv: object = argv
        self._open = open
        self._rewrites_argv: object = False
        self._choices: object = None
        self._folder: object = None
        self.loaded: Names = Cells()
        self.called_back: Cells[int, int] = Cells()
        self.active: dict[int, int] = {}
        self.depth = 0


class Modules(Protocol):
    """The experiment's modules, imported as the walk comes by; see `modules`."""

    def globals_of(self, module: Module) -> Names:
        """The globals of a module in this process."""

    def imported(self, name: str, whole: bool) -> Value:
        """What `import a.b` binds; `a.b` itself if it is renamed (`whole`)."""

    def imported_name(self, module: str, name: str) -> Value:
        """What `from module import name` binds."""

    def public_names(self, module: str) -> dict[str, Value]:
        """What `from module import *` binds."""

    def is_ours(self, package: str) -> bool:
        """Whether the experiment has a module or package at the top under a name."""

    def is_left_out(self, dotted: str) -> bool:
        """Whether the experiment has a module of this name that the process has not imported."""


class Walk(Protocol):
    """What values, language constructs and library models may ask of the interpreter."""

    state: State
    memory: Memory
    process: Process
    uploaded: Mapping[str, object]  # by id, the run configs of the runs that evaluation may fetch
    reads_data: bool  # JSON and TOML files of the experiment are read as they are, for no run is known to write them

    @property
    def hydra(self) -> Hydra:
        """How configs come into being."""

    @property
    def children(self) -> Children:
        """How child processes are started."""

    @property
    def modules(self) -> Modules:
        """The experiment's modules."""

    @property
    def growing(self) -> set[str]:
        """Names of what gets new keys somewhere in the project, perhaps where no run was walked."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """The value of an expression."""

    def run_function(self, node: FunctionNode, frame: Frame) -> Value:
        """Walk a function's body and give what it returns."""

    def may_call_back(self, node: FunctionNode, most: int) -> bool:
        """Whether a library may call the function once more; it then counts as called."""

    def made(self, instance: Value) -> None:
        """An object of a class of the experiment was made: its methods are walked at the end."""

    def builtin(self, name: str) -> Value:
        """What Python itself calls by a name, something unknown if nothing."""

    def outside(self, name: str) -> Value:
        """Something outside the experiment, by its dotted name."""

    def expected(self, parameter: str) -> Value:
        """What a library gives for a parameter of this name when it calls a function of the experiment's."""

    def file_text(self, path: str) -> str | None:
        """The text of a file of the experiment by its path under `markers.ROOT`."""

    def set_argv(self, value: Value) -> None:
        """The program sets its own command line."""


def come_back(walk: Walk, given: Arguments) -> None:
    """Arguments go to code of the experiment that is being walked already, and is not walked once more."""
    for value in given.values():
        if not value.inert:
            value.come_back(walk)


def let_go(walk: Walk, given: Arguments) -> None:
    """Arguments leave the experiment."""
    for value in given.positional:
        if not value.inert:
            value.release(walk)
    for value in given.keywords.values():
        if not value.inert:
            value.release(walk)
