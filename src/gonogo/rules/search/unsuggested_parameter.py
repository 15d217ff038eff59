"""OPT125."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace, Unsuggested
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message


@rule("OPT125", "unsuggested-parameter", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("search",))
def unsuggested_parameter(traces: list[Trace]) -> Iterator[Violation]:
    """The best parameters of a search are asked for a name that no trial is asked for.

    What it does:
        Follows each run's search to the names that its objective suggests, and what comes after it to the names that
        `study.best_params` or `study.best_trial.params` is asked for.

    Why it matters:
        Optuna keeps the parameters under the names they were suggested by: the run ends in a `KeyError` once the whole
        search is done, and the trial, which makes no search, shows nothing of it.

    Instead:
        Use one name for a parameter, the same where it is suggested and where the best is read.
    """
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace))


def _of_run(trace: Trace) -> Iterator[Violation]:
    for event in trace.of(Unsuggested):
        near = difflib.get_close_matches(event.name, event.suggested, n=1, cutoff=0.5)
        names = ", ".join(f"`{name}`" for name in event.suggested)
        yield Violation(
            event.site.module.location(event.site.node),
            f"the best parameters have no `{event.name}`: the search suggests {names}",
            f"ask for `{near[0]}`" if near else "ask for the name that is suggested",
            runs=(trace.run_id,),
        )


_SUGGESTED = "{name: suggest(trial, name, space) for name, space in cfg.run.optuna.search_space.items()}"
_RETURN = "    return study.best_params\n"
_LITERAL = '{"learning_rate": trial.suggest_float("lr", 0.001, 0.1, log=True)}'
BAD = Tree(
    {
        "src/train.py": (
            Edit(_SUGGESTED, _LITERAL),
            Edit(_RETURN, '    return {"learning_rate": study.best_params["learning_rate"]}  # <- here\n'),
        )
    }
)
GOOD = [
    Tree({"src/train.py": (Edit(_SUGGESTED, _LITERAL), Edit(_RETURN, '    return {"learning_rate": study.best_params["lr"]}\n'))}),
    Tree(
        {
            "src/train.py": (
                Edit(_SUGGESTED, _LITERAL),
                Edit(
                    _RETURN,
                    "    try:\n"
                    '        return {"learning_rate": study.best_params["learning_rate"]}\n'
                    "    except KeyError:\n"
                    '        return {"learning_rate": study.best_params["lr"]}\n',
                ),
            )
        }
    ),
]
