"""How a sweep chooses the values of its next run.

It does so by a grid, at random, or from the results of earlier runs.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.tracker.store.runs import RefusedError
from gonogo.tracker.sweeps.space import Parameter, Space, nested, same, value_at


@dataclass(frozen=True)
class Tried:
    """A run that a sweep started, or that was there before it.

    Attributes:
        values: The values of its parameters.
        score: What it reached, less being better; None if it has reached nothing so far, or never will.
        over: Whether it has ended.
        chosen: Whether the sweep chose the values.
    """

    values: Mapping[str, Any]
    score: float | None
    over: bool
    chosen: bool = True


def following(method: str, space: Space, tried: Sequence[Tried], source: random.Random) -> dict[str, Any] | None:
    """The values of the next run; None when a grid has no more.

    Args:
        method: `grid`, `random` or `bayes`.
        space: The parameters.
        tried: All runs so far.
        source: Where chance comes from.

    Raises:
        RefusedError: What the method needs is not installed.
    """
    match method:
        case "grid":
            return _on_grid(space, tried)
        case "random":
            return space.sample(source)
        case "bayes":
            return _by_model(space, tried, source)
    raise RefusedError(f"sweep: there is no method {method!r}; use grid, random or bayes")


def _on_grid(space: Space, tried: Sequence[Tried]) -> dict[str, Any] | None:
    begin = sum(run.chosen for run in tried)
    before = [run.values for run in tried if not run.chosen]
    for number in itertools.count(begin):
        if number >= (space.size() or 0):
            return None
        point = space.point(number)
        if not any(same(point, {name: values[name] for name in point if name in values}) for values in before):
            return point
    return None


def _by_model(space: Space, tried: Sequence[Tried], source: random.Random) -> dict[str, Any]:
    """Return values that a model of the scores so far expects to be good.

    The model is a tree-structured Parzen estimator (Bergstra et al. 2011).
    """
    try:
        import optuna
        from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    except ImportError as error:
        raise RefusedError("sweep: method bayes needs optuna on the tracker's side: pip install 'gonogo[sweeps]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The model works on shares between 0 and 1 for numbers, and on places in the list for choices: so every distribution can be searched.
    modelled = {str(at): parameter for at, parameter in enumerate(space.parameters) if parameter.draw is None}
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(0, 1) if _is_ordered(parameter) else CategoricalDistribution(range(len(parameter.values or ())))
        for name, parameter in modelled.items()
    }
    sampler = optuna.samplers.TPESampler(seed=source.randrange(2**32), multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    for run in tried:
        shares = _shares(modelled, run.values)
        if shares is None or (run.score is None and run.over) or not math.isfinite(run.score or 0.0):
            continue
        state = optuna.trial.TrialState.COMPLETE if run.score is not None and run.over else optuna.trial.TrialState.RUNNING
        value = run.score if state is optuna.trial.TrialState.COMPLETE else None
        study.add_trial(optuna.trial.create_trial(params=shares, distributions=distributions, value=value, state=state))
    asked = study.ask(distributions).params
    chosen = [
        parameter.sample(source) if str(at) not in asked else _value(parameter, asked[str(at)])
        for at, parameter in enumerate(space.parameters)
    ]
    return nested(space.parameters, chosen)


def _is_ordered(parameter: Parameter) -> bool:
    return parameter.quantile is not None or isinstance(parameter.values, range)


def _value(parameter: Parameter, asked: Any) -> Any:
    if parameter.quantile is not None:
        return parameter.quantile(float(asked))
    values = parameter.values or ()
    return values[min(len(values) - 1, int(asked * len(values)))] if _is_ordered(parameter) else values[asked]


def _shares(modelled: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the model calls the values of a run; None if they lie outside of the search space."""
    found: dict[str, Any] = {}
    for name, parameter in modelled.items():
        try:
            value = value_at(values, parameter.path)
            if parameter.position is not None:
                found[name] = parameter.position(value)
                continue
            place = next(at for at, each in enumerate(parameter.values or ()) if same(each, value))
        except (KeyError, ValueError, TypeError, StopIteration):
            return None
        found[name] = (place + 0.5) / len(parameter.values or ()) if _is_ordered(parameter) else place
    return found
