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
from gonogo.analysis.interpreter.values.field_default import FieldDefault
from gonogo.analysis.interpreter.values.function import Function, refuse
from gonogo.analysis.interpreter.values.lacking import Words, note_lacking
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import origin

WRITTEN_OUT = (ast.AnnAssign, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef, ast.Expr, ast.Pass)
ANY_NAME = frozenset({"__getattr__", "__getattribute__", "__setattr__"})  # methods by which an object has names of its own choice
CALLED = ("__call__", "forward")  # what a call of an object runs: torch's modules call `forward`
MAX_BELOW = 3


class Class(Value):
    """A class.

    Attributes:
        foreign: it has a base that the experiment does not define, so its members are not all known.
        is_dataclass: its fields are the parameters of its constructor.
        is_record: it is a dataclass whose objects have what its own lines and those of its bases say, and nothing else.
    """

    __slots__ = ("attributes", "bases", "foreign", "is_dataclass", "is_record", "module", "node")
    has_identity = True
    choices = FEW

    def __init__(self, node: ast.ClassDef, module: Module, bases: Sequence[Class], foreign: bool, is_dataclass: bool) -> None:
        self.node = node
        self.module = module
        self.bases = tuple(bases)
        self.foreign: bool = foreign or any(base.foreign for base in bases)
        self.is_dataclass: bool = is_dataclass or any(base.is_dataclass for base in bases)
        self.attributes: Cells[str, Value] = Cells()
        self.is_record: bool = self.is_dataclass and not self.foreign and all(_shows_its_names(entry) for entry in self.lineage())

    @property
    def is_written_out(self) -> bool:
        """Whether its body only defines fields and methods."""
        return self.module.once(_is_written_out, self.node)

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
        """Return the annotated names in the class bodies of the lineage.

        Each comes with its class and statement; those of the base classes come first.
        """
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
        instance = Record(self) if self.is_record else Instance(self)
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
                if isinstance(default, FieldDefault) and not given.open:
                    default = default.made(walk, at)
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


class KnownNames(Instance):
    """An object whose names are all known: its fields or options, and what the program sets on it later."""

    __slots__ = ("_views", "_whole")
    whole = Field[bool]()

    def __init__(self, cls: Class | None, attributes: dict[str, Value] | None = None) -> None:
        super().__init__(cls, attributes)
        self._whole: object = False
        self._views: list[Mapping] = []

    @property
    def is_whole(self) -> bool:
        """Whether the program takes its values as a whole anywhere."""
        return self._open is not False or self._whole is not False or bool(self._views)

    def is_closed(self) -> bool:
        """Whether nothing may have set another name on it so far."""
        return not self.open and not any(view.open for view in self._views)

    def members(self, walk: Walk) -> Value:
        """`vars(instance)`: writing to it sets names."""
        view = Mapping.sharing(self.attributes, self.open)  # type: ignore[arg-type]
        self._views.append(view)
        return view

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """Another attribute; `__dict__` may hold any."""
        if name == "__dict__":
            walk.memory.set(self, "open", True)
        super().set_member(walk, name, value, at)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Any of its values may be read."""
        walk.memory.set(self, "whole", True)
        super().escape(walk, depth)

    def come_back(self, walk: Walk) -> None:
        """What the code sets was seen when it was walked."""
        self.escape(walk)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """Other code may set names."""
        walk.memory.set(self, "open", True)


class Record(KnownNames):
    """An object of a dataclass that has only its fields.

    The program may set more attributes on it later.
    """

    __slots__ = ()

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A field or a method; one that is not there ends the program."""
        if name == "__dict__":
            return self.members(walk)
        if default is NO_DEFAULT and self._lacks(name):
            assert self.cls is not None
            known, title = tuple(self.attributes.there()), self.cls.node.name
            words = Words(f"`{title}` has no field `{{name}}`", f"define it in the class: `{{name}}: … = …` in `{title}`")
            note_lacking(walk, name, at, known, words)
        return super().member(walk, name, at, default, kind)

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """Whether it has a field or method."""
        return False if self._lacks(name) else super().has_member(walk, name, at)

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """Whether its class is one of some, or has it as a base."""
        assert self.cls is not None
        return bool(names & {"object", *(entry.node.name for entry in self.cls.lineage())})

    def release(self, walk: Walk, depth: int = 0) -> None:
        """Other code may set attributes, on it and on what it holds."""
        super().release(walk, depth)
        if depth < MAX_BELOW:
            for _, value in self.attributes.pairs():
                if isinstance(value, Record):
                    value.release(walk, depth + 1)

    def _lacks(self, name: str) -> bool:
        is_there = hasattr(object, name) or name.startswith("__") or self.attributes.look(name) is not ABSENT
        return self.is_closed() and not is_there and self.find(name) is ABSENT


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


def _is_written_out(node: ast.ClassDef) -> bool:
    return not node.keywords and all(isinstance(statement, WRITTEN_OUT) for statement in node.body)


def _shows_its_names(cls: Class) -> bool:
    """Whether objects of a class have no names but those that its lines say."""
    decorators = [entry.func if isinstance(entry, ast.Call) else entry for entry in cls.node.decorator_list]
    return (
        cls.is_written_out
        and all(origin(cls.module, entry) == "dataclasses.dataclass" for entry in decorators)
        and cls.module.once(_sets_no_name_by_value, cls.node)
    )


def _sets_no_name_by_value(node: ast.ClassDef) -> bool:
    for entry in ast.walk(node):
        if isinstance(entry, ast.FunctionDef) and entry.name in ANY_NAME:
            return False
        if isinstance(entry, ast.Name) and entry.id in ("setattr", "vars", "exec", "locals"):
            return False
        if isinstance(entry, ast.Attribute) and entry.attr in ("__dict__", "__setattr__"):
            return False
    return True
