"""Who calls a function of the project, and what a parameter is given there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import argument, has_open_keywords, last_name
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import TRANSPARENT
from gonogo.analysis.python.sources.origins import NOWHERE, Found, Part, Path, Source, found, together
from gonogo.analysis.python.symbols import Symbols


class Callers:
    """The calls of the project's functions, by name.

    Args:
        symbols: what the project's modules define.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols

    @cached_property
    def _calls(self) -> dict[str, list[tuple[Module, ast.Call]]]:
        calls: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self.symbols.modules.values():
            for call in module.of(ast.Call):
                name = last_name(call.func)
                if name:
                    calls.setdefault(name, []).append((module, call))
        return calls

    @cached_property
    def _handed_on(self) -> set[str]:
        """Names that are used other than by calling them: what they stand for may be called from anywhere."""
        names = set()
        for module in self.symbols.modules.values():
            called_nodes = {id(call.func) for call in module.of(ast.Call)}
            for node in module.of(ast.Name, ast.Attribute):
                if isinstance(node.ctx, ast.Load) and id(node) not in called_nodes:
                    names.add(last_name(node))
        return names

    def given(self, module: Module, parameter: ast.arg, path: Path) -> Found:
        """What a parameter may be given, by every call that may reach its function, and by its default."""
        function = module.parents.get(module.parents.get(parameter, parameter), parameter)
        if not isinstance(function, FUNCTIONS) or not self._is_only_called(module, function):
            return NOWHERE
        place = _Place(function, parameter, is_method=isinstance(module.parents.get(function), ast.ClassDef))
        if place.is_receiver:
            return NOWHERE
        parts = [place.taken(Source(caller, call.func, path), call) for caller, call in self._reaching(module, function)]
        default = place.default
        if default is not None:
            parts.append(found(Source(module, default, path)))
        return together(parts)

    def _is_only_called(self, module: Module, function: Function) -> bool:
        """Whether the project's own calls are the only ones that the function gets."""
        decorators = [qualified_name(entry.func if isinstance(entry, ast.Call) else entry) for entry in function.decorator_list]
        if any(name.rpartition(".")[2] not in TRANSPARENT for name in decorators) or function.name in self._handed_on:
            return False
        owner = module.parents.get(function)
        if not isinstance(owner, ast.ClassDef):
            return True
        if function.name.startswith("__"):
            return function.name == "__init__" and owner.name not in self._handed_on and not owner.decorator_list
        return function.name != "forward"

    def _reaching(self, module: Module, function: Function) -> Iterator[tuple[Module, ast.Call]]:
        """Calls that surely or possibly call the function."""
        owner = module.parents.get(function)
        name = owner.name if function.name == "__init__" and isinstance(owner, ast.ClassDef) else function.name
        for caller, call in self._calls.get(name, ()):
            target = called(self.symbols, caller, call)
            if target is not None:
                if target[0].node is function:
                    yield caller, call
            elif not self._is_outside(caller, call.func):
                yield caller, call
        if function.name == "__init__":
            yield from (entry for entry in self._calls.get("__init__", ()) if not self._is_outside(entry[0], entry[1].func))

    def _is_outside(self, module: Module, function: ast.expr) -> bool:
        """Whether a function surely is a library's."""
        meaning = module.imports.get(qualified_name(function).partition(".")[0], "")
        first = meaning.partition(".")[0]
        return bool(first) and self.symbols.has_module(first) is None and not self.symbols.is_package(first)


class _Place:
    """Where a parameter stands in the list of its function."""

    def __init__(self, function: Function, parameter: ast.arg, is_method: bool) -> None:
        spec = function.args
        self.function, self.parameter = function, parameter
        self.positional = [*spec.posonlyargs, *spec.args]
        static = any(qualified_name(entry) == "staticmethod" for entry in function.decorator_list)
        self.bound = is_method and not static
        self.is_receiver = self.bound and bool(self.positional) and self.positional[0] is parameter
        self.index = self.positional.index(parameter) - self.bound if parameter in self.positional else None

    @property
    def default(self) -> ast.expr | None:
        """The default, None if there is none."""
        spec = self.function.args
        if self.parameter in spec.kwonlyargs:
            return spec.kw_defaults[spec.kwonlyargs.index(self.parameter)]
        if self.parameter not in self.positional:
            return None
        place = self.positional.index(self.parameter) - (len(self.positional) - len(spec.defaults))
        return spec.defaults[place] if place >= 0 else None

    def taken(self, at: Source, call: ast.Call) -> Found:
        """Return what one call gives for the parameter.

        `at` holds the caller's module and what is taken out of the argument.
        """
        spec = self.function.args
        if self.parameter is spec.kwarg:
            return self._taken_by_name(at, call)
        if self.parameter is spec.vararg:
            extra = call.args[len(self.positional) - self.bound :]
            return together(_one(Source(at.module, entry, at.path[1:])) for entry in extra) if at.path else NOWHERE
        node = argument(call, self.index, self.parameter.arg)
        if node is not None:
            return _one(Source(at.module, node, at.path))
        return NOWHERE if has_open_keywords(call) else Found()

    def _taken_by_name(self, at: Source, call: ast.Call) -> Found:
        """What `**rest` collects: the keywords that no other parameter takes."""
        named = {entry.arg for entry in (*self.positional, *self.function.args.kwonlyargs)}
        if not at.path:
            return NOWHERE
        parts = []
        for keyword in call.keywords:
            if keyword.arg is None:
                parts.append(found(Source(at.module, keyword.value, at.path)))
            elif keyword.arg not in named:
                parts.append(of_entry(Source(at.module, keyword.value, at.path), ast.Constant(keyword.arg)))
        return together(parts)


def of_entry(value: Source, key: ast.expr) -> Found:
    """What the first step of the path takes of one entry of a mapping: its value, its key, or nothing."""
    first, rest = value.path[0], value.path[1:]
    if first in (Part.KEY, Part.ENTRY):
        return found(Source(value.module, key, rest))
    written = key.value if isinstance(key, ast.Constant) else None
    if isinstance(written, (str, int)) and not isinstance(first, Part) and first != written:
        return Found()
    return found(Source(value.module, value.node, rest))


def _one(source: Source) -> Found:
    return NOWHERE if isinstance(source.node, ast.Starred) else found(source)
