"""Configs kept in code: dataclasses in Hydra's ConfigStore.

They are read from their source when the interpreter reaches them.

A config becomes plain data. What its source does not tell is left open: `OPEN` in a mapping says that it may hold more, `FILLER` stands for
a scalar. `CLOSED` says that a dataclass has these fields and no others, which Hydra holds configs to. Other types are not kept, so what
Hydra would refuse for its type alone goes unnoticed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.markers import FILLER, MISSING, OPEN
from gonogo.analysis.interpreter.state import Event
from gonogo.analysis.interpreter.values.builtin import Builtin
from gonogo.analysis.interpreter.values.fields import evaluated, unquoted
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.mapping import Mapping as MappingValue
from gonogo.analysis.interpreter.values.objects import Class
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import qualified_name
from gonogo.compose.client import CLOSED

STORE = ("hydra.core.config_store.ConfigStore.instance().store", "hydra.core.config_store.ConfigStore().store")
SCALAR_ANNOTATIONS = frozenset({"str", "int", "float", "bool", "Path", "bytes"})
WRAPPERS = {"Optional": 0, "List": 1, "list": 1, "Sequence": 1, "Dict": 1, "dict": 1, "Mapping": 1}  # with how many levels they add
MAX_DEPTH = 12
EACH = "*"

Overlay = dict[tuple[str, ...], Any]  # fields of a dataclass, or FILLER for a member of an enumeration
_OPEN_PLACE: Any = object()


@dataclass(frozen=True)
class Stored(Event):
    """A config was put into the store.

    Attributes:
        data: as plain data.
        typed: what a mapping holds that is put at a path of it later: the fields of the path's type (`*`: of each item there).
    """

    group: str | None
    name: str
    package: str | None
    data: dict[str, Any]
    typed: Overlay


@dataclass(frozen=True)
class Doubt(Event):
    """Something was put into the store of which too little is known."""

    reason: str


@dataclass
class Store:
    """What the code was seen to put into Hydra's ConfigStore; `doubt` says why there may be more."""

    configs: list[Stored] = field(default_factory=list)
    doubt: str = ""


def store_of(walk: Walk) -> Store:
    """What was put into the store so far."""
    events = [event for _, event in walk.state.events.here()]
    doubts = [event.reason for event in events if isinstance(event, Doubt)]
    return Store([event for event in events if isinstance(event, Stored)], doubts[0] if doubts else "")


@LIBRARY.call(*STORE)
def store(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ConfigStore.instance().store(name, node, group, package)`."""
    name, group, package = (given.get(place, key, NONE).constant() for place, key in ((0, "name"), (2, "group"), (3, "package")))
    known = isinstance(name, str) and all(value is None or isinstance(value, str) for value in (group, package))
    if given.open or not known or walk.state.optional:
        walk.state.record(Doubt("a config is stored under a name that the source alone does not tell"))
        return NONE
    reader = _Reader(walk)
    data = reader.data(given.get(1, "node"), 0, ())
    if not isinstance(data, dict):
        data = _anything()
    defaults = data.get("defaults")
    if defaults is not None and _is_open(defaults):
        del data["defaults"]
        walk.state.record(Doubt("the defaults list of a stored config is computed"))
        data.update(_anything())
    walk.state.record(Stored(group, str(name).removesuffix(".yaml"), package, data, reader.typed))  # type: ignore[arg-type]
    return NONE


def _anything() -> dict[str, Any]:
    return {OPEN: True}


def _shows_its_fields(cls: Class) -> bool:
    """Return whether a class has exactly the fields that its own lines declare.

    It does if it is a dataclass and nothing adds more fields.
    """
    decorators = [qualified_name(node.func if isinstance(node, ast.Call) else node) for node in cls.node.decorator_list]
    return [name.rpartition(".")[2] for name in decorators] == ["dataclass"] and cls.is_written_out


def without_closed(data: Any) -> Any:
    """Plain data that says no longer which of its mappings are dataclasses."""
    if isinstance(data, dict):
        return {key: without_closed(value) for key, value in data.items() if key != CLOSED}
    return [without_closed(value) for value in data] if isinstance(data, list) else data


def _is_open(data: Any) -> bool:
    if isinstance(data, dict):
        return OPEN in data or any(_is_open(value) for value in data.values())
    if isinstance(data, list):
        return any(_is_open(value) for value in data)
    return isinstance(data, str) and FILLER in data


class _Reader:
    """Turns one value of the interpreter into plain data; see `base.PlainReader`."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self.typed: Overlay = {}

    def open_place(self) -> object:
        """Something that the source does not tell."""
        return _OPEN_PLACE

    def mandatory(self) -> object:
        """A value that has to be given."""
        return MISSING

    def mapping(self, items: Mapping[str, object], open: bool) -> object:
        """A mapping."""
        return {**items, **_anything()} if open else dict(items)

    def data(self, value: Value, depth: int, path: tuple[str, ...], annotation: ast.expr | None = None) -> Any:
        """A value as plain data; `annotation` tells whether something unknown is at least a scalar."""
        found = value.plain(self, depth, path) if depth <= MAX_DEPTH else _anything()
        if found is not _OPEN_PLACE:
            return found
        is_scalar = annotation is not None and qualified_name(annotation).rpartition(".")[2] in SCALAR_ANNOTATIONS
        return FILLER if is_scalar else _anything()

    def of_class(self, cls: Value, depth: int, path: tuple[str, ...]) -> dict[str, Any]:
        """The fields of a dataclass."""
        assert isinstance(cls, Class)
        if not cls.is_dataclass:
            return _anything()
        data: dict[str, Any] = _anything() if cls.foreign else {}
        for owner in reversed(list(cls.lineage())):
            for statement in owner.node.body:
                if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                    continue
                if "ClassVar" not in ast.dump(statement.annotation):
                    data[statement.target.id] = self._field(owner, statement, depth + 1, (*path, statement.target.id))
        if OPEN not in data and all(_shows_its_fields(owner) for owner in cls.lineage()):
            data[CLOSED] = cls.node.name
        return data

    def of_instance(
        self, instance: Value, cls: Value, attributes: Mapping[str, Value], depth: int, path: tuple[str, ...]
    ) -> dict[str, Any]:
        """The fields of an object."""
        data = self.of_class(cls, depth, path)
        for name, value in attributes.items():
            if not value.unknown:
                data[name] = self.data(value, depth + 1, (*path, name))
            elif isinstance(data.get(name), dict):
                data[name].update(_anything())  # what was given is unknown, and so is whether it is the default
            elif data.get(name) != MISSING:
                data[name] = FILLER
        return data

    def _field(self, owner: Class, statement: ast.AnnAssign, depth: int, path: tuple[str, ...]) -> Any:
        for place, cls in self._typed(owner, statement.annotation, path):
            if cls.is_enumeration:
                self.typed[place] = FILLER
            elif depth < MAX_DEPTH and not any(place[:length] in self.typed for length in range(len(place))):
                self.typed[place] = {}
                self.typed[place] = self.of_class(cls, depth, place)
        node = statement.value
        if node is None:
            return MISSING
        if isinstance(node, ast.Call) and qualified_name(node.func).rpartition(".")[2] == "field":
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            if "default_factory" in keywords:
                made = self._made(evaluated(self._walk, owner, keywords["default_factory"]), node)
                return self.data(made, depth, path, statement.annotation)
            if "default" not in keywords:
                return MISSING
            node = keywords["default"]
        if isinstance(node, ast.Attribute) and isinstance(holder := evaluated(self._walk, owner, node.value), Class) and holder.foreign:
            return FILLER  # a member of an enumeration, which is more than the value it is given in the class
        return self.data(evaluated(self._walk, owner, node), depth, path, statement.annotation)

    def _made(self, factory: Value, at: ast.AST) -> Value:
        """What a `default_factory` gives."""
        if isinstance(factory, Class):
            return factory
        if isinstance(factory, Builtin):
            made: dict[str, Value] = {"list": Sequence(), "dict": MappingValue(), "tuple": Sequence(kind="tuple")}
            return made.get(factory.name, UNKNOWN)
        return factory.call(self._walk, Arguments(), at) if isinstance(factory, Function) else UNKNOWN

    def _typed(self, owner: Class, annotation: ast.expr, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Class]]:
        """The dataclass or enumeration that an annotation names, with the path at which it holds."""
        node = unquoted(annotation)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            yield from self._typed(owner, node.left, path)
            yield from self._typed(owner, node.right, path)
        elif isinstance(node, ast.Subscript):
            levels = WRAPPERS.get(qualified_name(node.value).rpartition(".")[2])
            if levels is not None:
                inner = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice
                yield from self._typed(owner, inner, (*path, EACH) if levels else path)
        elif isinstance(node, (ast.Name, ast.Attribute)) and qualified_name(node).rpartition(".")[2] not in SCALAR_ANNOTATIONS:
            value = evaluated(self._walk, owner, node)
            if isinstance(value, Class) and (value.is_dataclass or value.is_enumeration):
                yield path, value


def fill_typed(data: Any, path: tuple[str, ...], fields: dict[str, Any] | str) -> None:
    """Add to a mapping of composed data what OmegaConf adds to one of a known type: the fields it lacks.

    A text or number that is a member of an enumeration becomes FILLER: a member has attributes that its name has not.
    """
    if isinstance(fields, str):
        _fill_members(data, path)
    elif path:
        key, rest = path[0], path[1:]
        if key == EACH:
            for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
                fill_typed(value, rest, fields)
        elif isinstance(data, dict) and key in data:
            fill_typed(data[key], rest, fields)
    elif isinstance(data, dict):
        for key, value in fields.items():
            if key == CLOSED:
                continue
            if key not in data:
                data[key] = without_closed(value)
            elif isinstance(value, dict):
                fill_typed(data[key], (), value)


def _fill_members(data: Any, path: tuple[str, ...]) -> None:
    key, rest = path[0], path[1:]
    keys = range(len(data)) if isinstance(data, list) else list(data) if isinstance(data, dict) else ()
    for entry in keys if key == EACH else [key] if key in keys else []:
        if rest:
            _fill_members(data[entry], rest)
        elif isinstance(data[entry], (str, int)) and data[entry] != MISSING:
            data[entry] = FILLER
