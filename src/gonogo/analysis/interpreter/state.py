"""Where the walk is, and what it has seen: one object, shared by values, language and library models.

Whether code may not run (`maybe`), whether the run surely comes there at all (`doubtful`) and whether an error does no harm
(`surviving`) hold for a block of the walk, and are context managers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.analysis.interpreter.memory import Field, Ledger, Memory

if TYPE_CHECKING:
    from gonogo.analysis.python.modules import Module

Path = tuple[str, ...]
MAX_STEPS = 400_000


class ExhaustedError(Exception):
    """The budget of steps is used up."""


@dataclass(frozen=True)
class Site:
    """A place in the code."""

    module: Module
    node: ast.AST


@dataclass(frozen=True)
class Event:
    """Something that the walk saw; each kind of event is a class."""


class _Level:
    """How many blocks of one sort are open around the code that is being walked."""

    __slots__ = ("height",)

    def __init__(self) -> None:
        self.height = 0

    def __enter__(self) -> None:
        self.height += 1

    def __exit__(self, *_: object) -> None:
        self.height -= 1


class _Nothing:
    """A block of no sort."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()


class Setting:
    """A key of one config node that the objective of a search wrote.

    The same key of the node's copies is the same setting.
    """

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: list[object] = []  # held, so that their `id` stays theirs


class State:
    """The state of the walk.

    Args:
        memory: the writes of the walked program.
        doubts_branches: code that may not run is also code that this run perhaps never comes to (where nobody documents the runs).
        meets_cases: whoever starts the program picks the cases that it tells apart by name, so some run comes to each.

    Attributes:
        module: the module whose code is being walked.
        steps: how many nodes have been looked at, MAX_STEPS at most.
        loops: config paths of the loops around the code.
        left: an unknown condition may have ended this function, or one that called it, before this point.
        over: the process has surely ended itself.
        failed: an error that the code around handles may have come before this point.
        events: what was seen, in order.
        used: config paths whose value was read; `used_whole` those below which anything may have been read; `written` those that the
            program writes; each with the runs in which.
        executed: statements by `id`, and functions `entered` by that of their node, with the runs in which; `unanswered` are the `if`s
            whose condition was not known at some time.
        searched: the settings that the objective of a search wrote, by the `id` of the node and the key.
        tries: the `try` statements whose bodies are being walked, the innermost last.
    """

    left = Field[bool]()
    over = Field[bool]()
    failed = Field[bool]()

    def __init__(self, memory: Memory, doubts_branches: bool = False, meets_cases: bool = False) -> None:
        self.memory = memory
        self.meets_cases = meets_cases
        self.module: Module
        self.steps = 0
        self.loops: tuple[Path, ...] = ()
        self._left: object = False
        self._over: object = False
        self._failed: object = False
        self.events: Ledger[Event] = Ledger(memory)
        self.used: dict[Path, int] = {}
        self.used_whole: dict[Path, int] = {}
        self.written: dict[Path, int] = {}
        self.executed: dict[int, int] = {}
        self.entered: dict[int, int] = {}
        self.unanswered: dict[int, int] = {}
        self.searched: dict[tuple[int, str], Setting] = {}
        self.tries: tuple[ast.Try, ...] = ()
        self._doubts_branches = doubts_branches
        self._reset()

    def _reset(self) -> None:
        self._maybe, self._doubt, self._guards, self._deferred, self._search = _Level(), _Level(), _Level(), _Level(), _Level()

    # -- what holds for a block ---------------------------------------------------------------------------------------

    def maybe(self) -> _Level:
        """A block that may not run: what it writes is only possible."""
        return self._maybe

    def doubtful(self, when: bool = True) -> _Level | _Nothing:
        """A block that this run perhaps never comes to: nothing may be concluded from what it lacks."""
        return self._doubt if when else _NOTHING

    @contextmanager
    def surviving(self, when: bool = True) -> Iterator[None]:
        """Enter a block whose errors are handled.

        An absent key does no harm inside the block, but what comes after it in the block may not run.
        """
        before = self._failed
        with self._guards if when else _NOTHING:
            try:
                yield
            finally:
                if when and self._failed is not before:
                    self.memory.set(self, "failed", before)

    def deferred(self) -> _Level:
        """A function that a library was given, and may call at any time."""
        return self._deferred

    def searching(self) -> _Level:
        """The objective of a search, called for one of its trials."""
        return self._search

    @contextmanager
    def looping(self, path: Path | None) -> Iterator[None]:
        """The rounds of a loop over something that stood at a path of the config; None for any other loop."""
        before = self.loops
        self.loops = (*before, path) if path is not None else before
        try:
            yield
        finally:
            self.loops = before

    @contextmanager
    def within(self, module: Module) -> Iterator[None]:
        """Code of a module."""
        before = getattr(self, "module", module)
        self.module = module
        try:
            yield
        finally:
            self.module = before

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Another process: nothing that holds for the code that starts it holds there."""
        kept = (self._maybe, self._doubt, self._guards, self._deferred, self._search, self.loops, self.tries)
        self._reset()
        self.loops, self.tries, left, over, failed = (), (), self._left, self._over, self._failed
        try:
            self.memory.set(self, "left", False)
            self.memory.set(self, "over", False)
            self.memory.set(self, "failed", False)
            yield
        finally:
            self.leave(left)
            self.memory.set(self, "over", over)
            self.memory.set(self, "failed", failed)
            self._maybe, self._doubt, self._guards, self._deferred, self._search, self.loops, self.tries = kept

    def kept_left(self) -> object:
        """What `left` is for all runs where a function begins, to be given to `leave`."""
        return self._left

    def leave(self, kept: object) -> None:
        """A function is left for good at its end."""
        if self._left is not kept:
            self.memory.set(self, "left", kept)

    # -- questions ----------------------------------------------------------------------------------------------------

    @property
    def uncertain(self) -> bool:
        """Whether the code may not run."""
        return self._maybe.height > 0 or self.failed

    @property
    def guarded(self) -> bool:
        """Whether an error does no harm here."""
        return self._guards.height > 0

    @property
    def is_deferred(self) -> bool:
        """Whether a library calls this code, at a time of its own."""
        return self._deferred.height > 0

    @property
    def is_searching(self) -> bool:
        """Whether this is code of a search's objective."""
        return self._search.height > 0

    @property
    def in_doubt(self) -> bool:
        """Whether it is not known that this run comes here at all: nothing absent may be recorded."""
        return self._doubt.height > 0 or (self._doubts_branches and self._maybe.height > 0)

    @property
    def optional(self) -> bool:
        """Whether it is not known that this run comes here, or that the code runs if it does."""
        return self._doubt.height > 0 or self._maybe.height > 0

    @property
    def is_certain(self) -> bool:
        """Whether an error here surely ends the run."""
        return not self.guarded and not self.in_doubt

    @property
    def is_inevitable(self) -> bool:
        """Whether this run surely comes here, whatever the unknowns are, and an error surely ends it."""
        return not (self.optional or self.guarded or self.left)

    # -- what was seen ------------------------------------------------------------------------------------------------

    def site(self, node: ast.AST) -> Site:
        """The place of a syntax node in the module that is being walked."""
        return Site(self.module, node)

    def record(self, event: Event) -> None:
        """Note an event."""
        self.events.add(event)

    def use(self, path: Path) -> None:
        """Note that the value at a config path was read."""
        self.used[path] = self.used.get(path, 0) | self.memory.now

    def use_whole(self, path: Path) -> None:
        """Note that anything below a config path may have been read."""
        self.used_whole[path] = self.used_whole.get(path, 0) | self.memory.now

    def write(self, path: Path) -> None:
        """Note that the program writes to a config path."""
        self.written[path] = self.written.get(path, 0) | self.memory.now

    def leave_open(self, node: ast.AST) -> None:
        """Note that the condition of an `if` is not known."""
        self.unanswered[id(node)] = self.unanswered.get(id(node), 0) | self.memory.now

    def write_in_search(self, node: object, key: str) -> Setting:
        """Note that the objective of a search writes to a key of a config node."""
        setting = self.searched.setdefault((id(node), key), Setting())
        setting.nodes.append(node)
        return setting

    def copy_searched(self, node: object, copy: object, keys: Iterable[str]) -> None:
        """Note that a config node was copied with these keys."""
        for key in keys:
            setting = self.searched.get((id(node), key))
            if setting is not None:
                setting.nodes.append(copy)
                self.searched[id(copy), key] = setting

    def may_have_failed(self) -> None:
        """Note that something may have raised; it matters where the code around handles errors."""
        if self.guarded:
            self.memory.set(self, "failed", True)

    def may_have_left(self) -> None:
        """Note that an unknown condition may have ended the function before this point."""
        self.memory.set(self, "left", True)
