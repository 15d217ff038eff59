"""REP109."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Operation, Value, constant
from gonogo.analysis.rows.parts import parts_in
from gonogo.analysis.training.generators import seeds
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

CLOCK = frozenset({"time", "time_ns", "now", "utcnow", "today", "perf_counter", "monotonic", "getpid", "urandom"})
_OWNERS = ("time.", "datetime.", "os.", "pandas.", "secrets.")
STATES = ("random_state", "seed", "random_seed")


@rule("REP109", "clock-decides", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def clock_decides(programs: list[Program]) -> Iterator[Violation]:
    """A seed is taken from the clock or from `hash()`, or rows are chosen by today's date.

    What it does:
        Speaks where what seeds a generator, or a `random_state`, is made of the time, of the process's number, or of `hash()` of a
        text; and where rows are chosen by a comparison with the current time (a note).

    Why it matters:
        No run can be repeated, though a seed is there to see. `hash()` of a text differs in each process (Python,
        `PYTHONHASHSEED`). Rows that are chosen by today's date are others tomorrow.

    Instead:
        Take the seed from the settings and log it; use a fixed date, or a stable hash such as `zlib.crc32`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    given: list[tuple[Placed, Value]] = [(seed.at, seed.value) for seed in walked.gather(seeds) if seed.value is not None]
    for event in walked.calls():
        given += [(event, event.call.keywords[name]) for name in STATES if name in event.call.keywords]
        if event.call.name in ("numpy.random.default_rng", "numpy.random.RandomState"):
            given += [(event, value) for value in event.call.arguments[:1]]
    for at, value in given:
        source = _source(value)
        if source and not _is_default(walked, value):
            yield violation(at, f"the seed is taken from {source}: no run can be repeated", "take the seed from the settings")
    for event in walked.calls("fit", "train_test_split"):
        for value in event.call.arguments[:1]:
            for entry in parts_in(walked).held(value).seen:
                test = entry.key if isinstance(entry, Item) else None
                if isinstance(test, Operation) and test.operator in ("<", ">", "<=", ">=") and _source(test) == "the clock":
                    yield violation(
                        test,
                        "rows are chosen by the current time: each day gives others",
                        "compare with a fixed date",
                        severity=Severity.INFO,
                        sure=False,
                    )


def _source(value: Value) -> str:
    for entry in ancestry(value):
        if isinstance(entry, Call) and entry.short in CLOCK and entry.name.startswith(_OWNERS):
            return "the clock" if entry.short not in ("getpid", "urandom") else "the system"
        if isinstance(entry, Call) and entry.name == "hash":
            return "`hash()`, which is salted anew in each process"
    return ""


def _is_default(walked: Program, value: Value) -> bool:
    """Whether the clock is only used where no seed is given."""
    return constant(value) is None or any(type(entry).__name__ in ("Choice", "Turn", "Parameter") for entry in ancestry(value))


PROGRAM = """import time

import numpy as np

{seed}
print(np.random.rand(3))
"""
BAD = program(PROGRAM.format(seed="np.random.seed(int(time.time()))  # <- here"))
GOOD = program(PROGRAM.format(seed="np.random.seed(3)\nprint(time.time())"))
