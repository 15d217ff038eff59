"""What is handed to code that nobody can look into: it may do anything with it."""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.analysis.dataflow.blocks import Event, Happening
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.values import Call, Display, Mapping, Parameter, Ref, Unknown, Value, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import AROUND, PREPARES, base
from gonogo.analysis.training.kinds import kind_of
from gonogo.analysis.training.objects import each

# Library calls that leave an optimizer, a network and its gradients as they are, by the last part of their name.
HARMLESS = words(
    """
    print save state_dict load_state_dict clip_grad_norm_ clip_grad_value_ unscale_ scale update append info debug warning watch log
    summary named_parameters parameters add_graph dump items sum vars GradScaler step zero_grad register format str next iter zip
    enumerate list dict deepcopy copy add_param_group count_params tqdm add_histogram add_scalar parameters_to_vector no_sync
    accumulate register_hook
    """
)


def escapes(entry: Happening, wanted: Iterable[Value]) -> bool:
    """Whether an event hands one of some objects to code that is not known."""
    if not isinstance(entry, Event):
        return False
    call = entry.call
    callee = plain(call.callee)
    targets = set(wanted)
    if isinstance(callee, (Function, Class, Instance)):  # of the project, not walked into
        return _mentions(call.given(), targets) or _is_method_of_holder(callee)
    is_function = call.receiver is None and call.short in ("step", "update", "scale")  # unlike the methods of those names
    if (call.short in HARMLESS and not is_function) or call.short in AROUND or call.short in PREPARES or kind_of(call) is not None:
        return False
    if isinstance(callee, Ref) and callee.name.startswith(("torch.", "builtins.", "numpy.")):
        return False
    return _mentions(call.given(), targets)


def _is_method_of_holder(callee: Value) -> bool:
    return isinstance(callee, Instance) or (isinstance(callee, Function) and callee.receiver is not None)


def _mentions(values: Iterable[Value], targets: set[Value]) -> bool:
    pending, depth = list(values), 0
    while pending and depth < 60:
        depth += 1
        value = base(pending.pop())
        if each(value) & targets:
            return True
        if isinstance(value, (Display, Mapping)):
            pending += list(value.inputs())
    return False


def is_unknown_call(call: Call) -> bool:
    """Whether nobody knows what a call calls."""
    callee = plain(call.callee)
    return isinstance(callee, (Parameter, Unknown)) or not isinstance(callee, Ref)
