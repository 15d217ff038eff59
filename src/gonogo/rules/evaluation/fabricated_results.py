"""EVA112."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.handlers import ends, handler_around
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, statement_of
from gonogo.analysis.training.randomness import MADE_UP, draws, guard_of_absence
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

METRIC = re.compile(r"acc|loss|score|f1|auc|metric|error|precision|recall|perplex|bleu|rouge|reward|map\b", re.IGNORECASE)
SHOWN = re.compile(r"colou?r|palette|cmap|marker|jitter|offset|position|seed|\bid\b|suffix", re.IGNORECASE)


@rule("EVA112", "fabricated-results", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def fabricated_results(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Evaluation makes up results where a run is missing.

    What it does:
        Looks in the evaluation for random numbers that are drawn in an `except` clause, under a condition that something
        is missing, or in a function that says that its data are synthetic; and for metrics that an `except` clause sets
        to a number other than zero.

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
BAD = [
    Tree(
        {
            "src/evaluate.py": (
                NUMPY,
                Edit(OLD, f'{TRIED}        history = pd.DataFrame({{"val_accuracy": 0.5 + np.random.rand(9) / 9}})  # <- here\n'),
            )
        }
    ),
    Tree({"src/evaluate.py": Edit(OLD, f'{TRIED}        return {{"run_id": run_id, "test_accuracy": 0.83}}  # <- here\n')}),
]
GOOD = Tree({"src/evaluate.py": (NUMPY, Edit(LABELS, f'{LABELS}    history["jitter"] = np.random.rand(len(history))\n'))})
