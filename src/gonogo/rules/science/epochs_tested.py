"""SCI142."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, body_nodes, functions, last_name, origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.tracking.logged_curves import logged_while_training
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

TESTS = frozenset(
    {"ttest_ind", "ttest_rel", "ttest_1samp", "wilcoxon", "mannwhitneyu", "ranksums", "kruskal", "f_oneway", "permutation_test"}
)
EPOCHS = re.compile(r"(?:^|_)(?:epochs?|ep|steps?|iters?|iterations?|history|batches)(?:_|$)", re.IGNORECASE)
_SURE = re.compile(r"^(?:epochs?|ep|step|it|iteration)$", re.IGNORECASE)


@rule("SCI142", "epochs-tested", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def epochs_tested(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """A significance test takes the epochs of one run for independent runs.

    What it does:
        Follows the samples of tests of `scipy.stats` within the file. Speaks where one is a list that a loop over epochs or steps fills, or
        that a function of the project returns that fills it so, or what a file holds under `epochs` or `history`; and where one is a
        column of a run's `history()` or `scan_history()` of W&B whose name says that it is logged while a run trains (`val_accuracy`,
        `train/loss`). Other columns may be of images, folds or seeds.

    Why it matters:
        The epochs of one run follow one from another, and all depend on the same seed: twenty of them are one observation. Almost any
        two runs differ "significantly" (Dror et al., The hitchhiker's guide to testing statistical significance, 2018).

    Instead:
        Train with several seeds, and test one number of each.
    """
    for module in modules.values():
        tests = [
            call for call in module.of(ast.Call) if last_name(call.func) in TESTS and origin(module, call.func).startswith("scipy.stats.")
        ]
        if not tests:
            continue
        scopes = symbols.scopes(module)
        for call in tests:
            for given in call.args[:2]:
                place = _epochs(module, scopes, given, 4) or logged_while_training(module, given)
                if place is not None:
                    yield Violation(
                        module.location(call),
                        f"`{last_name(call.func)}` takes the epochs of one run for independent runs",
                        "test one number of each of several seeds",
                        related=(Related(location=module.location(place), label="the epochs"),),
                    )
                    break


def _epochs(module: Module, scopes: Scopes, node: ast.expr, depth: int) -> ast.AST | None:
    """Where a value is a list over epochs."""
    if depth == 0:
        return None
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)) and len(node.generators) == 1:
        return _over_epochs(node.generators[0])
    if isinstance(node, ast.Call):
        if last_name(node.func) in ("array", "asarray", "list") and node.args:
            return _epochs(module, scopes, node.args[0], depth - 1)
        function = next((entry for entry in functions(module) if isinstance(node.func, ast.Name) and entry.name == node.func.id), None)
        return _returned(module, scopes, function) if function is not None else None
    if isinstance(node, ast.Name):
        found = scopes.lookup(node.id, node)
        if found is None or len(found[1]) != 1 or not isinstance(found[1][0], ast.Name):
            return None
        value = _bound(module, found[1][0])
        if value is None:
            return None
        filled = _filled(module, scopes, found[1][0])
        return filled if filled is not None else _epochs(module, scopes, value, depth - 1)
    return None


def _bound(module: Module, name: ast.Name) -> ast.expr | None:
    """What a name is bound to, also within `a, b = f(), g()`."""
    statement = module.parents.get(name)
    if isinstance(statement, ast.Assign):
        return statement.value
    outer = module.parents.get(statement) if isinstance(statement, ast.Tuple) else None
    values = outer.value if isinstance(outer, ast.Assign) else None
    if isinstance(statement, ast.Tuple) and isinstance(values, ast.Tuple) and len(values.elts) == len(statement.elts):
        return values.elts[statement.elts.index(name)]
    return None


def _over_epochs(turn: ast.comprehension) -> ast.AST | None:
    """`for entry in log["epochs"]`, `for epoch in history`."""
    over = turn.iter
    if isinstance(over, ast.Subscript) and isinstance(over.slice, ast.Constant) and isinstance(over.slice.value, str):
        return over if EPOCHS.search(over.slice.value) else None
    return over if isinstance(turn.target, ast.Name) and _SURE.match(turn.target.id) and not isinstance(over, ast.Call) else None


def _filled(module: Module, scopes: Scopes, name: ast.Name) -> ast.AST | None:
    """The loop over epochs that appends to a list, and is the only loop between the two."""
    home = scopes.lookup(name.id, name)
    for use in module.named.get(name.id, ()):
        around = module.parents.get(use)
        if not (isinstance(around, ast.Attribute) and around.attr == "append") or scopes.lookup(use.id, use) != home:
            continue
        loops = [parent for parent in _loops(module, use) if parent not in list(ancestors(module, name))]
        if len(loops) == 1 and isinstance(loops[0].target, ast.Name) and _SURE.match(loops[0].target.id):
            return loops[0]
    return None


def _loops(module: Module, node: ast.AST) -> Iterator[ast.For]:
    for parent in ancestors(module, node):
        if isinstance(parent, ast.For):
            yield parent
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return


def _returned(module: Module, scopes: Scopes, function: Function) -> ast.AST | None:
    """Where a function fills what it returns, if it returns one name."""
    returned = [node.value for node in body_nodes(function) if isinstance(node, ast.Return)]
    if len(returned) != 1 or not isinstance(returned[0], ast.Name):
        return None
    found = scopes.lookup(returned[0].id, returned[0])
    if found is None or len(found[1]) != 1 or not isinstance(found[1][0], ast.Name):
        return None
    return _filled(module, scopes, found[1][0])


PROGRAM = """import json

import numpy as np
from scipy import stats


def run(seed, epochs=10):
    rng = np.random.default_rng(seed)
    scores = []
    for epoch in range(epochs):
        scores.append(rng.normal())
    return {returned}


first, second = {first}, {second}
print(stats.ttest_ind(first, second)){marker}
"""
HERE = "  # <- here"


def _program(first: str, second: str, returned: str = "scores", marker: str = "") -> str:
    return PROGRAM.format(first=first, second=second, returned=returned, marker=marker)


LOG = '[entry["score"] for entry in json.load(open("{}.json"))["{}"]]'
BAD = [
    program(_program("run(0)", "run(1)", marker=HERE)),
    program(_program("np.array(run(0))", "np.array(run(1))", marker=HERE)),
    program(_program(LOG.format("a", "epochs"), LOG.format("b", "epochs"), marker=HERE)),
]
GOOD = [
    program(_program("[run(seed) for seed in range(9)]", "[run(seed) for seed in range(9, 18)]", "scores[-1]")),
    program(_program("[run(seed)[-1] for seed in range(9)]", "[run(seed)[-1] for seed in range(9, 18)]")),
    program(_program(LOG.format("a", "seeds"), LOG.format("b", "seeds"))),
    program(_program("run(0)", "run(1)").replace("for epoch in", "for subject in")),
]
