"""Where the code gives some runs a worse learning rate, or less training, than their settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gonogo.analysis.interpreter.trace import Read, Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name, statement_of, text_of

RATE = re.compile(r"^(?:(?:base_|init(?:ial)?_)?(?:lr|learning_rate))$", re.IGNORECASE)
LENGTH = re.compile(
    r"^(?:n_|num_|max_|total_)?(?:train(?:ing)?_)?epochs$|^(?:max|total|num_train|num_training|training)_steps$", re.IGNORECASE
)


class Placed(Protocol):
    """What stands at a statement, or at a conditional expression whose first choice is meant."""

    @property
    def module(self) -> Module:
        """The file."""
        ...

    @property
    def node(self) -> ast.stmt | ast.IfExp:
        """The statement, or the expression."""
        ...


@dataclass(frozen=True)
class Handicap:
    """A place that makes a setting smaller for some runs.

    Attributes:
        node: the statement, or the conditional expression.
        pattern: of the keys of the settings that are meant, `RATE` or `LENGTH`.
        name: of what is made smaller, as the code has it.
        factor: by which it is multiplied; None where it is a number of its own.
        number: what it is then, where it is a number of its own.
    """

    module: Module
    node: ast.stmt | ast.IfExp
    pattern: re.Pattern[str]
    name: str
    factor: float | None
    number: float | None


def handicaps(module: Module) -> Iterator[Handicap]:
    """Every place that may make a learning rate or the length of training smaller."""
    for statement in module.of(ast.AugAssign, ast.Assign):
        target: ast.expr
        if isinstance(statement, ast.AugAssign):
            target, factor, number = statement.target, _factor(statement.op, _number(statement.value)), None
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            factor, number = _of_value(statement.value, _name(target))
        else:
            continue
        pattern = _pattern(_name(target))
        if pattern is not None and (factor is not None or number is not None) and _is_conditional(module, statement):
            yield Handicap(module, statement, pattern, _name(target), factor, number)
    for choice in module.of(ast.IfExp):
        yield from _of_choice(module, choice)


def holds(trace: Trace, place: Placed, reads: Mapping[int, Read]) -> bool | None:
    """Whether a run comes to a place and does what is meant there; None where that is not known."""
    statement = statement_of(place.module, place.node)
    if any(isinstance(parent, ast.If) and id(parent) in trace.unanswered for parent in ancestors(place.module, place.node)):
        return None
    if id(statement) not in trace.executed:
        return False
    return True if isinstance(place.node, ast.stmt) else _test(place.node.test, reads)


def texts_read(trace: Trace) -> dict[int, Read]:
    """What the code reads of the config that always is the same text or truth value, by the node."""
    found: dict[int, Read] = {}
    changing: set[int] = set()
    for event in trace.of(Read):
        known = found.setdefault(id(event.site.node), event)
        if known.value != event.value:
            changing.add(id(event.site.node))
    return {node: event for node, event in found.items() if node not in changing and isinstance(event.value, (str, bool))}


def _test(test: ast.expr, reads: Mapping[int, Read]) -> bool | None:
    """Whether a comparison of a setting with texts holds in a run."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _test(test.operand, reads)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        known = [_test(part, reads) for part in test.values]
        decided = isinstance(test.op, ast.Or)
        return decided if decided in known else None if None in known else not decided
    if id(test) in reads and isinstance(reads[id(test)].value, bool):
        return bool(reads[id(test)].value)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or id(test.left) not in reads:
        return None
    value, other = reads[id(test.left)].value, test.comparators[0]
    texts = [text_of(entry) for entry in other.elts] if isinstance(other, (ast.Tuple, ast.List, ast.Set)) else [text_of(other)]
    if any(text is None for text in texts):
        return None
    if isinstance(test.ops[0], (ast.Eq, ast.In)):
        return value in texts
    return value not in texts if isinstance(test.ops[0], (ast.NotEq, ast.NotIn)) else None


def _of_choice(module: Module, choice: ast.IfExp) -> Iterator[Handicap]:
    """`lr * (0.01 if baseline else 1.0)`, and `1 if baseline else cfg.epochs`: what a test chooses."""
    parent = module.parents.get(choice)
    small, plain = _number(choice.body), _number(choice.orelse)
    if isinstance(parent, ast.BinOp) and small is not None and plain is not None and plain > 0:
        other = parent.right if parent.left is choice else parent.left
        pattern = _pattern(_name(other))
        factor = _factor(parent.op, small / plain)
        if pattern is not None and factor is not None and (parent.right is choice or isinstance(parent.op, ast.Mult)):
            yield Handicap(module, choice, pattern, _name(other), factor, None)
        return
    pattern = _pattern(_name(choice.orelse))
    if pattern is None:
        return
    factor, number = _of_value(choice.body, _name(choice.orelse))
    if factor is not None or number is not None:
        yield Handicap(module, choice, pattern, _name(choice.orelse), factor, number)


def _of_value(value: ast.expr, name: str) -> tuple[float | None, float | None]:
    """By what a setting is multiplied, or the number that it is at most."""
    if isinstance(value, ast.BinOp):
        left, right = _number(value.left), _number(value.right)
        if right is not None and _name(value.left) == name:
            return _factor(value.op, right), None
        return (left, None) if left is not None and isinstance(value.op, ast.Mult) and _name(value.right) == name else (None, None)
    if isinstance(value, ast.Call) and last_name(value.func) == "max":  # a bound that keeps it above zero
        parts = [_of_value(entry, name) for entry in value.args if isinstance(entry, ast.BinOp)]
        return next((part for part in parts if part[0]), (None, None))
    if isinstance(value, ast.Call) and last_name(value.func) == "min":
        bounds = [found for entry in value.args if (found := _number(entry)) is not None]
        return None, min(bounds) if bounds else None
    return None, _number(value)


def _factor(operator: ast.operator, number: float | None) -> float | None:
    if number is None or number <= 0:
        return None
    if isinstance(operator, ast.Mult):
        return number
    return 1 / number if isinstance(operator, (ast.Div, ast.FloorDiv)) else None


def _pattern(name: str) -> re.Pattern[str] | None:
    return next((pattern for pattern in (RATE, LENGTH) if pattern.search(name)), None)


def _name(node: ast.expr) -> str:
    """The last part of what a setting is called: `cfg.lr`, `group["lr"]`, `lr`."""
    return text_of(node.slice) or "" if isinstance(node, ast.Subscript) else last_name(node)


def _number(node: ast.expr) -> float | None:
    known = node.value if isinstance(node, ast.Constant) else None
    return float(known) if isinstance(known, (int, float)) and not isinstance(known, bool) else None


def _is_conditional(module: Module, statement: ast.stmt) -> bool:
    return any(isinstance(parent, ast.If) for parent in ancestors(module, statement))
