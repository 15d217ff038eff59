"""What the loss functions of PyTorch are given, as the graph of a loss tells.

Nothing is called in another way for that: nodes of the graph keep the answers and the labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import places
from ..watchers import odd, words

MOST_LOOKS, MOST_NODES, MOST_VIEWS = 12, 4000, 12
MOST_NUMBERS = 4_000_000
_VIEWS = (
    "View",
    "UnsafeView",
    "Reshape",
    "Transpose",
    "Permute",
    "Squeeze",
    "Unsqueeze",
    "T",
    "ToCopy",
    "Clone",
    "Alias",
    "Slice",
    "Select",
)
_looks = 0


def saw(torch: Any, loss: Any) -> None:
    """Look at the loss functions below a loss.

    Args:
        torch: the library.
        loss: what gradients are computed of.
    """
    global _looks
    if _looks >= MOST_LOOKS or loss.grad_fn is None:
        return
    _looks += 1
    with torch.no_grad():
        for node in _nodes(loss.grad_fn):
            name = type(node).__name__
            try:
                if name in ("NllLossBackward0", "NllLoss2DBackward0"):
                    _look_at_nll(torch, node)
                elif name == "MulBackward0":
                    _look_at_soft_targets(torch, node)
                elif name == "SoftmaxBackward0":
                    _look_at_attention(torch, node)
            except (RuntimeError, AttributeError):  # freed by now, changed in place, or kept under another name by this version
                continue


def _nodes(first: Any) -> Iterator[Any]:
    pending: list[Any] = [first]
    seen: set[Any] = set()
    while pending and len(seen) < MOST_NODES:
        node = pending.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        pending += [inner for inner, _ in node.next_functions]


def _signed(number: int) -> int:
    """A number that nodes keep as if it had no sign."""
    return number - 2**64 if number >= 2**63 else int(number)


def _before(node: Any) -> Any:
    """What the first input of a node comes from, past what only changes the shape."""
    for _ in range(MOST_VIEWS):
        node = node.next_functions[0][0] if node.next_functions else None
        if node is None or not type(node).__name__.rstrip("0123456789").removesuffix("Backward").endswith(_VIEWS):
            return node
    return None


def _look_at_nll(torch: Any, node: Any) -> None:
    answers, target = node._saved_self, node._saved_target
    before = _before(node)
    kind = type(before).__name__
    if int(node._saved_reduction) == 0 or answers.numel() > MOST_NUMBERS or answers.ndim < 2:
        return
    weight = node._saved_weight
    if weight is None:
        words.counts_padding(torch, target, _signed(node._saved_ignore_index))
    if kind == "SoftmaxBackward0":
        odd.note("loss", "probabilities", places.caller(), True)
    elif kind == "LogSoftmaxBackward0":
        sums = answers.double().exp().sum(1)
        wrong = len(answers) > 1 and bool((sums - 1).abs().max() > 0.01)
        odd.note(
            "loss",
            "dimension",
            places.caller(),
            wrong,
            f"over the classes they add up to {float(sums.min()):.3g} to {float(sums.max()):.3g}",
        )
        if not wrong:
            odd.note("loss", "twice", places.caller(), type(_before(before)).__name__ == "SoftmaxBackward0")


def _look_at_soft_targets(torch: Any, node: Any) -> None:
    """Rows of smoothed labels, one high number and others all alike, should add up to one."""
    for index, (inner, _) in enumerate(node.next_functions):
        if type(inner).__name__ != "LogSoftmaxBackward0":
            continue
        soft = node._saved_other if index == 0 else node._saved_self
        result = inner._saved_result
        if soft is None or soft.shape != result.shape or soft.ndim != 2 or soft.requires_grad or min(soft.shape) < 2 or soft.shape[1] < 3:
            continue
        if _signed(inner._saved_dim) not in (1, -1):
            continue
        high, low = soft.amax(1, keepdim=True), soft.amin(1, keepdim=True)
        is_smoothed = (
            bool((low > 0).all()) and bool(((soft == high).sum(1) == 1).all()) and bool(((soft == low).sum(1) == soft.shape[1] - 1).all())
        )
        if is_smoothed:
            sums = soft.double().sum(1)
            wrong = bool(((sums - 1).abs() > 0.02).all()) and bool((sums.max() - sums.min()) < 1e-3)
            odd.note("loss", "smoothed", places.caller(), wrong, f"each row adds up to {float(sums[0]):.4g}")


def _look_at_attention(torch: Any, node: Any) -> None:
    """Attention whose weights are zero at what a mask hides: hold that against the words."""
    weights = node._saved_result
    if weights.ndim != 4 or weights.numel() > MOST_NUMBERS or _signed(node._saved_dim) not in (3, -1):
        return
    hidden = weights.flatten(1, 2).amax(1) < 1e-8
    for ids, _ in words.asked():
        if ids.shape == hidden.shape and bool(hidden.any()):
            words.saw_hidden(torch, ids, hidden)
