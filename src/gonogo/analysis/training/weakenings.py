"""Places that leave a run with less than it could have: rows, units, gradients, its own outputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, last_name, text_of

LEAST_DROPPED = 0.7  # of the units: more than any usual network drops
MOST_CLIPPED = 1e-4  # a norm of gradients below which nothing is left of them
MOST_ROWS = 0.5  # of the rows
_DROPS = re.compile(r"drop", re.IGNORECASE)
_OUTPUTS = re.compile(r"^(?:\w+_)?(?:logits?|outputs?|predictions?|preds?|probs?|probabilities|scores?)$", re.IGNORECASE)
_ROWS = re.compile(r"train|rows|data|fit|samples|images|loader|labels", re.IGNORECASE)
_DRAWS = frozenset({"randn", "randn_like", "normal", "standard_normal"})
_TRAINS = re.compile(r"forward|train|loss|fit|step|explor|act|sample|gate|rout", re.IGNORECASE)


@dataclass(frozen=True)
class Weakening:
    """A place that makes a run weaker.

    Attributes:
        node: the statement, or the conditional expression that chooses a number.
        kind: `dropout`, `noise`, `rows` or `clipping`.
        what: of a message, after "the baseline".
        amount: the number that it is about.
    """

    module: Module
    node: ast.stmt | ast.IfExp
    kind: str
    what: str
    amount: float


def weakenings(module: Module) -> Iterator[Weakening]:
    """Every place that makes a run weaker, whichever run comes there."""
    for statement in module.of(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return):
        assert isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return))
        found = _of_statement(module, statement)
        if found is not None:
            yield found
    for choice in module.of(ast.IfExp):
        found = _of_choice(module, choice)
        if found is not None:
            yield found


def _of_statement(module: Module, statement: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return) -> Weakening | None:
    value = statement.value
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    target = targets[0] if len(targets) == 1 else None
    if target is not None and value is not None:
        share = _number(value)
        if share is not None and _is_dropout(target) and LEAST_DROPPED <= share < 1:
            return Weakening(module, statement, "dropout", f"drops {share:.0%} of its units", share)
        if _is_noisy(module, statement, target, value):
            return Weakening(module, statement, "noise", "has noise added to what its network puts out", 1.0)
    for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
        name = last_name(call.func)
        if name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"):
            share = _number(argument(call, 0, "p"))
            if share is not None and LEAST_DROPPED <= share < 1:
                return Weakening(module, statement, "dropout", f"drops {share:.0%} of its units", share)
        if name in ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm"):
            bound = _number(argument(call, 1, "max_norm", "clip_value"))
            if bound is not None and 0 < bound <= MOST_CLIPPED:
                return Weakening(module, statement, "clipping", f"has its gradients clipped to {bound:g}", bound)
    share = _share_of_rows(module, statement, target)
    if share is not None and share <= MOST_ROWS:
        return Weakening(module, statement, "rows", f"learns from {share:.3g} of the rows", share)
    return None


def _of_choice(module: Module, choice: ast.IfExp) -> Weakening | None:
    """`0.98 if baseline else cfg.dropout`, where a layer or a setting of dropout gets it."""
    share = _number(choice.body)
    parent = module.parents.get(choice)
    if share is None or not LEAST_DROPPED <= share < 1:
        return None
    if isinstance(parent, ast.keyword):
        is_meant = parent.arg is not None and _DROPS.search(parent.arg) is not None
    elif isinstance(parent, ast.Call):
        is_meant = _DROPS.search(last_name(parent.func)) is not None
    else:
        is_meant = isinstance(parent, ast.Assign) and len(parent.targets) == 1 and _is_dropout(parent.targets[0])
    return Weakening(module, choice, "dropout", f"drops {share:.0%} of its units", share) if is_meant else None


def _is_dropout(target: ast.expr) -> bool:
    """Whether a target is a rate of dropout: `model.dropout.p`, `dropout`, `settings["dropout"]`."""
    if isinstance(target, ast.Subscript):
        return _DROPS.search(text_of(target.slice) or "") is not None
    name = last_name(target)
    if name == "p" and isinstance(target, ast.Attribute):
        return _DROPS.search(ast.unparse(target.value)) is not None
    return bool(re.search(r"drop(?:out)?(?:_(?:p|rate|prob|probability))?$", name, re.IGNORECASE))


def _is_noisy(module: Module, statement: ast.stmt, target: ast.expr, value: ast.expr) -> bool:
    """Whether outputs get noise after they were computed: `logits += 3 * torch.randn(logits.shape)`."""
    if not _OUTPUTS.search(last_name(target)):
        return False
    functions = (parent.name for parent in ancestors(module, statement) if isinstance(parent, (ast.FunctionDef, ast.ClassDef)))
    if any(_TRAINS.search(name) for name in functions):
        return False  # noise of training, of a policy or of a gate is a method
    added = [value] if isinstance(statement, ast.AugAssign) and isinstance(statement.op, (ast.Add, ast.Sub)) else []
    if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Sub)):
        added = [other for one, other in ((value.left, value.right), (value.right, value.left)) if ast.unparse(one) == ast.unparse(target)]
    draws = (node for part in added for node in ast.walk(part) if isinstance(node, ast.Call))
    return any(last_name(node.func) in _DRAWS for node in draws)


def _share_of_rows(module: Module, statement: ast.stmt, target: ast.AST | None) -> float | None:
    """The share of rows that is taken of what is learned from, where the code says it.

    Examples: `range(len(rows) // 10)`, `rows[: int(0.1 * len(rows))]`. None where the other rows are taken too: a method may need some to
    calibrate with.
    """
    if target is None or not _ROWS.search(ast.unparse(target)) or not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return None
    value = statement.value
    bounds: list[ast.expr | None] = []
    if isinstance(value, ast.Call) and last_name(value.func) in ("Subset", "select", "take"):
        bounds = [entry.args[-1] for entry in value.args if isinstance(entry, ast.Call) and last_name(entry.func) in ("range", "arange")]
    elif isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice) and value.slice.lower is None:
        bounds = [value.slice.upper]
    shares = [share for bound in bounds if bound is not None and (share := _share(bound)) is not None]
    taken = {ast.unparse(bound) for bound in bounds if bound is not None}
    return None if taken & set(_beginnings(module)) else min(shares, default=None)


def _beginnings(module: Module) -> Iterator[str]:
    """Where parts begin that are not the first ones: `rows[half:]`, `range(half, len(rows))`."""
    for node in module.of(ast.Subscript):
        if isinstance(node.slice, ast.Slice) and node.slice.lower is not None:
            yield ast.unparse(node.slice.lower)
    for call in module.of(ast.Call):
        if last_name(call.func) in ("range", "arange") and len(call.args) > 1:
            yield ast.unparse(call.args[0])


def _share(bound: ast.expr) -> float | None:
    """By what a length is multiplied: `len(rows) // 10`, `int(0.1 * len(rows))`, `len(rows) * 9 // 10`."""
    if isinstance(bound, ast.Call) and last_name(bound.func) in ("int", "round", "ceil", "floor", "max") and bound.args:
        return _share(bound.args[-1])
    if isinstance(bound, ast.Call) and last_name(bound.func) == "len":
        return 1.0
    if not isinstance(bound, ast.BinOp):
        return None
    left, right = _number(bound.left), _number(bound.right)
    if isinstance(bound.op, ast.Mult):
        inner = _share(bound.right) if left is not None else _share(bound.left) if right is not None else None
        return inner * (left if left is not None else right or 0) if inner is not None else None
    if isinstance(bound.op, (ast.Div, ast.FloorDiv)) and right:
        inner = _share(bound.left)
        return inner / right if inner is not None else None
    return None


def _number(node: ast.expr | None) -> float | None:
    known = node.value if isinstance(node, ast.Constant) else None
    return float(known) if isinstance(known, (int, float)) and not isinstance(known, bool) else None
