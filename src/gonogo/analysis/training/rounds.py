"""Conditions on the number of the epoch or step, and whether they hold in any round of a run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.interpreter.trace import Read, Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, calls, last_name
from gonogo.analysis.python.scopes import FUNCTIONS

MAX_DEPTH = 12
FUNCTION = (*FUNCTIONS, ast.Lambda)
Span = tuple[float, float]  # the smallest and the largest number that something may be
BEYOND: dict[type[ast.cmpop], Callable[[Span, Span], bool]] = {
    ast.Gt: lambda one, other: one[1] <= other[0],
    ast.GtE: lambda one, other: one[1] < other[0],
    ast.Eq: lambda one, other: one[1] < other[0],
}
MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Eq: ast.Eq, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


@dataclass(frozen=True)
class Start:
    """A condition that a round number must be beyond a setting.

    Attributes:
        branch: the `if`, or the conditional expression.
        setting: where the setting is read.
        path: of the setting, in the config.
        begins: what the run has there.
        last: the number of the run's last round.
    """

    module: Module
    branch: ast.If | ast.IfExp
    setting: ast.AST
    path: tuple[str, ...]
    begins: float
    last: float


def never_started(trace: Trace, modules: Mapping[str, Module]) -> Iterator[Start]:
    """Yield the conditions `epoch >= setting` that never hold in a run.

    Their setting is beyond the last epoch.
    """
    numbers = Numbers(trace, modules)
    for module in modules.values():
        for branch in module.of(ast.If, ast.IfExp):
            test = branch.test
            if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
                continue
            kind = type(test.ops[0])
            for rounds, bound, asked in (
                (test.left, test.comparators[0], kind),
                (test.comparators[0], test.left, MIRRORED.get(kind, kind)),
            ):
                if asked not in BEYOND or not numbers.is_round(module, rounds):
                    continue
                read = next((node for node in ast.walk(bound) if id(node) in numbers.reads), None)
                span, limit = numbers.of(module, rounds), numbers.of(module, bound)
                if read is not None and span is not None and limit is not None and limit[0] > 0 and BEYOND[asked](span, limit):
                    yield Start(module, branch, read, numbers.reads[id(read)].path, limit[0], span[1])


def cut_epochs(trace: Trace, modules: Mapping[str, Module], fewest: int) -> Iterator[tuple[Module, ast.For, float, tuple[str, ...], float]]:
    """Yield loops that run one or two iterations although their setting asks for more epochs.

    Args:
        trace: of the run.
        modules: in which loops are looked at.
        fewest: epochs that the setting must ask for.

    Returns:
        of each: its module, the loop, how many rounds it has, the setting and what it asks for.
    """
    numbers = Numbers(trace, modules)
    for module in modules.values():
        for loop in module.of(ast.For):
            if not isinstance(loop.iter, ast.Call) or id(loop) not in trace.executed:
                continue
            numbers.met.clear()
            numbers.is_part = False
            span = numbers.rounds(module, loop.iter)
            asked = [read for read in numbers.met if "epoch" in read.path[-1] and isinstance(read.value, int) and read.value >= fewest]
            if span is not None and len(asked) == 1 and 1 <= span <= 2 and not numbers.is_part:
                yield module, loop, span, asked[0].path, float(asked[0].value)  # type: ignore[arg-type]  # it was asked for above


class Numbers:
    """What expressions may be in one run: loops over `range`, settings, sums of these."""

    def __init__(self, trace: Trace, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self.met: list[Read] = []  # the settings that were come by
        self.is_part = False  # something was divided or taken away: a loop over cycles, or over the last of the epochs
        self.reads: dict[int, Read] = {}
        several: set[int] = set()
        for event in trace.of(Read):
            known = self.reads.setdefault(id(event.site.node), event)
            if known.value != event.value or known.path != event.path:
                several.add(id(event.site.node))
        self.lists = {
            node: numbers
            for node, event in self.reads.items()
            if node not in several and event.path not in trace.written and (numbers := _numbers(trace.config, event.path))
        }
        self.reads = {
            node: event
            for node, event in self.reads.items()
            if node not in several and isinstance(event.value, (int, float)) and event.path not in trace.written
        }

    def is_round(self, module: Module, node: ast.expr, depth: int = 0) -> bool:
        """Return whether an expression is the number that a loop over `range` counts.

        Also where a function is given such a number.
        """
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            return self.is_round(module, node.left, depth)
        if not isinstance(node, ast.Name) or depth > MAX_DEPTH:
            return False
        function = _function(module, node)
        if _loop_of(module, node, function) is not None:
            return True
        given = list(self._given(function, node.id))
        return bool(given) and all(self.is_round(other, entry, depth + 1) for other, entry in given)

    def of(self, module: Module, node: ast.expr, depth: int = 0) -> Span | None:
        """The numbers that an expression may be; None where that is not known."""
        if depth > MAX_DEPTH:
            return None
        if id(node) in self.reads:
            value = self.reads[id(node)].value
            self.met.append(self.reads[id(node)])
            return (float(value), float(value)) if isinstance(value, (int, float)) else None
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value), float(node.value)
        if isinstance(node, ast.BinOp):
            return self._computed(module, node, depth)
        if isinstance(node, ast.IfExp):
            return self._chosen(module, node, depth)
        if isinstance(node, ast.Call) and last_name(node.func) in ("int", "float") and len(node.args) == 1:
            return self.of(module, node.args[0], depth + 1)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max") and len(node.args) > 1:
            spans = [self.of(module, entry, depth + 1) for entry in node.args]
            pick = min if node.func.id == "min" else max
            known = [span for span in spans if span is not None]
            return (pick(span[0] for span in known), pick(span[1] for span in known)) if len(known) == len(spans) else None
        if isinstance(node, ast.Attribute):
            return self._kept(module, node, depth)
        return self._named(module, node, depth) if isinstance(node, ast.Name) else None

    def listed(self, module: Module, node: ast.expr, depth: int = 0) -> list[float] | None:
        """Return the numbers of a list that a setting holds, or that a name is bound to once.

        None where that is not known.
        """
        if isinstance(node, ast.Call) and last_name(node.func) in ("list", "tuple", "sorted", "to_container", "to_object") and node.args:
            return self.listed(module, node.args[0], depth + 1)
        if id(node) in self.lists or depth > MAX_DEPTH:
            return self.lists.get(id(node))
        bound = _bindings(module, _function(module, node), node.id) if isinstance(node, ast.Name) else []
        one = bound[0] if len(bound) == 1 else None
        return self.listed(module, one.value, depth + 1) if isinstance(one, ast.Assign) else None

    def _kept(self, module: Module, node: ast.Attribute, depth: int) -> Span | None:
        """What an attribute of `self` holds that its class sets in one place."""
        owner = next((entry for entry in ancestors(module, node) if isinstance(entry, ast.ClassDef)), None)
        if owner is None or not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            return None
        written = [entry for entry in ast.walk(owner) if isinstance(entry, ast.Attribute) and entry.attr == node.attr]
        stores = [module.parents[entry] for entry in written if not isinstance(entry.ctx, ast.Load)]
        one = stores[0] if len(stores) == 1 else None
        return self.of(module, one.value, depth + 1) if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None else None

    def _computed(self, module: Module, node: ast.BinOp, depth: int) -> Span | None:
        left, right = self.of(module, node.left, depth + 1), self.of(module, node.right, depth + 1)
        self.is_part |= not isinstance(node.op, (ast.Add, ast.Mult))
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Add):
            return left[0] + right[0], left[1] + right[1]
        if isinstance(node.op, ast.Sub):
            return left[0] - right[1], left[1] - right[0]
        if isinstance(node.op, (ast.Mult, ast.FloorDiv, ast.Div)) and left[0] >= 0 and right[0] > 0:
            if isinstance(node.op, ast.Mult):
                return left[0] * right[0], left[1] * right[1]
            divide = operator.floordiv if isinstance(node.op, ast.FloorDiv) else operator.truediv
            return divide(left[0], right[1]), divide(left[1], right[0])
        return None

    def _chosen(self, module: Module, node: ast.IfExp, depth: int) -> Span | None:
        """A conditional expression, by a setting that is true or false in the run."""
        test, turned = node.test, False
        while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, turned = test.operand, not turned
        asked = self.of(module, test, depth + 1)
        if asked is None or asked[0] != asked[1]:
            return None
        return self.of(module, node.body if bool(asked[0]) is not turned else node.orelse, depth + 1)

    def _named(self, module: Module, node: ast.Name, depth: int) -> Span | None:
        function = _function(module, node)
        loop = _loop_of(module, node, function)
        if loop is not None:
            return self._range(module, loop.iter, depth) if isinstance(loop.iter, ast.Call) else None
        bound = _bindings(module, function, node.id)
        if bound:
            one = bound[0] if len(bound) == 1 else None
            return self.of(module, one.value, depth + 1) if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None else None
        spans = [self.of(other, entry, depth + 1) for other, entry in self._given(function, node.id)]
        known = [span for span in spans if span is not None]
        return (min(low for low, _ in known), max(high for _, high in known)) if known and len(known) == len(spans) else None

    def _range(self, module: Module, call: ast.Call, depth: int) -> Span | None:
        while last_name(call.func) in ("tqdm", "track", "progress") and call.args and isinstance(call.args[0], ast.Call):
            call = call.args[0]
        spans = [self.of(module, entry, depth + 1) for entry in call.args]
        if last_name(call.func) not in ("range", "trange") or not 1 <= len(spans) <= 2 or any(span is None for span in spans):
            return None
        first, stop = spans[0] if len(spans) == 2 else (0.0, 0.0), spans[-1]
        return (first[0], stop[1] - 1) if first is not None and stop is not None and stop[1] - 1 >= first[0] else None

    def rounds(self, module: Module, call: ast.Call) -> float | None:
        """How many rounds a loop over `range` has at most."""
        span = self._range(module, call, 0)
        self.is_part |= len(call.args) == 2 and not isinstance(call.args[0], ast.Constant)
        return span[1] - span[0] + 1 if span is not None else None

    def _given(self, function: ast.AST | None, name: str) -> Iterator[tuple[Module, ast.expr]]:
        """What the callers of a function give one of its parameters."""
        if not isinstance(function, FUNCTIONS):
            return
        places = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
        keywords = [entry.arg for entry in function.args.kwonlyargs]
        called = function.name
        if called == "__init__":  # it is called by the name of its class
            called = next(
                (owner.name for module in self.modules.values() for owner in module.of(ast.ClassDef) if function in owner.body), ""
            )
        if name not in places + keywords or not called or called.startswith("__"):
            return
        index = places.index(name) - (places[0] in ("self", "cls")) if name in places else None
        for module in self.modules.values():
            for call in calls(module):
                if last_name(call.func) == called:
                    given = argument(call, index, name)
                    yield module, given if given is not None else default_of(function, name) or ast.Constant(value=None)


def _numbers(config: object, path: Iterable[str]) -> list[float]:
    """The numbers of the list at a place in a config; none where there is no such list."""
    for key in path:
        config = config.get(key) if isinstance(config, Mapping) else None
    if not isinstance(config, (list, tuple)) or not all(isinstance(entry, (int, float)) for entry in config):
        return []
    return [float(entry) for entry in config]


def default_of(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> ast.expr | None:
    """What a parameter is where a call leaves it out."""
    given = function.args
    places = [*given.posonlyargs, *given.args]
    by_place = dict(zip([entry.arg for entry in places[len(places) - len(given.defaults) :]], given.defaults, strict=True))
    by_name = {entry.arg: value for entry, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is not None}
    return by_place.get(name, by_name.get(name))


def _function(module: Module, node: ast.AST) -> ast.AST | None:
    return next((entry for entry in ancestors(module, node) if isinstance(entry, FUNCTION)), None)


def _loop_of(module: Module, node: ast.Name, function: ast.AST | None) -> ast.For | None:
    """The loop around a name that counts it; None where anything else binds it as well."""
    found = next(
        (
            entry
            for entry in ancestors(module, node)
            if isinstance(entry, ast.For) and isinstance(entry.target, ast.Name) and entry.target.id == node.id
        ),
        None,
    )
    others = [entry for entry in _bindings(module, function, node.id) if not isinstance(entry, ast.For)]
    return found if found is not None and not others and _function(module, found) is function else None


def _bindings(module: Module, function: ast.AST | None, name: str) -> list[ast.AST]:
    """The statements of a function, or of a module's top level, that bind a name."""
    stores = (node for node in module.of(ast.Name) if node.id == name and not isinstance(node.ctx, ast.Load))
    return [module.parents[node] for node in stores if _function(module, node) is function]
