"""What an event does in training.

Gradients are cleared, computed or used; a mode is switched; a network is applied; a scheduler is stepped.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gonogo.analysis.dataflow.blocks import Called, Event, Happening, Write
from gonogo.analysis.dataflow.values import Attribute, Call, Element, Value, constant, is_none, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, kind_of, likely_kind


class Does(Enum):
    """What happens."""

    CLEARS = "clears gradients"
    COMPUTES = "computes gradients"
    STEPS = "steps an optimizer"
    SCHEDULES = "steps a scheduler"
    TRAIN = "switches to train mode"
    EVAL = "switches to eval mode"
    MODE = "switches to a mode that is not known"
    APPLIES = "applies a network"


@dataclass(frozen=True)
class Act:
    """Something that a training loop does.

    Attributes:
        does: what.
        on: the optimizer, network or scheduler; for gradients that are computed, the loss.
        sure: whether the object surely is what it is taken for.
    """

    does: Does
    on: Value
    sure: bool = True


OF_MODULES = frozenset({"torch.nn.Module.train", "torch.nn.Module.eval"})
ENGINES = frozenset({"backward", "manual_backward"})


def act_of(entry: Happening) -> Act | None:
    """What an event means, None where it is nothing to do with training."""
    if isinstance(entry, Write):
        return _of_write(entry)
    if isinstance(entry, Called):
        applied = entry.applied
        return Act(Does.APPLIES, applied) if applied is not None and kind_of(applied) is Kind.MODEL else None
    if not isinstance(entry, Event):
        return None
    call = entry.call
    reader = _READERS.get(call.short)
    found = reader(call) if reader is not None else None
    if found is not None:
        return found
    callee = base(call.callee)
    if not isinstance(callee, Attribute) and kind_of(callee) is Kind.MODEL:
        return Act(Does.APPLIES, callee)
    return None


def _of_write(entry: Write) -> Act | None:
    """`parameter.grad = None`, `self.training = mode`."""
    if entry.key == "training" and kind_of(entry.owner) is Kind.MODEL:
        return Act(_MODES.get(constant(entry.value), Does.MODE), base(entry.owner))
    if entry.key != "grad":
        return None
    return Act(Does.CLEARS, owner_of_parameter(entry.owner), sure=is_none(entry.value))


def owner_of_parameter(value: Value) -> Value:
    """Return the network that a parameter in a loop over `network.parameters()` belongs to.

    For any other value, it is the value itself.
    """
    for _ in range(8):
        value = plain(value)
        if isinstance(value, (Element, Attribute)):
            value = value.owner
        elif (
            isinstance(value, Call) and value.method in ("parameters", "named_parameters", "items", "values") and value.receiver is not None
        ):
            return base(value.receiver)
        else:
            break
    return base(value)


def _clears(call: Call) -> Act | None:
    on = call.receiver or call.callee  # a function, or a method of what `import *` gave
    return Act(Does.CLEARS, base(on), kind_of(on) in (Kind.OPTIMIZER, Kind.MODEL))


def _zeroes(call: Call) -> Act | None:
    """`parameter.grad.zero_()`, `parameter.grad.data.zero_()`."""
    receiver = plain(call.receiver) if call.receiver is not None else None
    if isinstance(receiver, Attribute) and receiver.name == "data":
        receiver = plain(receiver.owner)
    if isinstance(receiver, Attribute) and receiver.name == "grad":
        return Act(Does.CLEARS, owner_of_parameter(receiver.owner))
    return None


def _computes(call: Call) -> Act | None:
    """`loss.backward()`, `accelerator.backward(loss)`, `scaler.scale(loss).backward()`."""
    loss = loss_of_backward(call)
    return Act(Does.COMPUTES, loss) if loss is not None else None


def loss_of_backward(call: Call) -> Value | None:
    """What the gradients are computed of."""
    receiver = call.receiver
    if receiver is None:
        given = call.argument(1, "grad_tensors")  # else gradients that were computed elsewhere are put into leaves
        return call.argument(0, "tensors") if call.name == "torch.autograd.backward" and (given is None or is_none(given)) else None
    scaled = plain(receiver)
    if isinstance(scaled, Call) and scaled.method in ("scale", "scale_loss") and scaled.arguments:
        return scaled.arguments[0]
    if call.arguments and call.method in ENGINES and (_is_engine(receiver) or is_none(receiver)):
        return call.arguments[0]
    return receiver


def _is_engine(value: Value) -> bool:
    """Whether `x.backward(loss)` is that of a helper, not of a tensor that is given a gradient."""
    value = base(value)
    if isinstance(value, Call):
        return value.short in ("Accelerator", "Fabric", "initialize", "GradScaler")
    name = getattr(value, "name", "")
    return isinstance(name, str) and name.lower().rpartition(".")[2] in (
        "accelerator",
        "fabric",
        "engine",
        "model_engine",
        "self",
        "strategy",
    )


def _steps(call: Call) -> Act | None:
    """`optimizer.step()`, `scaler.step(optimizer)`, `scheduler.step()`."""
    receiver = call.receiver
    if receiver is None:
        return None
    kind = likely_kind(receiver)
    if kind is Kind.SCALER or (call.arguments and kind_of(call.arguments[0]) is Kind.OPTIMIZER):
        return Act(Does.STEPS, base(call.arguments[0]), kind_of(call.arguments[0]) is Kind.OPTIMIZER) if call.arguments else None
    if kind is Kind.OPTIMIZER:
        return Act(Does.STEPS, base(receiver), kind_of(receiver) is Kind.OPTIMIZER)
    if kind is Kind.SCHEDULER:
        return Act(Does.SCHEDULES, base(receiver), kind_of(receiver) is Kind.SCHEDULER)
    return None


def _mode(call: Call) -> Act | None:
    """`network.train(mode)`, `super().train(mode)`, `nn.Module.train(network, mode)`."""
    receiver, given = call.receiver, call.argument(0, "mode")
    if call.name in OF_MODULES and call.arguments:
        receiver, given = call.arguments[0], call.argument(1, "mode")
    if receiver is None:
        return None
    sure = kind_of(receiver) is Kind.MODEL
    if call.short.endswith("eval"):
        return Act(Does.EVAL, base(receiver), sure) if given is None else None
    return Act(Does.TRAIN if given is None else _MODES.get(constant(given), Does.MODE), base(receiver), sure)


_MODES: dict[object, Does] = {True: Does.TRAIN, False: Does.EVAL}


_READERS = {
    "zero_grad": _clears,
    "clear_grad": _clears,
    "zero_": _zeroes,
    "backward": _computes,
    "manual_backward": _computes,
    "step": _steps,
    "optimizer_step": _steps,
    "train": _mode,
    "eval": _mode,
    "super.train": _mode,  # from a method that stands before that of torch.nn.Module
    "super.eval": _mode,
}
