"""Optimizers of torch: what they hold, whether it has gradients, and what their steps change.

Also when gradients are cleared.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import sys
import weakref
from typing import Any

from .. import channel, clock, events, hooks, places, settings
from ..events import MOST_STEPS
from ..watchers import parts, parts_left_out, rows

MOST_NUMBERS = 50_000_000  # parameters of one optimizer that are compared before and after a step
MOST_NAMES = 8
MOST_MARKED = 64  # calls of networks that are compared with what an optimizer began with
SAMPLED = 3  # tensors by whose gradients it is told whether they were cleared


@dataclasses.dataclass
class _Record(events.Optimizer):
    """An optimizer, and what is remembered to judge its steps.

    Attributes:
        names: of what its steps changed; so many of them were `told`.
        new: whether something changed since the last report; `looks`: how often it was looked at before it stepped.
        begun: by id, what tells apart each changed tensor as it was before; `hold`: these tensors, as long as they live.
        graded_ids: of its tensors that ever had a gradient; `sum_made`: a sum over its numbers as they were when it was made.
        at_step: sums over gradients at the last step; since then: `dirty` if some were there again unchanged, `cleared` if they were
            cleared, `fresh` if a backward pass began.
        zeros: ids of matrices that were zero, with gradients of zero, at every step so far.
    """

    names: dict[str, None] = dataclasses.field(default_factory=dict)
    told: int = 0
    new: bool = True
    looks: int = 0
    begun: dict[int, Any] = dataclasses.field(default_factory=dict)
    hold: dict[int, Any] = dataclasses.field(default_factory=dict)
    graded_ids: set[int] = dataclasses.field(default_factory=set)
    sum_made: float | str | None = None
    at_step: list[float] = dataclasses.field(default_factory=list)
    dirty: bool = False
    cleared: bool = False
    fresh: bool = False
    zeros: set[int] | None = None


_torch: Any = None
_counts: dict[str, int] = {}
_networks: weakref.WeakSet[Any] = weakref.WeakSet()
_names: dict[int, str] = {}
_order: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # of networks, as they ran first
_ever_held: set[int] = set()  # parameters of all optimizers, also of those that are gone
_first: dict[int, float | str] = {}  # sums over parameters that had no gradient, or no optimizer, when they were looked at first
_unheld: dict[int, Any] = {}  # parameters with gradients that no optimizer held so far: where the one was made that stepped
_optimizers: weakref.WeakKeyDictionary[Any, _Record] = weakref.WeakKeyDictionary()
_records: list[_Record] = []


def watch(torch: Any, counts: dict[str, int]) -> None:
    """Watch every optimizer.

    Args:
        torch: the module.
        counts: `steps` in it is counted.
    """
    global _torch, _counts
    _torch, _counts = torch, counts
    optimizers = importlib.import_module("torch.optim.optimizer")  # torch.optim hides its own submodule
    _watch_making(torch.optim.Optimizer)
    _watch_steps(optimizers)
    _watch_clearing(torch)
    hooks.when_imported("torch.optim.lr_scheduler", _watch_schedulers)
    hooks.when_imported("torch.amp.grad_scaler", _watch_scaler)
    channel.on_flush(_report)


def has(module: Any) -> bool:
    """Whether a module is a part of a network that ran before."""
    return any(part is module for network in list(_networks) for part in network.modules())


def learn(network: Any) -> None:
    """A network ran for the first time: its parameters have names from now on."""
    _networks.add(network)
    _order.setdefault(network, len(_order))
    for prefix, part in network.named_modules():
        for name, parameter in part.named_parameters(recurse=False):
            kind = f"{type(part).__name__}.{name}"
            _names.setdefault(id(parameter), f"{prefix}.{name}|{kind}" if prefix else f"{name}|{kind}")


def _watch_making(base: Any) -> None:
    original = base.__init__

    @functools.wraps(original)
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        if self in _optimizers:
            return
        held = _held(self)
        record = _Record(places.caller(sys._getframe(1)), type(self).__name__, len(held), sum(bool(p.requires_grad) for p in held))
        record.number, record.made_with = len(_records), _rates(self)
        record.sum_made = _sum(held) if sum(parameter.numel() for parameter in held) <= MOST_NUMBERS else None
        _optimizers[self] = record
        _records.append(record)
        rows.began_anew()

    base.__init__ = __init__


def _held(optimizer: Any) -> list[Any]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _rates(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups if isinstance(group.get("lr"), (int, float))][:4]


def _watch_steps(optimizers: Any) -> None:
    before: weakref.WeakKeyDictionary[Any, list[tuple[Any, Any]]] = weakref.WeakKeyDictionary()

    def before_step(optimizer: Any, *_: Any) -> None:
        _counts["steps"] += 1
        record = _optimizers.get(optimizer)
        if record is None:
            return
        record.steps += 1
        record.new = True
        held = _held(optimizer)
        if record.steps == 1:
            _ever_held.update(map(id, held))
            parts_left_out.look_for_ties(set(map(id, held)))
        record.below = min([record.below, *_rates(optimizer)])
        with clock.aside():
            _look_at_clearing(record, held)
            if record.steps <= MOST_STEPS:
                _look_at_gradients(optimizer, record, held)
                if sum(parameter.numel() for parameter in held) <= MOST_NUMBERS:
                    record.groups = parts.by_part(_names, held) if settings.mode == settings.PROGRAM else []
                    before[optimizer] = [(parameter, parameter.detach().clone()) for parameter in held]
                    if record.start is None:
                        record.start = _sum(held)

    def after_step(optimizer: Any, *_: Any) -> None:
        record, kept = _optimizers.get(optimizer), before.pop(optimizer, None)
        if record is not None and kept is not None:
            with clock.aside():
                changed = [parameter for parameter, old in kept if not _torch.equal(parameter.detach(), old)]
                record.still += not changed
                record.updates.append(_sum(parameter.detach() - old for parameter, old in kept))
                _remember_beginning(record, kept, changed)
                for parameter in changed:
                    record.names.setdefault(_names.get(id(parameter), "?"), None)
                if record.steps in (2, MOST_STEPS):  # what a function made is gone when it has returned
                    look_at_parts()
        channel.tick()

    optimizers.register_optimizer_step_pre_hook(before_step)
    optimizers.register_optimizer_step_post_hook(after_step)


# -- whether what predicts is what was trained ---------------------------------------------------------------------------------------------


def _remember_beginning(record: _Record, kept: list[tuple[Any, Any]], changed: list[Any]) -> None:
    """Remember the initial values of the tensors that steps change.

    Tensors that start with one number throughout carry no information.
    """
    ids = {id(parameter) for parameter in changed}
    for parameter, old in kept:
        if id(parameter) in ids and id(parameter) not in record.begun:
            record.begun[id(parameter)] = _trait(old)
            record.hold[id(parameter)] = weakref.ref(parameter)


def _trait(tensor: Any) -> tuple[Any, ...] | None:
    """What tells a tensor from another one; None where it is one number throughout."""
    if tensor.numel() < 2 or bool((tensor == tensor.flatten()[0]).all()):
        return None
    return (tuple(tensor.shape), _sum([tensor]))


def predicts(network: Any) -> None:
    """Check a network that is called without being trained by this call.

    It is checked whether it is what an optimizer has changed, or what that started from.
    """
    for record in _records:
        _look_for_apart(record, network)
    if any(record.steps for record in _records):
        parts_left_out.predicts(network, _order)
    for record in _optimizers.values():
        _look_for_flat(record, network)
        if not record.begun or record.heirs or record.twins >= MOST_MARKED:
            continue
        wanted = {trait for trait in record.begun.values() if trait is not None}
        parameters = list(network.parameters())
        if not wanted or sum(parameter.numel() for parameter in parameters) > MOST_NUMBERS:
            record.heirs += 1  # nothing can be said
        elif wanted <= {_trait(parameter.detach()) for parameter in parameters}:
            record.twins += 1
            record.twin_place = record.twin_place or places.caller()
        else:
            record.heirs += 1
        record.new = True


def _look_for_apart(record: _Record, network: Any) -> None:
    """Check whether a network has parameters but none of the tensors that steps have changed.

    The optimizer of those tensors may be gone by now.
    """
    if not record.hold or record.apart:
        return
    parameter = None
    for parameter in network.parameters():
        held = record.hold.get(id(parameter))
        if held is not None and held() is parameter:
            return
    if parameter is not None:
        record.apart = record.new = True


def _look_for_flat(record: _Record, network: Any) -> None:
    """Check whether all trained tensors of a network have become one number throughout.

    They are those that steps have changed, and they were not so at first.
    """
    if record.uneven or record.flat >= MOST_MARKED:
        return
    own = [parameter for parameter in network.parameters() if record.begun.get(id(parameter)) is not None]
    if not own:
        return
    record.new = True
    if all(bool((parameter == parameter.flatten()[0]).all()) for parameter in own):
        record.flat += 1
        record.flat_place = record.flat_place or places.caller()
    else:
        record.uneven += 1


def _sum(tensors: Any) -> float | str:
    """One number for many tensors, by which two runs are compared."""
    total = 0.0
    for index, tensor in enumerate(tensors):
        numbers = tensor.detach().flatten().double()
        if len(numbers):
            total += float((numbers * (1 + index % 7)).sum() + numbers[: len(numbers) // 2].sum())
    return float(f"{total:.9g}") if math.isfinite(total) else str(total)


def _look_at_gradients(optimizer: Any, record: _Record, held: list[Any]) -> None:
    there = [parameter for parameter in held if parameter.grad is not None]
    record.without += not there
    record.zero += bool(there) and not any(bool(parameter.grad.any()) for parameter in there)
    record.rates = _rates(optimizer)
    _look_for_stuck(record, there)
    record.graded_ids.update(map(id, there))
    for parameter in held:
        if parameter.grad is None and id(parameter) not in _first:
            _first[id(parameter)] = _sum([parameter])
    alive = {id(parameter) for network in list(_networks) for parameter in network.parameters()}
    lost = [each for each in held if id(each) not in alive and id(each) not in record.graded_ids]
    if len(lost) < len(held):  # else its networks are none of those that were seen
        record.stale = [f"{_names.get(id(each), '').partition('|')[0]} {tuple(each.shape)}".strip() for each in lost[:MOST_NAMES]]
    own = {id(parameter) for other in list(_optimizers) for parameter in _held(other)}
    for network in list(_networks):
        for name, parameter in network.named_parameters():
            if id(parameter) not in own and parameter.grad is not None and id(parameter) not in _unheld and bool(parameter.grad.any()):
                _unheld[id(parameter)] = record.place
                _first.setdefault(id(parameter), _sum([parameter]))
            is_new = id(parameter) not in own and name not in record.unheld
            if is_new and parameter.grad is not None and len(record.unheld) < MOST_NAMES and bool(parameter.grad.any()):
                record.unheld.append(name[:120])


def _look_for_stuck(record: _Record, there: list[Any]) -> None:
    """Look for two factors of a product that are both zero.

    The gradient of each is the other one times something, so that neither ever moves.
    """
    zeros = {
        id(each): each
        for each in there
        if each.ndim >= 2 and (record.zeros is None or id(each) in record.zeros) and not bool(each.any()) and not bool(each.grad.any())
    }
    record.zeros = set(zeros)
    held = list(zeros.values())
    pairs = [(held[place - 1], other) for place, other in enumerate(held) if place and _are_factors(held[place - 1], other)]
    if record.steps > 1:
        named = [[_names.get(id(each), "?").partition("|")[0][:80] for each in pair] for pair in pairs[:MOST_NAMES]]
        record.stuck = [" and ".join(pair) for pair in named]


def _are_factors(one: Any, other: Any) -> bool:
    """Whether one matrix may stand next to another in a product of low rank, as those of adapters do."""
    if one.ndim != 2 or other.ndim != 2:
        return False
    inner = [size for size, match in ((one.shape[0], other.shape[1]), (one.shape[1], other.shape[0])) if size == match]
    return bool(inner) and min(inner) < min(max(one.shape), max(other.shape))


def is_gradient(tensor: Any) -> bool:
    """Whether a tensor is the gradient of something that an optimizer holds."""
    return any(parameter.grad is tensor for optimizer in list(_optimizers) for parameter in _held(optimizer))


def look_at_parts() -> None:
    """Say which parts of the networks learned nothing so far."""
    stepped = [(optimizer, record) for optimizer, record in list(_optimizers.items()) if record.steps > 1]
    if not stepped:
        return
    held = {id(parameter): parameter for optimizer, _ in stepped for parameter in _held(optimizer)}
    graded = {each for record in _records for each in record.graded_ids}
    networks = dict(_order.items())
    now = {id(each): each for network in networks for each in network.parameters()}
    changed = {key for key, each in now.items() if key in _first and _sum([each]) != _first[key]}
    unheld = {key: place for key, place in _unheld.items() if key not in _ever_held}
    parts_left_out.look_at_parts(networks, held, graded, changed, unheld, stepped[0][1].place)


# -- clearing ------------------------------------------------------------------------------------------------------------------------------


def backward_begins() -> None:
    """A backward pass begins: gradients that are there are those of an earlier one."""
    for optimizer, record in list(_optimizers.items()):
        record.fresh = True
        if record.steps > MOST_STEPS:
            continue
        now = _sampled(_held(optimizer))
        if not record.steps:
            _look_at_idle(optimizer, record, now)
            continue
        if not any(now):
            record.cleared = True
        elif now == record.at_step:
            record.dirty = True


def _look_at_idle(optimizer: Any, record: _Record, gradients: list[float]) -> None:
    """Check an optimizer that has not stepped so far.

    It is checked whether its parameters have gradients, and whether they changed all the same.
    """
    if not any(gradients) or record.looks >= MOST_STEPS:
        return
    record.looks += 1
    record.graded = record.new = True
    record.moved = record.moved or (record.sum_made is not None and _sum(_held(optimizer)) != record.sum_made)


def _sampled(held: list[Any]) -> list[float]:
    """Sums over the first gradients that are there."""
    there = [parameter.grad for parameter in held if parameter.grad is not None][:SAMPLED]
    return [float(gradient.detach().abs().sum()) for gradient in there]


def _look_at_clearing(record: _Record, held: list[Any]) -> None:
    """At a step: whether its gradients are on top of those of the step before."""
    if record.steps > MOST_STEPS:
        return
    record.uncleared += record.dirty and not record.cleared
    record.at_step, record.dirty, record.cleared, record.fresh = _sampled(held), False, False, False


def _watch_clearing(torch: Any) -> None:
    for owner in (torch.optim.Optimizer, torch.nn.Module):
        _watch_clearing_method(owner)


def _watch_clearing_method(owner: Any) -> None:
    original = owner.zero_grad

    @functools.wraps(original)
    def zero_grad(self: Any, *arguments: Any, **named: Any) -> Any:
        own = set() if self in _optimizers or not _is_early() else _owned(self)
        for optimizer, record in list(_optimizers.items()):
            if optimizer is self or (own and any(id(parameter) in own for parameter in _held(optimizer))):
                _look_at_cleared(optimizer, record)
        return original(self, *arguments, **named)

    owner.zero_grad = zero_grad


def _owned(holder: Any) -> set[int]:
    """Return the parameters of a network or of an optimizer.

    The latter may be an object in front of an optimizer that is one itself, as in Lightning.
    """
    try:
        return set(map(id, _held(holder) if isinstance(holder, _torch.optim.Optimizer) else holder.parameters()))
    except Exception:  # a class of the experiment's own that is not yet made, or half of one: its gradients are cleared all the same
        return set()


def _is_early() -> bool:
    """Whether any optimizer is still looked at."""
    return any(record.steps <= MOST_STEPS for record in _optimizers.values())


def _look_at_cleared(optimizer: Any, record: _Record) -> None:
    """Gradients are about to be cleared; those of a backward pass that no step followed are thrown away."""
    record.cleared = True
    if record.fresh and record.thrown < MOST_STEPS:
        gradients = _sampled(_held(optimizer))
        if any(gradients):
            record.thrown += 1
            record.new = True
            if not record.steps:
                _look_at_idle(optimizer, record, gradients)
    record.fresh = False


# -- schedulers, scalers -------------------------------------------------------------------------------------------------------------------


def _watch_schedulers(module: Any) -> None:
    base = getattr(module, "LRScheduler", None) or module._LRScheduler
    for owner in (base, module.ReduceLROnPlateau):
        _mark(owner, "__init__", "scheduled")


def _watch_scaler(module: Any) -> None:
    _mark(module.GradScaler, "step", "scaled")


def _mark(owner: Any, name: str, mark: str) -> None:
    """Note of the optimizer that is the first argument of a method that the method was called."""
    original = owner.__dict__.get(name)
    if original is None:
        return

    @functools.wraps(original)
    def marked(self: Any, optimizer: Any, *more: Any, **named: Any) -> Any:
        record = _optimizers.get(optimizer) if optimizer.__hash__ is not None else None
        if record is not None:
            setattr(record, mark, True)
            record.new = True
        return original(self, optimizer, *more, **named)

    setattr(owner, name, marked)


def _report() -> None:
    for record in _records:
        if record.new:
            record.new = False
            names = list(record.names)
            told = {field.name: getattr(record, field.name) for field in dataclasses.fields(events.Optimizer)}
            channel.emit(events.Optimizer(**{**told, "groups": []}))
            new = [(name, kind) for name, _, kind in (text.partition("|") for text in names[record.told :])]
            channel.emit_items(events.Changed(record.number, new), "names")
            if record.groups:
                channel.emit(events.Gradients(record.number, record.groups))
            record.told = len(names)
