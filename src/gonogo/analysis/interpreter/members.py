"""Members of values: attributes, items and slices."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from gonogo.analysis.interpreter.calls import Calls
from gonogo.analysis.interpreter.config import NOTHING, ConfigOperations
from gonogo.analysis.interpreter.values import (
    SCALARS,
    UNKNOWN,
    Choice,
    Class,
    Dict,
    FilePath,
    Frame,
    Function,
    Instance,
    List,
    Method,
    ModuleValue,
    Node,
    Super,
    Text,
    Unknown,
    join,
)
from gonogo.analysis.python.names import last_name

# Members that a scalar of the config has by itself; anything else asked of it is a mistake.
SCALAR_MEMBERS = {type_: frozenset(dir(type_)) for type_ in (str, int, float, bool)}


class Members(Calls, ConfigOperations):
    """Attributes and subscripts."""

    def member(
        self, owner: Any, name: str, at: ast.AST, owner_node: ast.AST | None = None, default: Any = NOTHING, kind: str = "attribute"
    ) -> Any:
        """An attribute of a value; `default` as for `getattr`."""
        if isinstance(owner, Unknown):
            member = owner.member(name)
            return self.member_outside(member) if member.name else member
        if isinstance(owner, Node):
            return self._member_of_node(owner, name, at, default, kind)
        if isinstance(owner, Instance):
            return self._member_of_instance(owner, name, at, default)
        if isinstance(owner, ModuleValue):
            return owner.names.get(name, UNKNOWN)
        if isinstance(owner, FilePath):
            return owner.member(name) or Method(owner, name)
        if isinstance(owner, (Dict, List, Text)):
            return Method(owner, name)
        if isinstance(owner, Class):
            found = owner.find(name)
            return (
                found.bind(owner)
                if isinstance(found, Function) and "classmethod" in found.decorators
                else UNKNOWN
                if found is None
                else found
            )
        if isinstance(owner, Super):
            return self._member_of_super(owner, name)
        if isinstance(owner, Choice):
            return self.each(owner, lambda value: self.member(value, name, at, owner_node, default, kind))
        if isinstance(owner, SCALARS):
            return self._member_of_scalar(owner, name, at, owner_node, kind, default)
        return UNKNOWN

    def each(self, choice: Choice, action: Callable[[Any], Any]) -> Any:
        """Apply an action to each alternative, without believing that any of them must be the one."""
        self.doubt += 1
        try:
            results = [action(value) for value in choice.values if value is not None]
        finally:
            self.doubt -= 1
        joined = results[0] if results else UNKNOWN
        for result in results[1:]:
            joined = join(joined, result)
        return joined

    def _member_of_node(self, owner: Node, name: str, at: ast.AST, default: Any, kind: str) -> Any:
        if not owner.config:
            return Method(owner, name)
        if name in owner.items or not self.is_config_method(name):
            if name.startswith("__"):
                return UNKNOWN
            return self.read_key(owner, name, kind, at, default)
        return Method(owner, name)

    def _member_of_instance(self, owner: Instance, name: str, at: ast.AST, default: Any) -> Any:
        if name in owner.attributes:
            return owner.attributes[name]
        found = owner.cls.find(name) if owner.cls else None
        if isinstance(found, Function):
            if "staticmethod" in found.decorators:
                return found
            method = found.bind(owner.cls if "classmethod" in found.decorators else owner)
            is_property = any(decorator in ("property", "functools.cached_property", "cached_property") for decorator in found.decorators)
            return self.call_function(method, [], {}, at) if is_property else method
        if found is not None:
            return found
        if default is not NOTHING and not owner.open:
            return default
        return UNKNOWN

    def _member_of_super(self, owner: Super, name: str) -> Any:
        for base in owner.owner.bases:
            found = base.find(name)
            if isinstance(found, Function):
                return found.bind(owner.instance)
            if found is not None:
                return found
        return UNKNOWN

    def _member_of_scalar(self, owner: Any, name: str, at: ast.AST, owner_node: ast.AST | None, kind: str, default: Any) -> Any:
        known = SCALAR_MEMBERS.get(type(owner))
        if known is not None and name in known:
            return Method(owner, name)
        if default is not NOTHING:
            return default
        path = self.config_path_of(owner_node)
        if path is not None and owner_node is not None and not name.startswith("__"):
            self.read_beneath_scalar(path, name, kind, at, "none" if owner is None else "scalar")
        return UNKNOWN

    def config_path_of(self, node: ast.AST | None) -> tuple[str, ...] | None:
        """The config path that an expression just read, if it is itself a plain config access."""
        return self.last_reads.get(id(node)) if node is not None else None

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Any:
        owner = self.evaluate(node.value, frame)
        if isinstance(node.slice, ast.Slice):
            return self._slice(owner, node.slice, frame)
        return self.item(owner, self.evaluate(node.slice, frame), node)

    def item(self, owner: Any, key: Any, at: ast.AST) -> Any:
        """What `owner[key]` gives."""
        if isinstance(owner, Node):
            return self.read_key(owner, key, "item", at)
        if isinstance(owner, Dict):
            if not isinstance(key, SCALARS):
                return UNKNOWN
            if isinstance(key, str) and owner.surely_lacks(key) and not self._may_grow(at):
                self.record_raise(at, key)
            value = owner.items.get(key, UNKNOWN)
            return join(value, UNKNOWN) if key in owner.maybe else value
        if isinstance(owner, List):
            return self.item_of_list(owner, key)
        if isinstance(owner, Unknown):
            return Unknown(owner.name + "[]") if owner.name and len(owner.name) < 80 else UNKNOWN
        if isinstance(owner, Choice):
            return self.each(owner, lambda value: self.item(value, key, at))
        if isinstance(owner, (str, bytes)) and type(key) is int and -len(owner) <= key < len(owner):
            return owner[key]
        return UNKNOWN

    def _may_grow(self, at: ast.AST) -> bool:
        """Whether what a subscript asks may have got more keys from code that was not followed."""
        return not isinstance(at, ast.Subscript) or last_name(at.value) in self.growing

    def _slice(self, owner: Any, node: ast.Slice, frame: Frame) -> Any:
        bounds = [None if part is None else self.evaluate(part, frame) for part in (node.lower, node.upper, node.step)]
        known = all(bound is None or type(bound) is int for bound in bounds) and bounds[2] != 0
        if known and isinstance(owner, str):
            return owner[slice(*bounds)]
        if known and isinstance(owner, List) and not (owner.open and any((bound or 0) < 0 for bound in bounds)):
            return List(owner.items[slice(*bounds)], owner.open, owner.kind, owner.path)
        return UNKNOWN
