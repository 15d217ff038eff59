"""NUM113."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

LOADERS = re.compile(r"loader|(?:^|_)dl\b|batches", re.IGNORECASE)
METRICS = re.compile(
    r"^(?:accuracy_score|f1_score|precision_score|recall_score|roc_auc_score|average_precision_score|confusion_matrix|classification_report|"
    r"mean_squared_error|mean_absolute_error|r2_score|balanced_accuracy_score|matthews_corrcoef|cohen_kappa_score|log_loss)$"
)


@rule("NUM113", "last-batch-scored", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def last_batch_scored(modules: dict[str, Module]) -> Iterator[Violation]:
    """A metric is computed after the loop over batches, of what only the last batch left.

    What it does:
        Looks at loops over loaders. Speaks where a metric of scikit-learn stands after the loop and both of its arguments are names
        that each turn of the loop sets anew and that nothing sets after it. A loop that is left by `break` is left alone.

    Why it matters:
        Only the rows of the last batch are scored, often a handful, and the number is reported as that of all.

    Instead:
        Collect predictions and targets in lists, and compute the metric of all of them.
    """
    for module in modules.values():
        for loop in module.of(ast.For):
            if not LOADERS.search(ast.unparse(loop.iter)) or any(isinstance(node, ast.Break) for node in ast.walk(loop)):
                continue
            names = _set_anew(loop)
            for call in _metrics_after(module, loop) if names else ():
                given = [_name(entry) for entry in call.args[:2]]
                if len(given) == 2 and all(name in names and not _is_set_later(module, loop, call, name) for name in given):
                    yield Violation(
                        module.location(call),
                        f"`{given[0]}` and `{given[1]}` are those of the last batch: the others are not scored",
                        "collect predictions and targets of all batches",
                    )


def _set_anew(loop: ast.For) -> set[str]:
    """The names that the turns of a loop set, and not from what they were before."""
    found = _names(loop.target)
    changed = set()
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign):
            for target, value in _pairs(node):
                targets, used = _names(target), _names(value)
                found |= targets
                changed |= {name for name in targets & used if _gathers(value, name)}
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            changed.add(node.target.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "extend", "update"):
            changed.add(last_name(node.func.value))
    return found - changed


def _pairs(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each target of an assignment with what it is given."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) and len(target.elts) == len(node.value.elts):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value


def _names(node: ast.expr) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _gathers(value: ast.expr, name: str) -> bool:
    """Return whether an assignment may append a value to what a name was.

    Examples: `guesses = torch.cat([guesses, guess])`, `np.append(guesses, guess)`.
    """
    if any(isinstance(node, (ast.List, ast.Tuple, ast.BinOp)) for node in ast.walk(value)):
        return True
    if isinstance(value, ast.IfExp):
        return _gathers(value.body, name) or _gathers(value.orelse, name)
    given = [*value.args, *(keyword.value for keyword in value.keywords)] if isinstance(value, ast.Call) else []
    with_name = [entry for entry in given if name in _names(entry)]
    return bool(with_name) and any(entry not in with_name and not isinstance(entry, ast.Constant) and _names(entry) for entry in given)


def _metrics_after(module: Module, loop: ast.For) -> Iterator[ast.Call]:
    """The metrics in the statements after a loop, in its own block or the one around a `with`."""
    inner: ast.stmt = loop
    parent = module.parents.get(loop)
    while parent is not None:
        body = next((block for name in ("body", "orelse") if inner in (block := _block(parent, name))), [])
        for statement in body[body.index(inner) + 1 :] if body else ():
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and METRICS.match(last_name(node.func)):
                    yield node
        if not isinstance(parent, ast.With):
            return
        inner, parent = parent, module.parents.get(parent)


def _block(node: ast.AST, name: str) -> list[ast.stmt]:
    found = getattr(node, name, None)
    return found if isinstance(found, list) else []


def _name(node: ast.expr) -> str:
    """The name behind conversions such as `labels.cpu().numpy()`."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and (not node.args or node.func.attr == "argmax"):
        node = node.func.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_set_later(module: Module, loop: ast.For, call: ast.Call, name: str) -> bool:
    """Whether a name is set between a loop and a metric: all batches put together."""
    after, before = loop.end_lineno or loop.lineno, call.lineno
    return any(isinstance(node.ctx, ast.Store) and after < node.lineno <= before for node in module.named.get(name, ()))


PROGRAM = """import torch
from sklearn.metrics import f1_score


def test(model, loader):
    guesses, truth = [], []
    with torch.no_grad():
        for inputs, labels in loader:
            guess = model(inputs).argmax(1)
            guesses += guess.tolist()
            truth += labels.tolist()
    return {score}{marker}
"""
BAD = program(PROGRAM.format(score="f1_score(labels.cpu().numpy(), guess.cpu().numpy())", marker="  # <- here"))
GOOD = program(PROGRAM.format(score="f1_score(truth, guesses)", marker=""))
