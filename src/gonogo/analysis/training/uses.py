"""What a value was computed from, and what is done with the predictions of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gonogo.analysis.dataflow.blocks import Branch, Called, Change, Event, Gives, Happening, Loop, Write
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, Ref, Returned, Value
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import applications
from gonogo.analysis.training.ops import Op, op_of

MAX_VALUES = 4_000
# What turns predictions into a score or a decision.
SCORES = words(
    """
    argmax topk cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss accuracy accuracy_score
    f1_score roc_auc_score mean_squared_error precision_score recall_score r2_score mean_absolute_error log_loss confusion_matrix
    classification_report average_precision_score eq update
    """
)


def ancestry(value: Value, goes_on: Callable[[Value], bool] = lambda value: True) -> Iterator[Value]:
    """A value and all it was made of, nearest first; what `goes_on` refuses is not looked into.

    Objects and functions are no data: they are given, and not looked into.
    """
    pending, seen, count = [value], set(), 0
    while pending and count < MAX_VALUES:
        entry = pending.pop(0)
        if entry in seen:
            continue
        seen.add(entry)
        count += 1
        yield entry
        if not isinstance(entry, (Function, Class, Instance, Ref)) and goes_on(entry):
            pending += entry.inputs()


def applications_in(value: Value) -> set[Call]:
    """The calls that applied networks, in what a value was made of."""
    found = set()
    for entry in ancestry(value):
        if isinstance(entry, Returned):
            found.add(entry.call)
        elif isinstance(entry, Call) and kind_of(base(entry.callee)) is Kind.MODEL:
            found.add(entry)
    return found


def scored(program: Program) -> set[Call]:
    """Return the calls of networks whose predictions are compared with something.

    The comparison is a loss, an argmax, a metric or `==`.
    """
    found: set[Call] = set()
    for event in program.calls(*SCORES):
        for given in event.call.inputs():
            found |= applications_in(given)
    for op in program.gather(ops):
        if op.name in SCORES or (op.maker is not None and kind_of(op.maker) is Kind.LOSS):
            for given in op.operands:
                found |= applications_in(given)
        for given in op.call.inputs():
            if isinstance(given, Operation) and given.operator in ("==", "!=", ">", ">=", "<"):
                found |= applications_in(given)
    for done in program.known(applications):
        if call_of(done.at) in found:  # a network is scored with its parts
            found.update(around.call for around in done.at.around() if isinstance(around, Called))
    return found


def call_of(entry: Happening) -> Call | None:
    """The call of an event or of a function that is walked into."""
    return entry.call if isinstance(entry, (Event, Called)) else None


def ops(contents: Contents) -> list[Op]:
    """What every call does of which that is known."""
    return [op for events in contents.events.values() for event in events if (op := op_of(event.call)) is not None]


def operations(program: Program) -> list[Operation]:
    """Return every operator that something depends on.

    It is found in the arguments of calls, in conditions, and in what is written, returned or added up.
    """
    found: dict[Operation, None] = {}
    seen: set[Value] = set()
    for start in _starts(program):
        pending = [start]
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            if isinstance(value, Operation):
                found[value] = None
            if not isinstance(value, (Function, Class, Instance, Ref)):
                pending += value.inputs()
    return list(found)


def _starts(program: Program) -> Iterator[Value]:
    for event in program.calls():
        yield event.call
    for called in program.all(Called):
        yield from called.call.given()
    for write in program.all(Write):
        yield write.value
    for change in program.all(Change):
        yield change.result
    for branch in program.all(Branch):
        if branch.test is not None:
            yield branch.test
    for loop in program.all(Loop):
        yield from (value for value in (loop.test, loop.iterated) if value is not None)
    for gives in program.all(Gives):
        if gives.value is not None:
            yield gives.value
