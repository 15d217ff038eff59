"""Training `while` loops of the experiment's own code.

A bounded run leaves one after as many iterations as a `for` loop.

The loop's condition goes through `goes_on`, which says no where it is time: the code then goes on as it does where the condition no longer
holds. Only rounds with a backward pass count: what is asked again and again (a sample, a word, an episode) is never cut. Nor is a loop that
leaves something behind where it ends by itself, which code after it may need, or that works off a collection to its end.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import Any

from . import handlers, loops, settings

NAME = "__gonogo_while__"
EPOCHS, ROUNDS = "epochs", "rounds"
_TAKES = frozenset({"pop", "popleft", "popitem", "remove", "discard", "get_nowait"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def start() -> None:
    """Look at the `while` loops of every module of the experiment that is imported from now on."""
    if settings.mode != "evaluation":
        setattr(builtins, NAME, While)
        loops.changes.append(lambda tree, path: Instrument(path).visit(tree))


class Instrument(ast.NodeTransformer):
    """Has every `while` loop ask whether it goes on, and say that it is left, however it is left.

    Args:
        path: of the module, as it is shown.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def visit_While(self, node: ast.While) -> Any:
        """Begin the loop, ask in its condition, and leave it."""
        can_end, role = _can_end(node), _role(node)  # before what is within is changed
        self.generic_visit(node)
        own = f"{NAME[:-2]}_{node.lineno}_{node.col_offset}__"
        about: list[ast.expr] = [ast.Constant(value) for value in (self._path, node.lineno, role, can_end)]
        begin = ast.Assign([ast.Name(own, ast.Store())], ast.Call(ast.Name(NAME, ast.Load()), about, []))
        node.test = ast.copy_location(_call(own, "goes_on", [node.test]), node.test)
        whole = ast.Try([node], [], [], [ast.Expr(_call(own, "leave", []))])
        return [ast.copy_location(statement, node) for statement in (begin, whole)]


def _call(name: str, method: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name(name, ast.Load()), method, ast.Load()), arguments, [])


def _role(node: ast.While) -> str:
    named = {
        part.id if isinstance(part, ast.Name) else part.attr for part in ast.walk(node.test) if isinstance(part, (ast.Name, ast.Attribute))
    }
    return EPOCHS if any(loops.EPOCH.search(name) for name in named) else ROUNDS


def _can_end(node: ast.While) -> bool:
    """Return whether code after a loop may be reached although the loop's condition held.

    This is allowed where the loop ends by itself without setting or returning anything else.
    """
    if _works_off(node):
        return False
    flags = set() if _compares(node.test) else {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)}
    is_endless = isinstance(node.test, ast.Constant)
    if is_endless and any(isinstance(inner, (ast.Return, ast.Raise)) for inner in _within(node.body)):
        return False
    ends = [block for block in _blocks(node.body) if _ends(block, flags)]
    if is_endless and not ends:
        return False
    return all(isinstance(each, (ast.Expr, ast.Break, ast.Continue, ast.Pass)) or _sets(each, flags) for block in ends for each in block)


def _works_off(node: ast.While) -> bool:
    """Return whether a loop goes on as long as the collection that it takes from has items.

    An example is `while waiting: waiting.pop()`.
    """
    asked = {ast.unparse(part) for part in ast.walk(node.test) if isinstance(part, (ast.Name, ast.Attribute))}
    taken: set[str] = set()
    for inner in _within(node.body):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _TAKES:
            taken.add(ast.unparse(inner.func.value))
        elif isinstance(inner, ast.Delete):
            taken |= {ast.unparse(target.value) for target in inner.targets if isinstance(target, ast.Subscript)}
    return bool(asked & taken)


def _compares(test: ast.expr) -> bool:
    return any(isinstance(part, ast.Compare) for part in ast.walk(test))


def _within(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What is within statements, but for functions of their own."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))


def _blocks(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The blocks below a loop's own one: of conditions, handlers, loops."""
    for node in _within(body):
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield value


def _ends(block: list[ast.stmt], flags: set[str]) -> bool:
    return any(isinstance(statement, ast.Break) or _sets(statement, flags) for statement in block)


def _sets(statement: ast.stmt, flags: set[str]) -> bool:
    """Whether a statement sets one of the names in the loop's condition."""
    return isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) and target.id in flags for target in statement.targets)


class While:
    """One `while` loop while it runs.

    Args:
        path: of its module.
        line: its own.
        role: whether its condition speaks of epochs.
        can_end: whether it may be ended.
    """

    def __init__(self, path: str, line: int, role: str, can_end: bool) -> None:
        self._place = path, line
        self._role = role
        self._can_end = can_end
        self._rounds = {EPOCHS: 0, ROUNDS: 0}
        self._backwards = -1
        self._loop = loops.enter()

    def goes_on(self, test: Any) -> Any:
        """The value of the loop's condition; False where it has run long enough."""
        backwards = handlers.work()[1]
        if 0 <= self._backwards < backwards:
            self._rounds[EPOCHS if self._loop.inner and not self._loop.ran else ROUNDS] += 1
        self._backwards = backwards
        self._loop.next_round()
        loops.come_to_top(self._loop)
        return False if test and self._is_enough() else test

    def _is_enough(self) -> bool:
        if not self._can_end or not settings.bounds.get("loops"):
            return False
        limits = {EPOCHS: settings.bounds.get("epochs"), ROUNDS: settings.bounds.get("batches")}
        return any(limit is not None and self._rounds[kind] >= limit for kind, limit in limits.items())

    def leave(self) -> None:
        """The loop is left."""
        self.goes_on(False)
        loops.leave_transparent(self._loop)
        if sum(self._rounds.values()):
            role = EPOCHS if self._role == EPOCHS and self._rounds[EPOCHS] else ROUNDS
            loops.note(self._place, role, sum(self._rounds.values()))
