"""OPT112."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called
from gonogo.analysis.dataflow.definitions import Function
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value, is_none
from gonogo.analysis.libraries.objects import STUDY, Objects, objectives
from gonogo.analysis.libraries.table import library_table
from gonogo.analysis.python.endings import comes_to_its_end
from gonogo.analysis.python.names import is_none_literal
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule(
    "OPT112",
    "objective-without-value",
    criterion=7,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("search", "crash"),
)
def objective_without_value(programs: list[Program], library_objects: Objects) -> Iterator[Violation]:
    """The objective of a search returns nothing.

    What it does:
        Finds the functions that `study.optimize` calls, in lambdas and partials and as objects too, and follows what they return. It is an
        error where they return None whatever happens, a warning where one path comes to the end of the function without a `return`.

    Why it matters:
        Optuna counts a trial without a value as failed: after all trials there is no best one, and `study.best_params` raises.

    Instead:
        Return the metric; raise `optuna.TrialPruned` where there is none.
    """
    seen: set[ast.AST] = set()
    study = library_table().kind(STUDY)
    for program in programs:
        for event in program.calls("optimize"):
            if library_objects.kind(event.call.receiver) is not study and "n_trials" not in event.call.keywords:
                continue
            for function, _, _ in objectives(event.call):
                definition = function.definition
                if definition in seen or (not isinstance(definition, ast.Lambda) and definition.decorator_list):
                    continue
                severity = _returns_nothing(function, program)
                if severity is None:
                    continue
                seen.add(definition)
                always = severity is Severity.ERROR
                what = "no value" if always else "no value on some path"
                yield Violation(
                    function.module.location(definition),
                    f"the objective{f' `{function.name}`' if function.name else ''} returns {what}",
                    "return the metric that the search is for",
                    (Related(location=event.call.module.location(event.call.node), label="optimised here"),),
                    severity=severity,
                    certainty=Certainty.DERIVED if always else Certainty.LIKELY,
                )


def _returns_nothing(function: Function, program: Program) -> Severity | None:
    definition = function.definition
    results: list[Value | None] = [called.result for called in program.all(Called) if called.definition is definition]
    if isinstance(definition, ast.Lambda):
        return Severity.ERROR if results and all(is_none(result) for result in results) else None
    inner = [node for node in ast.walk(definition) if isinstance(node, (ast.Yield, ast.YieldFrom))]
    if inner or isinstance(definition, ast.AsyncFunctionDef) or not comes_to_its_end(definition.body):
        return None
    return Severity.WARNING if _gives_something(definition) else Severity.ERROR


def _gives_something(definition: ast.FunctionDef) -> bool:
    """Whether some `return` of the function itself has a value that is not None."""
    pending: list[ast.AST] = [*definition.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return) and node.value is not None and not is_none_literal(node.value):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)
    return False


_RETURN = "        return scores[cfg.run.optuna.metric]\n\n"
_BARE = "    def objective(trial: optuna.Trial):  # <- here\n"
_HEAD = "    def objective(trial: optuna.Trial) -> float:\n"
BAD = [
    Tree({"src/train.py": (Edit(_HEAD, _BARE), Edit(_RETURN, "        print(scores)\n\n"))}),
    Tree(
        {
            "src/train.py": (
                Edit(_HEAD, _BARE),
                Edit(_RETURN, "        if scores:\n            return scores[cfg.run.optuna.metric]\n\n"),
            )
        }
    ),
]
GOOD = [
    Tree(
        {
            "src/train.py": Edit(
                _RETURN, "        if not scores:\n            raise optuna.TrialPruned\n        return scores[cfg.run.optuna.metric]\n\n"
            )
        }
    ),
]
