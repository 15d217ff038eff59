"""OPT102."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gonogo.code.searchspace import parameters
from gonogo.finding import Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.rules.grouping import by_message
from gonogo.runs import Run

LOG_TYPES = frozenset({"loguniform", "logfloat", "logint", "intlog", "floatlog", "loguniformfloat", "loguniformint", "intloguniform"})
INT_TYPES = frozenset({"int", "integer", "intuniform", "uniformint", "randint", "quniformint", "intrange"})
FLOAT_TYPES = frozenset(
    {"float", "uniform", "real", "double", "uniformfloat", "floatuniform", "discreteuniform", "quniform", "discrete", "number", "range"}
)
CHOICE_TYPES = frozenset({"categorical", "choice", "choices", "category", "bool", "boolean", "enum", "ordinal", "grid"})
LOW_KEYS = ("low", "min", "lower", "minimum", "start")
HIGH_KEYS = ("high", "max", "upper", "maximum", "end", "stop")
CHOICE_KEYS = ("choices", "values", "options", "categories", "choice")
TYPE_KEYS = ("type", "distribution", "dist", "kind")


@rule("OPT102", "bad-search-space", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK)
def bad_search_space(runs: list[Run]) -> Iterator[Fault]:
    """A search space that can't be sampled.

    What it does:
        Reads each parameter of each search space: the type must be one that Optuna has a counterpart for, the lower
        bound must be below the upper one, a logarithmic range must be above 0, a categorical one needs choices, and
        bounds must be numbers. Numbers are read as Hydra reads them: `1e-4` is one, `"1e-4"` in quotes is a text. Forms
        that are not recognised are left alone.

    Why it matters:
        Trial mode skips the search, so this only shows once the full run has started.

    Instead:
        Write `type`, and `low` and `high`, or `choices`.
    """
    yield from by_message(_find(runs))


def _find(runs: list[Run]) -> Iterator[Fault]:
    for run in runs:
        for name, spec, path in parameters(run):
            for problem, action, key in _problems(spec):
                yield Fault(
                    run.locate((*path, key) if key else path),
                    f"the search space of `{name}` {problem}",
                    action,
                    runs=(run.id,),
                    evidence=f"{name}: {spec}",
                )


Problem = tuple[str, str, str | None]


def _problems(spec: Any) -> Iterator[Problem]:
    if isinstance(spec, list):
        if not spec:
            yield "has no choices", "list at least one choice", None
        return
    if not isinstance(spec, dict) or not spec or any(isinstance(value, str) and "${" in value for value in spec.values()):
        return
    type_key = _first(spec, TYPE_KEYS)
    kind = _normal(spec[type_key]) if type_key else ""
    if type_key and kind is None:
        yield "has no type", "name the type: float, int, loguniform or categorical", type_key
    elif kind in CHOICE_TYPES:
        yield from _choice_problems(spec, kind)
    elif kind in LOG_TYPES | INT_TYPES | FLOAT_TYPES or (not type_key and _first(spec, LOW_KEYS) and _first(spec, HIGH_KEYS)):
        yield from _range_problems(spec, kind or "")
    elif type_key and not _is_dotted(spec[type_key]):
        yield (
            f"has the unknown type '{spec[type_key]}'",
            "use a type that Optuna can sample: float, int, loguniform or categorical",
            type_key,
        )


def _normal(value: Any) -> str | None:
    """A type's name without what people add to it; None if it is no name."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value.strip().lower().removeprefix("suggest_").removesuffix("distribution").replace("_", "").replace("-", "").replace(" ", "")


def _is_dotted(value: Any) -> bool:
    """Whether a type is the path of a class, which only running the code can judge."""
    return isinstance(value, str) and "." in value


def _first(spec: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in spec), None)


def _choice_problems(spec: dict[str, Any], kind: str | None) -> Iterator[Problem]:
    key = _first(spec, CHOICE_KEYS)
    if key is None:
        if kind not in ("bool", "boolean"):
            yield "has no choices", "list them under `choices`", None
    elif spec[key] is None or spec[key] in ([], {}):
        yield "has no choices", "list at least one choice", key


def _range_problems(spec: dict[str, Any], kind: str) -> Iterator[Problem]:
    low_key, high_key = _first(spec, LOW_KEYS), _first(spec, HIGH_KEYS)
    if low_key is None or high_key is None:
        if not (_first(spec, CHOICE_KEYS) or _first(spec, ("bounds", "range", "args"))) and kind:
            missing = "lower" if low_key is None else "upper"
            yield f"has no {missing} bound", "give it `low` and `high`", None
        return
    bounds = []
    for key in (low_key, high_key):
        if isinstance(spec[key], str) and _looks_like_number(spec[key]):
            yield "has a bound that is a text, not a number", "write the bound without quotes", key
        if not isinstance(spec[key], (int, float)) or isinstance(spec[key], bool):
            return
        bounds.append(spec[key])
    low, high = bounds
    if low >= high:
        same = "equal" if low == high else "greater"
        severity_word = f"has a lower bound that is {same}{' to' if same == 'equal' else ' than'} the upper one"
        yield severity_word, "make `low` smaller than `high`, or take the parameter out of the search", low_key
    elif low <= 0 and (kind in LOG_TYPES or spec.get("log") is True):
        yield "is logarithmic but reaches down to 0 or below", "make `low` greater than 0, or the range linear", low_key


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


BAD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("low: 0.001", "low: 0  # <- here")}),
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("type: uniform", "type: gaussian  # <- here")}),
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("low: 0.001", 'low: "1e-3"  # <- here')}),
]
GOOD = Tree({"config/run/proposed-mlp-digits.yaml": Edit("low: 0.001", "low: 1e-3")})
