"""How names get their values: assignments, definitions and imports."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.config import NOTHING
from gonogo.analysis.interpreter.expressions import Expressions
from gonogo.analysis.interpreter.values import (
    UNKNOWN,
    Arguments,
    Class,
    Dict,
    Frame,
    Function,
    HydraMain,
    Instance,
    List,
    ModuleValue,
    Node,
    Unknown,
    join,
)
from gonogo.analysis.python.modules import qualified_name

Signal = str | None


class Bindings(Expressions):
    """Binding names."""

    if TYPE_CHECKING:

        def execute(self, body: list[ast.stmt], frame: Frame) -> Signal: ...

    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        """Bind a target to a value."""
        if isinstance(target, ast.Name):
            scope = frame.nonlocals.get(target.id, frame.locals)
            scope[target.id] = value
        elif isinstance(target, ast.Attribute):
            self._assign_member(self.evaluate(target.value, frame), target.attr, value, target)
        elif isinstance(target, ast.Subscript):
            owner = self.evaluate(target.value, frame)
            self._assign_item(owner, UNKNOWN if isinstance(target.slice, ast.Slice) else self.evaluate(target.slice, frame), value, target)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value, frame)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, UNKNOWN, frame)

    def _unpack(self, targets: list[ast.expr], value: Any, frame: Frame) -> None:
        items = value.items if isinstance(value, List) and not value.open else None
        starred = any(isinstance(target, ast.Starred) for target in targets)
        for index, target in enumerate(targets):
            known = items is not None and not starred and len(items) == len(targets)
            self.assign(target, items[index] if known and items is not None else UNKNOWN, frame)

    def _assign_member(self, owner: Any, name: str, value: Any, at: ast.AST) -> None:
        if isinstance(owner, Node) and owner.config:
            self.write_key(owner, name, value, at)
        elif isinstance(owner, Instance):
            old = owner.attributes.get(name, NOTHING)
            owner.attributes[name] = value if not self.uncertain or old is NOTHING else join(old, value)
        elif isinstance(owner, Class):
            owner.attributes[name] = value
        elif isinstance(owner, ModuleValue):
            owner.names[name] = value
        elif isinstance(owner, Unknown) and owner.name == "sys" and name == "argv":
            self.set_argv(value)

    def _assign_item(self, owner: Any, key: Any, value: Any, at: ast.AST) -> None:
        if isinstance(owner, Dict):
            self.write_key(owner, key, value, at)
        elif isinstance(owner, List):
            if type(key) is int and -len(owner.items) <= key < len(owner.items) and not self.uncertain:
                owner.items[key] = value
            else:
                owner.items, owner.open = [], True
        if isinstance(owner, List) and owner is self.argv:
            self.set_argv(owner)

    def extend(self, target: List, value: Any) -> None:
        """Add the items of an iterable to a list in place."""
        items, complete = self.iterate(value)
        if self.uncertain or not complete:
            target.open = True
        else:
            target.items.extend(items)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Signal:
        function = Function(node, frame.module, frame)
        self.evaluate_defaults(function, frame)
        function.decorators = frame.module.once(_decorators, node)
        value: Any = function
        for decorator in reversed(node.decorator_list):
            value = self._decorate(decorator, value, frame)
        frame.nonlocals.get(node.name, frame.locals)[node.name] = value
        return None

    def _decorate(self, decorator: ast.expr, value: Any, frame: Frame) -> Any:
        called = self.evaluate(decorator.func if isinstance(decorator, ast.Call) else decorator, frame)
        if isinstance(called, Unknown) and called.name == "hydra.main" and isinstance(value, Function):
            options = Arguments()
            if isinstance(decorator, ast.Call):
                options = self._arguments(decorator, frame)
            names = ("config_path", "config_name", "version_base")
            given = {**dict(zip(names, options.positional, strict=False)), **options.keywords}
            return HydraMain(value, given, decorator)
        if isinstance(called, Function):
            wrapper: Any = called
            if isinstance(decorator, ast.Call):
                wrapper = self.evaluate(decorator, frame)
            wrapped = self.invoke(wrapper, Arguments([value]), decorator)
            return value if isinstance(wrapped, Unknown) else wrapped
        return value  # a decorator from outside: taken to call the function as it is

    def _class(self, node: ast.ClassDef, frame: Frame) -> Signal:
        bases = [self.evaluate(base, frame) for base in node.bases]
        known = [base for base in bases if isinstance(base, Class)]
        names = {qualified_name(base) for base in node.bases}
        cls = Class(node, frame.module, known, foreign=len(known) < len(names - {"object", "ABC", "abc.ABC"}) or bool(node.keywords))
        cls.is_dataclass = any(
            qualified_name(entry.func if isinstance(entry, ast.Call) else entry).endswith("dataclass") for entry in node.decorator_list
        ) or any(base.is_dataclass for base in known)
        scope = Frame(frame.module, cls.attributes, frame.globals, frame)
        scope.is_class = True
        self.execute(node.body, scope)
        for member in cls.attributes.values():
            if isinstance(member, Function):
                member.owner = cls
        value: Any = cls
        for decorator in reversed(node.decorator_list):
            value = self._decorate(decorator, value, frame)  # a registry is filled here
        frame.locals[node.name] = value
        return None

    def _import(self, node: ast.Import, frame: Frame) -> Signal:
        for alias in node.names:
            frame.locals[alias.asname or alias.name.partition(".")[0]] = self.import_module(alias.name, whole=alias.asname is not None)
        return None

    def _import_from(self, node: ast.ImportFrom, frame: Frame) -> Signal:
        source = self.module_named(self.module.resolve_import(node))
        for alias in node.names:
            if alias.name == "*":
                if isinstance(source, ModuleValue):
                    frame.locals.update({name: value for name, value in source.names.items() if not name.startswith("_")})
                continue
            frame.locals[alias.asname or alias.name] = self.import_name(source, self.module.resolve_import(node), alias.name)
        return None


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    return tuple(qualified_name(entry.func if isinstance(entry, ast.Call) else entry) for entry in node.decorator_list)
