"""Steps that rows are logged at, and rows that the client drops for their step.

The client drops a row whose step is before one that was logged already.

A step is told by how it grows: with a loop (`epoch`), by whole rounds of an inner loop (`epoch * len(loader) + batch`, a counter that the
inner loop counts up), or by itself where no step is given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, argument, enclosing_function, last_name, origin
from gonogo.analysis.tracking.wandb_runs import handles, is_init

Loop = ast.For | ast.While
MAX_FRAMES, MAX_WAYS, MAX_DEPTH = 4, 12, 8
COUNTED = frozenset({"enumerate", "range", "tqdm", "tqdm.tqdm", "tqdm.trange", "trange", "tqdm.auto.tqdm"})


@dataclass(frozen=True)
class Frame:
    """A function on the way to a call.

    It holds where the function stands, and the call that leads into it from the next frame.
    """

    module: Module
    function: Function | None
    call: ast.Call | None


@dataclass(frozen=True)
class Step:
    """How a step grows.

    Attributes:
        rounds: loops of whose rounds it is the number, or that and a constant.
        faster: loops in each round of which it grows by as much as a loop inside has rounds.
        by_itself: none is given: it grows with each row.
    """

    rounds: frozenset[Loop] = frozenset()
    faster: frozenset[Loop] = frozenset()
    by_itself: bool = False


@dataclass(frozen=True)
class Row:
    """A call that logs a row, in one of the ways in which the program reaches it.

    `loops` are around it, innermost first.
    """

    module: Module
    call: ast.Call
    loops: tuple[Loop, ...]
    step: Step


@dataclass(frozen=True)
class Dropped:
    """A row that the client drops because another row was logged before it at a later step.

    `other` is the row itself where its own step restarts.
    """

    row: Row
    other: Row


class Steps:
    """Reads the steps of a project's rows.

    Args:
        modules: those that train, by path.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self._modules = [module for module in modules.values() if module.tree is not None]
        self._calls: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self._modules:
            for call in module.of(ast.Call):
                self._calls.setdefault(last_name(call.func), []).append((module, call))

    def dropped(self) -> Iterator[Dropped]:
        """Every row that is surely logged at a step before the last one, each call once."""
        rows = [row for module in self._modules if "wandb" in module.text for row in self._rows(module)]
        told: set[ast.Call] = set()
        for row in rows:
            for found in self._drops(row, rows):
                if found.row.call not in told:
                    told.add(found.row.call)
                    yield found

    def _drops(self, row: Row, rows: list[Row]) -> Iterator[Dropped]:
        """The rows that are dropped because of one, or because it starts anew in each round of an outer loop."""
        if row.step.by_itself or row.step.faster or len(row.step.rounds) != 1:
            return
        (own,) = row.step.rounds
        if own not in row.loops:
            return
        if any(not self._begins_run(outer) for outer in row.loops[row.loops.index(own) + 1 :]) and row.loops[0] is own:
            yield Dropped(row, row)
        elif row.loops[0] is own and not self._begins_run(own):
            for other in rows:
                is_inside = own in other.loops[1:] and other.loops[0] is not own
                if is_inside and (other.step.by_itself or own in other.step.faster) and not _are_exclusive(row, other):
                    yield Dropped(row, other)
                    return

    def _begins_run(self, loop: Loop) -> bool:
        """Return whether a run may begin in each iteration of a loop.

        It begins by a call in the loop, or in a function of the project that is called there.
        """
        module = next(module for module in self._modules if loop in module.parents)
        pending: list[tuple[Module, ast.AST]] = [(module, loop)]
        seen: set[ast.AST] = set()
        while pending and len(seen) < 60:
            owner, node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            for call in (inner for inner in ast.walk(node) if isinstance(inner, ast.Call)):
                if is_init(owner, call) or last_name(call.func) in ("init", "finish"):
                    return True
                pending += [
                    (other, function)
                    for other in self._modules
                    for function in other.of(ast.FunctionDef)
                    if function.name == last_name(call.func)
                ]
        return False

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _rows(self, module: Module) -> Iterator[Row]:
        names = handles(module) | {"wandb.run"}
        for call in module.of(ast.Call):
            if not isinstance(call.func, ast.Attribute) or call.func.attr != "log" or any(keyword.arg is None for keyword in call.keywords):
                continue
            if origin(module, call.func) != "wandb.log" and ast.unparse(call.func.value) not in names:
                continue
            if argument(call, 2, "commit") is not None:
                continue
            for frames in self._ways(module, call):
                step = self._step(frames, 0, argument(call, 1, "step"))
                loops = tuple(loop for loop in self._loops(frames, call))
                if step is not None and loops:
                    yield Row(module, call, loops, step)

    def _ways(self, module: Module, call: ast.Call) -> list[tuple[Frame, ...]]:
        """Return the call paths that lead to a call, from its own function outwards.

        A path is followed as long as each function is called in few places.
        """
        found: list[tuple[Frame, ...]] = []
        pending: list[tuple[Frame, ...]] = [(Frame(module, enclosing_function(module, call), None),)]
        while pending:
            frames = pending.pop()
            last = frames[-1]
            callers = self._calls.get(last.function.name, []) if last.function is not None else []
            callers = [entry for entry in callers if enclosing_function(*entry) is not last.function]
            if not callers or len(frames) >= MAX_FRAMES or len(found) + len(pending) > MAX_WAYS:
                found.append(frames)
                continue
            for caller, into in callers:
                before = (*frames[:-1], Frame(last.module, last.function, into))
                pending.append((*before, Frame(caller, enclosing_function(caller, into), None)))
        return found

    @staticmethod
    def _loops(frames: tuple[Frame, ...], call: ast.Call) -> Iterator[Loop]:
        """The loops around a call, innermost first."""
        node: ast.AST = call
        for frame in frames:
            for parent in ancestors(frame.module, node):
                if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                    break
                if isinstance(parent, (ast.For, ast.While)):
                    yield parent
            if frame.call is None:
                return
            node = frame.call

    # -- steps --------------------------------------------------------------------------------------------------------

    def _step(self, frames: tuple[Frame, ...], index: int, node: ast.expr | None, depth: int = 0) -> Step | None:
        """How an expression in a frame grows; None where that is not plain."""
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return Step(by_itself=True)
        if depth > MAX_DEPTH or index >= len(frames):
            return None
        if isinstance(node, ast.Constant):
            return Step()
        if isinstance(node, ast.Call) and last_name(node.func) == "int" and len(node.args) == 1:
            return self._step(frames, index, node.args[0], depth + 1)
        if isinstance(node, ast.BinOp):
            return self._step_of_operation(frames, index, node, depth)
        if isinstance(node, ast.Attribute):
            return self._counter(frames[index], ast.unparse(node))
        return self._step_of_name(frames, index, node.id, node, depth) if isinstance(node, ast.Name) else None

    def _step_of_operation(self, frames: tuple[Frame, ...], index: int, node: ast.BinOp, depth: int) -> Step | None:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            left, right = (self._step(frames, index, side, depth + 1) for side in (node.left, node.right))
            if left is None or right is None or left.by_itself or right.by_itself:
                return None
            return Step(left.rounds | right.rounds, left.faster | right.faster)
        if not isinstance(node.op, ast.Mult):
            return None
        for side, other in ((node.left, node.right), (node.right, node.left)):
            step = self._step(frames, index, side, depth + 1)
            if step is not None and step.rounds and not step.faster and not isinstance(other, ast.Constant):
                return Step(faster=step.rounds)
        return None

    def _step_of_name(self, frames: tuple[Frame, ...], index: int, name: str, at: ast.expr, depth: int) -> Step | None:
        frame = frames[index]
        loop = _loop_that_counts(frame, name, at)
        if loop is not None:
            return Step(rounds=frozenset({loop}))
        counter = self._counter(frame, name)
        if counter is not None:
            return counter
        function = frame.function
        if function is not None and frame.call is not None:
            names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
            if name in names and not _assigned(function, name):
                place = names.index(name) - (1 if names[:1] in (["self"], ["cls"]) else 0)
                given = argument(frame.call, place, name)
                return self._step(frames, index + 1, given, depth + 1) if given is not None else None
            if name in [entry.arg for entry in function.args.kwonlyargs]:
                given = argument(frame.call, None, name)
                return self._step(frames, index + 1, given, depth + 1) if given is not None else None
        values = _assigned(function, name) if function is not None else []
        return self._step(frames, index, values[0], depth + 1) if len(values) == 1 else None

    def _counter(self, frame: Frame, written: str) -> Step | None:
        """`count += 1` in an inner loop: it grows faster than the outer loops in which it does not begin anew."""
        scope = frame.module.tree if "." in written or frame.function is None else frame.function
        if scope is None:
            return None
        grown = [node for node in ast.walk(scope) if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == written]
        if len(grown) != 1 or not isinstance(grown[0].op, ast.Add):
            return None
        set_in = {
            parent
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == written for target in node.targets)
            for parent in ancestors(frame.module, node)
        }
        around = [parent for parent in ancestors(frame.module, grown[0]) if isinstance(parent, (ast.For, ast.While))]
        outer = [loop for loop in around[1:] if loop not in set_in]
        return Step(faster=frozenset(outer)) if outer else None


def _loop_that_counts(frame: Frame, name: str, at: ast.expr) -> Loop | None:
    """Return the loop around a node whose iterations a variable counts.

    Examples: `for epoch in range(…)`, `for batch, … in enumerate(…)`.
    """
    parents = ancestors(frame.module, at) if at in frame.module.parents else iter(())
    for parent in parents:
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, ast.For) and isinstance(parent.iter, ast.Call):
            target = parent.target
            first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else None
            counted: ast.expr = parent.iter
            while isinstance(counted, ast.Call) and last_name(counted.func) in ("tqdm", "track") and counted.args:
                counted = counted.args[0]
            kind = last_name(counted.func) if isinstance(counted, ast.Call) else ""
            if (kind in ("range", "trange") and last_name(target) == name) or (
                kind == "enumerate" and first is not None and last_name(first) == name
            ):
                return parent
    return None


def _assigned(function: Function | None, name: str) -> list[ast.expr]:
    """What a function assigns to a name."""
    return [
        node.value
        for node in (ast.walk(function) if function is not None else ())
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


def _are_exclusive(one: Row, other: Row) -> bool:
    """Whether two calls stand in different branches of one condition."""
    if one.module is not other.module:
        return False
    sides = [dict(_branches(row)) for row in (one, other)]
    return any(sides[0][parent] != sides[1][parent] for parent in sides[0].keys() & sides[1].keys())


def _branches(row: Row) -> Iterator[tuple[ast.If, bool]]:
    inside: ast.AST = row.call
    for parent in ancestors(row.module, row.call):
        if isinstance(parent, ast.If):
            yield parent, inside in parent.body
        inside = parent
