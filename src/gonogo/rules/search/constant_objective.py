"""OPT123."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Searched, Trace
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message


@rule("OPT123", "constant-objective", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("search",))
def constant_objective(traces: list[Trace]) -> Iterator[Violation]:
    """The objective of the search returns one number for every trial.

    What it does:
        Follows the objective of each run's search to what it returns, and reports a number that is the same on every way through it: one
        that is written there, a setting of the config, a default for a key that nothing sets.

    Why it matters:
        All trials are then equally good: the best is the first, whatever the search space is.

    Instead:
        Return what the training of the trial gives, measured on the validation split.
    """
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace))


def _of_run(trace: Trace) -> Iterator[Violation]:
    for search in trace.of(Searched):
        if isinstance(search.result, (int, float)) and not isinstance(search.result, bool):
            place = search.objective or search.site
            yield Violation(
                place.module.location(place.node),
                "the objective of the search returns the same number for every trial",
                "return what the training of the trial gives",
                runs=(trace.run_id,),
                evidence=f"{trace.run_id}: {search.result!r}",
            )


_OBJECTIVE = "    def objective(trial: optuna.Trial) -> float:\n"
_RESULT = "        return scores[cfg.run.optuna.metric]\n"
BAD = Tree(
    {
        "src/train.py": (
            Edit(_OBJECTIVE, _OBJECTIVE.replace("\n", "  # <- here\n")),
            Edit(_RESULT, '        return float(cfg.run.get("best_accuracy", 0.0))\n'),
        )
    }
)
_LOOP = "        best = 0.0\n        for name in scores:\n            best = max(best, scores[name])\n        return best\n"
GOOD = Tree({"src/train.py": Edit(_RESULT, _LOOP)})
