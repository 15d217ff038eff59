"""The search space of a sweep: its parameters and how their values are distributed.

Source: the W&B documentation of sweep configurations, for the names of distributions and what they mean.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from gonogo.tracker.store.runs import RefusedError

METHODS = ("grid", "random", "bayes", "custom")
# A grid of more runs than this is no plan.
LIMIT_OF_GRID = 10**12


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        path: Its name, with the names of the parameters that it stands in.
        values: What it may be, if these can be counted.
        weights: How likely each value is.
        quantile: For a share of all draws, the value below which they lie; None for values that can be counted.
        position: What `quantile` turns around: the share for a value; None where it is not known.
        draw: How a value is drawn where there is no quantile.
    """

    path: tuple[str, ...]
    values: Sequence[Any] | None = None
    weights: Sequence[float] | None = None
    quantile: Callable[[float], Any] | None = None
    position: Callable[[Any], float] | None = None
    draw: Callable[[random.Random], Any] | None = None

    def sample(self, source: random.Random) -> Any:
        """A value as its distribution has it."""
        if self.draw is not None:
            return self.draw(source)
        if self.quantile is not None:
            return self.quantile(source.random())
        return source.choices(self.values or (), self.weights)[0]


@dataclass(frozen=True)
class Space:
    """All parameters of a sweep."""

    parameters: Sequence[Parameter]

    def size(self) -> int | None:
        """How many runs a grid has; None if some values can't be counted."""
        if any(parameter.values is None for parameter in self.parameters):
            return None
        return math.prod(len(parameter.values or ()) for parameter in self.parameters)

    def point(self, number: int) -> dict[str, Any]:
        """The values of one run of a grid, the last parameter varying fastest."""
        chosen: list[Any] = []
        for parameter in reversed(self.parameters):
            number, place = divmod(number, len(parameter.values or ()))
            chosen.append((parameter.values or ())[place])
        return nested(self.parameters, reversed(chosen))

    def sample(self, source: random.Random) -> dict[str, Any]:
        """The values of one run of a random search."""
        return nested(self.parameters, [parameter.sample(source) for parameter in self.parameters])


def nested(parameters: Sequence[Parameter], values: Any) -> dict[str, Any]:
    """Values by the names of their parameters, those inside of others in objects."""
    found: dict[str, Any] = {}
    for parameter, value in zip(parameters, values, strict=True):
        place = found
        for name in parameter.path[:-1]:
            place = place.setdefault(name, {})
        place[parameter.path[-1]] = value
    return found


def value_at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value of a parameter in what `nested` made; KeyError where there is none."""
    found: Any = values
    for name in path:
        if not isinstance(found, Mapping):
            raise KeyError(name)
        found = found[name]
    return found


def read(config: Mapping[str, Any]) -> Space:
    """The search space of a sweep's configuration.

    Raises:
        RefusedError: A parameter can't be read; the sentence says which and why.
    """
    parameters = config.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise RefusedError("sweep: the configuration needs parameters, each with its value, values, or min and max")
    space = Space([*_parameters(parameters, ())])
    if config.get("method") == "grid":
        uncounted = next((parameter for parameter in space.parameters if parameter.values is None), None)
        if uncounted is not None:
            raise RefusedError(f"sweep: a grid search takes a list of values for {'.'.join(uncounted.path)}, not a range of real numbers")
        if (space.size() or 0) > LIMIT_OF_GRID:
            raise RefusedError(f"sweep: the grid has {space.size()} runs, which nobody can wait for; give fewer values")
    return space


def _parameters(parameters: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Parameter]:
    for name, said in parameters.items():
        own = (*path, str(name))
        if not isinstance(said, Mapping):
            raise RefusedError(f"sweep: parameter {'.'.join(own)} must say its value, values, or min and max, not {said!r:.80}")
        if isinstance(said.get("parameters"), Mapping):
            yield from _parameters(said["parameters"], own)
            continue
        try:
            yield _parameter(own, said)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            raise RefusedError(f"sweep: parameter {'.'.join(own)} can't be read: {what}") from error


def _parameter(path: tuple[str, ...], said: Mapping[str, Any]) -> Parameter:
    kind = said.get("distribution") or _kind(said)
    if kind == "constant":
        return Parameter(path, values=[said["value"]])
    if kind in ("categorical", "categorical_w_probabilities"):
        return _choice(path, said)
    if kind == "int_uniform":
        return _whole(path, said)
    if kind == "q_uniform":
        step, low, high = float(said.get("q", 1)), *_bounds(said)
        if step <= 0:
            raise ValueError("q must be more than 0")
        values = [_rounded(at * step, step) for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
        if not values:
            raise ValueError(f"there is no multiple of {step} from {low} to {high}")
        return Parameter(path, values=values)
    if kind in ("beta", "q_beta"):
        a, b = float(said.get("a", 1)), float(said.get("b", 1))
        shape = _stepped(kind, said)
        return Parameter(path, draw=lambda source: shape(source.betavariate(a, b)))
    shape = _stepped(kind, said)
    quantile, position = _continuous(kind.removeprefix("q_"), said)
    return Parameter(path, quantile=lambda share: shape(quantile(share)), position=position)


def _kind(said: Mapping[str, Any]) -> str:
    if "value" in said:
        return "constant"
    if "values" in said:
        return "categorical"
    if "min" in said and "max" in said:
        whole = all(isinstance(said[end], int) and not isinstance(said[end], bool) for end in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    if "mu" in said or "sigma" in said:
        return "normal"
    raise ValueError("it needs a value, values, min and max, or a distribution")


def _choice(path: tuple[str, ...], said: Mapping[str, Any]) -> Parameter:
    values, weights = said["values"], said.get("probabilities")
    if not isinstance(values, list) or not values:
        raise ValueError("values must be a list with something in it")
    if weights is not None and (len(weights) != len(values) or min(weights) < 0 or not math.isclose(sum(weights), 1, abs_tol=1e-6)):
        raise ValueError("probabilities must be as many as values and have the sum 1")
    return Parameter(path, values=values, weights=weights)


def _whole(path: tuple[str, ...], said: Mapping[str, Any]) -> Parameter:
    low, high = int(said["min"]), int(said["max"])
    if low > high:
        raise ValueError(f"min {low} is more than max {high}")
    return Parameter(path, values=range(low, high + 1))


def _bounds(said: Mapping[str, Any]) -> tuple[float, float]:
    low, high = float(said["min"]), float(said["max"])
    if not (low <= high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"min {low} and max {high} must be numbers, min not more than max")
    return low, high


def _stepped(kind: str, said: Mapping[str, Any]) -> Callable[[float], float]:
    """What rounds to multiples of `q`, for the distributions that do."""
    if not kind.startswith("q_"):
        return lambda value: value
    step = float(said.get("q", 1))
    if step <= 0:
        raise ValueError("q must be more than 0")
    return lambda value: _rounded(round(value / step) * step, step)


def _rounded(value: float, step: float) -> float | int:
    """A multiple of a step, without the last bits that the multiplication left."""
    return int(value) if step == int(step) else float(f"{value:.12g}")


def _continuous(kind: str, said: Mapping[str, Any]) -> tuple[Callable[[float], float], Callable[[Any], float]]:
    """The quantiles of a distribution of real numbers, and what turns them around."""
    if kind in ("normal", "log_normal"):
        normal = NormalDist(float(said.get("mu", 0)), float(said.get("sigma", 1)))

        def at(share: float) -> float:
            return normal.inv_cdf(min(max(share, 1e-12), 1 - 1e-12))

        if kind == "normal":
            return at, lambda value: normal.cdf(float(value))
        return lambda share: math.exp(at(share)), lambda value: normal.cdf(math.log(float(value)))
    if kind not in ("uniform", "log_uniform", "log_uniform_values", "inv_log_uniform", "inv_log_uniform_values"):
        raise ValueError(f"there is no distribution {kind!r} here")
    low, high = _bounds(said)
    if kind == "uniform":
        return lambda share: low + share * (high - low), lambda value: _share(float(value), low, high)
    # With `_values`, the bounds are those of the value; without, those of its logarithm.
    if kind.endswith("_values"):
        if low <= 0:
            raise ValueError("min must be more than 0: its logarithm is taken")
        low, high = math.log(low), math.log(high)
    elif kind.startswith("inv_"):
        low, high = -high, -low
    return lambda share: math.exp(low + share * (high - low)), lambda value: _share(math.log(float(value)), low, high)


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if low == high else min(1.0, max(0.0, (value - low) / (high - low)))


def same(one: Any, other: Any) -> bool:
    """Whether two sets of values are the same, whatever the order of their names."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)
