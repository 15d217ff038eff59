"""NUM123."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

MAKERS = frozenset({"numpy.zeros", "numpy.ones", "numpy.empty", "numpy.full", "numpy.zeros_like", "numpy.ones_like", "numpy.empty_like"})
WHOLE = frozenset({"int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "long", "intp", "int_"})


@rule("NUM123", "fractions-cut-off", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def fractions_cut_off(modules: dict[str, Module]) -> Iterator[Violation]:
    """Numbers with a fraction are written into an array of integers, which cuts it off.

    What it does:
        Looks at names that are bound once, to a NumPy array that is made with a type of integers. Speaks where an entry is set to a
        quotient by `/`, or to a product or sum with a number that has a fraction. Silent where anything rounds, and about `//`.

    Why it matters:
        NumPy casts without a word: 0.9 becomes 0. Smoothed signals, shares and running means turn into steps or zeros.

    Instead:
        Make the array with `dtype=float`, or round where whole numbers are meant.
    """
    for module in modules.values():
        scopes = Scopes(module)
        for made in module.of(ast.Assign):
            target = made.targets[0]
            if len(made.targets) != 1 or not isinstance(target, ast.Name) or not _is_of_integers(module, made.value):
                continue
            found = scopes.lookup(target.id, target)
            if found is None or len(found[1]) != 1:
                continue
            for use in module.named.get(target.id, ()):
                store = module.parents.get(use)
                statement = module.parents.get(store) if store is not None else None
                if not (isinstance(store, ast.Subscript) and store.value is use and isinstance(statement, ast.Assign)):
                    continue
                if store not in statement.targets or not _has_fraction(statement.value, _fractions(scopes.function(statement))):
                    continue
                there = scopes.lookup(use.id, use)
                if there is not None and there[0] is found[0]:
                    yield Violation(
                        module.location(statement),
                        f"`{target.id}` is an array of integers: the fraction of what is written here is cut off",
                        "make the array with `dtype=float`",
                        related=(Related(location=module.location(made), label="it is made here"),),
                    )
                    break


def _is_of_integers(module: Module, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or origin(module, node.func) not in MAKERS:
        return False
    given = [entry.value for entry in node.keywords if entry.arg == "dtype"]
    if not given and node.args[1:] and not origin(module, node.func).endswith("full"):
        given = [node.args[1]]
    if len(given) != 1:
        return False
    kind = given[0]
    name = kind.value if isinstance(kind, ast.Constant) else origin(module, kind)
    return isinstance(name, str) and (name in WHOLE or (name.startswith("numpy.") and name.removeprefix("numpy.") in WHOLE))


def _fractions(scope: ast.AST) -> frozenset[str]:
    """The parameters of a function that have a fraction by default."""
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return frozenset()
    given = scope.args
    names = [*given.posonlyargs, *given.args]
    pairs = [
        *zip(names[len(names) - len(given.defaults) :], given.defaults, strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    return frozenset(name.arg for name, value in pairs if value is not None and _has_fraction(value, frozenset()))


def _has_fraction(node: ast.expr, known: frozenset[str]) -> bool:
    """Whether arithmetic gives a number with a fraction: a quotient, or sums and products with one."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Div):
            return True
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
            return _has_fraction(node.left, known) or _has_fraction(node.right, known)
        return False
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _has_fraction(node.operand, known)
    if isinstance(node, ast.Name):
        return node.id in known
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and not node.value.is_integer()


PROGRAM = """import numpy as np


def smooth(signal, rate):
    out = {made}
    out[0] = signal[0]
    for i in range(1, len(signal)):
        out[i] = {value}
    return out


print(smooth([0.2, 0.9, 0.4], 0.3))
"""
BAD = [
    program(
        PROGRAM.replace("rate):", "rate=0.3):").format(
            made="np.zeros(len(signal), dtype=int)", value="rate * signal[i] + (1 - rate) * out[i - 1]  # <- here"
        )
    ),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="0.3 * signal[i] + 0.7 * out[i - 1]  # <- here")),
    program(PROGRAM.format(made="np.zeros(len(signal), np.int64)", value="(signal[i] + out[i - 1]) / 2  # <- here")),
    program(PROGRAM.format(made='np.zeros_like(signal, dtype="int32")', value="-(signal[i] / rate)  # <- here")),
]
GOOD = [
    program(PROGRAM.format(made="np.zeros(len(signal))", value="0.3 * signal[i] + 0.7 * out[i - 1]")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="int(0.3 * signal[i])")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="np.round(signal[i] / 2)")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="signal[i] > 0.5")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="signal[i] // 2")),
]
