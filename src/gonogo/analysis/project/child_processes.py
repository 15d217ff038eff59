"""Calls that start child processes, and the words of their command lines.

The words are known as far as the code has them as literals.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, enclosing_function, origin, text_of
from gonogo.analysis.python.paths import TREE, WORKING, PathReader

STARTERS = frozenset(
    {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput")}
    | {"os.system", "os.popen", "os.execv", "os.execvp", "os.execvpe", "runpy.run_module", "runpy.run_path"}
)

MOST_STEPS = 20  # on the way from a call to the words of its command


def starts(module: Module) -> Iterator[tuple[ast.Call, list[str]]]:
    """Yield each call that starts a process, with the literal words of its command in order.

    Words that are computed are left out.
    """
    for call in calls(module):
        name = origin(module, call.func)
        if name in STARTERS:
            command = argument(call, 1 if name.startswith("os.exec") else 0, "args", "cmd", "mod_name", "path_name", "command")
            yield call, list(_words(module, command, 0))


def started_module(words: list[str]) -> str | None:
    """The module that a command line starts with `-m`, None if it says none."""
    try:
        return words[words.index("-m") + 1]
    except (ValueError, IndexError):
        return None


def started_script(module: Module, call: ast.Call, modules: Mapping[str, Module]) -> Module | None:
    """Return the module whose file a call starts by its path.

    None where it starts none, or where the module is not known.

    Args:
        module: where the call stands.
        call: it starts a process.
        modules: every module, by path.
    """
    pending = [argument(call, 0, "args")]
    for _ in range(MOST_STEPS):
        node = pending.pop() if pending else None
        if isinstance(node, ast.Name):
            pending += _assigned(module, node)
        elif isinstance(node, ast.BinOp):
            pending += [node.left, node.right]
        elif isinstance(node, (ast.List, ast.Tuple)):
            for entry in node.elts:
                paths = PathReader(module, None).read(entry)
                path = next(iter(paths)) if len(paths) == 1 else None
                if path is not None and path.root in (TREE, WORKING) and path.name.endswith(".py"):
                    return modules.get("/".join(path.parts))
    return None


def _words(module: Module, node: ast.expr | None, depth: int) -> Iterator[str]:
    if node is None or depth > 5:
        return
    text = text_of(node)
    if text is not None:
        yield from _split(text)
    elif isinstance(node, (ast.List, ast.Tuple)):
        for entry in node.elts:
            literal = text_of(entry)
            if literal is not None:
                yield literal
            elif isinstance(entry, ast.Starred):
                yield from _words(module, entry.value, depth + 1)
    elif isinstance(node, ast.JoinedStr):
        yield from _split("".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _words(module, node.left, depth + 1)
        yield from _words(module, node.right, depth + 1)
    elif isinstance(node, ast.Call):
        inner = node.args[0] if node.args else None
        yield from _words(module, inner, depth + 1)
    elif isinstance(node, ast.Name):
        for value in _assigned(module, node):
            yield from _words(module, value, depth + 1)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _assigned(module: Module, name: ast.Name) -> list[ast.expr]:
    """What is assigned to a name in the function where it is used, else at the top of the module."""
    scope = enclosing_function(module, name)
    for place in (scope, None):
        found: list[ast.expr] = []
        for node in module.of(ast.Assign, ast.AnnAssign):
            if node.value is not None and enclosing_function(module, node) is place:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id == name.id for target in targets):
                    found.append(node.value)
        if found:
            return found
    return []
