"""Whether unknown code may do something with an object.

It may be code that gets the object, a caller, or a container.
"""

from __future__ import annotations

from gonogo.analysis.dataflow.blocks import Called, Event, Gives, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Display, Mapping, Value, plain
from gonogo.analysis.training.escapes import escapes
from gonogo.analysis.training.kinds import kind_of
from gonogo.analysis.training.objects import each


def is_unclear(walked: Program, made: Value) -> bool:
    """Whether somebody else may step an optimizer or scheduler."""
    wanted = each(made)
    if any(escapes(event, wanted) for event in walked.calls()):
        return True
    if any(not _is_known(event) for event in walked.calls("step", "optimizer_step")):
        return True
    if any(not isinstance(entry.key, str) and each(entry.value) & wanted for entry in walked.all(Write)):
        return True
    return any(_gives(entry, wanted) for entry in walked.all(Gives))


def _is_known(event: Event) -> bool:
    receiver = event.call.receiver
    return receiver is None or kind_of(receiver) is not None


def _gives(entry: Gives, wanted: set[Value]) -> bool:
    """Whether a function that nobody known calls returns the object."""
    is_outermost = not any(isinstance(around, Called) for around in list(entry.around())[1:])
    if entry.value is None or not is_outermost:
        return False
    pending = [plain(entry.value)]
    while pending:
        value = pending.pop()
        if each(value) & wanted:
            return True
        if isinstance(value, (Display, Mapping)):  # `return [optimizer], [{"scheduler": scheduler}]`
            pending += map(plain, value.inputs())
    return False
