"""What is put into a container after it was created.

This covers `d["k"] = v`, `d.update(…)`, `d.setdefault(…)` and `rows.append(…)`, also in functions that the container is passed to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.sources.origins import Found, Part, Path, Source, Step, fits, found, step_of, together
from gonogo.analysis.python.symbols import Symbols

MAX_HANDED_ON = 3
ADDERS = frozenset({"append", "add", "appendleft"})
MERGERS = frozenset({"extend", "update"})


@dataclass(frozen=True)
class Entry:
    """Something put into a container.

    Attributes:
        steps: where in it.
        keys: the expressions of the steps, where they were written as subscripts.
        value: what is put there; None where that is not one expression.
        merged: the value is itself a container whose content goes there.
    """

    steps: tuple[Step, ...]
    keys: tuple[ast.expr | None, ...]
    module: Module
    value: ast.expr | None
    merged: bool = False

    def taken(self, path: Path) -> Found:
        """What a path may take out of the container because of this entry."""
        for index, (written, key) in enumerate(zip(self.steps, self.keys, strict=True)):
            if index == len(path):
                return Found()  # the path asks for the container that is filled here, which its making shows
            if path[index] is Part.KEY or (path[index] is Part.ENTRY and key is not None):
                by_key = found(Source(self.module, key, path[index + 1 :])) if key is not None else Found()
                return by_key if path[index] is Part.KEY else together([by_key, self._from(index + 1, path)])
            if not fits(path[index], written):
                return Found()
        return self._from(len(self.steps), path)

    def _from(self, index: int, path: Path) -> Found:
        """Return what a path takes once its first steps have led here.

        A subscript may be of a list as well as of a mapping.
        """
        if index < len(self.steps):
            return Found(complete=False)
        rest = path[len(self.steps) :]
        if self.merged and not rest:
            return Found()
        if self.merged and isinstance(rest[0], int):
            rest = (Part.ENTRY, *rest[1:])  # `extend` moves places
        return found(Source(self.module, self.value, rest)) if self.value is not None else Found(complete=False)


class Contents:
    """The entries of the project's containers, by the name or attribute that holds them.

    Args:
        symbols: what the project's modules define.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._by_name: dict[tuple[ast.AST, str], list[Entry]] = {}
        self._by_attribute: dict[str, list[Entry]] = {}
        self._uses: dict[tuple[str, str], list[ast.Name]] = {}

    def of_name(self, module: Module, scope: ast.AST, name: str, path: Path) -> Found:
        """What a path may take out of a variable because something was put into it."""
        key = (scope, name)
        if key not in self._by_name:
            self._by_name[key] = list(self._entries_of_name(module, scope, name, 0))
        return together(entry.taken(path) for entry in self._by_name[key])

    def of_attribute(self, name: str, path: Path) -> Found:
        """Return what a path may take out of an attribute because something was put into it.

        The attribute is one of an object of the project.
        """
        if name not in self._by_attribute:
            self._by_attribute[name] = [
                entry
                for module in self.symbols.modules.values()
                for node in module.of(ast.Attribute)
                if node.attr == name and isinstance(node.ctx, ast.Load)
                for entry in self._entries(module, node, 0)
            ]
        return together(entry.taken(path) for entry in self._by_attribute[name])

    def _entries_of_name(self, module: Module, scope: ast.AST, name: str, depth: int) -> Iterator[Entry]:
        scopes = self.symbols.scopes(module)
        for node in self._names(module, name):
            if isinstance(node.ctx, ast.Load):
                place = scopes.lookup(name, node)
                if place is not None and place[0] is scope:
                    yield from self._entries(module, node, depth)

    def _names(self, module: Module, name: str) -> Sequence[ast.Name]:
        key = (module.path, name)
        if key not in self._uses:
            self._uses[key] = [node for node in module.of(ast.Name) if node.id == name]
        return self._uses[key]

    def _entries(self, module: Module, node: ast.expr, depth: int) -> Iterator[Entry]:
        """What happens to a container at one place where it is named."""
        steps: tuple[Step, ...] = ()
        keys: tuple[ast.expr | None, ...] = ()
        while True:
            parent = module.parents.get(node)
            if isinstance(parent, ast.Subscript) and parent.value is node:
                step = step_of(parent.slice)
                if step is None:
                    return
                steps, keys, node = (*steps, step), (*keys, parent.slice), parent
                if isinstance(parent.ctx, ast.Store):
                    yield Entry(steps, keys, module, _stored(module, parent))
                    return
            elif isinstance(parent, ast.Attribute) and isinstance(call := module.parents.get(parent), ast.Call) and call.func is parent:
                if parent.attr == "setdefault" and call.args:
                    step = step_of(call.args[0])
                    steps, keys, node = (*steps, Part.VALUE if step is None else step), (*keys, call.args[0]), call
                    yield Entry(steps, keys, module, call.args[1] if len(call.args) > 1 else ast.Constant(None))
                    continue
                yield from _by_method(module, call, parent.attr, steps, keys)
                return
            elif isinstance(parent, (ast.Call, ast.keyword)) and not steps and depth < MAX_HANDED_ON:
                yield from self._by_callee(module, node, depth)
                return
            else:
                return

    def _by_callee(self, module: Module, node: ast.expr, depth: int) -> Iterator[Entry]:
        """What a function of the project puts into a container that it is handed."""
        parent = module.parents.get(node)
        call = module.parents.get(parent) if isinstance(parent, ast.keyword) else parent
        target = called(self.symbols, module, call) if isinstance(call, ast.Call) and call.func is not node else None
        if target is None or not isinstance(call, ast.Call):
            return
        definition, signature = target
        name = parent.arg if isinstance(parent, ast.keyword) else None
        if name is None and node in call.args and call.args.index(node) < len(signature.positional):
            name = signature.positional[call.args.index(node)]
        if name is not None and isinstance(definition.node, FUNCTIONS):
            yield from self._entries_of_name(definition.module, definition.node, name, depth + 1)


def _stored(module: Module, target: ast.expr) -> ast.expr | None:
    """What is assigned to a subscript; None where it is not an expression of its own."""
    statement = module.parents.get(target)
    if isinstance(statement, ast.Assign) and target in statement.targets:
        return statement.value
    return statement.value if isinstance(statement, ast.AnnAssign) else None


def _by_method(module: Module, call: ast.Call, method: str, steps: tuple[Step, ...], keys: tuple[ast.expr | None, ...]) -> Iterator[Entry]:
    if method in ADDERS and call.args:
        yield Entry((*steps, Part.VALUE), (*keys, None), module, call.args[0])
    elif method == "insert" and len(call.args) > 1:
        yield Entry((*steps, Part.VALUE), (*keys, None), module, call.args[1])
    elif method in MERGERS:
        for entry in call.args:
            yield Entry(steps, keys, module, entry, merged=True)
        for keyword in call.keywords:
            if keyword.arg is None:
                yield Entry(steps, keys, module, keyword.value, merged=True)
            else:
                yield Entry((*steps, keyword.arg), (*keys, ast.Constant(keyword.arg)), module, keyword.value)
