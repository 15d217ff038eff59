"""OPT102."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, text_of
from gonogo.analysis.training.searchspace import parameters
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

LOG_TYPES = frozenset({"loguniform", "logfloat", "logint", "intlog", "floatlog", "loguniformfloat", "loguniformint", "intloguniform"})
INT_TYPES = frozenset({"int", "integer", "intuniform", "uniformint", "randint", "quniformint", "intrange"})
FLOAT_TYPES = frozenset(
    {"float", "uniform", "real", "double", "uniformfloat", "floatuniform", "discreteuniform", "quniform", "discrete", "number", "range"}
)
CHOICE_TYPES = frozenset({"categorical", "choice", "choices", "category", "bool", "boolean", "enum", "ordinal", "grid"})
LOW_KEYS = ("low", "min", "lower", "minimum", "start")
HIGH_KEYS = ("high", "max", "upper", "maximum", "end", "stop")
CHOICE_KEYS = ("choices", "values", "options", "categories", "choice")
OTHER_BOUNDS = ("bounds", "range", "args", "value", "loc", "mean", "mu")
TYPE_KEYS = ("type", "distribution", "dist", "kind")


@rule("OPT102", "bad-search-space", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK, settles=("search",))
def bad_search_space(runs: list[Run], modules: dict[str, Module]) -> Iterator[Violation]:
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
    yield from by_message(_find(runs, _Code(modules)))


@dataclass(frozen=True)
class _Problem:
    """What is wrong with a specification, what to do, and the key it hangs on."""

    text: str
    action: str
    key: str | None = None
    severity: Severity | None = None


class _Code:
    """What the code does with search spaces.

    It holds the texts that the code knows, and whether the code converts bounds to numbers itself.
    """

    def __init__(self, modules: dict[str, Module]) -> None:
        self.texts: set[str] = set()
        self.converts = False
        for module in modules.values():
            self.texts |= {text.lower() for node in module.of(ast.Constant) if (text := text_of(node)) is not None}
            self.converts = self.converts or any(_is_conversion(call) for call in calls(module))


def _is_conversion(call: ast.Call) -> bool:
    """Whether a call is `float(x.low)` or the like."""
    if not isinstance(call.func, ast.Name) or call.func.id not in ("float", "int") or len(call.args) != 1:
        return False
    return any(
        (isinstance(node, ast.Attribute) and node.attr in (*LOW_KEYS, *HIGH_KEYS)) or text_of(node) in (*LOW_KEYS, *HIGH_KEYS)
        for node in ast.walk(call.args[0])
    )


def _find(runs: list[Run], code: _Code) -> Iterator[Violation]:
    for run in runs:
        for name, spec, path in parameters(run):
            for problem in _problems(spec, code):
                yield Violation(
                    run.locate((*path, problem.key) if problem.key else path),
                    f"the search space of `{name}` {problem.text}",
                    problem.action,
                    runs=(run.id,),
                    evidence=f"{name}: {spec}",
                    severity=problem.severity,
                )


def _problems(spec: Any, code: _Code) -> Iterator[_Problem]:
    if isinstance(spec, list):
        if not spec:
            yield _Problem("has no choices", "list at least one choice")
        return
    if not isinstance(spec, dict) or not spec or any(isinstance(value, str) and "${" in value for value in spec.values()):
        return
    type_key = _first(spec, TYPE_KEYS)
    kind = _normal(spec[type_key]) if type_key else ""
    if kind is None:
        yield _Problem("has no type", "name the type: float, int, loguniform or categorical", type_key)
    elif kind in CHOICE_TYPES:
        yield from _choice_problems(spec, kind)
    elif kind in LOG_TYPES | INT_TYPES | FLOAT_TYPES or (not kind and _first(spec, LOW_KEYS) and _first(spec, HIGH_KEYS)):
        yield from _range_problems(spec, kind, code)
    elif type_key and "." not in spec[type_key] and spec[type_key].lower() not in code.texts:
        action = "use a type that Optuna can sample: float, int, loguniform or categorical"
        yield _Problem(f"has the unknown type '{spec[type_key]}'", action, type_key)


def _normal(value: Any) -> str | None:
    """A type's name without what people add to it; None if it is no name."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value.strip().lower().removeprefix("suggest_").removesuffix("distribution").replace("_", "").replace("-", "").replace(" ", "")


def _first(spec: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key in spec), None)


def _choice_problems(spec: dict[str, Any], kind: str) -> Iterator[_Problem]:
    key = _first(spec, CHOICE_KEYS)
    if key is None and kind not in ("bool", "boolean"):
        yield _Problem("has no choices", "list them under `choices`")
    elif key is not None and (spec[key] is None or spec[key] in ([], {})):
        yield _Problem("has no choices", "list at least one choice", key)


def _range_problems(spec: dict[str, Any], kind: str, code: _Code) -> Iterator[_Problem]:
    low_key, high_key = _first(spec, LOW_KEYS), _first(spec, HIGH_KEYS)
    if low_key is None or high_key is None:
        if not _first(spec, (*CHOICE_KEYS, *OTHER_BOUNDS)):
            yield _Problem(f"has no {'lower' if low_key is None else 'upper'} bound", "give it `low` and `high`")
        return
    bounds = []
    for key in (low_key, high_key):
        if isinstance(spec[key], str) and _looks_like_number(spec[key]) and not code.converts:
            yield _Problem("has a bound that is a text, not a number", "write the bound without quotes", key)
        if not isinstance(spec[key], (int, float)) or isinstance(spec[key], bool):
            return
        bounds.append(spec[key])
    low, high = bounds
    action = f"make `{low_key}` smaller than `{high_key}`, or take the parameter out of the search"
    if low > high:
        yield _Problem("has a lower bound above the upper one", action, low_key)
    elif low == high:
        yield _Problem("has only one value: its bounds are equal", action, low_key, Severity.WARNING)
    elif low <= 0 < high and (kind in LOG_TYPES or spec.get("log") is True):
        yield _Problem("is logarithmic but reaches down to 0 or below", f"make `{low_key}` greater than 0, or the range linear", low_key)


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
