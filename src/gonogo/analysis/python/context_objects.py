"""The dict that commands of `click` share: `ctx.obj`, with the keys that the program writes and reads."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import calls, functions, origin, text_of

OBJ = "obj"
GETS = frozenset({"get", "pop", "setdefault", "keys", "items", "values"})
GIVES_CONTEXT = frozenset({"click.pass_context", "click.pass_obj"})


@dataclass
class Shared:
    """What is done with `ctx.obj` in a project.

    Attributes:
        written: keys that get a value, or are asked for with care.
        reads: keys that are read, each with its place.
        is_known: it is nothing but a dict whose keys are written out.
    """

    written: set[str] = field(default_factory=set)
    reads: list[tuple[Module, ast.Subscript, str]] = field(default_factory=list)
    is_known: bool = True


def reads_without_write(modules: Iterable[Module]) -> Iterator[tuple[Module, ast.Subscript, str, list[str]]]:
    """Yield where a key of `ctx.obj` is read that nothing writes, with the keys that are written."""
    clicks = [module for module in modules if "click" in module.text and module.tree is not None]
    found = Shared()
    for module in clicks:
        _note(module, found)
    if not found.is_known or not found.written:
        return
    for module, node, key in found.reads:
        if key not in found.written:
            yield module, node, key, sorted(found.written)


def _note(module: Module, found: Shared) -> None:
    for call in calls(module):
        for keyword in call.keywords:
            if keyword.arg == OBJ:
                _is_made(keyword.value, found)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "ensure_object":
            found.is_known = found.is_known and [qualified_name(argument) for argument in call.args] == ["dict"]
    objects: list[ast.Attribute | ast.Name] = [node for node in module.of(ast.Attribute) if node.attr == OBJ]
    for function in functions(module):
        objects += _passed(module, function)
    for node in objects:
        _note_use(module, node, found)


def _passed(module: Module, function: Function) -> list[ast.Attribute | ast.Name]:
    """The uses of the parameter for which `pass_obj` gives the object."""
    names = [origin(module, entry) for entry in function.decorator_list]
    arguments = [*function.args.posonlyargs, *function.args.args]
    given = [name for name in names if name in GIVES_CONTEXT]
    if "click.pass_obj" not in given or len(given) > 1 or not arguments:
        return []
    return [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == arguments[0].arg]


def _note_use(module: Module, node: ast.Attribute | ast.Name, found: Shared) -> None:
    """Note one use of the object; after one that is not understood, no key is known to be missing."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Subscript) and parent.value is node and (key := text_of(parent.slice)) is not None:
        if isinstance(parent.ctx, ast.Load) and not _is_guarded(module, parent):
            found.reads.append((module, parent, key))
        else:
            found.written.add(key)
    elif isinstance(parent, ast.Compare) and node in parent.comparators and (key := text_of(parent.left)) is not None:
        found.written.add(key)
    elif isinstance(parent, ast.Attribute) and isinstance(call := module.parents.get(parent), ast.Call) and call.func is parent:
        if parent.attr == "update":
            _is_made(call, found)
        elif parent.attr not in GETS:
            found.is_known = False
        elif call.args and (key := text_of(call.args[0])) is not None:
            found.written.add(key)
    elif isinstance(parent, ast.Assign) and node in parent.targets:
        _is_made(parent.value, found)
    else:
        found.is_known = False


def _is_made(value: ast.expr, found: Shared) -> None:
    """Take the keys of a dict that is written out: `{…}`, `dict(…)`, `….update(…)`."""
    if isinstance(value, ast.Dict):
        keys = [text_of(key) for key in value.keys]
    elif isinstance(value, ast.Call) and (qualified_name(value.func) == "dict" or qualified_name(value.func).endswith(".update")):
        keys = [keyword.arg for keyword in value.keywords]
        for argument in value.args:
            _is_made(argument, found)
    else:
        found.is_known = False
        return
    found.written |= {key for key in keys if key is not None}
    found.is_known = found.is_known and None not in keys


def _is_guarded(module: Module, node: ast.AST) -> bool:
    """Whether an exception may be handled around it."""
    parent = module.parents.get(node)
    while parent is not None and not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if isinstance(parent, (ast.Try, ast.With)):
            return True
        parent = module.parents.get(parent)
    return False
