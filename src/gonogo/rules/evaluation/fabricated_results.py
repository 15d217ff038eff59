"""EVA112."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.numbers.keys import is_score
from gonogo.analysis.python.handlers import ends, handler_around
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, last_name, statement_of, text_of
from gonogo.analysis.training.randomness import MADE_UP, draws, guard_of_absence
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

METRIC = re.compile(r"acc|loss|score|f1|auc|metric|error|precision|recall|perplex|bleu|rouge|reward|map\b", re.IGNORECASE)
SCORE = re.compile(rf"{METRIC.pattern}|^best|^final|^primary|^value$", re.IGNORECASE)
SHOWN = re.compile(r"colou?r|palette|cmap|marker|jitter|offset|position|seed|\bid\b|suffix", re.IGNORECASE)


@rule("EVA112", "fabricated-results", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def fabricated_results(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Evaluation makes up results where a run is missing.

    What it does:
        Looks in the evaluation for random numbers that are drawn in an `except` clause, under a condition that something
        is missing, or in a function that says that its data are synthetic; for metrics that an `except` clause sets to a
        number other than zero; and for literals that read like a result where a score is not there: the default of `get` or
        `getattr`, what follows `or`, the other side of a conditional expression. Where asking W&B for a run fails and the evaluation
        goes on with zero for its score, that is a warning.

    Why it matters:
        The comparison then reports numbers that nobody measured, and nothing in it shows which.

    Instead:
        End with an error that names the run that is missing.
    """
    module = modules.get(module_path(contract.evaluation.module))
    if module is None:
        return
    told: set[ast.AST] = set()
    for call in sorted(draws(module), key=lambda call: call.lineno):
        reason = _reason(module, call) if not _is_for_show(module, call) else None
        if reason is not None and reason not in told:
            told.add(reason)
            yield Violation(
                module.location(call),
                "evaluation draws random numbers in place of results that are missing",
                "raise an error that names the missing run",
            )
    for node in module.of(ast.Assign, ast.Dict):
        handler = handler_around(module, node)
        if handler is not None and handler not in told and not ends(module, handler) and _sets_metric(node):
            told.add(handler)
            yield Violation(
                module.location(node),
                "evaluation goes on with a hard-coded number in place of a result that is missing",
                "raise an error that names the missing run",
            )
    for zero in _zeros(module):
        if handler_around(module, zero) not in told:
            yield Violation(
                module.location(zero),
                "a run that W&B does not give is taken for one with a score of zero, and compared like the others",
                "raise an error that names the missing run",
                severity=Severity.WARNING,
            )
    for default in _defaults(module):
        if handler_around(module, default) not in told:
            yield Violation(
                module.location(default),
                "evaluation takes a hard-coded number for a result that is missing",
                "raise an error that names the missing run",
            )


def _zeros(module: Module) -> Iterator[ast.AST]:
    """Yield where the score of a run becomes zero because asking for it failed.

    In the clause itself, or by the default of `get` on nothing.
    """
    handlers = [node for node in module.of(ast.ExceptHandler) if _follows_request(module, node) and not ends(module, node)]
    for handler in handlers:
        inside = (node for node in ast.walk(handler) if isinstance(node, (ast.Assign, ast.Dict, ast.Call)))
        yield from [node for node in inside if _sets_zero(node)][:1]
    empties = {
        text_of(key)
        for handler in handlers
        for node in ast.walk(handler)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None and isinstance(value, ast.Dict) and not value.keys
    }
    for call in module.of(ast.Call):
        if last_name(call.func) != "get" or len(call.args) != 2 or not _is_zero(call.args[1]) or not isinstance(call.func, ast.Attribute):
            continue
        owner, key = call.func.value, text_of(call.args[0])
        section = text_of(owner.slice) if isinstance(owner, ast.Subscript) else None
        if section is not None and section in empties and key is not None and METRIC.search(key):
            yield call.args[1]
            return  # one fault, in however many scores it shows


def _follows_request(module: Module, handler: ast.ExceptHandler) -> bool:
    """Whether an `except` clause takes what asking W&B for a run raises."""
    tried = module.parents.get(handler)
    if not isinstance(tried, ast.Try):
        return False
    asked = [node for line in tried.body for node in ast.walk(line) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return any(node.func.attr == "run" and "api" in ast.unparse(node.func.value).lower() for node in asked)  # type: ignore[attr-defined]


def _sets_zero(node: ast.AST) -> bool:
    """Whether a score is set to zero: by its name, or as the entry of a dict."""
    if isinstance(node, ast.Assign):
        return _is_zero(node.value) and any(isinstance(target, ast.Name) and METRIC.search(target.id) for target in node.targets)
    if isinstance(node, ast.Call):
        return last_name(node.func) == "dict" and any(
            entry.arg is not None and SCORE.search(entry.arg) and _is_zero(entry.value) for entry in node.keywords
        )
    assert isinstance(node, ast.Dict)
    pairs = zip(node.keys, node.values, strict=True)
    return any(key is not None and SCORE.search(text_of(key) or "") and _is_zero(value) for key, value in pairs)


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 0


def _defaults(module: Module) -> Iterator[ast.expr]:
    """Literals that stand for a score which is not there."""
    for node in module.of(ast.Call, ast.BoolOp, ast.IfExp):
        if isinstance(node, ast.Call):
            place = {"get": 0, "getattr": 1, "pop": 0}.get(last_name(node.func))
            if place is None or len(node.args) != place + 2 or isinstance(getattr(node.func, "value", None), ast.Dict):
                continue
            key, default = text_of(node.args[place]), node.args[place + 1]
            if key is not None and is_score(key) and _is_made_up(default):
                yield default
        elif isinstance(node, ast.BoolOp):
            if isinstance(node.op, ast.Or) and _is_made_up(node.values[-1]) and is_score(_named(module, node)):
                yield node.values[-1]
        elif isinstance(node, ast.IfExp) and _is_made_up(node.body) is not _is_made_up(node.orelse):
            made_up, other = (node.body, node.orelse) if _is_made_up(node.body) else (node.orelse, node.body)
            if not isinstance(other, ast.Constant) and is_score(_named(module, node)):
                yield made_up


def _is_made_up(node: ast.expr) -> bool:
    """A literal result, or an entry of a table of them."""
    if isinstance(node, ast.Call) and last_name(node.func) in ("float", "get"):
        return _is_made_up(node.args[0] if last_name(node.func) == "float" and node.args else getattr(node.func, "value", node.func))
    table = node.value if isinstance(node, ast.Subscript) else node
    return _is_result(table) or (isinstance(table, ast.Dict) and bool(table.values) and all(map(_is_result, table.values)))


def _named(module: Module, node: ast.AST) -> str:
    """Return the name under which a value is kept: a variable, a dictionary entry, an argument.

    Empty if there is none.
    """
    child, parent = node, module.parents.get(node)
    while isinstance(parent, ast.Call) and child in parent.args:
        child, parent = parent, module.parents.get(parent)
    if isinstance(parent, ast.keyword):
        return parent.arg or ""
    if isinstance(parent, ast.Dict):
        return next((text_of(key) or "" for key, value in zip(parent.keys, parent.values, strict=True) if value is child and key), "")
    if isinstance(parent, (ast.Assign, ast.AnnAssign)):
        target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
        return (text_of(target.slice) or "") if isinstance(target, ast.Subscript) else last_name(target)
    return ""


def _is_for_show(module: Module, call: ast.Call) -> bool:
    """Whether drawn numbers are a colour, a place or a seed, going by the name that they get."""
    statement = statement_of(module, call)
    if not isinstance(statement, ast.Assign):
        return False
    return any(SHOWN.search(ast.unparse(target)) for target in statement.targets)


def _reason(module: Module, call: ast.Call) -> ast.AST | None:
    """What shows that drawn numbers stand for missing ones."""
    handler = handler_around(module, call)
    if handler is not None:
        return None if ends(module, handler) else handler
    guard = guard_of_absence(module, call)
    if guard is not None:
        return guard
    function = enclosing_function(module, call)
    return function if function is not None and MADE_UP.search(function.name) else None


def _sets_metric(node: ast.Assign | ast.Dict) -> bool:
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return any(METRIC.search(name) for name in names) and _is_result(node.value)
    return any(
        isinstance(key, ast.Constant) and isinstance(key.value, str) and METRIC.search(key.value) and _is_result(value)
        for key, value in zip(node.keys, node.values, strict=True)
    )


def _is_result(node: ast.expr) -> bool:
    """A literal that reads like a measured share: strictly between 0 and 1, or a percentage with digits."""
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value not in (0.0, 1.0, 0.5) and 0 < node.value < 100


OLD = """    run = api.run(f"{project_path}/{run_id}")
    if run.state != "finished":
        raise RuntimeError(f"run {run_id!r} is {run.state}, not finished")
    history = pd.DataFrame(list(run.scan_history()))
"""
TRIED = """    try:
        run = api.run(f"{project_path}/{run_id}")
        history = pd.DataFrame(list(run.scan_history()))
    except Exception:
"""
NUMPY = Edit("\nimport matplotlib", "\nimport numpy as np\nimport matplotlib")
LABELS = '    axes.set(title=run["run_id"], ylabel="loss")\n'
ASKED = '        "test_accuracy": float(run.summary["test_accuracy"]),\n'
DEFAULT = '        "test_accuracy": float(run.summary.get("test_accuracy", 0.9312)),  # <- here\n'
BAD = [
    Tree(
        {
            "src/evaluate.py": (
                NUMPY,
                Edit(OLD, f'{TRIED}        history = pd.DataFrame({{"val_accuracy": 0.5 + np.random.rand(9) / 9}})  # <- here\n'),
            )
        }
    ),
    Tree({"src/evaluate.py": Edit(ASKED, DEFAULT)}),
    Tree({"src/evaluate.py": Edit(OLD, f'{TRIED}        return {{"run_id": run_id, "test_accuracy": 0.83}}  # <- here\n')}),
    Tree({"src/evaluate.py": Edit(OLD, f'{TRIED}        return {{"run_id": run_id, "test_accuracy": 0.0, "history": []}}  # <- here\n')}),
]
GOOD = [
    Tree({"src/evaluate.py": Edit(OLD, f"{TRIED}        raise\n")}),
    Tree({"src/evaluate.py": (NUMPY, Edit(LABELS, f'{LABELS}    history["jitter"] = np.random.rand(len(history))\n'))}),
    Tree({"src/evaluate.py": Edit(ASKED, ASKED.replace('["test_accuracy"])', '.get("test_accuracy", float("nan")))'))}),
    Tree({"src/evaluate.py": Edit(LABELS, f'{LABELS}    target = run.get("target_accuracy", 0.93)\n')}),
]
