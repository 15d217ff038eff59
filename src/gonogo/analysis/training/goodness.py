"""Which direction of a number is better: larger as for accuracy, or smaller as for a loss.

This is derived from its name and from what it is computed from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any

from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import body_nodes, enclosing_function, last_name, text_of
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Symbols

LARGER = words(
    """
    acc accs accuracy accuracies auc aucs auroc auprc roc f1 precision recall bleu rouge miou iou dice ndcg mrr psnr ssim kappa
    mcc r2 top1 reward rewards
    """
)
SMALLER = words(
    """
    loss losses err error errors rmse mse mae mape smape nll perplexity ppl wer cer fid crps ece brier regret entropy
    """
)
# Words that turn the meaning round, or make it that of something else.
TURNING = words(
    """
    neg negative minus inv inverse improvement reduction gain gap diff difference drop delta ratio weight threshold target not no
    rank bar free robust
    """
)
# What gives the same number, a summary of several, or one of them.
SAME = words(
    """
    float int round abs mean average nanmean median max min amax amin sum nansum sorted item cpu numpy detach tolist list array
    asarray tensor stack fmean squeeze
    """
)
MAX_DEPTH = 8
Lookup = Callable[[ast.expr], Any]


class Better(IntEnum):
    """When a number is better; NEITHER for a plain number, which says nothing."""

    SMALLER = -1
    NEITHER = 0
    LARGER = 1


def of_name(name: str) -> Better | None:
    """What a name says; None where it says nothing, or two things."""
    parts = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])\d?|[A-Z]?[a-z]+\d?", name)}
    parts |= {word.lower() for word in re.split(r"[^A-Za-z0-9]+", name)}
    larger, smaller = bool(parts & LARGER), bool(parts & SMALLER)
    if larger == smaller or parts & TURNING:
        return None
    return Better.LARGER if larger else Better.SMALLER


def joined(answers: Iterable[Better | None]) -> Better | None:
    """Return the common answer of several ways to a number.

    None where one is not known, or two contradict each other.
    """
    found = set(answers) - {Better.NEITHER}
    return found.pop() if len(found) == 1 else None if found else Better.NEITHER


def turned(answer: Better | None) -> Better | None:
    """What is said of a number with the other sign."""
    return Better(-answer) if answer is not None else None


class Goodness:
    """Tells when what an expression gives is better.

    Args:
        symbols: the project's functions.
        setting: gives the value of a setting that an expression reads, None where it is not known.
    """

    def __init__(self, symbols: Symbols, setting: Lookup = lambda node: None) -> None:
        self.symbols = symbols
        self.setting = setting
        self._open: list[ast.AST] = []

    def returned(self, module: Module, function: ast.AST, place: int | None = None) -> Better | None:
        """What is said of what a function returns, or of the entry at one place of the tuple that it returns."""
        if function in self._open or len(self._open) > MAX_DEPTH:
            return None
        if isinstance(function, ast.Lambda):
            return self.of(module, function.body)
        self._open.append(function)
        found: list[Better | None] = []
        for node in body_nodes(function):
            if isinstance(node, ast.Return) and node.value is not None:
                value = node.value
                if place is not None and isinstance(value, ast.Tuple) and place < len(value.elts):
                    value = value.elts[place]
                elif place is not None:
                    found.append(None)
                    continue
                found.append(self.of(module, value))
        self._open.pop()
        return joined(found) if found else None

    def of(self, module: Module, node: ast.expr) -> Better | None:
        """What is said of an expression."""
        if node in self._open or len(self._open) > 4 * MAX_DEPTH:
            return None
        self._open.append(node)
        try:
            return self._of(module, node)
        finally:
            self._open.pop()

    def _of(self, module: Module, node: ast.expr) -> Better | None:
        if isinstance(node, ast.Constant):
            return Better.NEITHER if isinstance(node.value, (int, float)) else None
        if isinstance(node, ast.UnaryOp):
            inner = self.of(module, node.operand)
            return turned(inner) if isinstance(node.op, ast.USub) else inner if isinstance(node.op, ast.UAdd) else None
        if isinstance(node, ast.BinOp):
            return self._computed(module, node)
        if isinstance(node, ast.IfExp):
            return joined((self.of(module, node.body), self.of(module, node.orelse)))
        if isinstance(node, ast.BoolOp):
            return joined(self.of(module, part) for part in node.values)
        if isinstance(node, ast.Attribute):
            return of_name(node.attr)
        if isinstance(node, ast.Subscript):
            return self._entry(module, node)
        if isinstance(node, ast.Call):
            return self._called(module, node)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return self.of(module, node.elt)
        return self._named(module, node) if isinstance(node, ast.Name) else None

    def _computed(self, module: Module, node: ast.BinOp) -> Better | None:
        left, right = self.of(module, node.left), self.of(module, node.right)
        if isinstance(node.op, ast.Add):
            return joined((left, right))
        if isinstance(node.op, ast.Sub):
            return joined((left, turned(right)))
        if isinstance(node.op, ast.Div):
            if left is Better.NEITHER:
                return turned(right)
            return left if right in (Better.NEITHER, None) and not _is_negative(node.right) else None
        if isinstance(node.op, ast.Mult):
            for factor, other in ((node.left, right), (node.right, left)):
                if isinstance(factor, (ast.Constant, ast.UnaryOp)):
                    return turned(other) if _is_negative(factor) else other
        return None

    def _entry(self, module: Module, node: ast.Subscript) -> Better | None:
        key = node.slice
        if isinstance(key, ast.UnaryOp) or (isinstance(key, ast.Constant) and isinstance(key.value, int)):
            place = key.value if isinstance(key, ast.Constant) and isinstance(key.value, int) else None
            if isinstance(node.value, ast.Call) and place is not None:
                function = self._function(module, node.value)
                if function is not None:
                    return self.returned(*function, place)
            return self.of(module, node.value)
        name = text_of(key) if isinstance(key, ast.Constant) else self.setting(key)
        return of_name(name) if isinstance(name, str) else None

    def _called(self, module: Module, call: ast.Call) -> Better | None:
        name = last_name(call.func)
        if name == "get" and call.args:
            key = text_of(call.args[0]) if isinstance(call.args[0], ast.Constant) else self.setting(call.args[0])
            return of_name(key) if isinstance(key, str) else None
        function = self._function(module, call)
        if function is not None:
            made, said = self.returned(*function), of_name(name)
            return said if made in (None, Better.NEITHER) else made if said in (None, made) else None
        if name in SAME:
            is_method = isinstance(call.func, ast.Attribute) and not call.args
            if is_method and isinstance(call.func, ast.Attribute):
                return self.of(module, call.func.value)
            return joined(self.of(module, entry) for entry in call.args) if name in ("max", "min") else self.of(module, call.args[0])
        return of_name(name)

    def _named(self, module: Module, node: ast.Name) -> Better | None:
        said = of_name(node.id)
        function = enclosing_function(module, node)
        made = joined(self._bound(module, node.id, function)) if function is not None else None
        if made in (None, Better.NEITHER):
            return said
        return made if said in (None, made) else None

    def _bound(self, module: Module, name: str, function: Function) -> Iterator[Better | None]:
        """What is said of all that a variable of a function is bound to."""
        for node in body_nodes(function):
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id == name:
                    yield self.of(module, node.value)
                elif isinstance(target, ast.Tuple):
                    for place, entry in enumerate(target.elts):
                        if isinstance(entry, ast.Name) and entry.id == name:
                            yield self._unpacked(module, node.value, place)

    def _unpacked(self, module: Module, value: ast.expr, place: int) -> Better | None:
        if isinstance(value, ast.Tuple) and place < len(value.elts):
            return self.of(module, value.elts[place])
        called = self._function(module, value) if isinstance(value, ast.Call) else None
        return self.returned(*called, place) if called is not None else None

    def _function(self, module: Module, call: ast.Call) -> tuple[Module, Function] | None:
        return function_of(self.symbols, module, call)


def function_of(symbols: Symbols, module: Module, call: ast.Call) -> tuple[Module, Function] | None:
    """Return the project's function that a call reaches, or None where it is not known.

    It is found by its name, or as the only method of that name.
    """
    definition = symbols.resolve(module, call.func)
    if definition is not None:
        return (definition.module, definition.node) if isinstance(definition.node, FUNCTIONS) else None
    if not isinstance(call.func, ast.Attribute):
        return None
    name = call.func.attr
    found = [(other, node) for other in symbols.modules.values() for node in other.of(*FUNCTIONS) if node.name == name]
    is_method = len(found) == 1 and isinstance(found[0][0].parents.get(found[0][1]), ast.ClassDef)
    return found[0] if is_method else None


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
