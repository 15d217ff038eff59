"""What a network puts out, replaced; and whether it depends on what the network is given.

Where the labels of the batch are known and the outputs are one number a class, outputs are replaced by marked ones: of every few rows one
is right and the others are wrong, as surely as the network itself would be. Else they are those of other rows, with noise as large as
themselves. Losses and scores that are made of outputs must then move, whatever they are invariant to, and a score of marked outputs that is
high comes from somewhere else. Gradients flow as they did.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import alterations
from ..alterations import batches

LOOKED_AT = (1, 2, 3, 6, 12, 24)  # calls of a network that are made once more on other inputs
SEED = 20_240_607
ONE_RIGHT_IN = (4, 16)  # marked rows; the second where the network's own share of right rows is near one in four
NEAR = (0.15, 0.35)
_calls: dict[int, int] = {}
_generators: dict[str, Any] = {}
_KINDS = ("marked", "unmarked", "two classes")


def replaced(torch: Any, out: Any, predicts: bool) -> Any:
    """An output with every floating tensor in it replaced; what can't be, as it is.

    Args:
        torch: the module.
        out: what a network put out.
        predicts: whether the network was not trained by it; only then it counts as a prediction.
    """
    before = {kind: alterations.made(kind) for kind in _KINDS}
    try:
        return _replaced(torch, out, 0)
    except Exception as error:  # inside a transformation, or a kind of tensor that takes no arithmetic
        alterations.leave(alterations.OUTPUTS, f"{type(error).__name__}: {error}")
        return out
    finally:
        for kind, count in before.items():
            if predicts and alterations.made(kind) > count:
                alterations.count(f"{kind} predictions")


def _replaced(torch: Any, out: Any, depth: int) -> Any:
    if isinstance(out, torch.Tensor):
        return _replaced_tensor(torch, out)
    if depth >= 2:
        return out
    if isinstance(out, Mapping):
        other: Any = copy.copy(out)
        for name, value in list(out.items()):
            other[name] = _replaced(torch, value, depth + 1)
        return other
    if isinstance(out, tuple) and hasattr(out, "_fields"):
        return type(out)(*(_replaced(torch, part, depth + 1) for part in out))
    if type(out) in (list, tuple):
        return type(out)(_replaced(torch, part, depth + 1) for part in out)
    return out


def _replaced_tensor(torch: Any, out: Any) -> Any:
    if not out.is_floating_point() or not out.numel():
        return out
    with torch.no_grad():
        old = out.detach()
        if not bool(torch.isfinite(old).all()):
            alterations.leave(alterations.OUTPUTS, "they are not finite")
            return out
        new = old * 1.25 + 0.1 if old.ndim == 0 else _marked(torch, old)
        if new is None:
            alterations.count("unmarked")
            new = _other(torch, old)
    alterations.count(alterations.OUTPUTS)
    return out + (new.to(out.dtype) - old)


def _marked(torch: Any, old: Any) -> Any:
    """Outputs that are right about one row in a few and wrong about all others, None where that can't be.

    The numbers of a row are those of another row with a little noise, the largest moved to the class that is to win: they are as sure as
    the network's own, so that what is added to them behind the network weighs as much as it did.
    """
    labels = batches.remembered()
    if old.ndim != 2 or old.shape[1] < 2 or not isinstance(labels, torch.Tensor) or labels.ndim != 1 or len(labels) != len(old):
        return None
    if labels.is_floating_point() or labels.dtype is torch.bool or int(labels.min()) < 0 or int(labels.max()) >= old.shape[1]:
        return None
    labels = labels.to(old.device).long()
    sums, least, most = old.exp().sum(1), float(old.min()), float(old.max())
    shares = least >= 0 and bool(torch.allclose(old.sum(1), torch.ones_like(sums), atol=1e-3))
    logarithms = most <= 0 and bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-3))
    scores = torch.roll(old.clamp_min(1e-9).log() if shares else old, 1, 0)
    scores = scores + 0.1 * _spread(scores) * _noise(torch, scores)
    winner, rows = _winners(torch, old, labels), torch.arange(len(old), device=old.device)
    largest = scores.argmax(1)
    scores[rows, largest], scores[rows, winner] = scores[rows, winner], scores[rows, largest]
    alterations.count("marked")
    alterations.count("marked rows", len(old))
    if old.shape[1] == 2:
        alterations.count("two classes")
    return torch.softmax(scores, 1) if shares else torch.log_softmax(scores, 1) if logarithms else scores


def _winners(torch: Any, old: Any, labels: Any) -> Any:
    """Return the class that each row is to be predicted as.

    It is the row's own class for one row in a few, and any other class for the rest.
    """
    near = NEAR[0] < float((old.argmax(1) == labels).float().mean()) < NEAR[1]
    numbers = alterations.made("marked rows") + torch.arange(len(old), device=old.device)
    others = old.shape[1] - 1
    drawn = (torch.rand(len(old), generator=_generator(torch)) * others).long().clamp_max(others - 1).to(old.device)
    wrong = (labels + 1 + drawn) % old.shape[1]
    return torch.where(numbers % ONE_RIGHT_IN[near] == 1, labels, wrong)


def _other(torch: Any, old: Any) -> Any:
    """The outputs of other rows, with noise; within the same bounds where they look like fractions."""
    moved = torch.roll(old, 1 + alterations.made(alterations.OUTPUTS) % max(1, len(old) - 1), 0) if len(old) > 1 else old
    if float(old.min()) >= 0 and float(old.max()) <= 1 and float(old.max()) > float(old.min()):
        drawn = torch.rand(old.shape, generator=_generator(torch)).to(old)
        if old.ndim >= 2 and bool(torch.allclose(old.sum(-1), torch.ones_like(old[..., 0]), atol=1e-3)):
            return (moved + drawn) / (moved + drawn).sum(-1, keepdim=True)
        return 0.02 + 0.96 * drawn
    return moved + _noise(torch, old) * _spread(old)


def _spread(old: Any) -> float:
    """The standard deviation of numbers, 1 where they are all the same."""
    return (float(old.float().std()) if old.numel() > 1 else 0.0) or 1.0


def _generator(torch: Any) -> Any:
    """A generator of our own: the experiment's draws stay as they are."""
    if "torch" not in _generators:
        _generators["torch"] = torch.Generator().manual_seed(SEED)
    return _generators["torch"]


def _noise(torch: Any, old: Any) -> Any:
    return torch.randn(old.shape, generator=_generator(torch)).to(old)


# -- other inputs --------------------------------------------------------------------------------------------------------------------------


def ask_again(torch: Any, module: Any, call: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
    """Repeat some calls of a predicting network on other inputs and compare the outputs.

    Args:
        torch: the module.
        module: the network.
        call: calls it without being watched.
        arguments: its own.
        named: its own.
        out: what it put out.
    """
    number = _calls[id(module)] = _calls.get(id(module), 0) + 1
    if number not in LOOKED_AT or (module.training and torch.is_grad_enabled()) or _has_hooks(module):
        return
    name = type(module).__name__[:100]
    try:
        before = [tensor.detach().clone() for tensor in _tensors(torch, out) if tensor.is_floating_point()]
        others = _other_inputs(torch, arguments), _other_inputs(torch, named)
        if not before or not _generators.pop("changed", False):
            return
        with torch.no_grad(), _Undisturbed(torch, module):
            again = call(module, *others[0], **others[1])
        after = [tensor for tensor in _tensors(torch, again) if tensor.is_floating_point()]
        moved = len(before) != len(after) or any(
            one.shape != other.shape or not bool(torch.allclose(one, other, rtol=1e-6, atol=0, equal_nan=True))
            for one, other in zip(before, after)
        )
        alterations.count(f"inputs {'moved' if moved else 'same'} {name}")
    except Exception as error:
        alterations.leave("inputs", f"{name}: {type(error).__name__}: {error}")


def _has_hooks(module: Any) -> bool:
    """Whether the experiment watches the network itself: a call more would be one more for it."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _tensors(torch: Any, value: Any, depth: int = 0) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < 3 and isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(torch, part, depth + 1)
    elif depth < 3 and isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(torch, part, depth + 1)


def _other_inputs(torch: Any, value: Any, depth: int = 0) -> Any:
    if isinstance(value, torch.Tensor):
        return _other_input(torch, value)
    if depth < 3 and isinstance(value, Mapping):
        return {name: _other_inputs(torch, part, depth + 1) for name, part in value.items()}
    if depth < 3 and type(value) in (list, tuple):
        return type(value)(_other_inputs(torch, part, depth + 1) for part in value)
    return value


def _other_input(torch: Any, value: Any) -> Any:
    """Return numbers of the same range.

    Fractions get noise; whole numbers come in the opposite order (so tokens and indices stay valid).
    """
    old = value.detach()
    if old.is_floating_point():
        new = torch.flip(old, [0]) + _noise(torch, old) * _spread(old)
    elif old.dtype is torch.bool:
        return value  # a mask
    else:
        new = torch.flip(old.flatten(), [0]).reshape(old.shape)
    if not bool(torch.equal(new, old)):
        _generators["changed"] = True
    return new


class _Undisturbed:
    """Random generators and the network's buffers are afterwards as they were."""

    def __init__(self, torch: Any, module: Any) -> None:
        self._torch = torch
        self._module = module

    def __enter__(self) -> None:
        self._states = self._torch.get_rng_state(), random.getstate()
        numpy = sys.modules.get("numpy")
        self._numpy = (numpy, numpy.random.get_state()) if numpy is not None and hasattr(numpy, "random") else None
        self._buffers = [(buffer, buffer.detach().clone()) for buffer in self._module.buffers()]

    def __exit__(self, *_: object) -> None:
        self._torch.set_rng_state(self._states[0])
        random.setstate(self._states[1])
        if self._numpy is not None:
            self._numpy[0].random.set_state(self._numpy[1])
        for buffer, old in self._buffers:
            buffer.copy_(old)
