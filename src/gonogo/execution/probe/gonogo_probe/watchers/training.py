"""Networks and losses of torch; and the seeds that are set."""

from __future__ import annotations

import functools
import math
import sys
import threading
import weakref
from types import ModuleType
from typing import Any

from .. import alterations, channel, clock, events, handlers, hooks, loops, places
from ..alterations import batches, outputs, seeds
from ..watchers import contents, graphs, labels, lazy, optimizers, parts_left_out, ranks, rows, traced, units, views, words

MOST_LOSSES, MOST_CLASSES, MOST_ROWS = 100, 10_000, 4096
MOST_COMPARED = 64  # calls of networks whose answers are compared with each other
MOST_PARTS = 20_000  # calls of parts of networks that are looked at
MOST_PREDICTIONS, MOST_SUMMED = 200, 100_000  # calls of networks that predict, and numbers of one output

_inside = threading.local()
_counts = {"forwards": 0, "forwards_training": 0, "backwards": 0, "steps": 0, "answers": 0, "answers_alike": 0}
_told: dict[str, int] = {}
_networks: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_with_parameters: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
_losses: list[events.Loss] = []
_histograms: dict[str, list[int]] = {}
_rows: dict[str, int] = {}
_predictions: list[events.Prediction] = []
_told_losses = _told_predictions = 0
_parts = 0


def counted() -> tuple[int, int]:
    """How many forward and backward passes there were so far."""
    return _counts["forwards"], _counts["backwards"]


def start() -> None:
    """Watch torch, and the functions that set seeds."""
    hooks.when_imported("torch", _watch_torch)
    hooks.when_imported("random", lambda module: _watch_seed(module, "seed", "random.seed"))
    hooks.when_imported("numpy.random", lambda module: _watch_seed(module, "seed", "numpy.random.seed"))
    handlers.work = lambda: (_counts["forwards"], _counts["backwards"], _counts["steps"])
    channel.on_flush(_report)


def _watch_seed(module: Any, name: str, shown: str) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def seed(*arguments: Any, **named: Any) -> Any:
        caller = sys._getframe(1)
        if places.is_direct(caller):
            value = arguments[0] if arguments else next(iter(named.values()), None)
            if alterations.wants(alterations.SEED) and arguments:
                arguments = (seeds.of_call(value), *arguments[1:])
        return original(*arguments, **named)

    setattr(module, name, seed)


def _watch_torch(torch: ModuleType) -> None:
    _watch_seed(torch, "manual_seed", "torch.manual_seed")
    traced.watch(torch)
    _watch_calls(torch)
    _watch_backward(torch)
    _watch_loading(torch.nn.Module)
    parts_left_out.watch(torch)
    optimizers.watch(torch, _counts)
    units.watch(torch)


def _watch_calls(torch: Any) -> None:
    module = torch.nn.Module
    original = module.__call__

    def __call__(self: Any, *arguments: Any, **named: Any) -> Any:
        if traced.now():
            return _saw_traced(original, self, arguments, named)
        if getattr(_inside, "network", False):
            if _parts < MOST_PARTS:
                _saw_part(self, arguments, named)
            return original(self, *arguments, **named)
        if not _has_parameters(self):
            return original(self, *arguments, **named)
        _inside.network = True
        words.begins()
        try:
            out = original(self, *arguments, **named)
            if alterations.wants(alterations.OUTPUTS):
                outputs.ask_again(torch, self, original, arguments, named, out)
        finally:
            _inside.network = False
        with clock.aside():
            _saw_call(torch, self, out, (*arguments, *named.values()))
            if "labels" in named and self.training:
                labels.saw(torch, self, named)
            if self.training and torch.is_grad_enabled():
                views.given(torch, (*arguments, *named.values()))
                words.given(torch, named)
            ranks.called(self, bool(self.training) and torch.is_grad_enabled())
            if batches.source()[0] < 0:  # no loader gave it
                contents.saw(type(self).__name__, {**dict(enumerate(arguments)), **named})
        if alterations.wants(alterations.OUTPUTS):
            return outputs.replaced(torch, out, predicts=not (self.training and torch.is_grad_enabled()))
        return out

    module.__call__ = __call__


def _saw_traced(original: Any, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """A network is called with what has no numbers: that it ran is all that is noted."""
    if traced.is_recorded() or getattr(_inside, "network", False) or not _has_parameters(module):
        return original(module, *arguments, **named)
    _inside.network = True
    try:
        out = original(module, *arguments, **named)
    finally:
        _inside.network = False
    with clock.aside():
        _saw_network(module)
        channel.tick()
    return out


def _saw_part(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """A part of a network is called."""
    global _parts
    _parts += 1
    parts_left_out.ran(module)
    words.part_called(module, arguments, named)


def _has_parameters(module: Any) -> bool:
    """Losses and transforms are modules too; a network is one that has parameters."""
    known = _with_parameters.get(module)
    if known is None:
        known = _with_parameters[module] = next(module.parameters(), None) is not None
    return known


def _saw_call(torch: Any, module: Any, out: Any, given: tuple[Any, ...]) -> None:
    _saw_network(module)
    answers = out if isinstance(out, torch.Tensor) else getattr(out, "logits", None)
    if not traced.is_readable(answers):
        answers = None
    if answers is not None and answers.ndim == 2 and 2 <= answers.shape[1] <= MOST_CLASSES and answers.is_floating_point():
        _saw_answers(torch, answers.detach(), bool(module.training))
    learns = bool(module.training) and torch.is_grad_enabled()
    rows.ran(module, learns)
    if not learns:
        _saw_prediction(torch, answers)
        _look_for_alike(torch, answers, given)
        optimizers.predicts(module)
    channel.tick()


def _saw_network(module: Any) -> None:
    loops.network_ran()
    _counts["forwards"] += 1
    _counts["forwards_training"] += bool(module.training)
    parts_left_out.ran(module)
    if module not in _networks:
        lazy.work_begins()
        _networks[module] = type(module).__name__
        parameters = list(module.parameters())
        is_part = optimizers.has(module)
        optimizers.learn(module)
        numbers, trainable = (sum(p.numel() for p in held) for held in (parameters, [p for p in parameters if p.requires_grad]))
        channel.emit(events.Network(type(module).__name__, numbers, trainable, is_part, places.caller()))


def _saw_prediction(torch: Any, out: Any) -> None:
    """Two sums over what a network puts out where it is not trained, by which two sessions are compared."""
    if len(_predictions) >= MOST_PREDICTIONS or not isinstance(out, torch.Tensor) or not out.is_floating_point() or not out.numel():
        return
    with torch.no_grad():
        numbers = out.detach().flatten()[:MOST_SUMMED].double().cpu()
        weighted = numbers * torch.cos(torch.arange(len(numbers), dtype=torch.float64))
        sums = [float(numbers.sum()), float(weighted.sum())]
    if all(map(math.isfinite, sums)):
        one, other = (float(f"{each:.9g}") for each in sums)
        _predictions.append(events.Prediction(*batches.source(), (one, other), places.caller()))


def _look_for_alike(torch: Any, answers: Any, given: tuple[Any, ...]) -> None:
    """Whether a network gives the very same answer for every row of a batch, although the rows differ."""
    if _counts["answers"] >= MOST_COMPARED or not isinstance(answers, torch.Tensor) or answers.ndim != 2 or min(answers.shape) < 2:
        return
    rows = next((each for each in given if isinstance(each, torch.Tensor) and each.ndim >= 2 and len(each) == len(answers)), None)
    if rows is None or bool((rows == rows[:1]).all()):
        return
    _counts["answers"] += 1
    _counts["answers_alike"] += bool((answers == answers[:1]).all())


def _saw_answers(torch: Any, answers: Any, training: bool) -> None:
    key = f"{answers.shape[1]}"
    _rows[key] = _rows.get(key, 0) + len(answers)
    if _rows[key] - len(answers) > MOST_ROWS:
        return
    with torch.no_grad():
        counted = torch.bincount(answers.argmax(1).flatten(), minlength=answers.shape[1]).tolist()
        broken = int((~torch.isfinite(answers).all(1)).sum())
    histogram = _histograms.setdefault(key, [0] * (answers.shape[1] + 1))
    for index, count in enumerate(counted):
        histogram[index] += count
    histogram[-1] += broken


def _watch_backward(torch: Any) -> None:
    original = torch.Tensor.backward

    @functools.wraps(original)
    def backward(self: Any, *arguments: Any, **named: Any) -> Any:
        _counts["backwards"] += 1
        with clock.aside():
            optimizers.backward_begins()
            rows.saw_loss(self)
            graphs.saw(torch, self)
        if len(_losses) < MOST_LOSSES and self.numel() == 1:
            value = float(self.detach())
            _losses.append(events.Loss(value if math.isfinite(value) else str(value), *(places.caller(sys._getframe(1)) or ("", 0))))
        return original(self, *arguments, **named)

    torch.Tensor.backward = backward
    _count_gradients(torch.autograd, "grad")
    hooks.when_imported("torch._functorch.eager_transforms", lambda module: _count_gradients(module, "_autograd_grad"))


def _watch_loading(module: Any) -> None:
    original = module.load_state_dict

    @functools.wraps(original)
    def load_state_dict(self: Any, *arguments: Any, **named: Any) -> Any:
        rows.began_anew(self)
        result = original(self, *arguments, **named)
        state = arguments[0] if arguments else named.get("state_dict")
        parts_left_out.loaded(self, state, bool(arguments[1] if len(arguments) > 1 else named.get("strict", True)), result)
        return result

    module.load_state_dict = load_state_dict


def _count_gradients(module: Any, name: str) -> None:
    """Gradients that are asked for without `backward`."""
    original = getattr(module, name, None)
    if original is None:
        return

    @functools.wraps(original)
    def gradient(*arguments: Any, **named: Any) -> Any:
        _counts["backwards"] += 1
        return original(*arguments, **named)

    setattr(module, name, gradient)


def _report() -> None:
    global _told, _told_losses, _told_predictions
    if _counts != _told:
        channel.emit(events.Counts(**_counts))
        _told = dict(_counts)
        for classes, histogram in _histograms.items():
            channel.emit(events.Answers(int(classes), _rows[classes], histogram[:-1][:200], histogram[-1]))
    if len(_losses) > _told_losses:
        channel.emit_items(events.Losses(_losses[_told_losses:]), "values")
        _told_losses = len(_losses)
    if len(_predictions) > _told_predictions:
        channel.emit_items(events.Predictions(_predictions[_told_predictions:]), "values")
        _told_predictions = len(_predictions)
