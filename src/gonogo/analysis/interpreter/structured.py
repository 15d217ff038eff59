"""Configs kept in code: dataclasses in Hydra's ConfigStore, read from their source as the interpreter comes by.

A config becomes plain data. What its source does not tell is left open: `OPEN` in a mapping says that it may hold more, `FILLER` stands for
a scalar. Types are not kept, so what Hydra would refuse for its type alone goes unnoticed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.config import FILLER, OPEN
from gonogo.analysis.interpreter.library import model
from gonogo.analysis.interpreter.values import (
    MISSING,
    SCALARS,
    UNKNOWN,
    Arguments,
    Builtin,
    Class,
    Dict,
    Frame,
    Function,
    Instance,
    List,
    Unknown,
)
from gonogo.analysis.python.modules import qualified_name

if TYPE_CHECKING:
    from gonogo.analysis.interpreter.interpreter import Machine

STORE = ("hydra.core.config_store.ConfigStore.instance().store", "hydra.core.config_store.ConfigStore().store")
ANYTHING = {OPEN: True}
SCALAR_ANNOTATIONS = frozenset({"str", "int", "float", "bool", "Path", "bytes"})
WRAPPERS = {"Optional": 0, "List": 1, "list": 1, "Sequence": 1, "Dict": 1, "dict": 1, "Mapping": 1}  # with how many levels they add
MAX_DEPTH = 12
EACH = "*"

Overlay = dict[tuple[str, ...], dict[str, Any]]


@dataclass(frozen=True)
class Stored:
    """One config in the store.

    Attributes:
        data: as plain data.
        typed: what a mapping holds that is put at a path of it later: the fields of the path's type (`*`: of each item there).
    """

    group: str | None
    name: str
    package: str | None
    data: dict[str, Any]
    typed: Overlay


@dataclass
class Store:
    """What the code was seen to put into Hydra's ConfigStore; `doubt` says why there may be more."""

    configs: list[Stored] = field(default_factory=list)
    doubt: str = ""


@model(*STORE)
def _store(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    store = machine.store
    name, node = arguments.get(0, "name", UNKNOWN), arguments.get(1, "node", UNKNOWN)
    group, package = arguments.get(2, "group"), arguments.get(3, "package")
    known = isinstance(name, str) and all(value is None or isinstance(value, str) for value in (group, package))
    if arguments.open or not known or machine.uncertain or machine.doubt:
        store.doubt = store.doubt or "a config is stored under a name that the source alone does not tell"
        return None
    reader = _Reader(machine)
    data = reader.plain(node, None, 0, ())
    if not isinstance(data, dict):
        data = dict(ANYTHING)
    defaults = data.get("defaults")
    if defaults is not None and _is_open(defaults):
        del data["defaults"]
        store.doubt = store.doubt or "the defaults list of a stored config is computed"
        data.update(ANYTHING)
    store.configs.append(Stored(group, name.removesuffix(".yaml"), package, data, reader.typed))
    return None


@model("omegaconf.II")
def _node_interpolation(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "interpolation", UNKNOWN)
    return f"${{{value}}}" if isinstance(value, str) else UNKNOWN


@model("omegaconf.SI")
def _text_interpolation(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return arguments.get(0, "interpolation", UNKNOWN)


def _is_open(data: Any) -> bool:
    if isinstance(data, dict):
        return OPEN in data or any(_is_open(value) for value in data.values())
    if isinstance(data, list):
        return any(_is_open(value) for value in data)
    return isinstance(data, str) and FILLER in data


class _Reader:
    """Turns one value of the interpreter into plain data."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.typed: Overlay = {}

    def plain(self, value: Any, annotation: ast.expr | None, depth: int, path: tuple[str, ...]) -> Any:
        """A value as plain data; `annotation` tells whether something unknown is at least a scalar."""
        if depth > MAX_DEPTH:
            return dict(ANYTHING)
        if isinstance(value, SCALARS):
            return value
        if isinstance(value, Unknown) and value.name in ("omegaconf.MISSING", "dataclasses.MISSING"):
            return MISSING
        if isinstance(value, Class):
            return self._of_class(value, depth, path)
        if isinstance(value, Instance) and value.cls is not None:
            return self._of_instance(value, depth, path)
        if isinstance(value, List) and not value.open:
            return [self.plain(item, None, depth + 1, (*path, EACH)) for item in value.items]
        if isinstance(value, Dict):
            data = {str(key): self.plain(item, None, depth + 1, (*path, str(key))) for key, item in value.items.items()}
            return {**data, **ANYTHING} if value.open or value.maybe else data
        is_scalar = annotation is not None and qualified_name(annotation).rpartition(".")[2] in SCALAR_ANNOTATIONS
        return FILLER if is_scalar else dict(ANYTHING)

    def _of_class(self, cls: Class, depth: int, path: tuple[str, ...]) -> dict[str, Any]:
        if not cls.is_dataclass:
            return dict(ANYTHING)
        data: dict[str, Any] = dict(ANYTHING) if cls.foreign else {}
        for owner in reversed(list(cls.lineage())):
            for statement in owner.node.body:
                if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                    continue
                if "ClassVar" not in ast.dump(statement.annotation):
                    data[statement.target.id] = self._field(owner, statement, depth + 1, (*path, statement.target.id))
        return data

    def _of_instance(self, instance: Instance, depth: int, path: tuple[str, ...]) -> dict[str, Any]:
        assert instance.cls is not None
        data = self._of_class(instance.cls, depth, path)
        for name, value in instance.attributes.items():
            if not isinstance(value, Unknown):
                data[name] = self.plain(value, None, depth + 1, (*path, name))
            elif isinstance(data.get(name), dict):
                data[name].update(ANYTHING)  # what was given is unknown, and so is whether it is the default
            elif data.get(name) != MISSING:
                data[name] = FILLER
        return data

    def _field(self, owner: Class, statement: ast.AnnAssign, depth: int, path: tuple[str, ...]) -> Any:
        with_types = self._typed(owner, statement.annotation, path)
        for place, cls in with_types:
            if depth < MAX_DEPTH and not any(place[:length] in self.typed for length in range(len(place))):
                self.typed[place] = {}
                self.typed[place] = self._of_class(cls, depth, place)
        node = statement.value
        if node is None:
            return MISSING
        if isinstance(node, ast.Call) and qualified_name(node.func).rpartition(".")[2] == "field":
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            if "default_factory" in keywords:
                made = self._made(self._evaluate(owner, keywords["default_factory"]), node)
                return self.plain(made, statement.annotation, depth, path)
            if "default" not in keywords:
                return MISSING
            node = keywords["default"]
        if isinstance(node, ast.Attribute) and isinstance(holder := self._evaluate(owner, node.value), Class) and holder.foreign:
            return FILLER  # a member of an enumeration, which is more than the value it is given in the class
        return self.plain(self._evaluate(owner, node), statement.annotation, depth, path)

    def _made(self, factory: Any, at: ast.AST) -> Any:
        """What a `default_factory` gives."""
        if isinstance(factory, Class):
            return factory
        if isinstance(factory, Builtin):
            return {"list": List(), "dict": Dict(), "tuple": List(kind="tuple")}.get(factory.name, UNKNOWN)
        return self._machine.invoke(factory, Arguments(), at) if isinstance(factory, Function) else UNKNOWN

    def _evaluate(self, owner: Class, node: ast.expr) -> Any:
        names = self._machine.globals_of(owner.module)
        outer, self._machine.module = self._machine.module, owner.module
        try:
            return self._machine.evaluate(node, Frame(owner.module, names, names))
        finally:
            self._machine.module = outer

    def _typed(self, owner: Class, annotation: ast.expr, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Class]]:
        """The dataclass that an annotation names, with the path at which it holds."""
        node: ast.expr | None = annotation
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                node = None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            yield from self._typed(owner, node.left, path)
            yield from self._typed(owner, node.right, path)
        elif isinstance(node, ast.Subscript):
            levels = WRAPPERS.get(qualified_name(node.value).rpartition(".")[2])
            if levels is not None:
                inner = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice
                yield from self._typed(owner, inner, (*path, EACH) if levels else path)
        elif isinstance(node, (ast.Name, ast.Attribute)) and qualified_name(node).rpartition(".")[2] not in SCALAR_ANNOTATIONS:
            value = self._evaluate(owner, node)
            if isinstance(value, Class) and value.is_dataclass:
                yield path, value


def fill_typed(data: Any, path: tuple[str, ...], fields: dict[str, Any]) -> None:
    """Add to a mapping of composed data what OmegaConf adds to one of a known type: the fields it lacks."""
    if path:
        key, rest = path[0], path[1:]
        if key == EACH:
            for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
                fill_typed(value, rest, fields)
        elif isinstance(data, dict) and key in data:
            fill_typed(data[key], rest, fields)
    elif isinstance(data, dict):
        for key, value in fields.items():
            if key not in data:
                data[key] = value
            elif isinstance(value, dict):
                fill_typed(data[key], (), value)
