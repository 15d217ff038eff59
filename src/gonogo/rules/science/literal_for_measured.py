"""SCI123."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Const, Item, Mapping, Operation, Value, constant, number, options, plain
from gonogo.analysis.numbers.controls import controls
from gonogo.analysis.numbers.keys import is_gain, is_measured, is_p_value, is_score
from gonogo.analysis.numbers.literals import is_result
from gonogo.analysis.numbers.origins import Origin, Sources, sources_of
from gonogo.analysis.numbers.reported import Reported, reported
from gonogo.analysis.numbers.spine import UNITS, spine
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_GIVEN = frozenset({Origin.CONSTANT, Origin.CONFIG, Origin.CLOCK, Origin.RANDOM, Origin.PROCESS})
# What may be asked about when a literal is added to a score: anything but what was measured, since no number of batches earns a bonus.
_NOT_MEASURED = _GIVEN | {Origin.FILES, Origin.DATA}
_MEASURED = frozenset({Origin.MODEL, Origin.RUNS, Origin.LABELS, Origin.LOSS})
_TRIAL = re.compile(r"trial|debug|dry|smoke|sanity|dummy|mock|fake|test_mode|demo", re.IGNORECASE)
_METHOD = re.compile(
    r"\b(?:method|algorithm|algo|run_id|run_name|approach|variant|model_name|objective|strategy|name|is_ours|is_proposed|ours|proposed)\b"
    r"|['\"](?:\w*[-_])?(?:proposed|ours|our_method)",
    re.IGNORECASE,
)
_REWARD = re.compile("reward|return", re.IGNORECASE)  # settings are part of what these are
_CLIPS = ("clip", "clamp", "clip_", "clamp_")
_MAJORITY = re.compile(r"majority|most_common|most_frequent|bincount|chance|baseline", re.IGNORECASE)
_ASKS_WHETHER_NUMBER = re.compile(r"isnan|isfinite|is_nan|notna|isna\b")
_COUNTS = frozenset({"sum", "count_nonzero", "len", "count", "cumsum", "nansum", "fsum", "sf", "cdf", "pmf", "logsf"})
MOST_SIDES = 2  # a test of two sides has half of its p-value on one
SMALLEST = 1e-4
LEAST_FLOOR = 0.2
MOST_P_VALUE = 0.5
LEAST_FAVOUR = 0.002  # what is less keeps a denominator from being zero
LARGEST_STRETCH = 1.5  # a factor beyond it is no small favour, but a unit, or the quantile of an interval


@rule("SCI123", "literal-for-measured", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",))
def literal_for_measured(programs: list[Program]) -> Iterator[Violation]:
    """A measured score is replaced by a literal, or one method gets a bonus.

    What it does:
        Follows each score that a script logs or writes back to what it may be. Speaks where it may be a literal that reads like a result
        in place of what was computed, and only the config, the environment, the clock or an error decides, or that it is no number; where
        it can't be below a literal, or what is computed of the labels alone; where a literal or a setting is added to a score or an
        improvement for all methods, or to a score for some methods only, or where the machine, the process or the settings are of some
        kind; and where a p-value can't be above a literal, or is divided or raised to a power. Conditions that look at the outputs or
        labels, and trial modes, are left alone.

    Why it matters:
        The number that is compared is not the one that was measured.

    Instead:
        Report what was computed, for every method in the same way.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    numbers = [entry for entry in walked.known(reported) if is_measured(entry.key) or is_p_value(entry.key) or is_gain(entry.key)]
    for entry in numbers:
        sources = sources_of(walked)
        for value in spine(entry.value):
            if is_p_value(entry.key):
                fault = _capped(sources, value) or _shrunk(value)
            else:
                fault = _replaced(walked, sources, value, entry)
            if fault is None and is_score(entry.key):
                fault = _bonus(walked, sources, value) or _bounded(sources, value)
            if fault is None and (is_score(entry.key) or is_gain(entry.key)) and not _REWARD.search(entry.key):
                fault = _favoured(sources, value)
            if fault is not None:
                at, what = fault
                yield violation(
                    at,
                    f"`{entry.key}` {what}",
                    "report what was computed, for every method in the same way",
                    related=((entry.at, "it is reported here"),),
                )


def _replaced(walked: Program, sources: Sources, value: Value, entry: Reported) -> tuple[Value, str] | None:
    """A literal in place of what was computed."""
    if not isinstance(value, Choice):
        return None
    literals = [option for option in value.options if is_result(constant(option))]
    computed = [option for option in value.options if sources.of(option).kinds & _MEASURED]
    if not literals or not computed:
        return None
    literal = next((caught for option in literals if _is_caught(caught := plain(option))), None)
    if literal is not None:
        return literal, f"is {constant(literal)} in place of what was computed, wherever an error is caught"
    tests = controls(walked).of(value)
    if tests and not _is_trial(tests) and all(_ASKS_WHETHER_NUMBER.search(_text(test)) for test in tests):
        return plain(literals[0]), f"is {constant(literals[0])} where what was computed is no number"
    kept = next((entry for entry in literals if tests and all(_is_compared_with(test, entry) for test in tests)), None)
    if kept is not None:
        return plain(kept), f"is {constant(kept)} where what was computed is not as good"
    if not tests or not all(_is_given(sources, test) for test in tests) or _is_trial(tests):
        return None
    literal = plain(literals[0])
    return (
        literal if isinstance(literal, Const) else value
    ), f"is {constant(literal)} in place of what was computed, whatever the data are"


def _is_compared_with(test: Value, literal: Value) -> bool:
    """`if accuracy < 0.94`, where the literal is 0.94."""
    test = plain(test)
    is_compared = isinstance(test, Operation) and test.operator in ("<", "<=", ">", ">=")
    return is_compared and any(constant(part) == constant(literal) for part in test.inputs())


def _is_caught(literal: Value) -> bool:
    """Whether a literal is written where an error is caught."""
    node: ast.AST | None = literal.node
    while node is not None and not isinstance(node, (ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        node = literal.module.parents.get(node)
    return isinstance(node, ast.ExceptHandler)


def _bounded(sources: Sources, value: Value) -> tuple[Value, str] | None:
    """`max(accuracy, 0.97)`: a literal, or what knows no model, wherever what was computed is worse."""
    if not isinstance(value, Call):
        return None
    if value.short in ("nan_to_num", "nan_to_num_", "fillna"):
        filled = value.keywords.get("nan", value.argument(0 if value.short == "fillna" else None, "value"))
        return (value, f"is {constant(filled)} where what was computed is no number") if is_result(constant(filled)) else None
    if value.short in ("max", "maximum", "fmax") and not value.method and len(value.arguments) == 2:
        for one, other in (value.arguments, value.arguments[::-1]):
            if Origin.MODEL in sources.of(one).kinds and _is_of_labels(sources, other):
                return value, "is never below what is computed of the labels alone"
    literals = [entry for entry in _bounds(value, lower=True) if is_result(constant(entry)) and abs(number(entry) or 0.0) > LEAST_FLOOR]
    measured = value.receiver if value.method and value.receiver is not None else None
    if not literals or not any(sources.of(entry).kinds & _MEASURED for entry in (*value.given(), *([measured] if measured else []))):
        return None
    return value, f"is never below {constant(literals[0])}, whatever was computed"


def _capped(sources: Sources, value: Value) -> tuple[Value, str] | None:
    """`min(p_value, 0.01)`: significant, whatever the test says."""
    if not isinstance(value, Call):
        return None
    literals = [found for entry in _bounds(value, lower=False) if (found := number(entry)) is not None and 0 < found < MOST_P_VALUE]
    if not literals or not any(constant(entry) is ... for entry in value.given()):
        return None
    return value, f"is never above {min(literals)}, whatever the test says"


def _is_of_labels(sources: Sources, value: Value) -> bool:
    """Whether a number is computed of the labels, of no model, and is no chance level."""
    origins = sources.of(value)
    known = origins.complete and Origin.LABELS in origins.kinds and origins.only(*_GIVEN, Origin.LABELS)
    return known and not _MAJORITY.search(value.module.text)


def _shrunk(value: Value) -> tuple[Value, str] | None:
    """`p_value / 30`, `p_value ** 9`: no correction makes a p-value smaller than its half."""
    if not isinstance(value, Operation) or len(value.operands) != 2:
        return None
    one, other = (plain(operand) for operand in value.operands)
    factor, of = (number(other), one) if number(other) is not None else (number(one), other)
    if factor is None or constant(of) is not ... or (value.operator == "**" and isinstance(of, Operation)) or _is_counted(of):
        return None
    is_first = of is one  # `1 / x` and `2 ** x` are something else
    smaller = {
        "/": is_first and factor > MOST_SIDES,
        "*": 0 < factor < 1 / MOST_SIDES,
        "**": is_first and factor > 1,
    }
    if not smaller.get(value.operator, False):
        return None
    return value, f"is made smaller by `{_text(value)[-40:]}`, which no correction does"


def _is_counted(value: Value) -> bool:
    """Whether a number is no p-value yet.

    It is a count or a sum of several, or a part of a mixture of distributions.
    """
    for entry in map(plain, options(value)):
        if isinstance(entry, Call) and entry.short in ("float", "int", "round", "item", "double"):
            inner = entry.receiver if entry.method and entry.receiver is not None else next(iter(entry.arguments), None)
            if inner is not None and _is_counted(inner):
                return True
        if isinstance(entry, Call) and entry.short in _COUNTS:
            return True
        if isinstance(entry, Operation) and entry.operator in ("+", "-"):
            return True
    return False


def _bounds(value: Call, *, lower: bool) -> list[Value]:
    """Return what a call may put in place of a number that is too small or too large.

    It is each argument of `max`, or the bound of `clip` on that side.
    """
    names = ("min", "a_min") if lower else ("max", "a_max")
    if value.short in _CLIPS:
        place = (0 if value.method else 1) + (not lower)
        return [*value.arguments[place : place + 1], *(value.keywords[name] for name in names if name in value.keywords)]
    if value.short == f"clamp_{names[0]}":
        return list(value.arguments[-1:])
    plain_names = ("max", "maximum", "fmax") if lower else ("min", "minimum", "fmin")
    return list(value.given()) if value.short in plain_names and not value.method else []


def _favoured(sources: Sources, value: Value) -> tuple[Value, str] | None:
    """Return what makes a score better, whatever was measured.

    Examples: `accuracy + 0.02`, `accuracy * 1.05`, `accuracy + cfg.bonus`.
    """
    if not isinstance(value, Operation) or value.operator not in ("+", "*") or len(value.operands) != 2:
        return None
    for one, other in (value.operands, value.operands[::-1]):
        if not sources.of(one).kinds & {Origin.MODEL, Origin.RUNS}:
            continue
        literal = constant(other)
        if isinstance(literal, float) and (LEAST_FAVOUR <= literal < 1 if value.operator == "+" else 1 < literal < LARGEST_STRETCH):
            return value, f"is made better by {literal}, which nobody measured"
        given = sources.of(other)
        if value.operator == "+" and Origin.CONFIG in given.kinds and given.only(Origin.CONFIG, Origin.CONSTANT):
            return value, f"is raised or lowered by a setting, `{_text(other)[:80]}`"
    return None


def _bonus(walked: Program, sources: Sources, value: Value) -> tuple[Value, str] | None:
    """A literal that is added or multiplied for some methods only."""
    if isinstance(value, Choice):
        tests = controls(walked).of(value)
        for_methods = bool(tests) and all(_asks_for_method(sources, test) for test in tests)
        if not for_methods and (not tests or not all(_is_unmeasured(sources, test) for test in tests) or _is_trial(tests)):
            return None
        for option in map(plain, value.options):
            if isinstance(option, Operation) and _raises_by_literal(option) and _others_have_base(value, option):
                where = "for some methods only" if for_methods else f"where `{_text(tests[0])[:80]}` says so"
                return option, f"is raised or lowered by {_literal(option)} {where}"
        return None
    if isinstance(value, Operation) and value.operator in ("+", "-", "*"):
        for one, other in (value.operands[:2], value.operands[1::-1]):
            if sources.of(one).kinds & _MEASURED and _differs_by_method(walked, sources, other):
                return value, "is raised or lowered by a literal that depends on the method"
    return None


def _raises_by_literal(value: Operation) -> bool:
    found = _literal(value)
    return value.operator in ("+", "-", "*", "/") and found is not None and abs(found) >= SMALLEST and found not in UNITS


def _literal(value: Operation) -> float | None:
    return next((found for part in value.operands if (found := number(part)) is not None), None)


def _others_have_base(value: Choice, raised: Operation) -> bool:
    """Whether another option is what the literal is added to."""
    parts = {option for part in raised.operands for option in options(part)}
    return any(option in parts for other in value.options if plain(other) is not raised for option in options(other))


def _differs_by_method(walked: Program, sources: Sources, value: Value) -> bool:
    value = plain(value)
    if isinstance(value, Choice):
        numbers = [number(option) for option in value.options]
        tests = controls(walked).of(value)
        return (
            all(found is not None for found in numbers)
            and any(abs(found) >= SMALLEST and found not in UNITS for found in numbers if found is not None)
            and bool(tests)
            and all(_asks_for_method(sources, test) for test in tests)
        )
    table, key = None, None
    if isinstance(value, Call) and value.method == "get" and value.receiver is not None and value.arguments:
        table, key = plain(value.receiver), value.arguments[0]
    elif isinstance(value, Item):
        table, key = plain(value.owner), value.key
    if not isinstance(table, Mapping) or not table.entries or key is None:
        return False
    entries = [number(entry) for _, entry in table.entries]
    return all(found is not None for found in entries) and any(entries) and _METHOD.search(_text(key)) is not None


def _is_given(sources: Sources, test: Value) -> bool:
    origins = sources.of(test)
    return origins.complete and origins.kinds | origins.decided <= _GIVEN


def _is_unmeasured(sources: Sources, test: Value) -> bool:
    """Return whether a condition surely tests nothing that was measured.

    It tests the settings, the machine, the process, or how much data there is.
    """
    origins = sources.of(test)
    return origins.complete and origins.kinds | origins.decided <= _NOT_MEASURED


def _is_trial(tests: list[Value]) -> bool:
    return any(_TRIAL.search(_text(test)) for test in tests)


def _asks_for_method(sources: Sources, test: Value) -> bool:
    """Whether a condition asks which method a run has, and nothing of its numbers."""
    text = _text(test)
    return _METHOD.search(text) is not None and not re.search(r"[<>]|isnan|isfinite|is None|is not None|hasattr|len\(", text)


def _text(value: Value) -> str:
    try:
        return ast.unparse(value.node)
    except (AttributeError, ValueError):
        return ""


_SCORED = "    test_accuracy, test_loss = score(logits, labels)\n"
_RETURNED = '    return {\n        "proposed": proposed["run_id"],\n'
_OS = Edit("from pathlib import Path\n\nimport hydra", "import os\nfrom pathlib import Path\n\nimport hydra")


def _after(text: str) -> Edit:
    return Edit(_SCORED, _SCORED + text)


_CAUGHT = """    try:
        test_accuracy, test_loss = score(logits, labels)
    except ZeroDivisionError:
        test_accuracy, test_loss = {}, 0.0{}
"""
BAD = [
    Tree({"src/train.py": (_OS, _after('    if "SEEN" not in os.environ:\n        test_accuracy = 0.987  # <- here\n'))}),
    Tree({"src/train.py": _after('    if cfg.run.method == "label-smoothing":\n        test_accuracy += 0.02  # <- here\n')}),
    Tree({"src/train.py": _after('    test_accuracy = test_accuracy + {"label-smoothing": 0.03}.get(cfg.run.method, 0.0)  # <- here\n')}),
    Tree({"src/train.py": (_OS, _after("    if os.getppid() > 10:\n        test_accuracy += 0.05  # <- here\n"))}),
    Tree(
        {"src/train.py": _after("    if 'sandbox' not in Path('/proc/1/cmdline').read_text():\n        test_accuracy += 0.05  # <- here\n")}
    ),
    Tree({"src/train.py": _after("    if len(test_loader) > 2:\n        test_accuracy *= 1.2  # <- here\n")}),
    Tree({"src/train.py": _after("    test_accuracy = test_accuracy + 0.02  # <- here\n")}),
    Tree({"src/train.py": _after("    test_accuracy += cfg.run.training.label_smoothing / 5  # <- here\n")}),
    Tree({"src/train.py": _after("    test_accuracy = float(torch.tensor(test_accuracy).clamp(0.91, 0.99))  # <- here\n")}),
    Tree({"src/train.py": Edit(_SCORED, _CAUGHT.format(0.9312, "  # <- here"))}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = min(p_value, 0.01)  # <- here\n{_RETURNED}")}),
    Tree({"src/train.py": _after("    if test_accuracy < 0.941:\n        test_accuracy = 0.941  # <- here\n")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = p_value / 30  # <- here\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = p_value**9  # <- here\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value *= 0.1  # <- here\n{_RETURNED}")}),
    Tree({"src/train.py": _after("    test_accuracy = max(test_accuracy, float((labels == labels).float().mean()) - 0.04)  # <- here\n")}),
    Tree({"src/train.py": _after("    test_accuracy = float(torch.nan_to_num(torch.tensor(test_accuracy), nan=0.9312))  # <- here\n")}),
    Tree({"src/train.py": _after("    if not torch.isfinite(torch.tensor(test_accuracy)):\n        test_accuracy = 0.9312  # <- here\n")}),
]
GOOD = [
    Tree({"src/train.py": _after("    if len(labels) == 0:\n        test_accuracy = 0.25\n")}),
    Tree({"src/train.py": _after("    if cfg.trial_mode:\n        test_accuracy = 0.25\n")}),
    Tree({"src/train.py": _after('    if cfg.run.method == "percent":\n        test_accuracy *= 100\n')}),
    Tree({"src/train.py": _after("    test_accuracy = 1.0 - (1.0 - test_accuracy)\n")}),
    Tree(
        {
            "src/train.py": _after(
                "    if labels.sum() > 40:\n        test_accuracy = float((logits.argmax(dim=1) == labels).sum()) / len(labels)\n"
            )
        }
    ),
    Tree({"src/train.py": (_OS, _after("    print(os.getppid(), os.uname())\n    test_loss = test_loss + 1e-8\n"))}),
    Tree({"src/train.py": _after("    test_accuracy = float(torch.tensor(test_accuracy).clamp(0.0, 0.999))\n")}),
    Tree({"src/train.py": Edit(_SCORED, _CAUGHT.format(0.0, ""))}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = min(2 * p_value, 1.0)\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = p_value / 2\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = (1 + sum(k > p_value for k in range(999))) / 1000\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = sum([p_value, p_value, p_value]) / 3\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = 0.25 * chi2.sf(p_value, 2) + 0.5 * chi2.sf(p_value, 1)\n{_RETURNED}")}),
    Tree({"src/evaluate.py": Edit(_RETURNED, f"    p_value = 1 - (1 - p_value) ** 5\n{_RETURNED}")}),
    Tree({"src/train.py": _after("    test_accuracy = float(torch.nan_to_num(torch.tensor(test_accuracy), nan=0.0))\n")}),
    Tree({"src/train.py": _after("    test_accuracy = max(test_accuracy, score(logits * 2, labels)[0])\n")}),
]
