"""The numbers that a program reports.

These are every key that it logs to W&B and every number that it writes as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gonogo.analysis.dataflow.blocks import Event, Happening, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Display,
    Formatted,
    Mapping,
    Ref,
    Repeated,
    Text,
    Value,
    constant,
    options,
    plain,
)
from gonogo.analysis.dataflow.wrapping import base

MAX_NUMBERS = 400  # of one program
MAX_DEPTH = 6
ANY = "*"


class How(StrEnum):
    """How a number is reported."""

    LOGGED = "logged"
    SUMMARY = "summary"
    WRITTEN = "written"


@dataclass(frozen=True, eq=False)
class Reported:
    """A number that a program reports.

    Attributes:
        key: its name, dots between the parts of a nested one, `*` for what is not known of it.
        value: what is reported.
        at: where.
        program: that reports it.
    """

    key: str
    how: How
    value: Value
    at: Happening
    program: Program


def reported(program: Program) -> list[Reported]:
    """Every number that a program reports, as far as it can be seen."""
    found: list[Reported] = []
    for number in _all(program):
        found.append(number)
        if len(found) >= MAX_NUMBERS:
            break
    return found


def _all(program: Program) -> Iterator[Reported]:
    for event in program.calls("log"):
        given = event.call.argument(0, "data", "row", "metrics")
        if given is not None and _is_tracker(event.call):
            yield from _entries(program, given, How.LOGGED, event)
    for event in program.calls("update"):
        receiver = event.call.receiver
        if receiver is not None and _is_summary(receiver):
            for given in event.call.arguments:
                yield from _entries(program, given, How.SUMMARY, event)
    for write in program.all(Write):
        if _is_summary(write.owner) and write.key is not None:
            yield Reported(_key(write.key), How.SUMMARY, write.value, write, program)
    for event in program.calls("dump", "dumps"):
        given = event.call.argument(0, "obj")
        if given is not None and event.call.name.startswith(("json.", "simplejson.", "ujson.", "yaml.", "orjson.")):
            yield from _entries(program, given, How.WRITTEN, event)


def _is_tracker(call: Call) -> bool:
    """Whether `x.log(…)` logs to W&B: `wandb.log`, or the method of a run."""
    if call.name:
        return call.name.startswith("wandb.")
    receiver = call.receiver
    return receiver is not None and any(is_run(option) for option in options(receiver))


def is_run(value: Value) -> bool:
    """Whether a value surely is a run of W&B that is being written."""
    value = base(value)
    if isinstance(value, Call):
        return value.name in ("wandb.init", "wandb.sdk.wandb_init.init")
    return isinstance(value, Ref) and value.name in ("wandb", "wandb.run")


def _is_summary(value: Value) -> bool:
    value = plain(value)
    if isinstance(value, Ref):
        return value.name in ("wandb.summary", "wandb.run.summary")
    return isinstance(value, Attribute) and value.name == "summary" and any(is_run(option) for option in options(value.owner))


def _entries(program: Program, given: Value, how: How, at: Event, prefix: str = "", depth: int = 0) -> Iterator[Reported]:
    """What is in a dict that is reported, entry by entry."""
    for option in options(given):
        if depth > MAX_DEPTH:
            return
        if isinstance(option, Mapping):
            held = {part[1]: value for part, value in program.fields(option).items() if isinstance(part, tuple) and len(part) == 2}
            written = {_key(key): value for key, value in option.entries}
            for name, value in written.items():
                if name not in held:
                    yield from _entries(program, value, how, at, _path(prefix, name), depth + 1)
            for name, value in held.items():
                yield from _entries(program, value, how, at, _path(prefix, str(name)), depth + 1)
        elif isinstance(option, Repeated) and option.kind == "dict":
            yield from _entries(
                program, option.element, how, at, _path(prefix, _key(option.key) if option.key is not None else ANY), depth + 1
            )
        elif isinstance(option, Repeated) and isinstance(plain(option.element), (Mapping, Repeated)):
            yield from _entries(program, option.element, how, at, prefix, depth + 1)
        elif isinstance(option, Display) and any(isinstance(plain(entry), Mapping) for entry in option.inputs()):
            for entry in option.inputs():
                yield from _entries(program, entry, how, at, prefix, depth + 1)
        elif prefix and not isinstance(option, Choice):
            # All options of a choice are one number; the first of them stands for all.
            yield Reported(prefix, how, given, at, program)
            return


def _path(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _key(key: str | Value) -> str:
    """The text of a key, with `*` for what is not known of it."""
    if isinstance(key, str):
        return key
    value = plain(key)
    if isinstance(value, Text):
        parts = [plain(part.value) if isinstance(part, Formatted) else part for part in value.parts]
        return "".join(str(constant(part)) if isinstance(constant(part), (str, int)) else ANY for part in parts)
    known = constant(value)
    return str(known) if isinstance(known, (str, int)) else ANY
