"""Conditions on a W&B key in the environment, and what follows from its absence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.handlers import LEAVES
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, origin, text_of
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.wandb_runs import is_init

KEY = "WANDB_API_KEY"
MEMBERS = frozenset({"wandb.api.api_key", "wandb.Api().api_key"})
OFF = "disabled"
MAX_DEPTH = 4


@dataclass(frozen=True)
class KeyCondition:
    """A condition that asks for the key.

    Attributes:
        node: the `if`, or the conditional expression.
        without: what is done, or taken, where there is no key; `with_key` where there is one.
    """

    module: Module
    node: ast.If | ast.IfExp
    without: list[ast.AST]
    with_key: list[ast.AST]


class KeyConditions:
    """Finds the conditions that hang on a key in the environment.

    Args:
        sources: follows expressions.
        trial_key: what a full run does not have: a condition that needs it, too, is one of trials.
    """

    def __init__(self, sources: Sources, trial_key: str) -> None:
        self.sources = sources
        self._trial = re.compile(rf"\b(?:{re.escape(trial_key)}|trial\w*|is_trial)\b", re.IGNORECASE)

    def find(self, module: Module) -> Iterator[KeyCondition]:
        """Every condition that decides on the key alone, or on the key where this is no trial."""
        for node in module.of(ast.If, ast.IfExp):
            sign = self._sign(module, node.test, 0)
            if sign is None:
                continue
            body: list[ast.AST] = list(node.body) if isinstance(node, ast.If) else [node.body]
            other: list[ast.AST] = list(node.orelse) if isinstance(node, ast.If) else [node.orelse]
            yield KeyCondition(module, node, *((other, body) if sign else (body, other)))

    def _sign(self, module: Module, test: ast.expr, depth: int) -> bool | None:
        """Return whether a condition asks that there is a key (True) or that there is none (False).

        This is the value of the condition where there is no key, negated.
        """
        if depth > MAX_DEPTH:
            return None
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            sign = self._sign(module, test.operand, depth + 1)
            return None if sign is None else not sign
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._sign_of_comparison(module, test)
        if isinstance(test, ast.BoolOp):
            return self._sign_of_parts(module, test, depth)
        return True if self._is_key(module, test, depth) else self._sign_of_value(module, test, depth)

    def _sign_of_comparison(self, module: Module, test: ast.Compare) -> bool | None:
        op, left, right = test.ops[0], test.left, test.comparators[0]
        if isinstance(op, (ast.In, ast.NotIn)):
            asks = text_of(left) == KEY and origin(module, right) == "os.environ"
            return isinstance(op, ast.In) if asks else None
        is_nothing = isinstance(right, ast.Constant) and not right.value
        if is_nothing and isinstance(op, (ast.Is, ast.Eq, ast.IsNot, ast.NotEq)) and self._is_key(module, left, 0):
            return isinstance(op, (ast.IsNot, ast.NotEq))
        return None

    def _sign_of_parts(self, module: Module, test: ast.BoolOp, depth: int) -> bool | None:
        """Return what an `and` or `or` of conditions says about the key.

        `trial or no key`: without a key it holds in a full run as well. `key and no trial`: without a key it never holds.
        """
        signs = [self._sign(module, part, depth + 1) for part in test.values]
        wanted = isinstance(test.op, ast.And)
        return wanted if wanted in signs else None

    def _sign_of_value(self, module: Module, test: ast.expr, depth: int) -> bool | None:
        """A variable, or a call of a function of the project, that holds such a condition."""
        if isinstance(test, ast.Call):
            target = called(self.sources.symbols, module, test)
            node = target[0].node if target is not None else None
            if target is None or not isinstance(node, ast.FunctionDef):
                return None
            returned = [entry.value for entry in ast.walk(node) if isinstance(entry, ast.Return)]
            known = returned[0] if len(returned) == 1 else None
            return self._sign(target[0].module, known, depth + 1) if known is not None else None
        if not isinstance(test, ast.Name):
            return None
        function = enclosing_function(module, test)
        found = [
            node.value
            for node in module.of(ast.Assign)
            if any(isinstance(target, ast.Name) and target.id == test.id for target in node.targets)
            and enclosing_function(module, node) in (function, None)
        ]
        return self._sign(module, found[0], depth + 1) if len(found) == 1 else None

    def _is_key(self, module: Module, node: ast.expr, depth: int) -> bool:
        """Whether an expression is the key itself."""
        if isinstance(node, ast.Call):
            name = origin(module, node.func)
            if name in ("os.environ.get", "os.getenv") and node.args:
                return text_of(node.args[0]) == KEY and all(isinstance(entry, ast.Constant) and not entry.value for entry in node.args[1:])
            if isinstance(node.func, ast.Attribute) and node.func.attr == "strip":
                return self._is_key(module, node.func.value, depth + 1)
            return name in ("bool", "len") and len(node.args) == 1 and self._is_key(module, node.args[0], depth + 1)
        if isinstance(node, ast.Name):
            values = module.assigned.get(node.id, [])
            return len(values) == 1 and depth <= MAX_DEPTH and self._is_key(module, values[0], depth + 1)
        return origin(module, node) in MEMBERS

    def is_of_trials(self, condition: KeyCondition) -> bool:
        """Whether a condition stands where only trials come."""
        inside: ast.AST = condition.node
        for parent in ancestors(condition.module, condition.node):
            if isinstance(parent, (ast.If, ast.IfExp)) and self._trial.search(ast.unparse(parent.test)):
                body = parent.body if isinstance(parent, ast.If) else [parent.body]
                if inside in body and not ast.unparse(parent.test).startswith("not "):
                    return True
            inside = parent
        return False


def switches_off(nodes: list[ast.AST]) -> bool:
    """Whether code or an expression says that W&B is off."""
    return any(text_of(inner) == OFF for node in nodes for inner in ast.walk(node))


def begins(module: Module, nodes: list[ast.AST]) -> bool:
    """Whether code begins a run."""
    return any(isinstance(inner, ast.Call) and is_init(module, inner) for node in nodes for inner in ast.walk(node))


def ends_run(module: Module, nodes: list[ast.AST]) -> bool:
    """Whether code gives up."""
    return any(
        isinstance(inner, ast.Raise) or (isinstance(inner, ast.Call) and origin(module, inner.func) in LEAVES)
        for node in nodes
        for inner in ast.walk(node)
    )
