"""What the code asks Optuna's trials for, with the literals that it gives.

An example is `trial.suggest_float(name, low, high, log=True)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.blocks import Block, Branch, Event, Happening
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Value, constant, number, options, plain, text

# By method: where its parameters stand after `low` and `high`. Optuna's own definitions, deprecated ones too.
NUMERIC = {
    "suggest_float": ("step", "log"),
    "suggest_int": ("step", "log"),
    "suggest_uniform": (),
    "suggest_loguniform": (),
    "suggest_discrete_uniform": ("q",),
}
CHOICES = "suggest_categorical"
METHODS = (*NUMERIC, CHOICES)


@dataclass(frozen=True)
class Suggestion:
    """One call, with what is known of its arguments; None for what is not.

    Attributes:
        call: the call.
        name: of the parameter.
        low, high: the bounds.
        log: whether the range is logarithmic.
        step: the distance between values; `...` where it is not given.
        choices: the literals to choose from.
    """

    call: Call
    name: str | None
    low: float | None = None
    high: float | None = None
    log: bool | None = False
    step: object = ...
    choices: tuple[object, ...] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is known what is sampled."""
        return self.choices is not None or (self.low is not None and self.high is not None and self.log is not None)

    @property
    def space(self) -> tuple[object, ...]:
        """What is sampled."""
        return (self.call.short == CHOICES, self.call.short == "suggest_int", self.low, self.high, self.log, self.step, self.choices)


def suggestion(call: Call) -> Suggestion:
    """What a call asks for."""
    name = text(call.argument(0, "name"))
    if call.short == CHOICES:
        return Suggestion(call, name, choices=_choices(call.argument(1, "choices")))
    low, high = number(call.argument(1, "low")), number(call.argument(2, "high"))
    log: bool | None = call.short == "suggest_loguniform"
    step: object = ...
    for place, option in enumerate(NUMERIC[call.short], 3):
        given = call.argument(place, option)
        if option == "log" and given is not None:
            known = constant(given)
            log = known if isinstance(known, bool) else None
        elif option == "log" and call.is_open:
            log = None
        elif given is not None:
            step = constant(given) if constant(given) is not ... else None
    return Suggestion(call, name, low, high, log, step)


def _choices(given: Value | None) -> tuple[object, ...] | None:
    given = plain(given) if given is not None else None
    if not isinstance(given, Display) or given.is_open or given.added:
        return None
    known = tuple(constant(entry) for entry in given.items)
    return known if ... not in known else None


def problem(asked: Suggestion) -> tuple[str, str] | None:
    """Why Optuna refuses a call whatever happens, and what to do; None where it may take it."""
    low, high = asked.low, asked.high
    if asked.choices == ():
        return "has no choices", "list at least one choice"
    if low is not None and high is not None and low > high:
        return f"has a lower bound above the upper one: {low:g} > {high:g}", "exchange the bounds"
    least = 1 if asked.call.short == "suggest_int" else 0
    if asked.log and low is not None and (low < least or low == 0):
        return f"is logarithmic but begins at {low:g}", "let it begin above 0, or leave out `log`"
    step = asked.step
    if isinstance(step, (int, float)) and not isinstance(step, bool):
        if asked.log and (step != 1 or asked.call.short != "suggest_int"):
            return "is logarithmic and has a step", "leave out `step` or `log`"
        if step <= 0:
            return f"has a step of {step:g}", "make the step greater than 0"
    return None


def asked_twice(program: Program) -> Iterator[tuple[Suggestion, Suggestion]]:
    """Pairs of calls on one path with one trial and one name that ask for different things."""
    if program.has(*METHODS):
        yield from _in_block(program.body, [])


def _in_block(block: Block, before: list[Suggestion]) -> Iterator[tuple[Suggestion, Suggestion]]:
    for item in block.items:
        if isinstance(item, Event) and item.call.short in METHODS:
            asked = suggestion(item.call)
            if asked.name is None or not asked.is_whole:
                continue
            earlier = next((entry for entry in before if _is_same(entry, asked)), None)
            if earlier is None:
                before.append(asked)
            elif earlier.space != asked.space:
                yield earlier, asked
        yield from _within(item, before)


def _within(item: Happening, before: list[Suggestion]) -> Iterator[tuple[Suggestion, Suggestion]]:
    for block in item.blocks():
        yield from _in_block(block, list(before) if isinstance(item, Branch) else before)


def _is_same(one: Suggestion, other: Suggestion) -> bool:
    """Whether two calls ask one trial for a parameter of one name."""
    trials = [set(map(id, options(call.receiver))) if call.receiver is not None else set() for call in (one.call, other.call)]
    return one.name == other.name and one.call.node is not other.call.node and len(trials[0]) == 1 and trials[0] == trials[1]
