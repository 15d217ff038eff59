"""What names in a module stand for, and which definitions of the project one definition reaches."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gonogo.analysis.python.modules import Function, Module, qualified_name

MAX_REACHED = 400


def calls(module: Module) -> Sequence[ast.Call]:
    """Every call, outer ones first."""
    return module.of(ast.Call)


def functions(module: Module) -> Sequence[Function]:
    """Every function and method, outer ones first."""
    return module.of(ast.FunctionDef, ast.AsyncFunctionDef)


def origin(module: Module, node: ast.AST) -> str:
    """Return the dotted name that a chain of names and attributes stands for, aliases resolved.

    It is empty for anything else.

    A name of the module itself comes with the module's name before it.
    """
    dotted = qualified_name(node)
    if not dotted:
        return ""
    first, dot, rest = dotted.partition(".")
    imported = module.imports.get(first)
    if imported is not None:
        return imported + dot + rest
    return f"{module.name}.{dotted}" if first in module.definitions else dotted


def imported_modules(module: Module, modules: Mapping[str, Module]) -> set[str]:
    """Dotted names of the project's modules that a module imports, directly."""
    known = {other.name for other in modules.values()}
    found: set[str] = set()
    for node in module.of(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            source = module.resolve_import(node)
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        found.update(name for name in names if name in known)
    return found - {module.name}


def in_one_block(module: Module, one: ast.AST, other: ast.AST) -> bool:
    """Whether the statements of two nodes stand in the same block: not in the two branches of an `if`."""
    first, second = statement_of(module, one), statement_of(module, other)
    parent = module.parents.get(first) if first is not None else None
    if parent is None or second is None or module.parents.get(second) is not parent:
        return False
    blocks = [value for _, value in ast.iter_fields(parent) if isinstance(value, list)]
    return any(first in block and second in block for block in blocks)


def enclosing_function(module: Module, node: ast.AST) -> Function | None:
    """The innermost function around a node."""
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return parent
    return None


def body_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body; of functions and classes inside it only the node itself."""
    pending: list[ast.AST] = list(getattr(function, "body", ()))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def ancestors(module: Module, node: ast.AST) -> Iterator[ast.AST]:
    """The nodes around a node, innermost first."""
    parent = module.parents.get(node)
    while parent is not None:
        yield parent
        parent = module.parents.get(parent)


def names_that_grow(modules: Iterable[Module]) -> set[str]:
    """Return the names of objects that get new keys anywhere.

    Each is the last part of the name, as in `X[key] = …`, `X.update(…)`, `X.setdefault(…)`.
    """
    return {
        last_name(node.value)
        for module in modules
        for node in module.of(ast.Subscript, ast.Attribute)
        if (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.Attribute) and node.attr in ("update", "setdefault"))
    }


def arguments_of(call: ast.Call) -> list[ast.expr]:
    """What a call is given, by place and by name; `*` and `**` as they are written."""
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def last_name(node: ast.AST) -> str:
    """The last part of a name, such as `c` of `a.b.c`; empty for what is no name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def last_names(node: ast.AST) -> set[str]:
    """The names within a node, and the last part of each that has several."""
    return {last_name(inner) for inner in ast.walk(node) if isinstance(inner, (ast.Name, ast.Attribute))}


def reached(modules: Mapping[str, Module], starts: Iterable[tuple[Module, ast.AST]]) -> list[tuple[Module, ast.AST]]:
    """Return the project's top-level definitions that some definitions mention, directly or not.

    The definitions themselves are among them. Classes are taken whole.
    """
    by_name = {module.name: module for module in modules.values()}
    found: dict[ast.AST, Module] = {}
    pending = list(starts)
    while pending and len(found) < MAX_REACHED:
        module, definition = pending.pop()
        if definition in found:
            continue
        found[definition] = module
        for node in ast.walk(definition):
            if isinstance(node, (ast.Name, ast.Attribute)):
                target = _definition(by_name, origin(module, node))
                if target is not None:
                    pending.append(target)
    return [(module, definition) for definition, module in found.items()]


def _definition(by_name: Mapping[str, Module], dotted: str) -> tuple[Module, ast.AST] | None:
    owner, _, name = dotted.rpartition(".")
    module = by_name.get(owner)
    node = module.definitions.get(name) if module else None
    if module is not None and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return module, node
    return None


def argument(call: ast.Call, index: int | None, *keywords: str) -> ast.expr | None:
    """Return the expression given for a parameter, by position or by keyword.

    None if the call does not write it out.
    """
    for keyword in call.keywords:
        if keyword.arg in keywords:
            return keyword.value
    if index is None or index >= len(call.args) or any(isinstance(entry, ast.Starred) for entry in call.args[: index + 1]):
        return None
    return call.args[index]


def has_open_keywords(call: ast.Call) -> bool:
    """Whether `*args` or `**options` may give anything more."""
    return any(keyword.arg is None for keyword in call.keywords) or any(isinstance(entry, ast.Starred) for entry in call.args)


def text_of(node: ast.AST | None) -> str | None:
    """The text of a literal, None for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def is_none_literal(node: ast.AST) -> bool:
    """Whether an expression is the literal None."""
    return isinstance(node, ast.Constant) and node.value is None


def only_value(module: Module, name: ast.Name) -> ast.expr | None:
    """What is all that a name ever holds in its function; None where there is more."""
    home = enclosing_function(module, name)
    stored = [use for use in module.named.get(name.id, ()) if isinstance(use.ctx, ast.Store) and enclosing_function(module, use) is home]
    parent = module.parents.get(stored[0]) if len(stored) == 1 else None
    return parent.value if isinstance(parent, ast.Assign) and parent.targets[0] is stored[0] else None


def statement_of(module: Module, node: ast.AST) -> ast.stmt | None:
    """The statement a node belongs to."""
    if isinstance(node, ast.stmt):
        return node
    return next((parent for parent in ancestors(module, node) if isinstance(parent, ast.stmt)), None)


def has_main_guard(module: Module) -> bool:
    """Whether something runs under `if __name__ == "__main__"`."""
    return main_guard(module) is not None


def main_guard(module: Module) -> ast.If | None:
    """The `if __name__ == "__main__"` statement."""
    for node in module.tree.body if module.tree else []:
        if isinstance(node, ast.If) and any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)):
            return node
    return None


def all_parsed(modules: Mapping[str, Module]) -> bool:
    """Whether every file was understood: what is absent from files that were not may be there."""
    return all(module.fault is None for module in modules.values())
