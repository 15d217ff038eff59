"""Names across the project's own modules.

This tells what a module defines, and which function or class a name or a call refers to.

Everything here is three-valued: an answer is given only where the tree alone settles it, and `None` stands for *unknown*.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import arguments_of, enclosing_function, last_names
from gonogo.analysis.python.scopes import FUNCTIONS, Scopes

# A module that mentions one of these may hold names that no statement of it shows.
_NAMESPACES = {"globals", "exec"}


@dataclass(frozen=True)
class Definition:
    """A function or class of the project, and the module that holds it."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Symbols:
    """What the modules of one experiment define.

    Args:
        modules: every Python file, by path.
        paths: every path of the experiment, also those that are not Python.
    """

    def __init__(self, modules: dict[str, Module], paths: Iterable[str]) -> None:
        self.modules = modules
        self.by_name = {module.name: module for module in modules.values()}
        self._paths = sorted(paths)
        self._scopes: dict[str, Scopes] = {}
        self._open: dict[str, bool] = {}
        self._packages = {
            ".".join(folder.parts) for path in self._paths if path.endswith(".py") for folder in PurePosixPath(path).parents if folder.parts
        }

    def scopes(self, module: Module) -> Scopes:
        """The scopes of a module."""
        if module.path not in self._scopes:
            self._scopes[module.path] = Scopes(module)
        return self._scopes[module.path]

    def is_package(self, name: str) -> bool:
        """Whether a dotted name is a folder with Python files in it, with or without `__init__.py`."""
        return name in self._packages

    def has_module(self, name: str) -> bool | None:
        """Whether a dotted name is a module of the project.

        None where its first part is not the project's, or where a file of that name exists that is no readable Python source.
        """
        if name in self.by_name or name in self._packages:
            return True
        if name.partition(".")[0] not in self._packages and name.partition(".")[0] not in self.by_name:
            return None
        stem = name.replace(".", "/")
        return None if self._has_path_from(f"{stem}.") or self._has_path_from(f"{stem}/") else False

    def may_be_alias(self, name: str) -> bool:
        """Whether the code may put a module, or a package above it, into `sys.modules` under this name."""
        names, folders = self._aliases
        return any(name == known or name.startswith(f"{known}.") for known in names) or name.partition(".")[0] in folders

    @cached_property
    def _aliases(self) -> tuple[set[str], set[str]]:
        """Return the names that the code puts into `sys.modules`.

        Also the top packages of the modules that put computed names there.
        """
        names, tops = set[str](), set[str]()
        for module in self.modules.values():
            if "modules" not in module.text:
                continue
            for key in _keys_of_sys_modules(module):
                text = _text_of(key, module.name)
                if text is not None:
                    names.add(text)
                else:
                    tops.add(module.name.partition(".")[0])
        return names, tops

    def _has_path_from(self, start: str) -> bool:
        """Whether some path begins like this."""
        place = bisect_left(self._paths, start)
        return place < len(self._paths) and self._paths[place].startswith(start)

    def binds(self, module_name: str, name: str) -> bool | None:
        """Return whether a module or package of the project binds a name at its top level.

        None where that can't be determined.
        """
        if self.has_module(f"{module_name}.{name}") is not False and module_name in self._packages:
            return True
        module = self.by_name.get(module_name)
        if module is None:
            return False if module_name in self._packages else None
        if module.tree is None:
            return None
        if name in self.scopes(module).names(module.tree).bound:
            return True
        return None if self.is_open(module) else False

    def is_open(self, module: Module) -> bool:
        """Whether a module may hold names that no statement of it shows."""
        if module.path not in self._open:
            self._open[module.path] = _is_open(module) or self._is_filled(module)
        return self._open[module.path]

    def _is_filled(self, module: Module) -> bool:
        """Return whether the module passes its name to a function that sets module attributes.

        The function is one of the project, and sets attributes of modules by name.
        """
        for call in module.of(ast.Call) if self._fillers else ():
            if qualified_name(call.func).rpartition(".")[2] in self._fillers:
                names = (_text_of(given, module.name) for given in arguments_of(call))
                if any(name and (name == module.name or module.name.endswith(f".{name}")) for name in names):
                    return True
        return False

    @cached_property
    def _fillers(self) -> set[str]:
        """Return the names of functions that set attributes of modules from `sys.modules`.

        The functions that call these are included.
        """
        found: set[str] = set()
        for module in self.modules.values():
            if "setattr" not in module.text or "sys.modules" not in module.text:
                continue
            functions = list(module.of(*FUNCTIONS))
            own = {entry.name for entry in functions if {"setattr", "modules"} <= last_names(entry)}
            for _ in functions:
                more = {entry.name for entry in functions if own & last_names(entry)}
                if more <= own:
                    break
                own |= more
            found |= own
        return found

    @cached_property
    def holders(self) -> dict[str, set[tuple[str, ...]]]:
        """For each name that a module or a folder with modules bears: the folders, as parts, in which it does."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for path in self.modules:
            parts = PurePosixPath(path.removesuffix("/__init__.py").removesuffix(".py")).parts
            for length, name in enumerate(parts):
                found.setdefault(name, set()).add(parts[:length])
        return found

    def member(self, module_name: str, name: str) -> Definition | None:
        """The function or class that a module surely has under a name."""
        module = self.by_name.get(module_name)
        return self._member(module, name, depth=0) if module is not None else None

    def resolve(self, module: Module, node: ast.expr) -> Definition | None:
        """The function or class of the project that a name or `module.name`, used at its place, surely means."""
        if isinstance(node, ast.Name):
            found = self.scopes(module).lookup(node.id, node)
            if found is None or len(found[1]) != 1:
                return None
            return self._definition(module, found[1][0], node.id, depth=0)
        if isinstance(node, ast.Attribute) and node.attr not in self.stored_attributes:
            owner = self._module_of(module, node.value)
            return self._member(owner, node.attr, depth=0) if owner else None
        return None

    def _definition(self, module: Module, binding: ast.AST, name: str, depth: int) -> Definition | None:
        if isinstance(binding, (*FUNCTIONS, ast.ClassDef)):
            return Definition(module, binding)
        if isinstance(binding, ast.ImportFrom) and depth < 10:
            original = next((alias.name for alias in binding.names if (alias.asname or alias.name) == name), None)
            source = self.by_name.get(module.resolve_import(binding))
            if original is not None and source is not None:
                return self._member(source, original, depth + 1)
        return None

    def _member(self, module: Module, name: str, depth: int) -> Definition | None:
        if module.tree is None or module.has_star_import or name in self.stored_attributes:
            return None
        bindings = self.scopes(module).names(module.tree).bound.get(name, [])
        return self._definition(module, bindings[0], name, depth) if len(bindings) == 1 else None

    def _module_of(self, module: Module, node: ast.expr) -> Module | None:
        """The project's module that an expression surely names."""
        text = qualified_name(node)
        if not text:
            return None
        first, _, rest = text.partition(".")
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        found = self.scopes(module).lookup(first, root)
        if found is None or len(found[1]) != 1:
            return None
        binding = found[1][0]
        if isinstance(binding, ast.ImportFrom):
            original = next((alias.name for alias in binding.names if (alias.asname or alias.name) == first), "")
            return self.by_name.get(".".join(part for part in (module.resolve_import(binding), original, rest) if part))
        if isinstance(binding, ast.Import):
            alias = next((alias for alias in binding.names if (alias.asname or alias.name.partition(".")[0]) == first), None)
            if alias is not None:
                return self.by_name.get(".".join(part for part in ((alias.name if alias.asname else first), rest) if part))
        return None

    @cached_property
    def stored_attributes(self) -> set[str]:
        """Return every attribute name that some statement of the project assigns (`x.name = …`).

        What such a name refers to may change as the code runs.
        """
        found = set()
        for module in self.modules.values():
            found |= {node.attr for node in module.of(ast.Attribute) if isinstance(node.ctx, (ast.Store, ast.Del))}
            for call in module.of(ast.Call):
                if isinstance(call.func, ast.Name) and call.func.id == "setattr" and len(call.args) > 1:
                    name = call.args[1]
                    if isinstance(name, ast.Constant) and isinstance(name.value, str):
                        found.add(name.value)
        return found

    @cached_property
    def callable_names(self) -> set[str]:
        """Return every name under which a function or class of the project may be called.

        This is a quick way to skip all other calls.
        """
        found = set()
        for module in self.modules.values():
            found |= {node.name for node in module.of(*FUNCTIONS, ast.ClassDef)}
            found |= {alias.asname for node in module.of(ast.ImportFrom) for alias in node.names if alias.asname}
        return found

    @cached_property
    def classes(self) -> list[Definition]:
        """Every class of the project."""
        return [Definition(module, node) for module in self.modules.values() for node in module.of(ast.ClassDef)]

    def bases(self, definition: Definition) -> list[Definition | str]:
        """Return the base classes of a class.

        The project's own are given as definitions, all others by their dotted name (empty if they are not names).
        """
        node = definition.node
        assert isinstance(node, ast.ClassDef)
        found: list[Definition | str] = []
        for base in node.bases:
            inner = base.value if isinstance(base, ast.Subscript) else base
            own = self.resolve(definition.module, inner)
            found.append(own if own is not None and isinstance(own.node, ast.ClassDef) else qualified_name(inner))
        return found

    def subclasses(self, name: str) -> Iterator[Definition]:
        """Every class of the project that has a class of this name among its ancestors, going by names alone."""
        pending, known = [name], {name}
        while pending:
            for heir in self._heirs.get(pending.pop(), ()):
                if heir not in known:
                    known.add(heir)
                    pending.append(heir)
                    yield from self._classes_by_name[heir]

    @cached_property
    def _classes_by_name(self) -> dict[str, list[Definition]]:
        found: dict[str, list[Definition]] = {}
        for definition in self.classes:
            found.setdefault(definition.node.name, []).append(definition)
        return found

    @cached_property
    def _heirs(self) -> dict[str, dict[str, None]]:
        """The names of the classes that have a base of each name, in the order of the classes."""
        found: dict[str, dict[str, None]] = {}
        for definition in self.classes:
            assert isinstance(definition.node, ast.ClassDef)
            written = (base.value if isinstance(base, ast.Subscript) else base for base in definition.node.bases)
            for base in written:
                found.setdefault(qualified_name(base).rpartition(".")[2], {})[definition.node.name] = None
        return found

    def method(self, definition: Definition, name: str, depth: int = 0) -> tuple[Definition, Function] | None:
        """Return the method that a class surely has under a name, and the class that it comes from.

        Only one base class is ever followed.
        """
        assert isinstance(definition.node, ast.ClassDef)
        bindings = self.scopes(definition.module).names(definition.node).bound.get(name, [])
        if bindings:
            only = bindings[0] if len(bindings) == 1 else None
            return (definition, only) if isinstance(only, FUNCTIONS) else None
        bases = self.bases(definition)
        if len(bases) == 1 and isinstance(bases[0], Definition) and depth < 10:
            return self.method(bases[0], name, depth + 1)
        return None


def _keys_of_sys_modules(module: Module) -> Iterator[ast.expr]:
    """The keys under which a module puts something into `sys.modules`."""

    def is_table(node: ast.AST) -> bool:
        first, dot, rest = (qualified_name(node) if isinstance(node, (ast.Name, ast.Attribute)) else "").partition(".")
        return f"{module.imports.get(first, first)}{dot}{rest}" == "sys.modules"

    for place in module.of(ast.Subscript):
        if isinstance(place.ctx, ast.Store) and is_table(place.value):
            yield place.slice
    for call in module.of(ast.Call):
        if isinstance(call.func, ast.Attribute) and is_table(call.func.value) and call.args:
            if call.func.attr in ("setdefault", "__setitem__"):
                yield call.args[0]
            elif call.func.attr == "update":
                yield from (key for key in call.args[0].keys if key is not None) if isinstance(call.args[0], ast.Dict) else [call.args[0]]


def _text_of(node: ast.expr, name: str) -> str | None:
    """A text made of literals and `__name__`; None for any other."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return name if node.id == "__name__" else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [_text_of(node.left, name), _text_of(node.right, name)]
    elif isinstance(node, ast.JoinedStr):
        parts = [_text_of(value.value if isinstance(value, ast.FormattedValue) else value, name) for value in node.values]
    else:
        return None
    return None if None in parts else "".join(part for part in parts if part is not None)


def _is_open(module: Module) -> bool:
    if module.tree is None or module.has_star_import or "__getattr__" in module.definitions:
        return True
    if any(node.id == "locals" and enclosing_function(module, node) is None for node in module.of(ast.Name)):
        return True
    return any(
        node.id in _NAMESPACES if isinstance(node, ast.Name) else node.attr == "modules" and qualified_name(node) == "sys.modules"
        for node in module.of(ast.Name, ast.Attribute)
    )


def method_names(node: ast.ClassDef) -> set[str]:
    """The names of the methods written in a class body."""
    return {entry.name for entry in node.body if isinstance(entry, FUNCTIONS)}
