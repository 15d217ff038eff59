"""Optuna: its calls are recorded, and an objective is called with a trial.

The best parameters have the names that were suggested.
"""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Known, Spread, Value, Walk
from gonogo.analysis.interpreter.endings import ends_the_run
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Diverged
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.trace import Call, Searched, Unsuggested
from gonogo.analysis.interpreter.values.config_node import SUGGESTS
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.objects import Instance
from gonogo.analysis.interpreter.values.outside import Outside
from gonogo.analysis.interpreter.values.partial import Partial
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.varied import settled

TRIAL = "optuna.Trial"
STUDIES = tuple(
    f"optuna.{name}()" for name in ("create_study", "load_study", "Study", "study.create_study", "study.load_study", "study.Study")
)
BEST = ("best_params", "best_trial.params", "best_trials[].params")

LIBRARY.watches("optuna.")
LIBRARY.expects(trial=TRIAL)


class Trial(Outside):
    """The trial that Optuna gives an objective, which is never None."""

    __slots__ = ()
    never_none = True


class BestParameters(Mapping):
    """The parameters of the best trial: they have the names that were suggested, and no others."""

    __slots__ = ()

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """What is under a name; one that was never suggested ends the run."""
        wanted, state = self.key_of(key), walk.state
        if (
            isinstance(wanted, str)
            and self.contains(walk, key, at) is False
            and ends_the_run(state, "KeyError", "LookupError", "Exception")
        ):
            state.record(Unsuggested(state.site(at), str(wanted), tuple(map(str, self.items.there()))))
            return UNKNOWN
        return super().item(walk, key, at)


@LIBRARY.call(*(f"{study}.optimize" for study in STUDIES))
def optimize(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`study.optimize(objective, …)`: the objective is called with a trial."""
    objective, state = settled(given.get(0, "func")), walk.state
    with state.searching():
        if isinstance(objective, (Function, Partial, Instance)):
            result = settled(objective.call_back_with(walk, Arguments([Trial(TRIAL, Known(watched=True))])))
        else:
            objective.release(walk)
            result = UNKNOWN
    for value in given.values():
        if value is not objective and not value.inert:
            value.release(walk)
    state.record(Searched(state.site(at), _function(objective), result.constant()))
    return NONE


def _function(objective: Value) -> Site | None:
    """The function of the experiment that an objective is."""
    while isinstance(objective, Partial):
        objective = settled(objective.callee)
    if isinstance(objective, Instance):
        objective = settled(objective.find("__call__"))
    return Site(objective.module, objective.node) if isinstance(objective, Function) else None


def _suggested(walk: Walk) -> frozenset[str] | None:
    """The names of the parameters that were suggested so far; None where none were, or some are not known.

    Raises:
        Diverged: they are not the same for all runs.
    """
    found: dict[int, set[object]] = {run: set() for run in walk.memory.runs()}
    for runs, event in walk.state.events.here():
        if isinstance(event, Call) and event.name.startswith(SUGGESTS) and event.name.count(".") == 2:
            name = event.constant("name", 0)
            for run in found:
                if runs >> run & 1:
                    found[run].add(name if isinstance(name, str) else NOT_KNOWN)
    groups: dict[frozenset[object], int] = {}
    for run, names in found.items():
        groups[frozenset(names)] = groups.get(frozenset(names), 0) | 1 << run
    if len(groups) > 1:
        raise Diverged(groups.values())
    (names_,) = groups
    return None if not names_ or NOT_KNOWN in names_ else frozenset(map(str, names_))


def _is_best(name: str) -> None:
    """Register a name that stands for the parameters of the best trial.

    Optuna has them under the names that the objective suggested.
    """

    @LIBRARY.attribute(name)
    def best(walk: Walk) -> Value:
        names = _suggested(walk)
        if names is None:
            return Outside(name, Known(watched=True))
        return BestParameters(Spread({key: walk.outside(f"{name}[]") for key in sorted(names)}))


for _study in STUDIES:
    for _best in BEST:
        _is_best(f"{_study}.{_best}")
