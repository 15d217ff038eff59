"""NUM121."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

CHANGING = frozenset({"append", "extend", "insert", "add", "update", "setdefault", "pop", "remove"})


@rule("NUM121", "rows-one-list", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def rows_one_list(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """All rows of a table are one and the same list: what is written into one is written into all.

    What it does:
        Looks at names that are bound once, to a list of lists, sets or dictionaries that is multiplied: `[[0] * n] * n`, `[[]] * n`. Speaks
        where one of its entries is changed: `table[i][j] += 1`, `table[i].append(x)`. Silent where an entry or a slice is
        replaced as a whole (`table[i] = []`), which makes rows anew, where a function of the file is given the table, and in tests that
        show it by `assert`.

    Why it matters:
        `*` repeats the reference, not the list. A confusion matrix or a table of scores then has the sums of all rows in each of them, and
        nothing raises (Python, "Common sequence operations", note 2).

    Instead:
        Make each row: `[[0] * n for _ in range(n)]`, or an array: `np.zeros((n, n))`.
    """
    for module in modules.values():
        scopes = symbols.scopes(module)
        for made in module.of(ast.Assign):
            target = made.targets[0]
            if len(made.targets) != 1 or not isinstance(target, ast.Name) or not _is_repeated(made.value):
                continue
            found = scopes.lookup(target.id, target)
            if found is None or len(found[1]) != 1 or _is_once(module, made.value) or _is_made_anew(module, scopes, target, found[0]):
                continue
            for use in module.named.get(target.id, ()):
                if (
                    use is not target
                    and (there := scopes.lookup(use.id, use)) is not None
                    and there[0] is found[0]
                    and _changes(module, use)
                ):
                    yield Violation(
                        module.location(made),
                        f"all rows of `{target.id}` are one list: what is written into one is written into all",
                        "make each row anew: `[… for _ in range(…)]`",
                        related=(Related(location=module.location(use), label="one row is written here"),),
                    )
                    break


def _is_repeated(node: ast.expr) -> bool:
    """`[<changeable>] * n` with an `n` that is not 1."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return False
    for one, times in ((node.left, node.right), (node.right, node.left)):
        if isinstance(one, ast.List) and len(one.elts) == 1 and not (isinstance(times, ast.Constant) and times.value in (0, 1)):
            return _is_changeable(one.elts[0])
    return False


def _is_once(module: Module, node: ast.expr) -> bool:
    """Whether the times are a name that is 0 or 1."""
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else ()
    values = [value for side in sides if isinstance(side, ast.Name) for value in module.assigned.get(side.id, [])]
    return len(values) == 1 and isinstance(values[0], ast.Constant) and values[0].value in (0, 1)


def _is_made_anew(module: Module, scopes: Scopes, target: ast.Name, home: ast.AST) -> bool:
    """Whether rows may be lists of their own after all, or meant to be one.

    They are replaced as a whole or by a function of the file; a test shows what is meant.
    """
    for use in module.named.get(target.id, ()):
        there = scopes.lookup(use.id, use)
        if use is target or there is None or there[0] is not home:
            continue
        around = module.parents.get(use)
        is_set = isinstance(around, ast.Subscript) and around.value is use and isinstance(around.ctx, ast.Store)
        if is_set and around is not None and not isinstance(module.parents.get(around), ast.AugAssign):
            return True
        if isinstance(around, ast.Call) and use in around.args and last_name(around.func) in module.definitions:
            return True
        function = scopes.function(use)
        is_test = isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and function.name.startswith("test")
        if is_test and any(isinstance(parent, ast.Assert) for parent in ancestors(module, use)):
            return True
    return False


def _is_changeable(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return any(isinstance(side, ast.List) for side in (node.left, node.right))
    return isinstance(node, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))


def _changes(module: Module, use: ast.Name) -> bool:
    """Whether `name[i]` is changed within: a store to `name[i][j]`, or a call such as `name[i].append`."""
    row = module.parents.get(use)
    if not (isinstance(row, ast.Subscript) and row.value is use) or isinstance(row.slice, ast.Slice):
        return False
    around = module.parents.get(row)
    if isinstance(around, ast.Subscript) and around.value is row:
        return isinstance(around.ctx, ast.Store)
    if isinstance(around, ast.Attribute) and around.attr in CHANGING:
        call = module.parents.get(around)
        return isinstance(call, ast.Call) and call.func is around
    return isinstance(around, ast.AugAssign) and around.target is row and isinstance(around.value, (ast.List, ast.ListComp))


PROGRAM = """import numpy as np


def count(pairs, n):
    table = {made}
    for wanted, given in pairs:
        {change}
    return np.array(table)


print(count([(0, 1), (1, 1)], 2).trace())
"""
BAD = [
    program(PROGRAM.format(made="[[0] * n] * n  # <- here", change="table[wanted][given] += 1")),
    program(PROGRAM.format(made="n * [[0 for _ in range(n)]]  # <- here", change="table[wanted][given] = 1")),
    program(PROGRAM.format(made="[[]] * n  # <- here", change="table[wanted].append(given)")),
    program(PROGRAM.format(made="[{}] * n  # <- here", change="table[wanted][given] = table[wanted].get(given, 0) + 1")),
]
GOOD = [
    program(PROGRAM.format(made="[[0] * n for _ in range(n)]", change="table[wanted][given] += 1")),
    program(PROGRAM.format(made="[0] * n", change="table[wanted] += given")),
    program(PROGRAM.format(made="[[0, 0]] * n", change="table[wanted] = [given, 1]")),
    program(PROGRAM.format(made="np.array([[0] * n] * n)", change="table[wanted][given] += 1")),
    program(PROGRAM.format(made="[[0] * n] * 1", change="table[0][given] += 1")),
]
