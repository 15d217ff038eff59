"""NUM123."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name, origin
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

MAKERS = frozenset({"numpy.zeros", "numpy.ones", "numpy.empty", "numpy.full", "numpy.zeros_like", "numpy.ones_like", "numpy.empty_like"})
# Eight and sixteen bits are for pictures, sound and codes, which are cut off on purpose.
WHOLE = frozenset({"int", "int32", "int64", "uint32", "uint64", "long", "intp", "int_"})
# What is a place or a size, and whole by its nature.
PLACES = re.compile(
    r"(?:^|_)(?:ind(?:ex|ices|exes)|idx|bounds?|edges?|starts?|stops?|ends?|offsets?|positions?|pos|sizes?|widths?|heights?|lengths?|dims?|shapes?"
    r"|channels?|middles?|mids?|bins?|rows?|cols?|columns?|pixels?|coords?|ids?|splits?|slots?|steps?|lags?|ranks?|levels?)(?:_|$)",
    re.IGNORECASE,
)
UNITS = frozenset({8, 60, 1000, 1024, 3600, 1_000_000, 1_000_000_000})


@rule("NUM123", "fractions-cut-off", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def fractions_cut_off(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Numbers with a fraction are written into an array of integers, which cuts it off.

    What it does:
        Looks at names that are bound once, to a NumPy array that is made with a type of integers. Speaks where an entry is set to a
        quotient by `/`, or to a product or sum with a number that has a fraction. That is an error for the share of a sum, `x / x.sum()`,
        and for a weighted mean, `0.3 * x + 0.7 * y`, and a warning for the rest. Silent where anything rounds, about `//`, about arrays of
        eight and sixteen bits, and about places and sizes: arrays that are named so, or whose entries are the index of another.

    Why it matters:
        NumPy casts without a word: 0.9 becomes 0. Smoothed signals, shares and running means turn into steps or zeros.

    Instead:
        Make the array with `dtype=float`, or round where whole numbers are meant.
    """
    for module in modules.values():
        scopes = symbols.scopes(module)
        for made in module.of(ast.Assign):
            target = made.targets[0]
            if len(made.targets) != 1 or not isinstance(target, ast.Name) or not _is_of_integers(module, made.value):
                continue
            found = scopes.lookup(target.id, target)
            if found is None or len(found[1]) != 1 or PLACES.search(target.id) or _is_index(module, target.id):
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
                        severity=None if _is_sure(statement.value, _fractions(scopes.function(statement))) else Severity.WARNING,
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


def _is_index(module: Module, name: str) -> bool:
    """Whether entries of an array say where to look in another.

    They, or what a loop takes from them, stand in brackets or in `range`.
    """
    loops = [node for node in module.of(ast.For, ast.comprehension) if isinstance(node.iter, ast.Name) and node.iter.id == name]
    names = {name, *(node.target.id for node in loops if isinstance(node.target, ast.Name))}
    for entry in names:
        for use in module.named.get(entry, ()):
            child: ast.AST = use
            for parent in ancestors(module, use):
                if isinstance(parent, ast.Subscript) and parent.slice is child:
                    return True
                if isinstance(parent, ast.Call) and last_name(parent.func) == "range":
                    return True
                if isinstance(parent, ast.stmt):
                    break
                child = parent
    return False


def _is_sure(node: ast.expr, known: frozenset[str]) -> bool:
    """Whether nobody means whole numbers: the share of a sum, or a weighted mean."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return all(
            isinstance(side, ast.BinOp) and isinstance(side.op, ast.Mult) and _has_fraction(side, known) for side in (node.left, node.right)
        )
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Call)):
        return False
    summed = node.right.func
    if last_name(summed) != "sum" or not isinstance(node.left, (ast.Name, ast.Subscript, ast.Attribute)):
        return False
    terms = [*node.right.args[:1], *([summed.value] if isinstance(summed, ast.Attribute) else [])]
    left = node.left.value if isinstance(node.left, ast.Subscript) else node.left
    return any(ast.unparse(term) == ast.unparse(left) for term in terms)


def _is_whole(node: ast.BinOp) -> bool:
    """Whether a quotient is whole, or changes a unit: `n * (n - 1) / 2`, `bits / 8`."""
    if not isinstance(node.right, ast.Constant):
        return False
    if node.right.value in UNITS:
        return True
    if node.right.value != 2 or not (isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Mult)):
        return False
    sides = (ast.unparse(node.left.left), ast.unparse(node.left.right))
    return any(other in (f"{one} - 1", f"{one} + 1", f"1 + {one}") for one, other in (sides, sides[::-1]))


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
            return not _is_whole(node)
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
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="signal[i] / signal.sum()  # <- here")),
]
GOOD = [
    program(PROGRAM.format(made="np.zeros(len(signal))", value="0.3 * signal[i] + 0.7 * out[i - 1]")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="int(0.3 * signal[i])")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="np.round(signal[i] / 2)")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="signal[i] > 0.5")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="signal[i] // 2")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=np.uint8)", value="0.3 * signal[i] + 0.7 * out[i - 1]")),
    program(PROGRAM.format(made="np.zeros(len(signal), dtype=int)", value="i * (i - 1) / 2")),
]
