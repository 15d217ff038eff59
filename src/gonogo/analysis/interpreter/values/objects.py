"""Classes of the experiment, their objects, and `super()`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gonogo.analysis.interpreter.base import (
    FEW,
    UNKNOWN,
    AccessKind,
    Arguments,
    Constant,
    Entered,
    PlainReader,
    Value,
    Walk,
    let_go,
)
from gonogo.analysis.interpreter.memory import Cells, Field, OrderedCells
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, Absent, NoDefault
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.values.choice import join
from gonogo.analysis.interpreter.values.function import Function, refuse
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import Module, qualified_name

CALLED = ("__call__", "forward")  # what a call of an object runs: torch's modules call `forward`
MAX_BELOW = 3


class Class(Value):
    """A class.

    Attributes:
        foreign: it has a base that the experiment does not define, so its members are not all known.
        is_dataclass: its fields are the parameters of its constructor.
    """

    __slots__ = ("attributes", "bases", "foreign", "is_dataclass", "module", "node")
    has_identity = True
    choices = FEW

    def __init__(self, node: ast.ClassDef, module: Module, bases: Sequence[Class], foreign: bool, is_dataclass: bool) -> None:
        self.node = node
        self.module = module
        self.bases = tuple(bases)
        self.foreign: bool = foreign or any(base.foreign for base in bases)
        self.is_dataclass: bool = is_dataclass or any(base.is_dataclass for base in bases)
        self.attributes: Cells[str, Value] = Cells()

    def lineage(self) -> Iterator[Class]:
        """The class and its bases, nearest first."""
        yield self
        for base in self.bases:
            yield from base.lineage()

    def find(self, name: str) -> Value | Absent:
        """A member by name, ABSENT if no class of the lineage has it."""
        for entry in self.lineage():
            found = entry.attributes.look(name)
            if found is not ABSENT:
                return settled(found)  # type: ignore[no-any-return]
        return ABSENT

    @property
    def is_enumeration(self) -> bool:
        """Whether what its body assigns are members, which are more than their values."""
        bases = (qualified_name(base).rpartition(".")[2] for entry in self.lineage() for base in entry.node.bases)
        return self.foreign and any(name.endswith(("Enum", "Flag")) for name in bases)

    def fields(self) -> list[tuple[Class, ast.AnnAssign, str]]:
        """The annotated names in the bodies of the lineage, each with the class and the statement, those of the bases first."""
        found: dict[str, tuple[Class, ast.AnnAssign, str]] = {}
        for entry in reversed(list(self.lineage())):
            for statement in entry.node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    name = statement.target.id
                    found[name] = (entry, statement, name)
        return list(found.values())

    def type_name(self) -> str:
        """The name by which `isinstance` knows it."""
        return self.node.name

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """The fields of a dataclass."""
        return reader.of_class(self, depth, path)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A member; class methods know their class."""
        found = self.find(name)
        if found is ABSENT or (self.is_enumeration and not isinstance(found, Function)):
            return UNKNOWN
        return found.bind(self) if isinstance(found, Function) and "classmethod" in found.decorators else found

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """Another member, or perhaps another where the code may not run."""
        old = self.attributes.look(name)
        walk.memory.put(self.attributes, name, join(old, value) if walk.state.uncertain and old is not ABSENT else value)

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Make an object."""
        instance = Instance(self)
        walk.made(instance)
        init = self.find("__init__")
        if isinstance(init, Function):
            init.bind(instance).call(walk, given, at)
        elif self.is_dataclass:
            self._fill(walk, instance, given, at)
        else:
            let_go(walk, given)
        return instance

    def _fill(self, walk: Walk, instance: Instance, given: Arguments, at: ast.AST) -> None:
        """Set the fields of a dataclass."""
        names = [name for _, _, name in self.fields()]
        values: dict[str, Value] = dict(zip(names, given.positional, strict=False))
        rest: dict[Constant, Value] = {}
        for name, value in given.keywords.items():
            if name in names:
                values[name] = value
            else:
                rest[name] = value
        if not self.foreign:
            refuse(walk, rest, given, self.node.name, at)
        for name in names:
            if name not in values:
                default = self.find(name)
                values[name] = UNKNOWN if given.open or default is ABSENT or default.unknown else default
        for name, value in values.items():
            walk.memory.put(instance.attributes, name, value)
        post_init = self.find("__post_init__")
        if isinstance(post_init, Function):
            post_init.bind(instance).call(walk, Arguments(), at)


class Instance(Value):
    """An object of a class, or (`cls` None) a plain namespace of attributes. `open`: it may have others."""

    __slots__ = ("_open", "attributes", "cls")
    has_identity = True
    choices = FEW
    open = Field[bool]()

    def __init__(self, cls: Class | None, attributes: dict[str, Value] | None = None) -> None:
        self.cls = cls
        self.attributes: OrderedCells[str, Value] = OrderedCells(attributes or {})
        self._open: object = cls is None or cls.foreign

    def truth(self) -> bool | None:
        """An object may say itself whether it counts as true."""
        return None

    def find(self, name: str) -> Value | Absent:
        """A member of its class."""
        return self.cls.find(name) if self.cls is not None else ABSENT

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """Its fields."""
        if self.cls is None:
            return reader.open_place()
        return reader.of_instance(self, self.cls, dict(self.attributes.pairs()), depth, path)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """An attribute, or a member of its class."""
        own = self.attributes.look(name)
        if own is not ABSENT:
            return own
        found = self.find(name)
        if found is not ABSENT and self.cls is not None:
            return found.of_class(walk, self, self.cls, at)
        return default if default is not NO_DEFAULT and not self.open else UNKNOWN

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """Whether it has an attribute."""
        return True if self.attributes.look(name) is not ABSENT or self.find(name) is not ABSENT else None

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """Another attribute, or perhaps another where the code may not run."""
        old = self.attributes.look(name)
        walk.memory.put(self.attributes, name, join(old, value) if walk.state.uncertain and old is not ABSENT else value)

    def delete_member(self, walk: Walk, name: str, at: ast.AST) -> None:
        """What is there now is not known."""
        if self.attributes.look(name) is not ABSENT:
            walk.memory.put(self.attributes, name, UNKNOWN)

    def members(self, walk: Walk) -> Value:
        """`vars(instance)`: writing to it sets attributes."""
        return Mapping.sharing(self.attributes, self.open)  # type: ignore[arg-type]

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """A call of an object."""
        for name in CALLED:
            method = self.find(name)
            if isinstance(method, Function):
                return method.bind(self).call(walk, given, at)
        let_go(walk, given)
        return UNKNOWN

    def call_back_with(self, walk: Walk, given: Arguments) -> Value:
        """A call of an object by a library."""
        method = self.find(CALLED[0])
        return method.bind(self).call_back_with(walk, given) if isinstance(method, Function) else UNKNOWN

    def enter(self, walk: Walk, at: ast.AST) -> Entered:
        """What its `__enter__` gives."""
        enter = self.find("__enter__")
        return Entered(enter.bind(self).call(walk, Arguments(), at) if isinstance(enter, Function) else self)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Its attributes may be read."""
        if depth < MAX_BELOW:
            for _, value in self.attributes.pairs():
                value.escape(walk, depth + 1)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """Its methods are walked at the end, with what they really read."""


class Super(Value):
    """What `super()` gives inside a method."""

    __slots__ = ("instance", "owner")

    def __init__(self, instance: Value, owner: Class) -> None:
        self.instance = instance
        self.owner = owner

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A member of the first base that has it."""
        for base in self.owner.bases:
            found = base.find(name)
            if found is not ABSENT:
                return found.bind(self.instance) if isinstance(found, Function) else found
        return UNKNOWN
