"""The project's functions, classes and objects, and the names bound while they are walked.

The names are those of the function or module that is being walked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from gonogo.analysis.dataflow.store import Store
from gonogo.analysis.dataflow.values import Call, Ref, Turn, Value, plain
from gonogo.analysis.python.modules import Module


@dataclass(eq=False)
class Turning:
    """A loop that is being walked, with the names that its body assigns.

    Each name is a choice that grows as the body is walked.
    """

    names: dict[str, Turn] = field(default_factory=dict)


class Frame:
    """Names, and where others are looked up: in the frame around the definition, at last in the module's.

    Attributes:
        definition: the function; the module's tree for a module.
        owner: the class whose method it is.
        returned: values of its `return` statements; `yielded` those of its `yield`.
        loops: that are being walked, outermost first.
        outer: names declared `global` or `nonlocal`.
        receiver: the object whose method it is.
        stars: libraries all names of which were imported (`from torch.nn import *`).
    """

    def __init__(self, module: Module, definition: ast.AST, parent: Frame | None, owner: Class | None = None) -> None:
        self.module = module
        self.definition = definition
        self.parent = parent
        self.owner = owner
        self.names: Store[str] = Store()
        self.returned: list[Value] = []
        self.yielded: list[Value] = []
        self.loops: list[Turning] = []
        self.outer: dict[str, str] = {}
        self.receiver: Value | None = None
        self.stars: list[str] = []

    def lookup(self, name: str) -> Value | None:
        """What a name stands for now."""
        frame: Frame | None = self
        while frame is not None:
            found = frame.names.get(name)
            if found is not None:
                return found
            frame = frame.parent
        return None

    @property
    def top(self) -> Frame:
        """The module's frame."""
        frame = self
        while frame.parent is not None:
            frame = frame.parent
        return frame

    def bind(self, name: str, value: Value) -> None:
        """Let a name stand for a value."""
        scope = self.outer.get(name)
        if scope == "global":
            self.top.names.set(name, value)
        elif scope == "nonlocal":
            frame = self.parent
            while frame is not None and frame.names.get(name) is None:
                frame = frame.parent
            (frame or self).names.set(name, value)
        else:
            self.names.set(name, value)


class Function(Value):
    """A function of the project, with the frame it was defined in, and the object it is bound to."""

    __slots__ = ("definition", "frame", "owner", "receiver")

    def __init__(
        self,
        module: Module,
        definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        frame: Frame,
        owner: Class | None = None,
        receiver: Value | None = None,
    ) -> None:
        super().__init__(module, definition)
        self.definition = definition
        self.frame = frame
        self.owner = owner
        self.receiver = receiver

    def is_same(self, other: Value) -> bool:
        return isinstance(other, Function) and self.definition is other.definition and self.receiver is other.receiver

    @property
    def name(self) -> str:
        """The name it was defined under, empty for a lambda."""
        return "" if isinstance(self.definition, ast.Lambda) else self.definition.name

    def bound(self, receiver: Value) -> Function:
        """The method of an object."""
        return Function(self.module, self.definition, self.frame, self.owner, receiver)

    def inputs(self) -> Iterator[Value]:
        if self.receiver is not None:
            yield self.receiver


class Class(Value):
    """A class of the project: its names, and its bases in the order they are written."""

    __slots__ = ("bases", "definition", "frame", "names")

    def __init__(self, module: Module, definition: ast.ClassDef, frame: Frame, bases: tuple[Value, ...]) -> None:
        super().__init__(module, definition)
        self.definition = definition
        self.frame = frame
        self.bases = bases
        self.names: dict[str, Value] = {}

    @property
    def name(self) -> str:
        """The name it was defined under."""
        return self.definition.name

    def ancestors(self) -> Iterator[Class]:
        """The class and those of the project that it inherits from, nearest first."""
        pending, seen = [self], set()
        while pending:
            entry = pending.pop(0)
            if entry not in seen:
                seen.add(entry)
                yield entry
                pending += [base for base in map(plain, entry.bases) if isinstance(base, Class)]

    def library_bases(self) -> set[str]:
        """The dotted names of the library classes that it inherits from."""
        return {base.name for entry in self.ancestors() for base in map(plain, entry.bases) if isinstance(base, Ref)}

    def has_unknown_base(self) -> bool:
        """Whether some base could not be resolved."""
        return any(not isinstance(plain(base), (Ref, Class)) for entry in self.ancestors() for base in entry.bases)

    def member(self, name: str) -> Value | None:
        """What the class or an ancestor of the project binds a name to."""
        return next((entry.names[name] for entry in self.ancestors() if name in entry.names), None)


class Instance(Value):
    """An object of a class of the project. What it holds stands in the heap of the walk."""

    __slots__ = ("cls", "made", "shallow")

    def __init__(self, module: Module, node: ast.AST, cls: Class, made: Call | None = None) -> None:
        super().__init__(module, node)
        self.cls = cls
        self.made = made  # the call that made it
        self.shallow = False  # its `__init__` was not walked
