"""What a learning-rate schedule does in the rounds that a run has.

The factor of each round, where the code and the config tell it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, last_name
from gonogo.analysis.training.rounds import Numbers

MOST_ROUNDS = 20_000
#: By class: the place of the option in which a schedule says when it does something.
WHEN = {"StepLR": ("step_size", 1), "MultiStepLR": ("milestones", 1), "ConstantLR": ("total_iters", 2), "LinearLR": ("total_iters", 3)}


@dataclass(frozen=True)
class Fault:
    """What is wrong with the course of a schedule.

    Attributes:
        message: of a finding.
        action: what to do.
    """

    message: str
    action: str


class Courses:
    """Judges schedules of one run.

    Args:
        numbers: what expressions are in the run.
        modules: the training code.
    """

    def __init__(self, numbers: Numbers, modules: Mapping[str, Module]) -> None:
        self.numbers = numbers
        self.modules = modules

    def fault(self, module: Module, made: ast.Call, rounds: int) -> Fault | None:
        """Return what is wrong with a schedule that is stepped once in each of some rounds.

        None where it is right or not known.

        Args:
            module: in which it is made.
            made: the call that makes it.
            rounds: how many rounds the run has.
        """
        name = last_name(made.func)
        if name == "LambdaLR":
            return self._of_function(module, made, rounds)
        if name not in WHEN:
            return None
        option, place = WHEN[name]
        given = argument(made, place, option)
        times = self._times(module, given) if given is not None else None
        if not times or min(times) < rounds:
            return None
        if name in ("StepLR", "MultiStepLR"):
            when = f"first after round {min(times):g}"
            return Fault(
                f"`{name}` never changes the learning rate: it would {when}, and the run has {rounds}", "let it act before the run ends"
            )
        first = argument(made, 1, "factor" if name == "ConstantLR" else "start_factor")
        start = self.numbers.of(module, first) if first is not None else (1 / 3, 1 / 3)
        last = argument(made, 2, "end_factor") if name == "LinearLR" else None
        end = self.numbers.of(module, last) if last is not None else (1.0, 1.0)
        if start is None or end is None or not start[1] < end[0] or (name == "LinearLR" and min(times) < 2 * rounds):
            return None
        return Fault(
            f"`{name}` warms up for {min(times):g} rounds, and the run has {rounds}: it never ends", "warm up for a part of the run"
        )

    def _times(self, module: Module, node: ast.expr) -> list[float] | None:
        """The rounds that an option names, a number or a list of them; None where one is not known."""
        entries = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
        spans = [self.numbers.of(module, entry) for entry in entries]
        known = [span[0] for span in spans if span is not None]
        if len(known) == len(spans):
            return known
        listed = self.numbers.listed(module, node)
        return [float(entry) for entry in listed] if listed is not None else None

    def _of_function(self, module: Module, made: ast.Call, rounds: int) -> Fault | None:
        function = argument(made, 1, "lr_lambda")
        found = self._body(module, function)
        if found is None or rounds > MOST_ROUNDS:
            return None
        home, name, body = found
        factors = [self._value(home, body, {name: float(index)}) for index in range(rounds)]
        known = [factor for factor in factors if factor is not None]
        if len(known) < len(factors):
            return None
        below = next((index for index, factor in enumerate(known) if factor < 0), None)
        if below is not None:
            message = f"the factor of the learning rate is {known[below]:.4g} in round {below + 1} of {rounds}: the loss is made larger"
            return Fault(message, "keep the factor above zero to the end of the run")
        if rounds > 1 and not any(known):
            return Fault("the factor of the learning rate is zero in every round: nothing is learned", "give it a factor above zero")
        return None

    def _body(self, module: Module, function: ast.expr | None) -> tuple[Module, str, ast.expr] | None:
        """Return the module, parameter and expression of a function of one number.

        The function does nothing but return the expression.
        """
        if isinstance(function, ast.Lambda):
            names = [entry.arg for entry in function.args.args]
            return (module, names[0], function.body) if len(names) == 1 else None
        if not isinstance(function, ast.Name):
            return None
        for found in module.of(ast.FunctionDef):
            if found.name == function.id and len(found.args.args) == 1:
                body = [entry for entry in found.body if not (isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant))]
                if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None:
                    return module, found.args.args[0].arg, body[0].value
        bound = [entry for entry in module.of(ast.Assign) if any(isinstance(to, ast.Name) and to.id == function.id for to in entry.targets)]
        return self._body(module, bound[0].value) if len(bound) == 1 and isinstance(bound[0].value, ast.Lambda) else None

    def _value(self, module: Module, node: ast.expr, known: dict[str, float]) -> float | None:
        """The value of an expression over numbers; None where anything in it is not known."""
        if isinstance(node, ast.Name) and node.id in known:
            return known[node.id]
        if isinstance(node, ast.IfExp):
            test = self._value(module, node.test, known)
            return None if test is None else self._value(module, node.body if test else node.orelse, known)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._value(module, node.operand, known)
            return None if inner is None else -inner
        if isinstance(node, (ast.BinOp, ast.Compare, ast.Call)) and any(
            isinstance(part, ast.Name) and part.id in known for part in ast.walk(node)
        ):
            return self._computed(module, node, known)
        span = self.numbers.of(module, node)
        return span[0] if span is not None and span[0] == span[1] else None

    def _computed(self, module: Module, node: ast.BinOp | ast.Compare | ast.Call, known: dict[str, float]) -> float | None:
        if isinstance(node, ast.BinOp):
            parts, key = [node.left, node.right], type(node.op).__name__
        elif isinstance(node, ast.Compare):
            parts, key = [node.left, *node.comparators], type(node.ops[0]).__name__
        else:
            parts, key = [*node.args], ast.unparse(node.func)
        values = [self._value(module, part, known) for part in parts]
        given = [value for value in values if value is not None]
        rule = RULES.get(key)
        if rule is None or len(given) < len(values) or not given or (len(given) != 2 and key not in ANY_NUMBER):
            return None
        try:
            return float(rule(*given))
        except (ArithmeticError, ValueError, TypeError):
            return None


ANY_NUMBER = frozenset({"min", "max", "float", "int", "abs", "math.cos", "math.exp", "math.sqrt", "np.cos", "np.exp"})
RULES: dict[str, Callable[..., float]] = {
    "Add": lambda one, other: one + other,
    "Sub": lambda one, other: one - other,
    "Mult": lambda one, other: one * other,
    "Div": lambda one, other: one / other,
    "FloorDiv": lambda one, other: one // other,
    "Mod": lambda one, other: one % other,
    "Pow": lambda one, other: one**other,
    "Lt": lambda one, other: one < other,
    "LtE": lambda one, other: one <= other,
    "Gt": lambda one, other: one > other,
    "GtE": lambda one, other: one >= other,
    "Eq": lambda one, other: one == other,
    "min": lambda *numbers: min(numbers) if len(numbers) > 1 else math.nan,
    "max": lambda *numbers: max(numbers) if len(numbers) > 1 else math.nan,
    "float": float,
    "int": int,
    "abs": abs,
    "math.cos": math.cos,
    "np.cos": math.cos,
    "math.exp": math.exp,
    "np.exp": math.exp,
    "math.sqrt": math.sqrt,
}
