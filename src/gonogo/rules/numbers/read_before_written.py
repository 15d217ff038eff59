"""NUM122."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, origin
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# What says something about an array and reads none of its numbers.
SHAPES = frozenset(
    {"shape", "size", "ndim", "dtype", "device", "nbytes", "itemsize", "numel", "nelement", "element_size", "dim", "stride", "data_ptr"}
)
EMPTY = frozenset({"numpy.empty", "numpy.empty_like", "torch.empty", "torch.empty_like"})


@rule("NUM122", "read-before-written", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def read_before_written(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Numbers are added to an array that holds whatever was in memory before.

    What it does:
        Looks at names that are bound once, to `np.empty`, `torch.empty` or their `_like`. Speaks where entries are added to or multiplied
        (`counts[i] += 1`) and nothing before that line writes the array: no entry is set, it is given to no function, has no method called.
        Silent where a loop or branch around that line writes it too, which may come first, and where nobody reads the numbers.

    Why it matters:
        `empty` leaves the memory as it is. Often that is zeros, so that a short try looks right; later it is what another array left there
        (NumPy, `numpy.empty`: "the values are arbitrary").

    Instead:
        Begin with `np.zeros`.
    """
    for module in modules.values():
        scopes = symbols.scopes(module)
        for made in module.of(ast.Assign):
            target = made.targets[0]
            if len(made.targets) != 1 or not isinstance(target, ast.Name) or not isinstance(made.value, ast.Call):
                continue
            if origin(module, made.value.func) not in EMPTY or any(entry.arg == "out" for entry in made.value.keywords):
                continue
            found = scopes.lookup(target.id, target)
            if found is None or any(not _is_added(module, bound, target) for bound in found[1] if bound is not target):
                continue
            uses = [use for use in module.named.get(target.id, ()) if use is not target]
            first = next(
                iter(sorted((use for use in uses if not _asks_shape(module, use)), key=lambda use: (use.lineno, use.col_offset))), None
            )
            change = _added(module, first) if first is not None and first.lineno > made.lineno else None
            if first is not None and change is not None and _is_read(module, uses) and not _may_be_set(module, made, change, uses):
                there = scopes.lookup(first.id, first)
                if there is not None and there[0] is found[0] and scopes.function(first) is scopes.function(target):
                    yield Violation(
                        module.location(made),
                        f"`{target.id}` holds whatever was in memory, and numbers are added to it",
                        "begin with zeros",
                        related=(Related(location=module.location(change), label="it is added to here"),),
                    )


def _asks_shape(module: Module, use: ast.Name) -> bool:
    around = module.parents.get(use)
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id == "len":
        return True
    return isinstance(around, ast.Attribute) and around.attr in SHAPES


def _is_read(module: Module, uses: list[ast.Name]) -> bool:
    """Whether anybody reads the numbers: what measures the memory or warms a device up does not."""
    return any(not _asks_shape(module, use) and _added(module, use) is None for use in uses)


def _may_be_set(module: Module, made: ast.Assign, change: ast.AugAssign, uses: list[ast.Name]) -> bool:
    """Whether the loop or branch of the change does more with the array, which may come first.

    It does not hold the making of the array.
    """
    outer = list(ancestors(module, made))
    around = [
        parent
        for parent in ancestors(module, change)
        if isinstance(parent, (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.Match)) and parent not in outer
    ]
    inside = set(ast.walk(around[-1])) if around else set()
    return any(use in inside and not _asks_shape(module, use) and _may_set(module, use) for use in uses)


def _may_set(module: Module, use: ast.Name) -> bool:
    """Whether a use may write: an entry is set, or a function or method has the array or a part of it."""
    node: ast.AST = use
    around = module.parents.get(node)
    while isinstance(around, (ast.Subscript, ast.Attribute)) and around.value is node:
        node, around = around, module.parents.get(around)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return not isinstance(around, ast.AugAssign)
    return isinstance(around, (ast.Call, ast.keyword, ast.Starred))


def _is_added(module: Module, bound: ast.AST, target: ast.Name) -> bool:
    around = module.parents.get(bound)
    return isinstance(around, ast.AugAssign) and around.target is bound


def _added(module: Module, use: ast.Name) -> ast.AugAssign | None:
    """The `name[…] += …` or `name += …` that a use belongs to."""
    node: ast.AST = use
    around = module.parents.get(node)
    while isinstance(around, ast.Subscript) and around.value is node:
        node, around = around, module.parents.get(around)
    if isinstance(around, ast.AugAssign) and around.target is node and not isinstance(around.op, (ast.BitAnd, ast.BitOr)):
        return around
    return None


PROGRAM = """import numpy as np


def histogram(points, bins):
    counts = {made}
    {first}
    for point in points:
        counts[int(point * bins)] {change}
    return counts / len(points)


print(histogram(np.random.default_rng(0).random(100), 10))
"""
BAD = [
    program(PROGRAM.format(made="np.empty(bins)  # <- here", first="print(len(points))", change="+= 1")),
    program(PROGRAM.format(made="np.empty(bins, dtype=int)  # <- here", first="print(counts.shape)", change="+= 1")),
]
GOOD = [
    program(PROGRAM.format(made="np.zeros(bins)", first="print(bins)", change="+= 1")),
    program(PROGRAM.format(made="np.empty(bins)", first="counts[:] = 0", change="+= 1")),
    program(PROGRAM.format(made="np.empty(bins)", first="counts.fill(0)", change="+= 1")),
    program(PROGRAM.format(made="np.empty(bins)", first="np.copyto(counts, 0)", change="+= 1")),
    program(PROGRAM.format(made="np.empty(bins)", first="print(bins)", change="= point")),
]
