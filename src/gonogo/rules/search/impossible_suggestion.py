"""OPT111."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.libraries.objects import TRIAL, Objects
from gonogo.analysis.libraries.table import library_table
from gonogo.analysis.python.handlers import handler_of
from gonogo.analysis.training.suggestions import METHODS, Suggestion, asked_twice, problem, suggestion
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule(
    "OPT111",
    "impossible-suggestion",
    criterion=7,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("search", "crash"),
)
def impossible_suggestion(programs: list[Program], library_objects: Objects) -> Iterator[Violation]:
    """The code asks an Optuna trial for a value that it can't give.

    What it does:
        Follows names, bounds, `log`, `step` and choices that the code gives to `trial.suggest_…` back to literals, through loops,
        dicts, helpers and `**`. Reports a lower bound above the upper one, a logarithmic range that begins at 0 or below, `log` with
        `step`, no choices, and one name asked for twice on one path with different ranges. What may be any number is left alone.

    Why it matters:
        Optuna raises `ValueError` in every trial, in the full run only; of two ranges under one name it silently samples the first.

    Instead:
        Give bounds that can be sampled, and every parameter a name of its own.
    """
    seen: set[ast.AST] = set()
    for program in programs:
        for event in program.calls(*METHODS):
            found = problem(asked := suggestion(event.call)) if event.call.node not in seen else None
            if found is not None and _is_trial(asked, library_objects):
                seen.add(event.call.node)
                yield _violation(asked, f"{found[0]}", found[1])
    for program in programs:
        for earlier, asked in asked_twice(program):
            if asked.call.node not in seen and _is_trial(asked, library_objects):
                seen.add(asked.call.node)
                place = earlier.call.module.location(earlier.call.node)
                message = "is asked for a second time, with another range or other choices"
                yield _violation(
                    asked, message, "give it a name of its own, or the same range", (Related(location=place, label="asked for here"),)
                )


def _violation(asked: Suggestion, message: str, action: str, related: tuple[Related, ...] = ()) -> Violation:
    call = asked.call
    name = f" `{asked.name}`" if asked.name else ""
    is_caught = handler_of(call.module, call.node) is not None
    return Violation(
        _place(asked), f"the parameter{name} of the search {message}", action, related, certainty=Certainty.LIKELY if is_caught else None
    )


def _place(asked: Suggestion) -> Location:
    return asked.call.module.location(asked.call.node)


def _is_trial(asked: Suggestion, objects: Objects) -> bool:
    """Return whether a call is one of a trial of Optuna.

    It must not be of anything known to be something else, and the file or project must use Optuna.
    """
    kind = objects.kind(asked.call.receiver)
    return kind is None or kind.name.startswith(library_table().kind(TRIAL).name.partition(".")[0])  # type: ignore[union-attr]


_SUGGESTED = "        suggested = {name: suggest(trial, name, space) for name, space in cfg.run.optuna.search_space.items()}\n"


def _search(*lines: str) -> Tree:
    return Tree({"src/train.py": Edit(_SUGGESTED, "".join(f"        {line}\n" for line in lines))})


BAD = [
    _search('rate = trial.suggest_float("learning_rate", 0.0, 0.1, log=True)  # <- here', 'suggested = {"learning_rate": rate}'),
    _search('suggested = {"momentum": trial.suggest_float("momentum", 0.95, 0.5)}  # <- here'),
    _search('rate = trial.suggest_float("rate", 1e-4, 0.1, step=1e-3, log=True)  # <- here', 'suggested = {"learning_rate": rate}'),
    _search(
        'first = trial.suggest_float("learning_rate", 1e-4, 0.1)',
        'second = trial.suggest_float("learning_rate", 1e-2, 0.5)  # <- here',
        'suggested = {"learning_rate": first, "momentum": second}',
    ),
]
GOOD = [
    _search('rate = trial.suggest_float("learning_rate", 1e-4, 0.1, log=True)', 'suggested = {"learning_rate": rate}'),
    _search(
        "if cfg.run.training.epochs > 5:",
        '    suggested = {"momentum": trial.suggest_float("momentum", 0.5, 0.9)}',
        "else:",
        '    suggested = {"momentum": trial.suggest_float("momentum", 0.1, 0.5)}',
    ),
]
