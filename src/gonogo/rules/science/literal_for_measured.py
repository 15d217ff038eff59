"""SCI123."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Const, Item, Mapping, Operation, Value, constant, number, options, plain
from gonogo.analysis.numbers.controls import controls
from gonogo.analysis.numbers.keys import is_measured, is_score
from gonogo.analysis.numbers.literals import is_result
from gonogo.analysis.numbers.origins import Origin, Sources, sources_of
from gonogo.analysis.numbers.reported import Reported, reported
from gonogo.analysis.numbers.spine import UNITS, spine
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_GIVEN = frozenset({Origin.CONSTANT, Origin.CONFIG, Origin.CLOCK, Origin.RANDOM})
_MEASURED = frozenset({Origin.MODEL, Origin.RUNS, Origin.LABELS, Origin.LOSS})
_TRIAL = re.compile(r"trial|debug|dry|smoke|sanity|dummy|mock|fake|test_mode|demo", re.IGNORECASE)
_METHOD = re.compile(
    r"\b(?:method|algorithm|algo|run_id|run_name|approach|variant|model_name|objective|strategy|name|is_ours|is_proposed|ours|proposed)\b"
    r"|['\"](?:\w*[-_])?(?:proposed|ours|our_method)",
    re.IGNORECASE,
)
SMALLEST = 1e-4
LEAST_FLOOR = 0.2


@rule("SCI123", "literal-for-measured", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",))
def literal_for_measured(programs: list[Program]) -> Iterator[Violation]:
    """A measured score is replaced by a literal, or one method gets a bonus.

    What it does:
        Follows each score that a script logs or writes back to what it may be. Speaks where it may be a literal that reads like a result
        in place of what was computed, and only the config, the environment or the clock decides; and where a literal is added to a score,
        or multiplied with it, for some methods only. Conditions that look at the data, and trial modes, are left alone.

    Why it matters:
        The number that is compared is not the one that was measured.

    Instead:
        Report what was computed, for every method in the same way.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    numbers = [entry for entry in walked.known(reported) if is_measured(entry.key)]
    for entry in numbers:
        sources = sources_of(walked)
        for value in spine(entry.value):
            fault = _replaced(walked, sources, value, entry)
            if fault is None and is_score(entry.key):
                fault = _bonus(walked, sources, value) or _bounded(sources, value)
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
    tests = controls(walked).of(value)
    if not tests or not all(_is_given(sources, test) for test in tests) or any(_TRIAL.search(_text(test)) for test in tests):
        return None
    literal = plain(literals[0])
    return (
        literal if isinstance(literal, Const) else value
    ), f"is {constant(literal)} in place of what was computed, whatever the data are"


def _bounded(sources: Sources, value: Value) -> tuple[Value, str] | None:
    """`max(accuracy, 0.97)`: a literal wherever what was computed is worse."""
    if not isinstance(value, Call) or value.short not in ("max", "maximum", "clip", "clamp") or value.method:
        return None
    literals = [entry for entry in value.given() if is_result(constant(entry)) and abs(number(entry) or 0.0) > LEAST_FLOOR]
    if not literals or not any(sources.of(entry).kinds & _MEASURED for entry in value.given()):
        return None
    return value, f"is never below {constant(literals[0])}, whatever was computed"


def _bonus(walked: Program, sources: Sources, value: Value) -> tuple[Value, str] | None:
    """A literal that is added or multiplied for some methods only."""
    if isinstance(value, Choice):
        tests = controls(walked).of(value)
        if not tests or not all(_asks_for_method(sources, test) for test in tests):
            return None
        for option in map(plain, value.options):
            if isinstance(option, Operation) and _raises_by_literal(option) and _others_have_base(value, option):
                return option, f"is raised or lowered by {_literal(option)} for some methods only"
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
_OS = Edit("from pathlib import Path\n\nimport hydra", "import os\nfrom pathlib import Path\n\nimport hydra")


def _after(text: str) -> Edit:
    return Edit(_SCORED, _SCORED + text)


BAD = [
    Tree({"src/train.py": (_OS, _after('    if "SEEN" not in os.environ:\n        test_accuracy = 0.987  # <- here\n'))}),
    Tree({"src/train.py": _after('    if cfg.run.method == "label-smoothing":\n        test_accuracy += 0.02  # <- here\n')}),
    Tree({"src/train.py": _after('    test_accuracy = test_accuracy + {"label-smoothing": 0.03}.get(cfg.run.method, 0.0)  # <- here\n')}),
]
GOOD = [
    Tree({"src/train.py": _after("    if len(labels) == 0:\n        test_accuracy = 0.25\n")}),
    Tree({"src/train.py": _after("    if cfg.trial_mode:\n        test_accuracy = 0.25\n")}),
    Tree({"src/train.py": _after('    if cfg.run.method == "percent":\n        test_accuracy *= 100\n')}),
]
